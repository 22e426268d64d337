// Package group is the coordinator of consumer groups: the classic group protocol and committed offsets.
//
// A [Machine] is the state machine of one partition of __consumer_offsets, run by coordinator.Runtime. It takes the
// group APIs as [Call]s: JoinGroup, SyncGroup, Heartbeat, LeaveGroup, OffsetCommit, OffsetFetch, OffsetDelete,
// DescribeGroups, ListGroups, DeleteGroups. All groups in a call hash to the machine's partition ([PartitionFor]);
// whoever routes requests splits those that name several groups.
//
// # What the log remembers
//
// Two kinds of records, in Kafka's own formats, so that Kafka's tools read our log and we read Kafka's:
//
//	OffsetCommitKey v1, OffsetCommitValue v3 (v1 with an explicit expiry, v4 with a topic id)
//	GroupMetadataKey v2, GroupMetadataValue v3
//
// A group's metadata is written when the group comes into being, when the leader's assignment arrives (it is Stable),
// when its last member has left (it is Empty), and when a static member returns under a new member id without a
// rebalance. In between, while members join, the group lives in memory alone: after a failover the members of the last
// written generation get a full session timeout to show up, and rebalance again.
//
// # States
//
//	         first member joins           all joined, or time is up
//	Empty ----------------------> PreparingRebalance ------------> CompletingRebalance
//	  ^                             ^     |     ^                    |            |
//	  |   nobody is left, time is up|     |     | join, leave,       |            | leader's
//	  +-----------------------------|-----+     | expiry             |            | assignment
//	                                |           +--------------------+            v
//	                                +---- join, leave, expiry ----------------- Stable
//
// A group that was deleted or expired is gone; clients see it as Dead.
//
// The rules are those of Kafka's GroupMetadataManager (its classic part), ClassicGroup and OffsetMetadataManager.
// KIP-62 (rebalance timeout), KIP-134 (initial delay), KIP-211 (offset expiry), KIP-345 (static members), KIP-389
// (group size), KIP-394 (member id required), KIP-447 (stable offsets), KIP-496 (OffsetDelete), KIP-559 (protocol
// names), KIP-709 (many groups), KIP-814 (a static leader skips assigning), KIP-1043 (unknown groups) are in it.
package group

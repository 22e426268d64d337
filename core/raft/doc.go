// Package raft is the metadata quorum: Raft as Kafka's KRaft has it (KIP-595), over the same log as every partition's.
//
// So far the quorum has one voter, this node. It still goes through the whole of an election: it takes a new epoch, has
// the vote for itself on disk before it counts, and begins its leadership with a LEADER_CHANGE batch. Nothing counts as
// committed before a record of the leader's own epoch is (Raft, section 5.4.2), and nothing before it is synced,
// whatever the settings of topics say.
//
//	unattached --campaign--> voted --quorum-state synced--> leader --LEADER_CHANGE synced--> active
package raft

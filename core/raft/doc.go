// Package raft is the metadata quorum: Raft as Kafka's KRaft has it, over the same log as every partition's. The
// rules come from KIP-595 (the protocol), KIP-630 (snapshots), KIP-853 (voters that change), KIP-996 (pre-vote), and
// from the Raft paper where those are silent. Followers pull: a fetch both asks for batches and says what its sender
// has on disk.
//
// # What a quorum does and does not do
//
// A [Quorum] is a pure state machine inside its owner. It gets requests, answers, completions, jobs and ticks, and
// leaves effects on files in a [core.Outbox] and messages to other nodes in an [Outbox]. How these travel is the
// owner's affair: they may be lost, late, or answered twice. There are two ways to make one: [Start] for a member of
// a quorum, and [New] for the only voter of its own, which campaigns when [Quorum.Campaign] tells it to.
//
// # What counts
//
// A vote and an epoch count when quorum-state is on disk, file and folder: until then nothing leaves and nothing that
// arrives is looked at, as if the write took no time. A batch counts for the high watermark when it is synced, on the
// leader as on followers, which fetch beyond a batch only when they have synced it. Nothing is committed before a
// record of the leader's own epoch is (Raft, section 5.4.2).
//
//	unattached --timeout--> prospective --pre-votes--> voted for itself --quorum-state synced--> candidate
//	candidate --votes--> leader --LEADER_CHANGE committed--> active
//	any --a leader is heard of--> follower --silence--> prospective
//
// # Where a log ends
//
// A follower whose log has another history than the leader's is told where the leader's records of the follower's
// last epoch end, cuts its log there, and asks again (KIP-595, KIP-279). It never cuts below its high watermark: it
// stops instead. A follower that is behind the leader's log start fetches a snapshot, which takes the place of its
// whole log.
//
// # Voters
//
// With kraft.version 0 voters come from configuration. With 1 they are records in the log, in force from the moment
// they are appended and out of force when they are truncated, and change one at a time.
package raft

// Package log is one partition's log: segments of record batches with sparse offset and time indexes, the leader-epoch
// cache, the state of idempotent producers, retention, and recovery after a crash, in Kafka's layout and byte formats.
//
// # Two halves
//
// A [Log] is the live log inside a shard: pure bookkeeping that emits file operations into an outbox and learns of
// their completion. It never reads a file. Everything that reads files is a job over [core.FS] that a driver runs
// aside: [OpenJob] recovers or creates the log, [LocateJob] finds exact positions in cold segments, [TimestampJob]
// finds offsets by time, [CheckpointJob] and [SnapshotJob] write small files.
//
// # What counts
//
// Offsets are assigned at Append. They count as written when their write and all writes before it completed, and as
// synced when a sync asked for after the write completed together with everything asked for before that sync, in
// whatever order the completions arrive: that makes the sync of a new segment wait for the syncs of the old one and of
// the folder. After a failed write or sync nothing is trusted any more: the log is fenced and refuses everything until
// the broker starts anew and recovers it.
//
// # Files
//
// <topic>-<partition>/%020d.{log,index,timeindex,txnindex,snapshot}, leader-epoch-checkpoint and partition.metadata.
// The active segment's two indexes are preallocated, mapped and appended in place; older ones are trimmed and only read
// by jobs. Indexes, snapshots and the epoch checkpoint can all be rebuilt from the batches; the batches are the truth.
package log

// Package coordinator runs one partition of a coordinator: a state machine on a log (Kafka: CoordinatorRuntime).
//
// A [Machine] decides, the log remembers. In one step the machine looks at its state and an operation, hands records
// to [Turn.Write], and goes on from the state that replaying those records produced. Write appends the records as one
// batch to the machine's partition (one of __consumer_offsets or __transaction_state) and then replays them into the
// machine; Replay is the only code that changes what the log remembers, on the leader, on a follower that takes over
// and after a restart alike. What a machine holds beside that (who waits, which timers run) is its own business and is
// lost with the leadership, as it is in Kafka.
//
// An answer given by [Turn.Answer] is parked until the high watermark has passed everything that was appended before
// it. Reads park too, even those that appended nothing: the state they saw may hold records that are not committed yet,
// and an answer from uncommitted state could be taken back by the next leader (KAFKA-16030, KAFKA-15910).
//
// The life of a [Runtime]:
//
//	Unloaded --BeginLoad(epoch)--> Loading --FinishLoad(epoch)--> Active
//	   ^                              |                              |
//	   +------ Unload, LoadFailed ----+--------- Unload, Fail -------+
//
// Loading runs as a job outside the shard: a [Loader] replays the partition from its start into a fresh machine, and
// FinishLoad installs it if the epoch it was loaded for is still the current one (KAFKA-16030). An operation that comes
// while loading is refused with COORDINATOR_LOAD_IN_PROGRESS, one that comes while unloaded with NOT_COORDINATOR.
// Whatever the machine or the queue still holds when the state is dropped is refused, so that every operation submitted
// comes out of Drain exactly once.
//
// The owner, a shard, calls everything from one place and gives the runtime its log as an [Appender].
package coordinator

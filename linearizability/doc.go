// Package linearizability holds histories of Kafka clients and the checkers that find in them what no history of a
// correct cluster shows. It knows nothing of Ottla: a history may come from any Kafka cluster.
//
// # Histories
//
// A [History] is a list of operations as the clients saw them: what was asked, when the call began and when the answer
// came, and what the answer said. Its file format is JSON lines. The first line is the header, each other line one
// operation:
//
//	{"ottla_history":1,"note":"three brokers, one killed"}
//	{"process":1,"kind":"send","call":1,"return":4,"outcome":"ok","topic":"t","partition":0,"offset":0,"values":["a"]}
//	{"process":2,"kind":"list-offsets","call":6,"return":7,"outcome":"ok","topic":"t","partition":0,"offset":1}
//
// Package franz records what clients of franz-go see as such a history.
//
// The folder testdata/anomalies has many small ones.
//
// Empty lines, and lines that begin with #, are skipped. Every operation has
//
//	process    who did it: a number from 0. A process's operations may overlap (pipelined sends).
//	kind       one of those below
//	call       when it began, in nanoseconds of one clock that all processes of the history share
//	return     when its answer came; left out if none ever came
//	outcome    "ok"; "fail" if it certainly had no effect and never will; "info" if nobody knows (see [Classify])
//	error      the Kafka name of the error, such as "NOT_LEADER_OR_FOLLOWER", or any word ("timeout")
//
// and besides, by kind (topic_id may stand wherever topic does; it tells topics of one name apart):
//
//	send             topic partition values offset acks attempts idempotent producer epoch txn
//	                 One batch: its records have the offsets offset, offset+1, ... ; offset is left out if not known.
//	                 A value must be unique in its partition. acks is -1 (the default), 0 or 1. attempts counts how
//	                 often the request was sent; it is left out if not known.
//	poll             reads: for each partition topic partition offsets values, and where known from (the position it
//	                 was read from), next (the position afterwards) and high_watermark. read_committed: true if so.
//	                 final: true if it belongs to the reading-back after everything else. txn.
//	commit           group topic partition offset generation
//	fetch-committed  group topic partition offset (left out if there is none)
//	list-offsets     topic partition offset: the end offset, read_committed
//	create-topic     topic
//	delete-topic     topic
//	delete-records   topic partition offset: everything below it may go
//	assign           partitions (all, if left out): from here on the process reads from a position of its choice
//	rebalance        partitions (all, if left out): the group gave or took them
//	end-txn          txn, commit: true or false. Operations with an equal txn are one transaction of one process.
//	crash            the process is gone with all it knew
//	fault            name: something was done to the cluster from call to return, such as "kill" or "power-cut"
//
// The first poll of a process on a partition, and the first one after an assign, a rebalance or a crash, is taken to
// have read from offset 0 if it has no from. Committed offsets start out as none: use a new group
// for each history. A topic whose first operation is its creation does not exist before.
//
// The header may allow what a correct cluster does under the circumstances; see [Allow].
//
// # Unknown outcomes
//
// An operation whose outcome is not known may have happened, may happen later or never. They are settled before
// anything is checked (see [Settled]): a value that some poll saw was written, at that offset; a value that a complete
// final read did not show was not written, unless something there may have been lost or deleted.
//
// # Checks
//
// [Check] runs every checker and makes a [Report]. Each checker is exact and takes O(n log n). The anomalies have the
// names of Jepsen's Kafka workload where it has them. Package search looks for linearizations with Porcupine as well,
// on windows of the same history: an independent opinion, and a picture of what it found.
package linearizability

package linearizability

import "slices"

// Name is the name of a kind of anomaly.
type Name string

// The anomalies. The words are those of Jepsen's Kafka workload where it has one; C1 to C16 are the project's own
// numbers for what clients may rely on.
const (
	// LostWrite (C1): an acknowledged record was never read, though somebody read past its offset.
	LostWrite Name = "lost-write"
	// Unseen (C13): an acknowledged record was never read, not even by the final read.
	Unseen Name = "unseen"
	// Vanished (C1): a record was read, and the final read does not show it.
	Vanished Name = "vanished"
	// AboveHighWatermark (C14): a poll returned a record at or above the high watermark that came with it.
	AboveHighWatermark Name = "above-high-watermark"
	// Duplicate (C2): one value at two offsets.
	Duplicate Name = "duplicate"
	// InconsistentOffsets (C3): two values at one offset, or a record read at another offset than was acknowledged.
	InconsistentOffsets Name = "inconsistent-offsets"
	// Phantom: a value that nobody sent to this partition.
	Phantom Name = "phantom"
	// PollSkip (C4): a process's next poll left out a record.
	PollSkip Name = "poll-skip"
	// NonmonotonicPoll (C4): a process's next poll went back.
	NonmonotonicPoll Name = "nonmonotonic-poll"
	// IntPollSkip is PollSkip inside one poll or one transaction.
	IntPollSkip Name = "int-poll-skip"
	// IntNonmonotonicPoll is NonmonotonicPoll inside one poll or one transaction.
	IntNonmonotonicPoll Name = "int-nonmonotonic-poll"
	// NonmonotonicSend: a process's later send has a lower offset than one that was over before it began.
	NonmonotonicSend Name = "nonmonotonic-send"
	// IntNonmonotonicSend is NonmonotonicSend inside one transaction.
	IntNonmonotonicSend Name = "int-nonmonotonic-send"
	// IntSendSkip: somebody else's records lie between two consecutive sends of one transaction. Kafka allows it:
	// transactions interleave.
	IntSendSkip Name = "int-send-skip"
	// CommittedBack (C10): a committed offset went back or was forgotten, though nobody asked for it.
	CommittedBack Name = "committed-back"
	// CommittedStale (C10): a committed offset is not the last one, but higher: an older one came back.
	CommittedStale Name = "committed-stale"
	// CommittedPhantom (C10): a committed offset that nobody has committed.
	CommittedPhantom Name = "committed-phantom"
	// StaleGeneration (C10): a commit was accepted from a generation that had been left behind.
	StaleGeneration Name = "stale-generation"
	// FailedVisible (C12): an operation that failed definitely had an effect.
	FailedVisible Name = "failed-visible"
	// EndOffsetBack (C14): the end offset that one process saw went back.
	EndOffsetBack Name = "end-offset-back"
	// HighWatermarkBack (C14): the high watermark that one process saw went back.
	HighWatermarkBack Name = "high-watermark-back"
	// OutOfRange (C14): OFFSET_OUT_OF_RANGE for a position within the log.
	OutOfRange Name = "out-of-range"
	// ProducerOrder (C15): an idempotent producer's records are not in the order of its sends.
	ProducerOrder Name = "producer-order"
	// RealtimeOrder (C16): a send that was over before another began has a higher offset.
	RealtimeOrder Name = "realtime-order"
	// G1a: a read-committed poll saw a record of an aborted transaction.
	G1a Name = "G1a"
	// PrecommittedRead: a transaction's read-committed poll saw a record of its own.
	PrecommittedRead Name = "precommitted-read"
	// G0: transactions wrote before one another in a cycle. Kafka allows it: transactions interleave.
	G0 Name = "G0"
	// G0Process is G0 with the order of a process's own transactions: a later one of them wrote before an earlier one.
	// Where one process's records must be in its order, that is another anomaly; cycles over several processes are
	// allowed as those of G0 are.
	G0Process Name = "G0-process"
	// G0Realtime is G0 with the order of transactions one of which was over before the other began.
	G0Realtime Name = "G0-realtime"
	// G1c: transactions read from one another in a cycle.
	G1c Name = "G1c"
	// G1cProcess is G1c with the order of a process's own transactions: somebody read what was written only after it.
	G1cProcess Name = "G1c-process"
	// G1cRealtime is G1c with the order of transactions one of which was over before the other began.
	G1cRealtime Name = "G1c-realtime"
	// G1cWrites is a cycle of reads and writes together, with at least one read. Kafka allows it as it allows G0.
	G1cWrites Name = "G1c-ww"
	// G1cWritesProcess is G1cWrites with the order of a process's own transactions.
	G1cWritesProcess Name = "G1c-ww-process"
	// G1cWritesRealtime is G1cWrites with the order of transactions one of which was over before the other began.
	G1cWritesRealtime Name = "G1c-ww-realtime"
	// NotLinearizable: Porcupine found no order. Only package search reports it.
	NotLinearizable Name = "not-linearizable"
)

var allNames = []Name{
	LostWrite, Unseen, Vanished, AboveHighWatermark, Duplicate, InconsistentOffsets, Phantom, PollSkip,
	NonmonotonicPoll, IntPollSkip,
	IntNonmonotonicPoll, NonmonotonicSend, IntNonmonotonicSend, IntSendSkip, CommittedBack, CommittedStale,
	CommittedPhantom, StaleGeneration, FailedVisible, EndOffsetBack, HighWatermarkBack, OutOfRange, ProducerOrder,
	RealtimeOrder, G1a, PrecommittedRead, G0, G0Process, G0Realtime, G1c, G1cProcess, G1cRealtime, G1cWrites,
	G1cWritesProcess, G1cWritesRealtime, NotLinearizable,
}

func (n Name) known() bool { return slices.Contains(allNames, n) }

// Anomaly is one thing that no history of a correct cluster shows.
type Anomaly struct {
	Name Name
	// Where is the partition, or a group's partition, as text.
	Where string
	// Text is one sentence about what is wrong.
	Text string
	// Ops are the operations that show it, in the order in which they tell it.
	Ops []*Op
	// Allowed is why this is allowed in this history, or empty.
	Allowed string
}

package linearizability

import "math"

// Kind says what an operation asked for.
type Kind uint8

// The kinds of operations; doc.go says which fields each has.
const (
	Send Kind = iota + 1
	Poll
	Commit
	FetchCommitted
	ListOffsets
	CreateTopic
	DeleteTopic
	DeleteRecords
	Assign
	Rebalance
	EndTxn
	Crash
	Fault
)

var kindNames = [...]string{
	Send: "send", Poll: "poll", Commit: "commit", FetchCommitted: "fetch-committed", ListOffsets: "list-offsets",
	CreateTopic: "create-topic", DeleteTopic: "delete-topic", DeleteRecords: "delete-records", Assign: "assign",
	Rebalance: "rebalance", EndTxn: "end-txn", Crash: "crash", Fault: "fault",
}

// String is the kind's word in the file format.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown kind"
}

func kindNamed(name string) (Kind, bool) {
	for k, n := range kindNames {
		if n == name && n != "" {
			return Kind(k), true
		}
	}
	return 0, false
}

// Outcome is what a client knows of an operation in the end.
type Outcome uint8

const (
	// OK means that it happened, between call and return.
	OK Outcome = iota + 1
	// Failed means that it did not happen and never will.
	Failed
	// Unknown means that it may have happened, or may yet, or never will.
	Unknown
)

var outcomeNames = [...]string{OK: "ok", Failed: "fail", Unknown: "info"}

// String is the outcome's word in the file format.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) && outcomeNames[o] != "" {
		return outcomeNames[o]
	}
	return "unknown outcome"
}

func outcomeNamed(name string) (Outcome, bool) {
	for o, n := range outcomeNames {
		if n == name && n != "" {
			return Outcome(o), true
		}
	}
	return 0, false
}

const (
	// None stands for an offset, generation, producer id or epoch that an operation does not have.
	None = -1
	// Never is the return time of an operation that had no answer.
	Never = math.MaxInt64
)

// Partition names one partition of one incarnation of a topic.
type Partition struct {
	Topic string
	// TopicID may be empty. Partitions with different ids are different, whatever their names.
	TopicID string
	Index   int32
}

// Op is one operation of one process. Make one with [NewOp]: the zero values of some fields mean something.
type Op struct {
	// Line is where the operation stands in its file, from 1; the recorder counts as if it had been written.
	Line    int
	Process int32
	Kind    Kind
	Outcome Outcome
	// Call and Return are in nanoseconds of the history's clock; Return is Never if there was no answer.
	Call, Return int64
	Error        string

	// Partition is used by all kinds about one partition, and its names by those about a topic.
	Partition Partition
	// Offset is None if not known, or if there is none.
	Offset int64

	// Values are the records of a send.
	Values []string
	// Acks is -1 (all), 0 or 1. Attempts is 0 if not known.
	Acks       int8
	Attempts   int32
	Idempotent bool
	Producer   int64
	Epoch      int32

	// Reads is what a poll returned.
	Reads         []Read
	ReadCommitted bool
	Final         bool

	Group      string
	Generation int32

	// Partitions are those of an assign or a rebalance. None means all.
	Partitions []Partition

	Txn       string
	TxnCommit bool

	// Name is what kind of fault it was.
	Name string
}

// Read is what a poll returned of one partition: parallel lists of offsets and values.
type Read struct {
	Partition Partition
	Offsets   []int64
	Values    []string
	// From and Next are the positions before and after, HighWatermark is what the answer said. Each may be None.
	From, Next, HighWatermark int64
}

// NewOp is an operation that has begun and of which nothing more is known.
func NewOp(kind Kind, process int32, call int64) Op {
	return Op{
		Kind: kind, Process: process, Call: call, Return: Never, Outcome: Unknown,
		Offset: None, Acks: -1, Producer: None, Epoch: None, Generation: None,
	}
}

// NewRead is the read of a partition of which only the records are known.
func NewRead(p Partition, offsets []int64, values []string) Read {
	return Read{Partition: p, Offsets: offsets, Values: values, From: None, Next: None, HighWatermark: None}
}

// Done is the operation with its end: the outcome that the recorder may be sure of. A failure whose error leaves it
// open whether the operation was applied, by [ClassifyName], becomes Unknown, and so does one after several attempts:
// an earlier attempt may have been applied.
func (op Op) Done(at int64, outcome Outcome, errorName string) Op {
	op.Return, op.Error, op.Outcome = at, errorName, outcome
	op.Outcome = op.settledOutcome()
	return op
}

// settledOutcome doubts failures that are not as definite as the history says.
func (op *Op) settledOutcome() Outcome {
	if op.Outcome != Failed || op.readsOnly() {
		return op.Outcome
	}
	if op.Attempts > 1 || op.Error != "" && ClassifyName(op.Error) == Unknown {
		return Unknown
	}
	return Failed
}

// readsOnly says that the operation changes nothing, so that an unknown outcome is none.
func (op *Op) readsOnly() bool {
	switch op.Kind {
	case Poll, FetchCommitted, ListOffsets, Assign, Rebalance, Crash, Fault:
		return true
	}
	return false
}

package linearizability

import (
	"cmp"
	"fmt"
	"slices"
)

// MaxOffset is the highest offset that an operation may have, which leaves room to count on from it.
const MaxOffset = 1 << 62

// FormatVersion is the version of the file format that this package reads and writes.
const FormatVersion = 1

// History is what clients saw of a cluster. The operations may be in any order; those of a process that began at the
// same time are in the order in which they began.
type History struct {
	// Note is free text about where the history comes from.
	Note  string
	Allow Allow
	Ops   []Op
}

// Allow says what a correct cluster may do under the circumstances of a history. What it allows is still reported, as
// allowed, with the reason.
type Allow struct {
	// Anomalies are allowed altogether, by name.
	Anomalies []Name `json:"anomalies,omitempty"`
	// AcksOneLoss allows that a record sent with acks 0 or 1 is lost if there was a fault during or after its send.
	AcksOneLoss bool `json:"acks1_loss,omitempty"`
	// AcksOneFaults are the names of the faults that AcksOneLoss means; without any it means all.
	AcksOneFaults []string `json:"acks1_faults,omitempty"`
	// CachedTopics are those with write.caching=true, where a fault called "power-cut" during or after a send may lose
	// it. "*" stands for all topics.
	CachedTopics []string `json:"cached_topics,omitempty"`
	// Lost are ranges of offsets that may be gone, by retention, compaction or a reported unclean election.
	// Operations of the kind delete-records and delete-topic allow theirs by themselves.
	Lost []LostRange `json:"lost,omitempty"`
	// OffsetExpiry allows that committed offsets are forgotten.
	OffsetExpiry bool `json:"offset_expiry,omitempty"`
}

// LostRange is a range of offsets that may be gone.
type LostRange struct {
	Topic string `json:"topic"`
	// Partition is None for all partitions of the topic.
	Partition int32 `json:"partition"`
	// From is the first offset that may be gone, To the first one after that may not; To 0 stands for no end.
	From   int64  `json:"from,omitempty"`
	To     int64  `json:"to,omitempty"`
	Reason string `json:"reason"`
}

// MalformedError says why a history cannot be checked, and at which line of its file.
type MalformedError struct {
	Line   int
	Reason string
}

func (e *MalformedError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

func malformed(line int, format string, args ...any) error {
	return &MalformedError{Line: line, Reason: fmt.Sprintf(format, args...)}
}

// Validate refuses operations that say nothing or contradict themselves. The error is a *MalformedError.
func (h *History) Validate() error {
	for _, name := range h.Allow.Anomalies {
		if !name.known() {
			return malformed(1, "no anomaly is called %q", name)
		}
	}
	for i := range h.Ops {
		if reason := h.Ops[i].wrong(); reason != "" {
			return malformed(h.Ops[i].Line, "%s: %s", h.Ops[i].Kind, reason)
		}
	}
	return nil
}

func (op *Op) wrong() string {
	switch {
	case op.Kind.String() == "unknown kind":
		return "no such kind of operation"
	case op.Outcome < OK || op.Outcome > Unknown:
		return "no such outcome"
	case op.Process < 0:
		return "the process is negative"
	case op.Call < 0:
		return "the call is before time 0"
	case op.Return < op.Call:
		return fmt.Sprintf("it returns at %d, before its call at %d", op.Return, op.Call)
	case op.Outcome == OK && op.Return == Never:
		return "it is ok but never returned"
	case op.Offset < None || op.Offset > MaxOffset:
		return fmt.Sprintf("offset %d is not between 0 and %d", op.Offset, int64(MaxOffset))
	}
	return op.wrongFields()
}

func (op *Op) wrongFields() string {
	onPartition := op.Partition.Topic != "" && op.Partition.Index >= 0
	switch op.Kind {
	case Send:
		switch {
		case !onPartition:
			return "it needs a topic and a partition"
		case len(op.Values) == 0:
			return "it needs values"
		case op.Acks < -1 || op.Acks > 1:
			return fmt.Sprintf("acks %d is none of -1, 0 and 1", op.Acks)
		}
	case Poll:
		return op.wrongReads()
	case Commit, FetchCommitted:
		if !onPartition || op.Group == "" {
			return "it needs a group, a topic and a partition"
		}
		if op.Kind == Commit && op.Offset == None {
			return "it needs an offset"
		}
	case ListOffsets, DeleteRecords:
		if !onPartition {
			return "it needs a topic and a partition"
		}
		if op.Offset == None && (op.Kind == DeleteRecords || op.Outcome == OK) {
			return "it needs an offset"
		}
	case CreateTopic, DeleteTopic:
		if op.Partition.Topic == "" {
			return "it needs a topic"
		}
	case EndTxn:
		if op.Txn == "" {
			return "it needs a txn"
		}
	}
	return ""
}

func (op *Op) wrongReads() string {
	for i := range op.Reads {
		r := &op.Reads[i]
		switch {
		case r.Partition.Topic == "" || r.Partition.Index < 0:
			return "each of its reads needs a topic and a partition"
		case len(r.Offsets) != len(r.Values):
			return fmt.Sprintf("a read has %d offsets and %d values", len(r.Offsets), len(r.Values))
		case min(r.From, r.Next, r.HighWatermark) < None || max(r.From, r.Next, r.HighWatermark) > MaxOffset:
			return fmt.Sprintf("a position is not between 0 and %d", int64(MaxOffset))
		}
		for _, o := range r.Offsets {
			if o < 0 || o > MaxOffset {
				return fmt.Sprintf("offset %d is not between 0 and %d", o, int64(MaxOffset))
			}
		}
	}
	return ""
}

// byCall is the positions of the operations in the order in which they began.
func (h *History) byCall() []int32 {
	order := make([]int32, len(h.Ops))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(h.Ops[a].Call, h.Ops[b].Call) })
	return order
}

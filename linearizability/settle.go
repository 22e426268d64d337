package linearizability

// Settled is what a send comes down to that has no definite outcome of its own.
type Settled uint8

const (
	// SettledKnown means that nothing had to be settled.
	SettledKnown Settled = iota
	// SettledSeen means that a poll saw a record of it, which fixes that it was written and where.
	SettledSeen
	// SettledDropped means that a complete final read that began after it did not show it: it never happened, or
	// will happen after everything that the history tells.
	SettledDropped
	// SettledOpen means that nobody can tell: there was no complete final read, or something of the partition may have
	// been lost or deleted.
	SettledOpen
)

// settle decides about a send of unknown outcome.
func (l *log) settle(v *view, s *send) Settled {
	if s.op.settledOutcome() != Unknown {
		return SettledKnown
	}
	for i := s.first; i < s.first+s.count; i++ {
		if len(l.records[i].seen) > 0 {
			return SettledSeen
		}
	}
	lossy := l.deleted != nil || l.cut != nil || len(l.lost) > 0 || v.truncated(s.op) != ""
	if !l.final.complete() || l.final.last.Call < s.op.Call || lossy {
		return SettledOpen
	}
	return SettledDropped
}

// Append is a send that was written, as the order checks take it: it took effect between Call and End, at the offsets
// from First to Last.
type Append struct {
	Op          *Op
	First, Last int64
	// Call is Op.Call. End is the first moment at which it was certainly written: its return, or that of a successful poll
	// that saw a record of it, or Never. It is not before Call.
	Call, End int64
}

// PartitionAppends are the appends of one partition in the order of their calls.
type PartitionAppends struct {
	Partition Partition
	Appends   []Append
}

// Appends returns the appends of a history that are known to have been written and where, by partition. Unknown
// outcomes are settled. What is left open or dropped is not among them: since offsets may have gaps, such a send fits
// in anywhere at or after the end of all others, and without it the others are in order if and only if they are with
// it. What may have been truncated (see [Allow]) is left out as well. The error is a *MalformedError.
func Appends(h *History) ([]PartitionAppends, error) {
	v, err := newView(h)
	if err != nil {
		return nil, err
	}
	var all []PartitionAppends
	for _, l := range v.partitions {
		if appends := l.appends(v); len(appends) > 0 {
			all = append(all, PartitionAppends{l.id, appends})
		}
	}
	return all, nil
}

func (l *log) appends(v *view) []Append {
	if l.mixed() != "" {
		return nil // a topic of the same name may have begun again at offset 0
	}
	all := make([]Append, 0, len(l.sends))
	for i := range l.sends {
		s := &l.sends[i]
		if v.truncated(s.op) != "" {
			continue
		}
		a := Append{Op: s.op, First: None, Call: s.op.Call, End: Never}
		copies := l.copies(s)
		if copies && s.op.Outcome != OK {
			continue
		}
		if s.op.settledOutcome() == OK && s.op.Acks != 0 { // with acks=0 it may be written after its return
			a.End = s.op.Return
		}
		for j := s.first; j < s.first+s.count; j++ {
			r := &l.records[j]
			if !copies {
				a.End = min(a.End, r.evidence)
			}
			if o := r.offset(); o != None {
				if a.First == None {
					a.First, a.Last = o, o
				}
				a.First, a.Last = min(a.First, o), max(a.Last, o)
			}
		}
		if a.End = max(a.End, a.Call); a.First != None {
			all = append(all, a)
		}
	}
	return all
}

// mayRepeat says that a send's records may be in the log more than once without anything being wrong: its producer is
// not idempotent and may have sent it again.
func (op *Op) mayRepeat() bool { return !op.Idempotent && op.Attempts != 1 }

// copies says that a send is in the log more than once, or was seen elsewhere than where it was acknowledged, and may
// be. What was seen of one copy says nothing about when another was written.
func (l *log) copies(s *send) bool {
	if !s.op.mayRepeat() {
		return false
	}
	base := int64(None)
	elsewhere := func(i int32, offset int64) bool {
		if base == None {
			base = offset - int64(i)
		}
		return offset != base+int64(i)
	}
	for i := range s.count {
		r := &l.records[s.first+i]
		if r.acked != None && elsewhere(i, r.acked) {
			return true
		}
		for _, at := range r.seen {
			if elsewhere(i, at.offset) {
				return true
			}
		}
	}
	return false
}

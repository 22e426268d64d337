package linearizability

import (
	"cmp"
	"fmt"
	"slices"
)

// buildSkips counts, for each place in l.slots, the slots before it that a reader must not leave out: one count for
// those who read everything, one for those who read what is committed.
func (l *log) buildSkips(v *view) {
	for committed := range l.skips {
		count := make([]int32, len(l.slots)+1)
		for i, s := range l.slots {
			count[i+1] = count[i]
			if l.mustShow(v, s, committed == 1) {
				count[i+1]++
			}
		}
		l.skips[committed] = count
	}
}

func (l *log) mustShow(v *view, s slot, committed bool) bool {
	r := &l.records[s.record]
	if s.offset == r.acked && len(r.seen) > 0 && r.seenAt(s.offset) == nil {
		return false // it is elsewhere, which is another anomaly
	}
	if len(r.seen) == 0 && r.send.Acks == 0 || v.truncated(r.send) != "" || l.gone(s.offset) != "" {
		return false
	}
	if !committed {
		return true
	}
	if r.send == nil { // of no known transaction
		return slices.ContainsFunc(r.seen, func(s sighting) bool { return s.op.ReadCommitted })
	}
	return r.send.Txn == "" || v.txn(r.send.Txn).state == txnCommitted
}

// firstSlot is the place of the first slot at or beyond an offset.
func (l *log) firstSlot(offset int64) int {
	i, _ := slices.BinarySearchFunc(l.slots, offset, func(s slot, o int64) int { return cmp.Compare(s.offset, o) })
	return i
}

// missing counts the records between two offsets, both excluded, that a reader must not leave out, and returns the
// first.
func (l *log) missing(v *view, a, b int64, committed bool) (n int32, first *record) {
	if b <= a+1 {
		return 0, nil
	}
	kind := 0
	if committed {
		kind = 1
	}
	from, to := l.firstSlot(a+1), l.firstSlot(b)
	count := l.skips[kind]
	if n = count[to] - count[from]; n == 0 {
		return 0, nil
	}
	i, _ := slices.BinarySearchFunc(count, count[from]+1, func(c, want int32) int { return cmp.Compare(c, want) })
	return n, &l.records[l.slots[i-1].record]
}

// reader is where a process is in a partition.
type reader struct {
	session uint64
	last    int64 // the offset of the last record it read, or one before its position
	op      *Op
}

// checkPolls follows each process through each partition: every poll goes on where the last one ended, and leaves
// nothing out. Polls that failed don't move a process; an assign, a rebalance or a crash lets it begin anywhere.
func checkPolls(v *view, f *findings) {
	for _, l := range v.partitions {
		at := map[int32]*reader{}
		for i := range l.reads {
			r := &l.reads[i]
			if r.op.Outcome != OK {
				continue
			}
			p := at[r.op.Process]
			if p == nil || p.session != r.session {
				p = &reader{session: r.session, last: r.data.From - 1}
				if r.data.From == None {
					p.last = None
				}
				at[r.op.Process] = p
				p.begin(r)
			}
			for j, offset := range r.data.Offsets {
				p.step(v, f, l, r, j, offset)
				p.last, p.op = offset, r.op
			}
		}
	}
}

// begin takes the first record of a session as it comes if nobody knows where the reader started.
func (p *reader) begin(r *read) {
	if r.data.From == None && len(r.data.Offsets) > 0 {
		p.last = r.data.Offsets[0] - 1
	}
}

func (p *reader) step(v *view, f *findings, l *log, r *read, j int, offset int64) {
	back, skip := NonmonotonicPoll, PollSkip
	if j > 0 || p.op != nil && p.op.Txn != "" && p.op.Txn == r.op.Txn {
		back, skip = IntNonmonotonicPoll, IntPollSkip
	}
	if offset <= p.last {
		a := Anomaly{
			Name: back, Where: l.id.String(), Ops: withWitness(p.op, r.op),
			Text: fmt.Sprintf("process %d read offset %d after offset %d", r.op.Process, offset, p.last),
		}
		if p.op != nil {
			if a.Allowed = v.cutBack(l, p.op.Call); p.op == r.op {
				a.Ops, a.Allowed = []*Op{r.op}, "" // one answer
			}
		}
		f.add(a)
		return
	}
	n, first := l.missing(v, p.last, offset, r.op.ReadCommitted)
	if n == 0 {
		return
	}
	a := Anomaly{
		Name: skip, Where: l.id.String(), Ops: withWitness(p.op, r.op, first.send),
		Text: fmt.Sprintf("process %d read offset %d after offset %d and left out %d records, the first is %q at %d",
			r.op.Process, offset, p.last, n, first.value, first.offset()),
	}
	if p.op == r.op {
		a.Ops = withWitness(r.op, first.send)
	}
	f.add(a)
}

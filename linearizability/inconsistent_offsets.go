package linearizability

import "fmt"

// checkInconsistentOffsets finds offsets with two values, and records that were read elsewhere than acknowledged.
func checkInconsistentOffsets(v *view, f *findings) {
	for _, l := range v.partitions {
		for i := 1; i < len(l.slots); i++ {
			if l.slots[i-1].offset == l.slots[i].offset {
				l.reportConflict(v, f, l.slots[i-1], l.slots[i])
			}
		}
		for i := range l.records {
			r := &l.records[i]
			if r.acked == None || len(r.seen) == 0 || r.seenAt(r.acked) != nil {
				continue
			}
			f.add(Anomaly{
				Name: InconsistentOffsets, Where: l.id.String(), Ops: []*Op{r.send, r.seen[0].op},
				Text:    fmt.Sprintf("%q was acknowledged at offset %d and read at %d", r.value, r.acked, r.seen[0].offset),
				Allowed: l.elsewhere(v, r),
			})
		}
	}
}

// elsewhere is why nobody may have read a record where it was acknowledged, but where another attempt to send it has
// put it, or empty.
func (l *log) elsewhere(v *view, r *record) string {
	why := v.truncated(r.send)
	if why == "" && r.send.mayRepeat() {
		why = l.gone(r.acked)
	}
	return why
}

func (l *log) reportConflict(v *view, f *findings, x, y slot) {
	a, b := &l.records[x.record], &l.records[y.record]
	why := l.mixed()
	for _, r := range []*record{a, b} {
		if why == "" {
			why = v.truncated(r.send)
		}
	}
	f.add(Anomaly{
		Name: InconsistentOffsets, Where: l.id.String(),
		Ops:     withWitness(a.witness(x.offset), b.witness(x.offset)),
		Text:    fmt.Sprintf("offset %d has the values %q and %q", x.offset, a.value, b.value),
		Allowed: why,
	})
}

// seenAt is the first poll that saw the record at an offset, or nil.
func (r *record) seenAt(offset int64) *Op {
	for _, s := range r.seen {
		if s.offset == offset {
			return s.op
		}
	}
	return nil
}

// witness is who says that the record is at an offset: a poll if there is one, its send otherwise.
func (r *record) witness(offset int64) *Op {
	if op := r.seenAt(offset); op != nil {
		return op
	}
	return r.send
}

package linearizability

import "fmt"

// checkLostWrites finds records that must be visible, lie below what somebody has read, and were never read. A record
// that was acknowledged with an offset lies where it was acknowledged.
func checkLostWrites(v *view, f *findings) {
	for _, l := range v.partitions {
		for i := range l.records {
			if r := &l.records[i]; l.lostWrite(r) {
				var witness *Op
				if f.report.listed(LostWrite) { // to look for one takes time
					witness = l.passing(r.acked)
				}
				f.add(Anomaly{
					Name: LostWrite, Where: l.id.String(), Ops: withWitness(r.send, witness),
					Text: fmt.Sprintf("%q was acknowledged at offset %d and never read, though that offset was read past",
						r.value, r.acked),
					Allowed: l.excuse(v, r),
				})
			}
		}
	}
}

func (l *log) lostWrite(r *record) bool {
	return r.required && len(r.seen) == 0 && r.acked != None && l.wasPassed(r.acked)
}

// passing is a successful poll that returned a record beyond an offset, or nil.
func (l *log) passing(offset int64) *Op {
	for i := range l.reads {
		r := &l.reads[i]
		if r.op.Outcome != OK {
			continue
		}
		for _, o := range r.data.Offsets {
			if o > offset {
				return r.op
			}
		}
	}
	return nil
}

func withWitness(ops ...*Op) []*Op {
	var present []*Op
	for _, op := range ops {
		if op != nil {
			present = append(present, op)
		}
	}
	return present
}

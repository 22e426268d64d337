package linearizability

import "fmt"

// checkUnseen finds records that were acknowledged before the last poll of the final read began, and that nobody ever
// read: what is lost at the end of a log, where no lost write shows. It needs a complete final read.
func checkUnseen(v *view, f *findings) {
	for _, l := range v.partitions {
		if !l.final.complete() {
			continue
		}
		for i := range l.records {
			r := &l.records[i]
			if !r.required || len(r.seen) > 0 || v.visibleFrom(r) >= l.final.last.Call || l.lostWrite(r) {
				continue
			}
			at := "an unknown offset"
			if r.acked != None {
				at = fmt.Sprintf("offset %d", r.acked)
			}
			f.add(Anomaly{
				Name: Unseen, Where: l.id.String(), Ops: []*Op{r.send, l.final.last},
				Text: fmt.Sprintf("%q was acknowledged at %s and is not in the final read, which ends at %d",
					r.value, at, l.final.end),
				Allowed: l.excuse(v, r),
			})
		}
	}
}

// visibleFrom is when a required record was there for every reader: acknowledged, and its transaction committed.
func (v *view) visibleFrom(r *record) int64 { return max(r.send.Return, v.committedFrom(r)) }

// committedFrom is when the transaction of a required record was committed, 0 if it has none.
func (v *view) committedFrom(r *record) int64 {
	if r.send.Txn == "" {
		return 0
	}
	return v.txn(r.send.Txn).since
}

package linearizability

import "fmt"

// checkVanished finds records that somebody has read before the final read, and that this does not show: consumers are
// shown nothing that the cluster may yet lose. It needs a complete final read. Records of transactions are left out,
// since readers may see those that are aborted later.
func checkVanished(v *view, f *findings) {
	for _, l := range v.partitions {
		if !l.final.complete() {
			continue
		}
		shown := make([]bool, len(l.records))
		began := int64(Never)
		for i := range l.reads {
			r := &l.reads[i]
			if r.op.Outcome != OK || !r.op.Final {
				continue
			}
			began = min(began, r.op.Call)
			for _, n := range r.records {
				shown[n] = true
			}
		}
		for i := range l.records {
			r := &l.records[i]
			if shown[i] || r.send == nil || r.send.Txn != "" || r.evidence >= began {
				continue
			}
			at := r.seen[0]
			f.add(Anomaly{
				Name: Vanished, Where: l.id.String(), Ops: []*Op{r.send, at.op, l.final.last},
				Text: fmt.Sprintf("%q was read at offset %d and is not in the final read, which ends at %d", r.value,
					at.offset, l.final.end),
				Allowed: l.vanishing(v, r),
			})
		}
	}
}

// vanishing is why what was read of a record may be gone, or empty: each copy of it must be.
func (l *log) vanishing(v *view, r *record) string {
	if why := v.truncated(r.send); why != "" {
		return why
	}
	why := ""
	for _, s := range r.seen {
		if why = l.gone(s.offset); why == "" {
			return ""
		}
	}
	return why
}

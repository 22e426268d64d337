package linearizability

import "fmt"

// checkFailedVisible finds records that were read though their send had failed definitely. Committed offsets of failed
// commits are found by checkCommitted.
func checkFailedVisible(v *view, f *findings) {
	for _, l := range v.partitions {
		for i := range l.records {
			r := &l.records[i]
			if r.send == nil || r.send.settledOutcome() != Failed || len(r.seen) == 0 {
				continue
			}
			f.add(Anomaly{
				Name: FailedVisible, Where: l.id.String(), Ops: []*Op{r.send, r.seen[0].op},
				Text: fmt.Sprintf("the send of %q failed with %s, and it is at offset %d", r.value, errorOf(r.send),
					r.seen[0].offset),
			})
		}
	}
}

func errorOf(op *Op) string {
	if op.Error == "" {
		return "no error named"
	}
	return op.Error
}

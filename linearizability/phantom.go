package linearizability

import "fmt"

// checkPhantoms finds values that were read though nobody sent them to this partition, or before anybody had.
func checkPhantoms(v *view, f *findings) {
	for _, l := range v.partitions {
		for i := range l.records {
			r := &l.records[i]
			switch {
			case r.send == nil:
				f.add(Anomaly{
					Name: Phantom, Where: l.id.String(), Ops: []*Op{r.seen[0].op},
					Text: fmt.Sprintf("%q at offset %d was not sent by anybody", r.value, r.seen[0].offset),
				})
			case r.evidence < r.send.Call:
				f.add(Anomaly{
					Name: Phantom, Where: l.id.String(), Ops: []*Op{r.seen[0].op, r.send},
					Text: fmt.Sprintf("%q at offset %d was read before it was sent", r.value, r.seen[0].offset),
				})
			}
		}
	}
}

package linearizability

import "fmt"

// checkDuplicates finds values that polls saw at two offsets. A producer that is not idempotent may write a record
// twice when it sends its request again.
func checkDuplicates(v *view, f *findings) {
	for _, l := range v.partitions {
		for i := range l.records {
			r := &l.records[i]
			if len(r.seen) < 2 {
				continue
			}
			a := Anomaly{
				Name: Duplicate, Where: l.id.String(),
				Ops:  withWitness(r.send, r.seen[0].op, r.seen[1].op),
				Text: fmt.Sprintf("%q is at offsets %d and %d", r.value, r.seen[0].offset, r.seen[1].offset),
			}
			if s := r.send; s != nil {
				a.Allowed = v.truncated(s)
				if a.Allowed == "" && s.mayRepeat() {
					a.Allowed = "its producer is not idempotent and may have sent it again"
				}
			}
			f.add(a)
		}
	}
}

package linearizability

import "fmt"

// checkAboveHighWatermark finds polls that returned what was not committed, by their own high watermark.
func checkAboveHighWatermark(v *view, f *findings) {
	for _, l := range v.partitions {
		for i := range l.reads {
			r := &l.reads[i]
			n := len(r.data.Offsets)
			if r.op.Outcome != OK || r.data.HighWatermark == None || n == 0 || r.data.Offsets[n-1] < r.data.HighWatermark {
				continue
			}
			f.add(Anomaly{
				Name: AboveHighWatermark, Where: l.id.String(), Ops: []*Op{r.op},
				Text: fmt.Sprintf("process %d read offset %d with a high watermark of %d", r.op.Process,
					r.data.Offsets[n-1], r.data.HighWatermark),
			})
		}
	}
}

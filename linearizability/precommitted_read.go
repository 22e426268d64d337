package linearizability

import "fmt"

// checkPrecommittedReads finds transactions that read, as committed, what they wrote themselves.
func checkPrecommittedReads(v *view, f *findings) {
	forCommittedReads(v, func(l *log, r *read, rec *record, offset int64) {
		if rec.send.Txn != r.op.Txn {
			return
		}
		f.add(Anomaly{
			Name: PrecommittedRead, Where: l.id.String(), Ops: []*Op{rec.send, r.op},
			Text: fmt.Sprintf("transaction %s read %q at offset %d, which it wrote itself", r.op.Txn, rec.value, offset),
		})
	})
}

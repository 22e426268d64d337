package linearizability

import "fmt"

// checkAbortedReads finds records of aborted transactions in what read-committed polls returned.
func checkAbortedReads(v *view, f *findings) {
	forCommittedReads(v, func(l *log, r *read, rec *record, offset int64) {
		if v.txn(rec.send.Txn).state != txnAborted {
			return
		}
		f.add(Anomaly{
			Name: G1a, Where: l.id.String(), Ops: append([]*Op{r.op, rec.send}, v.txn(rec.send.Txn).aborts()...),
			Text: fmt.Sprintf("%q at offset %d is of the aborted transaction %s", rec.value, offset, rec.send.Txn),
		})
	})
}

// aborts are the ends of a transaction.
func (t *txn) aborts() []*Op {
	var ends []*Op
	for _, op := range t.ops {
		if op.Kind == EndTxn {
			ends = append(ends, op)
		}
	}
	return ends
}

// forCommittedReads calls do for each record of a transaction that a successful read-committed poll returned.
func forCommittedReads(v *view, do func(l *log, r *read, rec *record, offset int64)) {
	for _, l := range v.partitions {
		for i := range l.reads {
			r := &l.reads[i]
			if r.op.Outcome != OK || !r.op.ReadCommitted {
				continue
			}
			for j, n := range r.records {
				if rec := &l.records[n]; rec.send != nil && rec.send.Txn != "" {
					do(l, r, rec, r.data.Offsets[j])
				}
			}
		}
	}
}

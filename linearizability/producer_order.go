package linearizability

import "fmt"

// checkProducerOrder finds records of an idempotent producer that are not in the order of its sends, overlapping or
// not: the broker accepts its batches by their sequence numbers only. Sends of one producer id and epoch are ordered by
// their calls within a process; those that several processes made with one producer are not comparable.
func checkProducerOrder(v *view, f *findings) {
	type producer struct {
		process int32
		id      int64
		epoch   int32
	}
	for _, l := range v.partitions {
		byProducer := map[producer][]Append{}
		var order []producer
		for _, a := range l.appends(v) {
			if !a.Op.Idempotent || a.Op.Txn != "" {
				continue
			}
			p := producer{a.Op.Process, a.Op.Producer, a.Op.Epoch}
			if byProducer[p] == nil {
				order = append(order, p)
			}
			byProducer[p] = append(byProducer[p], a)
		}
		for _, p := range order {
			findCallOrder(byProducer[p], func(early, late *Append) {
				f.add(Anomaly{
					Name: ProducerOrder, Where: l.id.String(), Ops: []*Op{early.Op, late.Op},
					Text: fmt.Sprintf("an idempotent producer's send at offset %d was made after the one at offset %d",
						late.First, early.First),
				})
			})
		}
	}
}

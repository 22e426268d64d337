package linearizability

import "fmt"

// checkSendOrder finds sends of one process that are in the log in another order than one after the other was done.
// Sends that overlap may come in any order here. Inside a transaction all sends count as ordered by their calls.
func checkSendOrder(v *view, f *findings) {
	for _, l := range v.partitions {
		appends := l.appends(v)
		byProcess := map[int32][]Append{}
		byTxn := map[string][]Append{}
		var processes []int32
		var txns []string
		for _, a := range appends {
			p := a.Op.Process
			if byProcess[p] == nil {
				processes = append(processes, p)
			}
			byProcess[p] = append(byProcess[p], a)
			if t := a.Op.Txn; t != "" {
				if byTxn[t] == nil {
					txns = append(txns, t)
				}
				byTxn[t] = append(byTxn[t], a)
			}
		}
		for _, p := range processes {
			findOrder(byProcess[p], func(early, late *Append) {
				if t := early.Op.Txn; t == "" || t != late.Op.Txn {
					f.add(sendOrder(NonmonotonicSend, l, early, late))
				}
			})
		}
		for _, t := range txns {
			findCallOrder(byTxn[t], func(early, late *Append) { f.add(sendOrder(IntNonmonotonicSend, l, early, late)) })
		}
	}
}

func sendOrder(name Name, l *log, early, late *Append) Anomaly {
	return Anomaly{
		Name: name, Where: l.id.String(), Ops: []*Op{early.Op, late.Op},
		Text: fmt.Sprintf("process %d's send at offset %d came after its send at offset %d",
			late.Op.Process, late.First, early.First),
	}
}

// findCallOrder reports sends that have a lower offset than one that was called before, with the highest such.
// Equal offsets are another anomaly.
func findCallOrder(appends []Append, report func(early, late *Append)) {
	var highest *Append
	for i := range appends {
		a := &appends[i]
		if highest != nil && a.First < highest.First {
			report(highest, a)
			continue
		}
		highest = a
	}
}

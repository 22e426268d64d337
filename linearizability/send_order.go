package linearizability

import (
	"fmt"
	"slices"
)

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
			findSendSkips(l, byTxn[t], f)
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

// findSendSkips reports the sends of a transaction that do not follow directly on its send before: between them lie
// records of others. Offsets that nobody is known to have written at, such as those of markers, are no gap.
func findSendSkips(l *log, sends []Append, f *findings) {
	for i := 1; i < len(sends); i++ {
		early, late := &sends[i-1], &sends[i]
		if late.First <= early.Last {
			continue
		}
		between := l.slots[l.firstSlot(early.Last+1):l.firstSlot(late.First)]
		at := slices.IndexFunc(between, func(s slot) bool {
			send := l.records[s.record].send
			return send == nil || send.Txn != late.Op.Txn
		})
		if at >= 0 {
			f.add(Anomaly{
				Name: IntSendSkip, Where: l.id.String(), Ops: withWitness(early.Op, late.Op, l.records[between[at].record].send),
				Text: fmt.Sprintf("transaction %s sent offset %d after offset %d, and offset %d is somebody else's",
					late.Op.Txn, late.First, early.Last, between[at].offset),
			})
		}
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

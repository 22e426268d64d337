package linearizability

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// edgeKind is what orders two transactions.
type edgeKind uint8

const (
	writes   edgeKind = 1 << iota // the next record of the partition is of the other
	reads                         // the other read a record of it
	process                       // the other is the next one of its process
	realtime                      // it was over before the other began
)

// cycleKinds are what cycles may be made of, those first that say most. A cycle is reported once, by the first.
var cycleKinds = [...]struct {
	edges edgeKind
	name  Name
}{
	{reads, G1c}, {writes, G0}, {reads | writes, G1cWrites},
	{reads | process, G1cProcess}, {writes | process, G0Process}, {reads | writes | process, G1cWritesProcess},
	{reads | realtime, G1cRealtime}, {writes | realtime, G0Realtime}, {reads | writes | realtime, G1cWritesRealtime},
}

type edge struct {
	to   int32
	kind edgeKind
	via  *Op // the operation of the later transaction
}

// checkCycles finds transactions that must each come before the other. Transactions are ordered by what they read of
// each other (G1c), by the order of their records in a partition (G0), by both together, and each of these together
// with the order in which one process, or the clock, saw them.
func checkCycles(v *view, f *findings) {
	if len(v.txnOrder) < 2 {
		return
	}
	g := buildGraph(v)
	reported := map[int32]bool{} // by component of the smaller graphs, so that a cycle is reported once
	for _, kind := range cycleKinds {
		for _, component := range g.components(kind.edges) {
			fresh := !slices.ContainsFunc(component, func(t int32) bool { return reported[t] })
			cycle := g.cycle(component, kind.edges)
			if !fresh || cycle == nil {
				continue
			}
			for _, t := range component {
				reported[t] = true
			}
			f.add(g.anomaly(v, kind.name, component[0], cycle))
		}
	}
}

type graph struct{ out [][]edge }

func buildGraph(v *view) *graph {
	g := &graph{out: make([][]edge, len(v.txnOrder))}
	number := make(map[string]int32, len(v.txnOrder))
	for i, t := range v.txnOrder {
		number[t.id] = int32(i)
	}
	type arrow struct {
		from, to int32
		kind     edgeKind
	}
	known := map[arrow]bool{}
	add := func(from, to string, kind edgeKind, via *Op) {
		a, b := number[from], number[to]
		if a == b || v.txnOrder[a].state == txnAborted || v.txnOrder[b].state == txnAborted || known[arrow{a, b, kind}] {
			return
		}
		known[arrow{a, b, kind}] = true
		g.out[a] = append(g.out[a], edge{b, kind, via})
	}
	forCommittedReads(v, func(_ *log, r *read, rec *record, _ int64) {
		if r.op.Txn != "" {
			add(rec.send.Txn, r.op.Txn, reads, r.op)
		}
	})
	for _, l := range v.partitions {
		var before *Op
		for _, s := range l.slots {
			op := l.records[s.record].send
			if op == nil || op.Txn == "" {
				continue
			}
			if before != nil && before.Txn != op.Txn {
				add(before.Txn, op.Txn, writes, op)
			}
			before = op
		}
	}
	v.orderTxns(func(before, after *txn, kind edgeKind) { add(before.id, after.id, kind, after.ops[0]) })
	return g
}

// orderTxns gives the order of each process's own transactions, and that of transactions which do not overlap: for each
// one those that were over last before it began, from which the others follow.
func (v *view) orderTxns(before func(a, b *txn, kind edgeKind)) {
	type span struct {
		txn         *txn
		first, last int64
	}
	var spans []span
	for _, t := range v.txnOrder {
		if t.state == txnAborted {
			continue // nothing is said of those, and the order of the others must not go through them
		}
		s := span{t, t.ops[0].Call, t.ops[0].Return}
		for _, op := range t.ops {
			s.first, s.last = min(s.first, op.Call), max(s.last, op.Return)
		}
		spans = append(spans, s)
	}
	slices.SortStableFunc(spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	byEnd := slices.Clone(spans)
	slices.SortStableFunc(byEnd, func(a, b span) int { return cmp.Compare(a.last, b.last) })
	ofProcess := map[int32]*txn{}
	var latest []span // that are over, and no other one of them lies wholly behind
	over := 0
	for _, s := range spans {
		for ; over < len(byEnd) && byEnd[over].last < s.first; over++ {
			done := byEnd[over]
			latest = slices.DeleteFunc(latest, func(l span) bool { return l.last < done.first })
			latest = append(latest, done)
		}
		for _, l := range latest {
			before(l.txn, s.txn, realtime)
		}
		p := s.txn.ops[0].Process
		if ofProcess[p] != nil {
			before(ofProcess[p], s.txn, process)
		}
		ofProcess[p] = s.txn
	}
}

// components are the strongly connected components with more than one transaction, by Tarjan's algorithm with a stack
// of its own.
func (g *graph) components(kind edgeKind) [][]int32 {
	var (
		n       = len(g.out)
		index   = make([]int32, n) // 0: not visited
		low     = make([]int32, n)
		onStack = make([]bool, n)
		stack   []int32
		found   [][]int32
		counter int32
	)
	type frame struct {
		node int32
		edge int
	}
	var calls []frame
	visit := func(node int32) {
		counter++
		index[node], low[node], onStack[node] = counter, counter, true
		stack = append(stack, node)
		calls = append(calls, frame{node: node})
	}
	finish := func(node int32) {
		if low[node] != index[node] {
			return
		}
		at := slices.Index(stack, node)
		component := slices.Clone(stack[at:])
		stack = stack[:at]
		for _, t := range component {
			onStack[t] = false
		}
		if len(component) > 1 {
			slices.Sort(component)
			found = append(found, component)
		}
	}
	for root := range int32(n) {
		if index[root] == 0 {
			visit(root)
		}
		for len(calls) > 0 {
			c := &calls[len(calls)-1]
			if c.edge == len(g.out[c.node]) {
				node := c.node
				calls = calls[:len(calls)-1]
				finish(node)
				if len(calls) > 0 {
					up := calls[len(calls)-1].node
					low[up] = min(low[up], low[node])
				}
				continue
			}
			e := g.out[c.node][c.edge]
			c.edge++
			switch {
			case e.kind&kind == 0:
			case index[e.to] == 0:
				visit(e.to)
			case onStack[e.to]:
				low[c.node] = min(low[c.node], index[e.to])
			}
		}
	}
	return found
}

// cycle is a shortest cycle through the first transaction of a component that has one.
func (g *graph) cycle(component []int32, kind edgeKind) []edge {
	start := component[0]
	inside := make(map[int32]bool, len(component))
	for _, t := range component {
		inside[t] = true
	}
	type step struct {
		from int32
		edge edge
	}
	came := map[int32]step{}
	queue := []int32{start}
	for len(queue) > 0 {
		node := queue[0]
		queue = queue[1:]
		for _, e := range g.out[node] {
			if _, seen := came[e.to]; e.kind&kind == 0 || seen || !inside[e.to] {
				continue
			}
			came[e.to] = step{node, e}
			if e.to == start {
				path := []edge{e}
				for at := node; at != start; at = came[at].from {
					path = append(path, came[at].edge)
				}
				slices.Reverse(path)
				return path
			}
			queue = append(queue, e.to)
		}
	}
	return nil
}

var edgeTexts = map[edgeKind]string{reads: " was read by ", writes: " wrote before ",
	process: " was done by the same process before ", realtime: " was over before the begin of "}

func (g *graph) anomaly(v *view, name Name, start int32, cycle []edge) Anomaly {
	a := Anomaly{Name: name, Where: "transactions"}
	var text strings.Builder
	text.WriteString(v.txnOrder[start].id)
	for _, e := range cycle {
		text.WriteString(edgeTexts[e.kind])
		text.WriteString(v.txnOrder[e.to].id)
		a.Ops = append(a.Ops, e.via)
	}
	a.Text = fmt.Sprintf("a cycle of %d transactions: %s", len(cycle), text.String())
	return a
}

package linearizability

import (
	"fmt"
	"slices"
	"strings"
)

// edgeKind is what orders two transactions.
type edgeKind uint8

const (
	writes edgeKind = 1 << iota // the next record of the partition is of the other
	reads                       // the other read a record of it
)

type edge struct {
	to   int32
	kind edgeKind
	via  *Op // the operation of the later transaction
}

// checkCycles finds transactions that must each come before the other. Transactions are ordered by what they read of
// each other (G1c), by the order of their records in a partition (G0), and by both together.
func checkCycles(v *view, f *findings) {
	if len(v.txnOrder) < 2 {
		return
	}
	g := buildGraph(v)
	reported := map[int32]bool{} // by component of the smaller graphs, so that a cycle is reported once
	for _, kind := range []edgeKind{reads, writes, reads | writes} {
		for _, component := range g.components(kind) {
			fresh := !slices.ContainsFunc(component, func(t int32) bool { return reported[t] })
			cycle := g.cycle(component, kind)
			if !fresh || cycle == nil {
				continue
			}
			for _, t := range component {
				reported[t] = true
			}
			f.add(g.anomaly(v, kind, component[0], cycle))
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
	return g
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

func (g *graph) anomaly(v *view, kind edgeKind, start int32, cycle []edge) Anomaly {
	a := Anomaly{Name: G1c, Where: "transactions"}
	switch kind {
	case writes:
		a.Name = G0
	case reads | writes:
		a.Name = G1cWrites
	}
	var text strings.Builder
	text.WriteString(v.txnOrder[start].id)
	for _, e := range cycle {
		if e.kind == reads {
			text.WriteString(" was read by ")
		} else {
			text.WriteString(" wrote before ")
		}
		text.WriteString(v.txnOrder[e.to].id)
		a.Ops = append(a.Ops, e.via)
	}
	a.Text = fmt.Sprintf("a cycle of %d transactions: %s", len(cycle), text.String())
	return a
}

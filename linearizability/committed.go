package linearizability

import (
	"cmp"
	"fmt"
	"slices"
)

// checkCommitted checks the committed offset of each group and partition as a register: a fetch returns the last commit
// that was over before it began, or one that overlaps it, or None if there was none. Unknown commits count if
// somebody fetched their offset.
//
// If no offset was committed twice the check is exact: the operations on one value must come together, and two values
// whose operations must be both before and after each other contradict (Gibbons and Korach, Testing shared memories,
// 1997). Otherwise it finds fetches of a value whose last commit was over before another value was certainly there.
func checkCommitted(v *view, f *findings) {
	for _, r := range v.offsets {
		r.checkGenerations(f)
		commits := r.explain(v, f)
		if clusters, unique := r.clusters(commits); unique {
			checkZones(clusters, func(a, b *cluster) { r.contradiction(v, f, a, b) })
		} else {
			r.checkStale(v, f, commits)
		}
	}
}

// commitsOf are the operations that may have set each offset, in the order of their calls. Nil stands for the
// beginning.
type commitsOf map[int64][]*Op

// explain reports the fetches of what nobody can have committed.
func (r *register) explain(v *view, f *findings) commitsOf {
	commits, refused := commitsOf{None: {nil}}, commitsOf{}
	for _, op := range r.ops {
		if op.Kind != Commit {
			continue
		}
		if op.settledOutcome() == Failed {
			refused[op.Offset] = append(refused[op.Offset], op)
		} else {
			commits[op.Offset] = append(commits[op.Offset], op)
		}
	}
	began := func(ops []*Op, before int64) *Op {
		if len(ops) > 0 && ops[0].Call <= before {
			return ops[0]
		}
		return nil
	}
	for _, op := range r.ops {
		if op.Kind != FetchCommitted || op.Outcome != OK || op.Offset == None || began(commits[op.Offset], op.Return) != nil {
			continue
		}
		a := Anomaly{
			Name: CommittedPhantom, Where: r.String(), Ops: []*Op{op},
			Text: fmt.Sprintf("nobody had committed the offset %d", op.Offset),
		}
		if failed := began(refused[op.Offset], op.Return); failed != nil {
			a.Name, a.Ops = FailedVisible, []*Op{failed, op}
			a.Text = fmt.Sprintf("the commit of offset %d failed with %s, and it was fetched", op.Offset, errorOf(failed))
		}
		f.add(a)
	}
	return commits
}

// cluster is the operations on one value: one of them ended at minReturn, and one of them began at maxCall.
type cluster struct {
	value              int64
	minReturn, maxCall int64
	ended, began       *Op // nil for the beginning
}

func (c *cluster) add(op *Op, call, end int64) {
	if end < c.minReturn {
		c.minReturn, c.ended = end, op
	}
	if call > c.maxCall || c.began == nil {
		c.maxCall, c.began = call, op
	}
}

// clusters groups the operations that certainly happened by their value. It is false if a value was committed twice.
func (r *register) clusters(commits commitsOf) ([]*cluster, bool) {
	byValue := map[int64]*cluster{None: {value: None, minReturn: -1, maxCall: -1}}
	all := []*cluster{byValue[None]}
	for _, op := range r.ops {
		written := op.Kind == Commit && op.settledOutcome() != Failed
		fetched := op.Kind == FetchCommitted && op.Outcome == OK && len(commits[op.Offset]) > 0
		if !written && !fetched {
			continue
		}
		if len(commits[op.Offset]) > 1 {
			return nil, false
		}
		c := byValue[op.Offset]
		if c == nil {
			c = &cluster{value: op.Offset, minReturn: Never, maxCall: -1}
			byValue[op.Offset] = c
			all = append(all, c)
		}
		c.add(op, op.Call, certainEnd(op))
	}
	// A commit of unknown outcome that nobody fetched may never have happened.
	return slices.DeleteFunc(all, func(c *cluster) bool { return c.minReturn == Never }), true
}

// certainEnd is when an operation was certainly over.
func certainEnd(op *Op) int64 {
	if op.Outcome != OK {
		return Never
	}
	return op.Return
}

// checkZones reports pairs of clusters that must each come before the other. A cluster whose operations don't all
// overlap is a zone from minReturn to maxCall that no other may touch; the others must not lie within one.
func checkZones(all []*cluster, report func(a, b *cluster)) {
	var zones, points []*cluster
	for _, c := range all {
		if c.minReturn < c.maxCall {
			zones = append(zones, c)
		} else {
			points = append(points, c)
		}
	}
	slices.SortStableFunc(zones, func(a, b *cluster) int { return cmp.Compare(a.minReturn, b.minReturn) })
	longest := make([]*cluster, len(zones)) // of those up to here, the one that ends last
	for i, z := range zones {
		longest[i] = z
		if i == 0 {
			continue
		}
		before := longest[i-1]
		if z.minReturn < before.maxCall {
			report(before, z)
		}
		if before.maxCall > z.maxCall {
			longest[i] = before
		}
	}
	for _, p := range points {
		n, _ := slices.BinarySearchFunc(zones, p.maxCall, func(z *cluster, t int64) int {
			return cmp.Compare(z.minReturn, t)
		})
		if n > 0 && longest[n-1].maxCall > p.minReturn {
			report(longest[n-1], p)
		}
	}
}

// contradiction reports two values that must each come before the other.
func (r *register) contradiction(v *view, f *findings, a, b *cluster) {
	low, high := a, b
	if low.value > high.value {
		low, high = high, low
	}
	if low.began != nil && low.began.Kind == FetchCommitted {
		r.report(v, f, high.ended, low.began)
		return
	}
	r.report(v, f, low.ended, high.began)
}

// report says that a fetch returned something else than what was there before, which before shows.
func (r *register) report(v *view, f *findings, before, fetch *Op) {
	a := Anomaly{Name: CommittedBack, Where: r.String(), Ops: withWitness(before, fetch)}
	was := int64(None)
	if before != nil {
		was = before.Offset
	}
	switch {
	case fetch.Offset == None:
		a.Text = fmt.Sprintf("the committed offset %d was forgotten", was)
		a.Allowed = r.forgettable(v)
	case fetch.Offset < was:
		a.Text = fmt.Sprintf("the committed offset went back from %d to %d, which nobody asked for", was, fetch.Offset)
	default:
		a.Name = CommittedStale
		a.Text = fmt.Sprintf("the committed offset %d came back after %d had replaced it", fetch.Offset, was)
	}
	f.add(a)
}

// forgettable is why the committed offset may be forgotten, or empty. With a topic go the offsets committed for it.
func (r *register) forgettable(v *view) string {
	if v.h.Allow.OffsetExpiry {
		return "committed offsets may expire"
	}
	for _, op := range v.deletions {
		if op.Kind == DeleteTopic && op.Partition.Topic == r.partition.Topic && op.Partition.TopicID == r.partition.TopicID {
			return fmt.Sprintf("the topic was deleted by line %d", op.Line)
		}
	}
	return ""
}

// checkStale reports fetches of a value whose commits were all over before an operation on another value began, which
// itself was over before the fetch began.
func (r *register) checkStale(v *view, f *findings, commits commitsOf) {
	var byReturn, fetches []*Op
	for _, op := range r.ops {
		if op.Outcome == OK {
			byReturn = append(byReturn, op)
			if op.Kind == FetchCommitted && len(commits[op.Offset]) > 0 {
				fetches = append(fetches, op) // in the order of their calls already
			}
		}
	}
	slices.SortStableFunc(byReturn, func(a, b *Op) int { return cmp.Compare(a.Return, b.Return) })
	var first, second *Op // the latest to begin of those over, and the latest with another value than that
	next := 0
	for _, fetch := range fetches {
		for ; next < len(byReturn) && byReturn[next].Return < fetch.Call; next++ {
			switch op := byReturn[next]; {
			case first == nil || op.Call > first.Call:
				if first != nil && first.Offset != op.Offset {
					second = first
				}
				first = op
			case op.Offset != first.Offset && (second == nil || op.Call > second.Call):
				second = op
			}
		}
		other := first
		if other != nil && other.Offset == fetch.Offset {
			other = second
		}
		if other != nil && other.Call > lastEnd(commits[fetch.Offset], fetch.Return) {
			r.report(v, f, other, fetch)
		}
	}
}

// lastEnd is when the last of the commits that began by a time was over.
func lastEnd(commits []*Op, by int64) int64 {
	last := int64(-1)
	for _, op := range commits {
		if op != nil && op.Call <= by {
			last = max(last, certainEnd(op))
		}
	}
	return last
}

// checkGenerations reports commits that were accepted from a generation after a later one had committed.
func (r *register) checkGenerations(f *findings) {
	var byReturn []*Op
	for _, op := range r.ops {
		if op.Kind == Commit && op.Outcome == OK && op.Generation != None {
			byReturn = append(byReturn, op)
		}
	}
	byCall := slices.Clone(byReturn)
	slices.SortStableFunc(byReturn, func(a, b *Op) int { return cmp.Compare(a.Return, b.Return) })
	var newest *Op
	next := 0
	for _, op := range byCall {
		for ; next < len(byReturn) && byReturn[next].Return < op.Call; next++ {
			if newest == nil || byReturn[next].Generation > newest.Generation {
				newest = byReturn[next]
			}
		}
		if newest != nil && op.Generation < newest.Generation {
			f.add(Anomaly{
				Name: StaleGeneration, Where: r.String(), Ops: []*Op{newest, op},
				Text: fmt.Sprintf("a commit of generation %d was accepted after one of generation %d", op.Generation,
					newest.Generation),
			})
		}
	}
}

// OffsetHistory is the operations on the committed offset of one group's partition, without those that failed and
// without fetches that were not answered.
type OffsetHistory struct {
	Group     string
	Partition Partition
	Ops       []*Op
}

// CommittedOffsets returns the histories of all committed offsets. Commits of unknown outcome that nobody fetched are
// left out: they may never have happened. So are fetches that found none, where offsets may be forgotten. The error
// is a *MalformedError.
func CommittedOffsets(h *History) ([]OffsetHistory, error) {
	v, err := newView(h)
	if err != nil {
		return nil, err
	}
	var all []OffsetHistory
	for _, r := range v.offsets {
		fetched := map[int64]bool{}
		for _, op := range r.ops {
			if op.Kind == FetchCommitted && op.Outcome == OK {
				fetched[op.Offset] = true
			}
		}
		forgettable := r.forgettable(v) != ""
		o := OffsetHistory{Group: r.group, Partition: r.partition}
		for _, op := range r.ops {
			switch outcome := op.settledOutcome(); {
			case op.Kind == FetchCommitted && op.Offset == None && forgettable:
			case outcome == OK, op.Kind == Commit && outcome == Unknown && fetched[op.Offset]:
				o.Ops = append(o.Ops, op)
			}
		}
		all = append(all, o)
	}
	return all, nil
}

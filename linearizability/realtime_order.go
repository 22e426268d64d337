package linearizability

import (
	"cmp"
	"fmt"
	"slices"
)

// checkRealtimeOrder finds sends that were over before another one began, and yet have a higher offset. Since offsets
// fix the order of all appends, this decides whether appends are linearizable.
func checkRealtimeOrder(v *view, f *findings) {
	for _, l := range v.partitions {
		findOrder(l.appends(v), func(early, late *Append) {
			if early.Op.Process == late.Op.Process {
				return // a nonmonotonic send
			}
			f.add(Anomaly{
				Name: RealtimeOrder, Where: l.id.String(), Ops: []*Op{early.Op, late.Op},
				Text: fmt.Sprintf("the send at offset %d began after the one at offset %d was over", late.First,
					early.First),
			})
		})
	}
}

// findOrder reports pairs of appends where early was over before late began, but has the higher offset: for each
// early one that has such a late one, the one that began last. It sorts a copy by offset and keeps the greatest call
// so far.
func findOrder(appends []Append, report func(early, late *Append)) {
	byOffset := slices.Clone(appends)
	slices.SortStableFunc(byOffset, func(a, b Append) int { return cmp.Compare(a.First, b.First) })
	var latest *Append
	for i := 0; i < len(byOffset); {
		j := i // those at one offset, which is another anomaly, are not compared
		for ; j < len(byOffset) && byOffset[j].First == byOffset[i].First; j++ {
			if a := &byOffset[j]; latest != nil && a.End < latest.Call {
				report(a, latest)
			}
		}
		for ; i < j; i++ {
			if a := &byOffset[i]; latest == nil || a.Call > latest.Call {
				latest = a
			}
		}
	}
}

// Linearizable decides exactly, in O(n log n), whether appends of one partition can be put in an order that agrees with
// their times and offsets. Intervals are closed: an append that begins when another ends overlaps it.
func Linearizable(appends []Append) bool {
	byOffset := slices.Clone(appends)
	slices.SortStableFunc(byOffset, func(a, b Append) int { return cmp.Compare(a.First, b.First) })
	for i := 1; i < len(byOffset); i++ {
		if byOffset[i].First <= byOffset[i-1].Last {
			return false
		}
	}
	ok := true
	findOrder(appends, func(_, _ *Append) { ok = false })
	return ok
}

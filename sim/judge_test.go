package sim

import (
	"slices"
	"testing"

	lin "ottla.dev/linearizability"
)

// A history in which the checkers see little finds little: what is changed in it must be found.
func TestHistoriesTellEnoughToBeJudged(t *testing.T) {
	w := New(readPlan(t, "testdata/histories.plan"), nil)
	if r := w.Run(); r.Failure != nil || len(r.Report.Inconclusive) > 0 {
		t.Fatalf("%v, %q", r.Failure, r.Report.Inconclusive)
	}
	h := w.History()
	acked := ops(h, func(op *lin.Op) bool { return op.Kind == lin.Send && op.Outcome == lin.OK && op.Idempotent })
	fetches := ops(h, func(op *lin.Op) bool { return op.Kind == lin.FetchCommitted && op.Offset > 10 })
	ends := ops(h, func(op *lin.Op) bool { return op.Kind == lin.ListOffsets && op.Offset > 10 })
	if len(acked) < 50 || len(fetches) < 10 || len(ends) < 3 {
		t.Fatalf("%d sends, %d committed offsets and %d end offsets are too few", len(acked), len(fetches), len(ends))
	}
	for _, c := range []struct {
		name string
		want lin.Name
		do   func(change func(i int) *lin.Op)
	}{
		{"nothing", "", func(func(int) *lin.Op) {}},
		{"a record that nobody reads", lin.LostWrite, func(change func(int) *lin.Op) {
			op := h.Ops[acked[20]]
			for _, i := range ops(h, func(op *lin.Op) bool { return op.Kind == lin.Poll }) {
				hide(change(i), op.Partition, op.Values[0])
			}
		}},
		{"an offset that is one too high", lin.InconsistentOffsets, func(change func(int) *lin.Op) {
			change(acked[20]).Offset++
		}},
		{"a value that nobody has sent", lin.Phantom, func(change func(int) *lin.Op) {
			op := change(acked[20])
			op.Values = append(slices.Clone(op.Values[:len(op.Values)-1]), "x")
		}},
		{"a send that has failed", lin.FailedVisible, func(change func(int) *lin.Op) {
			op := change(acked[20])
			op.Outcome, op.Error, op.Attempts, op.Offset = lin.Failed, "CORRUPT_MESSAGE", 1, lin.None
		}},
		{"a committed offset of old", lin.CommittedBack, func(change func(int) *lin.Op) {
			change(fetches[len(fetches)-1]).Offset = 1
		}},
		{"an end offset of old", lin.EndOffsetBack, func(change func(int) *lin.Op) {
			for n, i := range ends {
				change(i).Offset = int64(len(ends) - n)
			}
		}},
	} {
		changed := *h
		changed.Ops = slices.Clone(h.Ops)
		c.do(func(i int) *lin.Op { return &changed.Ops[i] })
		r := lin.Check(&changed)
		if c.want == "" && r.First() != nil || c.want != "" && r.Found(c.want) == 0 {
			t.Errorf("%s: found %v, %v", c.name, r.Counts, r.Malformed)
		}
	}
}

func ops(h *lin.History, which func(op *lin.Op) bool) (found []int) {
	for i := range h.Ops {
		if which(&h.Ops[i]) {
			found = append(found, i)
		}
	}
	return found
}

// hide takes a value out of what a poll has read.
func hide(op *lin.Op, p lin.Partition, value string) {
	op.Reads = slices.Clone(op.Reads)
	for i := range op.Reads {
		r := &op.Reads[i]
		if at := slices.Index(r.Values, value); r.Partition == p && at >= 0 {
			r.Offsets = slices.Delete(slices.Clone(r.Offsets), at, at+1)
			r.Values = slices.Delete(slices.Clone(r.Values), at, at+1)
		}
	}
}

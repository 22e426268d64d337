package cover

import (
	"slices"
	"testing"

	"ottla.dev/core/probe"
)

func of(points ...probe.Point) *Coverage {
	var counts probe.Counts
	var s probe.Set
	for _, p := range points {
		s.Add(p)
	}
	counts.Count(&s)
	return Of(&counts, []string{"pause", "rot"}, map[string]int{"pause": 3, "clock jump": 1})
}

func TestCoveragesAddUp(t *testing.T) {
	sum := New()
	sum.Add(of(probe.FollowerTruncated, probe.TornTailCut))
	sum.Add(of(probe.FollowerTruncated))
	if n := sum.Probes["follower-truncated"]; sum.Seeds != 2 || n.Seeds != 2 || n.Times != 2 || sum.Reached() != 2 {
		t.Errorf("%d seeds, %+v, %d reached", sum.Seeds, n, sum.Reached())
	}
	if f := *sum.Faults["pause"]; f != (Fault{Times: 6, Fired: 2, On: 2}) {
		t.Errorf("a fault that was on and struck: %+v", f)
	}
	if f := *sum.Faults["rot"]; f != (Fault{On: 2}) {
		t.Errorf("a fault that was on and did not strike: %+v", f)
	}
	if sum.Faults["clock jump"] != nil {
		t.Error("a fault is counted that was not on")
	}
}

func TestWhatIsNotReachedIsMissingUnlessItIsExcused(t *testing.T) {
	c := of(probe.TornTailCut)
	missing, required := c.Missing(), c.Required()
	if slices.Contains(missing, probe.TornTailCut) || !slices.Contains(missing, probe.FollowerTruncated) {
		t.Error("what is missing is not what was not passed")
	}
	if slices.Contains(missing, probe.TransactionAborted) || !slices.Contains(c.Excused(), probe.TransactionAborted) {
		t.Error("an excused probe counts as missing")
	}
	if !slices.Contains(missing, probe.SnapshotGone) || slices.Contains(required, probe.SnapshotGone) {
		t.Error("a rare probe is not missing, or is required")
	}
	for p := range probe.All() {
		if Excuse(p) != "" && Rare(p) != "" {
			t.Errorf("%s is both rare and out of reach", p)
		}
	}
}

func TestWhatCannotComeIsInTheMatrix(t *testing.T) {
	for _, m := range Matrices() {
		for _, n := range m.Never {
			if n[0] != "*" && !slices.Contains(m.States, n[0]) || n[1] != "*" && !slices.Contains(m.Events, n[1]) {
				t.Errorf("%s has no such pair: %v", m.Name, n)
			}
		}
	}
	all := Matrices()
	c, m := New(), &all[0]
	if len(c.Unmet(m, "unappointed")) != 0 || len(c.Unmet(m, "leads")) == 0 {
		t.Error("what never came is not what could have")
	}
}

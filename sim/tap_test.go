package sim

import (
	"slices"
	"strings"
	"testing"

	"ottla.dev/sim/fault"
)

// What is said beside the trace is not in its hash, and names requests, partitions and how replicas stand.
func TestWatchingChangesNothing(t *testing.T) {
	for _, c := range []struct {
		plan *fault.Plan
		want []string
	}{
		{fault.Draw(1000), []string{"->0 Produce acks=", "0->c", " Fetch answer part=t"}},
		{fault.DrawCluster(1001, 3), []string{"->0 Fetch part=__cluster_metadata-0 epoch=", " Vote answer epoch=",
			"part=t0-0 leads epoch=", " isr=0", "quorum node=2 "}},
	} {
		var lines []string
		watched := New(c.plan, func(line []byte) { lines = append(lines, string(line)) }).Run()
		if alone := New(c.plan, nil).Run(); alone.Hash != watched.Hash {
			t.Errorf("seed %d: %016x, and %016x when watched", c.plan.Seed, alone.Hash, watched.Hash)
		}
		for _, want := range c.want {
			if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, want) }) {
				t.Errorf("seed %d: no line has %q", c.plan.Seed, want)
			}
		}
	}
}

package sim

import (
	"testing"
	"time"

	"ottla.dev/sim/fault"
)

func TestCountingStatesAndEventsChangesNothing(t *testing.T) {
	plan := fault.DrawCluster(1, 3)
	plan.Duration = 8 * time.Second
	run := func(watch bool) Result {
		w := New(plan, nil)
		if watch {
			w.Watch()
		}
		return w.Run()
	}
	if a, b := run(false), run(true); a.Hash != b.Hash || a.Failure != nil {
		t.Errorf("hash %x, and watched %x; %v", a.Hash, b.Hash, a.Failure)
	}
}

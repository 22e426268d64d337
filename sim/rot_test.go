package sim

import (
	"strings"
	"testing"

	"ottla.dev/sim/fault"
)

// Files rot in some of the worlds, and all of it is repaired.
func TestFilesRotAndAreRepaired(t *testing.T) {
	worlds := 12
	if testing.Short() {
		worlds = 5
	}
	var sum Stats
	for seed := uint64(0); worlds > 0; seed++ {
		plan := fault.DrawCluster(seed, 3)
		if len(plan.Rots) == 0 {
			continue
		}
		worlds--
		r := New(plan, nil).Run()
		if r.Failure != nil {
			t.Errorf("seed %d: %v (replay: ottla sim --seed %d --brokers 3 --trace)", seed, r.Failure, seed)
		}
		sum.Add(r.Stats)
	}
	struck := 0
	for name, n := range sum.Fired {
		if strings.HasPrefix(name, "rot in ") {
			struck += n
		}
	}
	if repaired := sum.Fired[firedRepaired]; struck < 20 || repaired < 5 {
		t.Errorf("%d places were damaged, %d machines repaired", struck, repaired)
	}
}

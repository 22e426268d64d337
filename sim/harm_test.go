package sim

import (
	"testing"

	"ottla.dev/sim/fault"
)

// Whatever harm is done to files, all of it strikes in some worlds and is repaired.
func TestEveryHarmIsRepaired(t *testing.T) {
	worlds := 60 // at most
	if testing.Short() {
		worlds = 5
	}
	var sum Stats
	all := func() bool {
		for h := fault.Misdirected; h <= fault.Misdated; h++ {
			if sum.Fired[firedHarm+h.String()] == 0 {
				return false
			}
		}
		return sum.Fired[firedRepaired] > 0
	}
	for seed := uint64(0); worlds > 0 && !all(); seed++ {
		plan := fault.DrawCluster(seed, 3)
		if len(plan.Rots) < 3 {
			continue
		}
		worlds--
		r := New(plan, nil).Run()
		if r.Failure != nil {
			t.Errorf("seed %d: %v (replay: ottla sim --seed %d --brokers 3 --trace)", seed, r.Failure, seed)
		}
		sum.Add(r.Stats)
	}
	for h := fault.Misdirected; h <= fault.Misdated && !testing.Short(); h++ {
		if sum.Fired[firedHarm+h.String()] == 0 {
			t.Errorf("no harm was %v", h)
		}
	}
	if sum.Fired[firedRepaired] == 0 {
		t.Error("nothing was repaired")
	}
}

package sim

import (
	"testing"

	"ottla.dev/sim/fault"
)

// Requests between brokers arrive when their senders have given them up, and nothing is hurt by that.
func TestRequestsComeLate(t *testing.T) {
	late := 0
	for seed, worlds := uint64(0), 12; worlds > 0 && late == 0; seed++ {
		plan := fault.DrawCluster(seed, 3)
		if len(plan.Lates) == 0 {
			continue
		}
		worlds--
		r := New(plan, nil).Run()
		if r.Failure != nil {
			t.Errorf("seed %d: %v (replay: ottla sim --seed %d --brokers 3 --trace)", seed, r.Failure, seed)
		}
		late += r.Stats.Fired[firedLate]
	}
	if late == 0 {
		t.Error("no request came late")
	}
}

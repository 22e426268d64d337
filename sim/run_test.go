package sim

import (
	"testing"

	"ottla.dev/sim/fault"
)

func TestSeeds(t *testing.T) {
	for seed := range uint64(60) {
		r := New(fault.Draw(seed), nil).Run()
		t.Logf("seed %d: hash %x %+v", seed, r.Hash, r.Stats)
		if r.Failure != nil {
			t.Errorf("seed %d: %v\n%s", seed, r.Failure, r.Tail)
		}
	}
}

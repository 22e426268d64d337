package sim

import (
	"testing"
	"time"

	"ottla.dev/core/coretest"
	"ottla.dev/sim/fault"
)

// The simulator is a driver like node: what it lets machines see is what package core promises.
func TestDriver(t *testing.T) {
	for seed := range uint64(5) {
		coretest.RunDriver(t, func(t *testing.T, build func(dir string) coretest.World) {
			plan := &fault.Plan{Seed: seed, Duration: time.Hour, Delays: fault.Draw(seed).Delays}
			w := empty(plan, nil)
			w.compose = func(*node) machines {
				m := build(logDir)
				return machines{control: m.Control, shards: m.Shards}
			}
			w.finishing = true
			if r := w.Run(); r.Failure != nil {
				t.Fatalf("%v\n%s", r.Failure, r.Tail)
			}
		})
	}
}

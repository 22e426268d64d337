package benchmarks

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ottla.dev/sim"
	"ottla.dev/sim/fault"
)

// firstSeed is where the drawn worlds of BenchmarkSimulation begin. They are the same in every run.
const firstSeed = 900_000

// BenchmarkSimulation is how fast the simulator is, with all its checks: simulated seconds and events a second of
// processor time. An iteration is a world.
func BenchmarkSimulation(b *testing.B) {
	for _, world := range []struct {
		name string
		draw func(seed uint64) *fault.Plan
	}{
		{"reference", fault.Reference},
		{"single", fault.Draw},
		{"three", func(seed uint64) *fault.Plan { return fault.DrawCluster(seed, 3) }},
		{"cluster", func(seed uint64) *fault.Plan { return fault.DrawCluster(seed, fault.DrawBrokers(seed)) }},
	} {
		b.Run(world.name, func(b *testing.B) {
			var sum sim.Stats
			seed, cpu := uint64(firstSeed), processorTime(b)
			for b.Loop() {
				r := sim.New(world.draw(seed), nil).Run()
				if r.Failure != nil {
					b.Errorf("seed %d: %v", seed, r.Failure)
				}
				sum.Add(r.Stats)
				seed++
			}
			used := (processorTime(b) - cpu).Seconds()
			b.ReportMetric(sum.Simulated.Seconds()/used, "simulated-s/cpu-s")
			b.ReportMetric(float64(sum.Events)/used, "events/cpu-s")
			b.ReportMetric(float64(sum.Requests)/sum.Simulated.Seconds(), "requests/simulated-s")
		})
	}
}

// processorTime is what this process has used, its garbage collection too.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

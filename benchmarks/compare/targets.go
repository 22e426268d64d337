package main

import (
	"fmt"
	"slices"
)

// target is a figure of Ottla that should be at most, or where more is better at least, so much of another broker's.
type target struct {
	what, workload, figure string
	kind                   string
	// to is the broker that it is compared with; without one bound is the figure itself.
	to    string
	bound float64
}

// targetTable is what Ottla wants to reach.
func targetTable() []target {
	return []target{
		{"produce, largest batches, page cache", "large", "cpu", "ottla-cache", "limit", 1.3},
		{"produce, largest batches, page cache", "large", "cpu", "ottla-cache", "kafka", 0.5},
		{"produce, largest batches, durable", "large", "cpu", "ottla", "limit-sync", 1.3},
		{"produce, largest batches, durable", "large", "cpu", "ottla", "kafka", 0.7},
		{"produce, largest batches, durable", "large", "mb", "ottla", "kafka", 1},
		{"produce, batches of 16 KiB", "16k", "percore", "ottla-cache", "kafka", 3},
		{"produce, batches of 16 KiB, durable", "16k", "percore", "ottla", "kafka", 3},
		{"produce, one record a batch", "single", "percore", "ottla-cache", "kafka", 3},
		{"produce, one record a batch, durable", "single", "percore", "ottla", "kafka", 3},
		{"fetch from the page cache", "fetch", "cpu", "ottla", "limit", 1.2},
		{"fetch from the page cache", "fetch", "cpu", "ottla", "kafka", 0.7},
		{"fetch from the disk", "cold", "cpu", "ottla", "limit", 1.2},
		{"fetch from the disk", "cold", "cpu", "ottla", "kafka", 0.7},
		{"three replicas, acks=all, page cache", "rf3", "cpu", "ottla-cache", "kafka", 0.5},
		{"three replicas, acks=all, durable", "rf3", "cpu", "ottla", "kafka", 0.5},
		{"at half of Kafka's peak, durable", "half", "ack99", "ottla", "kafka", 0.5},
		{"at half of Kafka's peak, durable", "half", "ack999", "ottla", "kafka", 0.3},
		{"a broker with nothing to do", startWorkload, "idle", "ottla", "kafka", 0.1},
		{"1,000 partitions under load", "p1000", "peak", "ottla", "kafka", 0.2},
		{"a start with an empty folder", startWorkload, "start", "ottla", "", 200},
		{"a start with 1,000 partitions after kill -9", "restart", "restart", "ottla", "", 2000},
		{"20,000 partitions, made and written to", "partitions20k", "step", "ottla", "", 10},
		{"kill -9 of a leader, default timeouts", "failover", "gap", "ottla", "kafka", 1},
		{"kill -9 of a leader, sessions of 1 s", "failover-1s", "gap", "ottla", "", 1.5},
		{"the simulator's reference world", "simulator", "simulated", "ottla", "", 700},
	}
}

// missedPage is where it says why targets are missed, from the page's folder. Its headings begin with the workload's
// name.
const missedPage = "decisions/0006-targets-that-were-missed.md"

// explained is the workloads of which that page speaks.
func explained() []string {
	return []string{"16k", "single", "fetch", "cold", "half", "large", "partitions20k", "simulator"}
}

// verdict is the page's word for a measured target.
func (t target) verdict(s spread) string {
	switch {
	case t.missedBy(s) <= 1:
		return "met"
	case slices.Contains(explained(), t.workload):
		return fmt.Sprintf("**missed** ([why](%s#%s))", missedPage, t.workload)
	}
	return "**missed**"
}

// measured is the figure or the ratio that a target speaks of.
func (t target) measured(r results) spread {
	if t.to == "" {
		return r.spread(t.workload, t.kind, t.figure)
	}
	return r.ratio(t.workload, t.kind, t.to, t.figure)
}

// missedBy is how many times worse than its bound the median is; at most 1 is met.
func (t target) missedBy(s spread) float64 {
	if figureOf(t.figure).more {
		return t.bound / s.Median
	}
	return s.Median / t.bound
}

// figureOf finds a figure by its key.
func figureOf(key string) figure {
	for _, f := range figureTable() {
		if f.key == key {
			return f
		}
	}
	panic("compare: no figure " + key)
}

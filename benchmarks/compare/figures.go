package main

import "time"

// figure is something that is measured. Its unit says how it is printed.
type figure struct {
	key, title, unit string
	// more is true where more is better, alone where ratios of it say nothing.
	more, alone bool
}

// figureTable is all figures, in the order in which they are printed.
func figureTable() []figure {
	return []figure{
		{key: "cpu", title: "broker CPU-seconds per GB", unit: "s/GB"},
		{key: "percore", title: "batches per broker CPU-second", unit: "1/s", more: true},
		{key: "records", title: "records a second", unit: "1/s", more: true},
		{key: "mb", title: "MB a second", unit: "MB/s", more: true},
		{key: "ack50", title: "acknowledgement p50", unit: "ms"},
		{key: "ack99", title: "acknowledgement p99", unit: "ms"},
		{key: "ack999", title: "acknowledgement p99.9", unit: "ms"},
		{key: "e2e50", title: "end to end p50", unit: "ms"},
		{key: "e2e99", title: "end to end p99", unit: "ms"},
		{key: "e2e999", title: "end to end p99.9", unit: "ms"},
		{key: "late99", title: "of which the generator was late, p99", unit: "ms", alone: true},
		{key: "gap", title: "longest time without an acknowledgement", unit: "s"},
		{key: "start", title: "start of the process to the first acknowledged record", unit: "ms"},
		{key: "restart", title: "start after kill -9 to the first acknowledged record", unit: "ms"},
		{key: "create", title: "creating all partitions", unit: "s"},
		{key: "touch", title: "a record to each of them", unit: "s"},
		{key: "step", title: "longest step of a shard", unit: "ms"},
		{key: "restartstep", title: "longest step of a shard, at the start", unit: "ms"},
		{key: "each", title: "resident memory of a partition", unit: "KiB"},
		{key: "idlecpu", title: "processor time in a second, idle", unit: "ms"},
		{key: "idle", title: "resident memory, idle", unit: "MiB"},
		{key: "peak", title: "resident memory, most", unit: "MiB"},
		{key: "batch", title: "records a batch", unit: ""},
		{key: "requests", title: "produce requests a second", unit: "1/s"},
		{key: "fetches", title: "fetch requests a second", unit: "1/s"},
		{key: "client", title: "the client's CPU-seconds per GB", unit: "s/GB"},
		{key: "simulated", title: "simulated seconds per CPU-second", unit: "", more: true},
		{key: "events", title: "simulated events per CPU-second", unit: "1/s", more: true},
		{key: "busy", title: "of the machine's processors in use", unit: "%", alone: true},
		{key: "stolen", title: "of the machine's processors kept by its host", unit: "%", alone: true},
		{key: "rate", title: "records due in a second", unit: "1/s", alone: true},
		{key: "missing", title: "records that had not arrived at the end", unit: "", alone: true},
	}
}

// sample is what one workload gave on one kind of broker in one round.
type sample struct {
	Round    int                `json:"round"`
	Kind     string             `json:"broker"`
	Workload string             `json:"workload"`
	Figures  map[string]float64 `json:"figures"`
	// Failed says why there are no figures.
	Failed string `json:"failed,omitempty"`
}

const (
	gigabyte = 1_000_000_000
	megabyte = 1_000_000
	mebibyte = 1 << 20
)

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// spread is the least, the middle and the most of some values.
type spread struct {
	Min, Median, Max float64
	N                int
}

// spreadOf of nothing has N 0. The median of an even number is the mean of the two in the middle.
func spreadOf(values []float64) spread {
	n := len(values)
	if n == 0 {
		return spread{}
	}
	sorted := sortedCopy(values)
	return spread{sorted[0], (sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[n-1], n}
}

// results is all samples.
type results []sample

// values are a figure of a workload on a kind of broker, by round.
func (r results) values(workload, kind, key string) map[int]float64 {
	values := map[int]float64{}
	for _, s := range r {
		if v, ok := s.Figures[key]; ok && s.Workload == workload && s.Kind == kind {
			values[s.Round] = v
		}
	}
	return values
}

// spread is that of a figure over the rounds.
func (r results) spread(workload, kind, key string) spread {
	var values []float64
	for _, v := range r.values(workload, kind, key) {
		values = append(values, v)
	}
	return spreadOf(values)
}

// ratio is that of a figure of two kinds, made in each round that has both.
func (r results) ratio(workload, kind, to, key string) spread {
	above, below := r.values(workload, kind, key), r.values(workload, to, key)
	var values []float64
	for round, v := range above {
		if w := below[round]; w > 0 {
			values = append(values, v/w)
		}
	}
	return spreadOf(values)
}

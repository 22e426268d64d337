package main

import (
	"fmt"
	"os"
	"runtime/metrics"
	"time"
)

const (
	// simMostMemory is what a process that simulates may hold. Worlds need some tens of megabytes; one that grows without
	// end, most often because of a bug that was planted, would stop everything else on the machine.
	simMostMemory = 4 << 30
	// simMemoryEvery is how often it is looked at.
	simMemoryEvery = 200 * time.Millisecond
	// exitMemory is the status of a simulation that was ended for its memory.
	exitMemory = 125
)

// boundMemory ends the process when it holds more than simMostMemory. What a world allocates within one event cannot be
// bounded from inside it without deciding something by the machine's memory, which would not be deterministic.
func boundMemory() {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for range time.Tick(simMemoryEvery) {
		metrics.Read(samples)
		if held := samples[0].Value.Uint64(); held > simMostMemory {
			fmt.Fprintf(os.Stderr, "ottla: the simulation holds %d MiB, which no world needs, and is ended.\n"+
				"ottla: run the seeds that were not reported one at a time to see which it is.\n", held>>20)
			os.Exit(exitMemory)
		}
	}
}

package main

import (
	"os"
	"runtime/debug"
)

const (
	// A simulation makes much rubbish and keeps little: its heap may grow to six times what is alive before it is
	// collected, until the process has this much memory.
	simCollectPercent = 500
	simCollectMemory  = 1 << 30
)

// collectLess has the garbage collector of a process that simulates work less often, unless somebody has said
// otherwise.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(simCollectPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(simCollectMemory)
	}
}

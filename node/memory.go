package node

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// queuedShare is the part of memory that large requests may take.
	queuedShare = 8
	// retainedMost bounds the idle read buffers that are kept. Large requests give theirs back when they are written, so
	// that few are in use at a time, however many requests wait for a sync.
	retainedMost = 32 << 20
	// gcPercent lets the heap grow to twice its live part before a collection. Most of that part under load are buffers
	// of requests, which the collector need not look into, and what serves requests allocates nothing: a larger heap
	// would make collections rarer that are rare and cheap, and cost as much memory again.
	gcPercent = 100
	// assumedMemory stands where the system does not say how much there is.
	assumedMemory = 1 << 30
)

// memory returns how many bytes of memory the process may use: the machine's or its container's.
func memory() int64 {
	total := int64(assumedMemory)
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "MemTotal:" {
				if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
					total = kib << 10
				}
			}
		}
	}
	if text, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			total = min(total, limit)
		}
	}
	return total
}

// TuneMemory sets the garbage collector for a broker, unless the environment does. The limit leaves half of the memory
// to the page cache, where the logs live.
func TuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory() / 2)
	}
}

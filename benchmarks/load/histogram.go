package load

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// subBits is how many bits of a duration are kept behind the leading one.
	subBits = 7
	// durationBits is the length of the longest duration that is told apart, about 73 minutes in nanoseconds.
	durationBits = 42
	buckets      = (durationBits-subBits-1)<<subBits + 1<<(subBits+1)
)

// Histogram counts durations. Below 256 ns they are exact; above, a bucket is at most a 128th of its durations wide.
// Adding is safe from several goroutines.
type Histogram struct {
	counts [buckets]atomic.Uint64
	most   atomic.Int64
}

// bucket is the number of the bucket of ns, which is in [0, 1<<durationBits).
func bucket(ns uint64) int {
	exponent := max(bits.Len64(ns)-subBits-1, 0)
	return exponent<<subBits + int(ns>>exponent)
}

// bucketEnd is the longest duration of a bucket, in nanoseconds.
func bucketEnd(b int) int64 {
	exponent := max(b>>subBits-1, 0)
	mantissa := int64(b - exponent<<subBits)
	return (mantissa+1)<<exponent - 1
}

// Add counts d. Less than nothing counts as nothing, more than the longest as the longest.
func (h *Histogram) Add(d time.Duration) {
	ns := min(max(int64(d), 0), 1<<durationBits-1)
	h.counts[bucket(uint64(ns))].Add(1)
	for most := h.most.Load(); ns > most && !h.most.CompareAndSwap(most, ns); most = h.most.Load() {
	}
}

// Count is how many durations were added.
func (h *Histogram) Count() (n uint64) {
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// Max is the longest duration.
func (h *Histogram) Max() time.Duration { return time.Duration(h.most.Load()) }

// Percentile is the least duration that at least the share q of all durations, at most 1, did not exceed, rounded up to
// the end of its bucket. Of nothing it is 0.
func (h *Histogram) Percentile(q float64) time.Duration {
	n := h.Count()
	if n == 0 {
		return 0
	}
	// The smallest whole number that is at least q*n, without the last bits of a product like 0.999*1000.
	rank := uint64(max(math.Ceil(q*float64(n)-1e-6), 1))
	var seen uint64
	for b := range h.counts {
		if seen += h.counts[b].Load(); seen >= rank {
			return time.Duration(min(bucketEnd(b), h.most.Load()))
		}
	}
	return h.Max()
}

package peer

import (
	"slices"
	"sync"
)

const (
	// leastKept is the smallest frame whose memory is used again; the allocator is good at smaller ones.
	leastKept = 16 << 10
	// mostKept is how many bytes of unused frames a machine's links keep.
	mostKept = 16 << 20
)

// frames is memory for the responses of one machine's links. A follower that fetched into new memory each time would
// spend more on clearing and collecting it than on reading the records.
type frames struct {
	mu   sync.Mutex
	free [][]byte // by capacity
	kept int      // bytes of free
}

// get returns a frame of n bytes, whose content is anything.
func (f *frames) get(n int) []byte {
	if n < leastKept {
		return make([]byte, n)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i, _ := slices.BinarySearchFunc(f.free, n, func(b []byte, n int) int { return cap(b) - n })
	if i == len(f.free) {
		return make([]byte, n, n+n/4) // the next one may be a little larger
	}
	b := f.free[i]
	f.free = slices.Delete(f.free, i, i+1)
	f.kept -= cap(b)
	return b[:n]
}

// put takes a frame back. The smallest ones make room for it.
func (f *frames) put(b []byte) {
	if cap(b) < leastKept || cap(b) > mostKept {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i, _ := slices.BinarySearchFunc(f.free, cap(b), func(o []byte, n int) int { return cap(o) - n })
	f.free = slices.Insert(f.free, i, b)
	f.kept += cap(b)
	n := 0
	for f.kept > mostKept {
		f.kept -= cap(f.free[n])
		n++
	}
	f.free = slices.Delete(f.free, 0, n)
}

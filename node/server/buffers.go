package server

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

const (
	smallestClass = 12 // 4 KiB
	largestClass  = 27 // 128 MiB; larger buffers are not kept
)

// buffers is a free list of read buffers in powers of two. It is not a sync.Pool, which would give the buffers of a
// busy broker to the garbage collector with every cycle. When the list is full, what nobody has asked for goes: the
// large buffers of clients that are gone would otherwise keep the place of those that are in use now.
type buffers struct {
	retain   int64 // bytes that the list may hold
	retained atomic.Int64
	made     atomic.Int64  // bytes of all buffers that were ever allocated
	gets     atomic.Uint64 // a clock for asked
	classes  [largestClass + 1]class
}

type class struct {
	mu    sync.Mutex
	free  []*buffer
	asked uint64 // when a buffer of this class was got last
}

// buffer is memory for frames. It goes back to the list when nobody refers to it; the connection's lock guards refs.
type buffer struct {
	data []byte
	refs int
}

func classOf(size int) int { return max(bits.Len(uint(size-1)), smallestClass) }

// get returns a buffer of at least size bytes with one reference.
func (b *buffers) get(size int) *buffer {
	n := classOf(size)
	if n > largestClass {
		return b.make(size)
	}
	buf := b.take(n, b.gets.Add(1))
	if buf == nil {
		return b.make(1 << n)
	}
	buf.refs = 1
	return buf
}

// take gets a buffer of a class from the list, nil if there is none. Asked is the moment, if it was asked for.
func (b *buffers) take(n int, asked uint64) *buffer {
	c := &b.classes[n]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = max(c.asked, asked)
	last := len(c.free) - 1
	if last < 0 {
		return nil
	}
	buf := c.free[last]
	c.free[last] = nil
	c.free = c.free[:last]
	b.retained.Add(-int64(len(buf.data)))
	return buf
}

func (b *buffers) make(size int) *buffer {
	b.made.Add(int64(size))
	return &buffer{data: make([]byte, size), refs: 1}
}

// put takes back a buffer without references.
func (b *buffers) put(buf *buffer) {
	n := classOf(len(buf.data))
	if n > largestClass {
		return
	}
	size := int64(len(buf.data))
	b.retained.Add(size)
	for b.retained.Load() > b.retain {
		if i := b.stalest(); i < 0 || i == n || b.take(i, 0) == nil {
			b.retained.Add(-size)
			return
		}
	}
	c := &b.classes[n]
	c.mu.Lock()
	c.free = append(c.free, buf)
	c.mu.Unlock()
}

// stalest is the class on the list for which nobody has asked for longest, -1 if the list is empty.
func (b *buffers) stalest() int {
	found, oldest := -1, uint64(0)
	for i := range b.classes {
		c := &b.classes[i]
		c.mu.Lock()
		if len(c.free) > 0 && (found < 0 || c.asked < oldest) {
			found, oldest = i, c.asked
		}
		c.mu.Unlock()
	}
	return found
}

// budget bounds the bytes of large frames in memory. Like Kafka's SimpleMemoryPool it grants while anything is left, so
// that a frame larger than the budget is not refused for ever: the bound is exceeded by one frame at most.
type budget struct {
	limit int64
	mu    sync.Mutex
	used  int64
	freed sync.Cond
}

func newBudget(limit int64) *budget {
	b := &budget{limit: limit}
	b.freed.L = &b.mu
	return b
}

// acquire waits for its share, or returns false once given up. wake must be called when given up turns true.
func (b *budget) acquire(n int64, givenUp func() bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.used >= b.limit {
		if givenUp() {
			return false
		}
		b.freed.Wait()
	}
	b.used += n
	return true
}

// force takes a share without waiting, for bytes that are in memory already.
func (b *budget) force(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += n
}

func (b *budget) release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	if b.used < 0 {
		panic("server: more bytes given back to the budget than taken")
	}
	b.freed.Broadcast()
}

func (b *budget) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.freed.Broadcast()
}

func (b *budget) inUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

package log

import (
	"sort"

	"ottla.dev/core"
)

// RingBatches is how many of the last batches of a log have exact positions in memory. Reads of them, and the position
// of a high watermark among them, need no file.
const RingBatches = 512

const ringLeast = 8

// position is where a batch lies in its segment.
type position struct {
	base, last core.Offset
	pos, size  int32
}

// ring holds the positions of the last batches, without a gap. Its memory grows with use up to [RingBatches].
type ring struct {
	buf  []position // length a power of two
	head int        // index of the oldest
	n    int
}

func (r *ring) at(i int) *position { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

func (r *ring) push(p position) {
	if r.n == len(r.buf) && r.n < RingBatches {
		bigger := make([]position, max(ringLeast, 2*r.n))
		for i := range r.n {
			bigger[i] = *r.at(i)
		}
		r.buf, r.head = bigger, 0
	}
	if r.n == len(r.buf) {
		r.head = (r.head + 1) & (len(r.buf) - 1)
		r.n--
	}
	r.n++
	*r.at(r.n - 1) = p
}

// covers reports whether the batch that holds offset, or the next one, is in the ring if it exists.
func (r *ring) covers(offset core.Offset) bool { return r.n > 0 && offset >= r.at(0).base }

// search returns the index of the first batch that ends at or after offset.
func (r *ring) search(offset core.Offset) int {
	if r.n > 0 && r.at(r.n-1).last < offset {
		return r.n
	}
	return sort.Search(r.n, func(i int) bool { return r.at(i).last >= offset })
}

// truncate drops the batches that end at or after offset.
func (r *ring) truncate(offset core.Offset) { r.n = r.search(offset) }

// hintCount is how many positions are remembered for readers of cold segments.
const hintCount = 8

type hint struct {
	next core.Offset // the offset that a reader will ask for
	file core.FileID
	pos  int64
}

// hints remembers where the last reads of cold segments ended, which is where their readers go on.
type hints struct {
	list [hintCount]hint
	turn int
}

func (h *hints) add(x hint) {
	h.list[h.turn] = x
	h.turn = (h.turn + 1) % hintCount
}

func (h *hints) find(file core.FileID, next core.Offset) (int64, bool) {
	for _, x := range h.list {
		if x.file == file && x.next == next {
			return x.pos, true
		}
	}
	return 0, false
}

func (h *hints) clear() { *h = hints{} }

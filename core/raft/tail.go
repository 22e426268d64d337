package raft

import (
	"sort"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// tailBytes is how many bytes of the end of the log are kept in memory, for followers and for the owner.
const tailBytes = 4 << 20

// tail is the last batches of the log, without a gap, up to next. They are never changed.
type tail struct {
	batches []record.View
	bytes   int
	next    core.Offset
}

func (t *tail) push(v record.View) {
	t.batches = append(t.batches, v)
	t.bytes += len(v)
	t.next = v.NextOffset()
	drop := 0
	for t.bytes > tailBytes && drop < len(t.batches)-1 {
		t.bytes -= len(t.batches[drop])
		drop++
	}
	if drop > 0 {
		t.batches = t.batches[drop:] // append moves them to new memory in time
	}
}

func (t *tail) truncate(end core.Offset) {
	n := len(t.batches)
	for n > 0 && t.batches[n-1].NextOffset() > end {
		n--
		t.bytes -= len(t.batches[n])
	}
	t.batches, t.next = t.batches[:n:n], end
}

// covers reports whether all batches from the one with offset on are in memory.
func (t *tail) covers(offset core.Offset) bool {
	return offset >= t.next || len(t.batches) > 0 && offset >= t.batches[0].BaseOffset()
}

// from returns the batches from the one with offset on. The tail covers offset.
func (t *tail) from(offset core.Offset) []record.View {
	i := sort.Search(len(t.batches), func(i int) bool { return t.batches[i].LastOffset() >= offset })
	return t.batches[i:]
}

// read returns a copy of whole batches from offset on, at most limit bytes or one batch.
func (t *tail) read(offset core.Offset, limit int) []byte {
	var b []byte
	for _, v := range t.from(offset) {
		if len(b) > 0 && len(b)+len(v) > limit {
			break
		}
		b = append(b, v...)
	}
	return b
}

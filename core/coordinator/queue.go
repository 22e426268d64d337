package coordinator

import (
	"time"

	"ottla.dev/core"
)

// waiting is an operation whose answer is ready but may rest on records that are not committed.
type waiting[O Op] struct {
	op       O
	after    core.Offset // completes when the high watermark is at least this
	deadline time.Duration
}

// queue is a first-in first-out queue that reuses its memory.
type queue[O Op] struct {
	items []waiting[O]
	head  int
}

func (q *queue[O]) empty() bool        { return q.head == len(q.items) }
func (q *queue[O]) len() int           { return len(q.items) - q.head }
func (q *queue[O]) front() *waiting[O] { return &q.items[q.head] }

func (q *queue[O]) push(w waiting[O]) {
	// A queue that is never empty would otherwise grow at its end forever.
	if q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, w)
}

func (q *queue[O]) pop() waiting[O] {
	w := q.items[q.head]
	q.items[q.head] = waiting[O]{}
	q.head++
	if q.empty() {
		q.items, q.head = q.items[:0], 0
	}
	return w
}

package sim

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/sim/disk"
)

// eventKind says what an event does.
type eventKind uint8

const (
	eventInput     eventKind = iota + 1 // in, to the machine
	eventTick                           // a machine's deadline
	eventFile                           // a file operation but a sync
	eventSyncBegin                      // decides what a sync covers
	eventSyncEnd
	eventJob   // starts or goes on with a job
	eventLeave // sends an answer
	eventCall  // anything else
)

// event is something that will happen.
type event struct {
	at      time.Duration
	seq     uint64
	kind    eventKind
	proc    *process // nil: happens whatever becomes of the process
	actor   *actor
	in      core.Input
	op      core.FileOp
	syncing disk.Syncing
	job     *running
	leaving *leaving
	call    func()
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// queue is a heap of events by time, then by the order in which they were made.
type queue struct {
	heap []*event
	free []*event
	seq  uint64
}

func (q *queue) new() *event {
	if n := len(q.free); n > 0 {
		e := q.free[n-1]
		q.free = q.free[:n-1]
		return e
	}
	return &event{}
}

func (q *queue) recycle(e *event) {
	*e = event{}
	q.free = append(q.free, e)
}

func (q *queue) push(e *event) {
	q.seq++
	e.seq = q.seq
	q.again(e)
}

// again puts an event back at a later time, in its old place among those of that time.
func (q *queue) again(e *event) {
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !e.before(q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = e
}

func (q *queue) pop() *event {
	first, n := q.heap[0], len(q.heap)-1
	e := q.heap[n]
	q.heap[n] = nil
	q.heap = q.heap[:n]
	if n == 0 {
		return first
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && q.heap[child+1].before(q.heap[child]) {
			child++
		}
		if !q.heap[child].before(e) {
			break
		}
		q.heap[i] = q.heap[child]
		i = child
	}
	q.heap[i] = e
	return first
}

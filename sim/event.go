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
	eventRound // ends a round of steps
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

// due is an event in the queue, with what it is ordered by at hand.
type due struct {
	at  time.Duration
	seq uint64
	*event
}

func (d *due) before(o *due) bool { return d.at < o.at || d.at == o.at && d.seq < o.seq }

// queue gives events by time, then by the order in which they were made. Those before limit are in a heap, the others
// have no order yet: requests leave thousands of timeouts here, that nearly everything else would have to pass.
type queue struct {
	heap  []due
	far   []due
	limit time.Duration
	free  []*event
	seq   uint64
}

// branches is how many children an event in the heap has: with four of them fewer levels are gone through than with
// two, and those of one are beside each other in memory.
const branches = 4

// window is how much of what comes next is put in order at a time.
const window = 500 * time.Millisecond

func (q *queue) new() *event {
	if n := len(q.free); n > 0 {
		e := q.free[n-1]
		q.free = q.free[:n-1]
		return e
	}
	return &event{}
}

func (q *queue) recycle(e *event) {
	// Only what events of the kind have, for an event is large.
	switch e.kind {
	case eventInput:
		e.in = core.Input{}
	case eventFile, eventSyncBegin, eventSyncEnd:
		e.op, e.syncing = core.FileOp{}, disk.Syncing{}
	case eventTick, eventJob, eventLeave, eventCall:
	}
	e.kind, e.proc, e.actor, e.job, e.leaving, e.call = 0, nil, nil, nil, nil, nil
	q.free = append(q.free, e)
}

func (q *queue) push(e *event) {
	q.seq++
	e.seq = q.seq
	q.again(e)
}

// again puts an event back at a later time, in its old place among those of that time.
func (q *queue) again(e *event) {
	d := due{e.at, e.seq, e}
	if e.at >= q.limit {
		q.far = append(q.far, d)
		return
	}
	q.order(d)
}

// empty reports whether nothing is left to happen.
func (q *queue) empty() bool { return len(q.heap)+len(q.far) == 0 }

// refill puts what comes next in order, when all before it has happened.
func (q *queue) refill() {
	next := q.far[0].at
	for i := range q.far {
		next = min(next, q.far[i].at)
	}
	q.limit = next + window
	rest := q.far[:0]
	for _, d := range q.far {
		if d.at < q.limit {
			q.order(d)
		} else {
			rest = append(rest, d)
		}
	}
	clear(q.far[len(rest):])
	q.far = rest
}

// order puts an event into the heap.
func (q *queue) order(d due) {
	q.heap = append(q.heap, d)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / branches
		if !d.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = d
}

func (q *queue) pop() *event {
	if len(q.heap) == 0 {
		q.refill()
	}
	first, n := q.heap[0].event, len(q.heap)-1
	d := q.heap[n]
	q.heap[n] = due{}
	q.heap = q.heap[:n]
	if n == 0 {
		return first
	}
	i := 0
	for {
		child := branches*i + 1
		if child >= n {
			break
		}
		behind := min(child+branches, n)
		for other := child + 1; other < behind; other++ {
			if q.heap[other].before(&q.heap[child]) {
				child = other
			}
		}
		if !q.heap[child].before(&d) {
			break
		}
		q.heap[i] = q.heap[child]
		i = child
	}
	q.heap[i] = d
	return first
}

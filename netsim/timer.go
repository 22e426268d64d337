package netsim

import "time"

// timerKind says what happens when a timer fires.
type timerKind uint8

const (
	timerArrive timerKind = iota + 1 // the head of a direction's queue
	timerAck                         // acknowledgements that were held up, or are waited for by a full sender
	timerExpire                      // a sender without acknowledgement gives up
	timerNotice                      // an end learns that the connection was reset
	timerDial                        // the next step of the handshake
	timerGiveUp                      // a dialer without answer gives up
	timerEdge                        // fault windows come or go
)

// The places of a timer that is not in the heap.
const (
	idle   int32 = 0
	parked int32 = -1 // on a link, until that is released
	halted int32 = -2 // until something else arms it
)

// timer is one thing that will happen to a connection. It belongs to what it happens to, so that there is one at most
// and the heap holds no stale ones.
type timer[P any] struct {
	at    time.Duration
	seq   uint64
	place int32 // in the heap, from 1, or one of the constants above
	kind  timerKind
	side  uint8
	conn  *conn[P]
}

func (t *timer[P]) before(o *timer[P]) bool { return t.at < o.at || t.at == o.at && t.seq < o.seq }

// timers is a heap by time, and by the order of arming for the same time. Its first element is unused.
type timers[P any] struct {
	heap []*timer[P]
	seq  uint64
}

// first is the next timer to fire.
func (q *timers[P]) first() *timer[P] {
	if len(q.heap) < 2 {
		return nil
	}
	return q.heap[1]
}

// arm sets a timer, wherever it was.
func (q *timers[P]) arm(t *timer[P], at time.Duration) {
	q.seq++
	t.at, t.seq = at, q.seq
	if t.place <= 0 {
		if len(q.heap) == 0 {
			q.heap = append(q.heap, nil)
		}
		q.heap = append(q.heap, t)
		q.up(t, int32(len(q.heap)-1))
		return
	}
	q.down(t, t.place)
	if q.heap[t.place] == t {
		q.up(t, t.place)
	}
}

// disarm takes a timer out and leaves it idle, or wherever it is said to be.
func (q *timers[P]) disarm(t *timer[P], place int32) {
	if i := t.place; i > 0 {
		n := int32(len(q.heap) - 1)
		last := q.heap[n]
		q.heap[n] = nil
		q.heap = q.heap[:n]
		if last != t {
			q.down(last, i)
			q.up(last, last.place)
		}
	}
	t.place = place
}

func (q *timers[P]) up(t *timer[P], i int32) {
	for i > 1 {
		parent := q.heap[i/2]
		if !t.before(parent) {
			break
		}
		q.heap[i] = parent
		parent.place = i
		i /= 2
	}
	q.heap[i] = t
	t.place = i
}

func (q *timers[P]) down(t *timer[P], i int32) {
	n := int32(len(q.heap))
	for 2*i < n {
		c := 2 * i
		if c+1 < n && q.heap[c+1].before(q.heap[c]) {
			c++
		}
		child := q.heap[c]
		if !child.before(t) {
			break
		}
		q.heap[i] = child
		child.place = i
		i = c
	}
	q.heap[i] = t
	t.place = i
}

package group

import "time"

// timerKind says what a timer does when it fires.
type timerKind uint8

const (
	timerSession   timerKind = iota + 1 // a member has not been heard of
	timerPending                        // a member that was given an id has not come back with it
	timerInitial                        // the first rebalance of an empty group has waited long enough, or waits more
	timerJoin                           // the rebalance timeout: who has not rejoined is out
	timerSync                           // the rebalance timeout again: who has not sent SyncGroup is out
	timerRetention                      // look for expired offsets
)

// timer is one alarm, embedded in what it belongs to. The zero value is not set.
type timer struct {
	kind   timerKind
	at     time.Duration
	seq    uint64
	place  int // in the heap, counted from 1; 0 when not set
	group  *Group
	member *member
}

// set reports whether the timer will fire.
func (t *timer) set() bool { return t.place != 0 }

// timers is a binary heap by time. Of equal times the one that was set first fires first, so that two runs agree.
type timers struct {
	heap []*timer
	seq  uint64
}

// next returns the earliest timer, or nil.
func (h *timers) next() *timer {
	if len(h.heap) == 0 {
		return nil
	}
	return h.heap[0]
}

// schedule sets t to fire at the given time, instead of when it was to fire before.
func (h *timers) schedule(t *timer, at time.Duration) {
	h.seq++
	t.at, t.seq = at, h.seq
	if !t.set() {
		h.heap = append(h.heap, t)
		t.place = len(h.heap)
	}
	h.down(h.up(t.place - 1))
}

// cancel unsets t, if it is set.
func (h *timers) cancel(t *timer) {
	if !t.set() {
		return
	}
	i, last := t.place-1, len(h.heap)-1
	h.swap(i, last)
	h.heap[last] = nil
	h.heap = h.heap[:last]
	t.place = 0
	if i < last {
		h.down(h.up(i))
	}
}

func (h *timers) before(i, j int) bool {
	a, b := h.heap[i], h.heap[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (h *timers) swap(i, j int) {
	h.heap[i], h.heap[j] = h.heap[j], h.heap[i]
	h.heap[i].place, h.heap[j].place = i+1, j+1
}

func (h *timers) up(i int) int {
	for i > 0 && h.before(i, (i-1)/2) {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	return i
}

func (h *timers) down(i int) {
	for {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(h.heap) && h.before(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}

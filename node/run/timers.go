package run

import (
	"container/heap"
	"sync"
	"time"

	"ottla.dev/core"
)

// timers wakes machines at their deadlines: one heap and one runtime timer for all of them. The timer's function runs
// on a goroutine of its own each time, so that a machine that is slow to run does not delay the others' deadlines.
type timers struct {
	engine *Engine
	timer  *time.Timer

	mu      sync.Mutex
	heap    wakeups
	stopped bool
}

func (t *timers) init(e *Engine) {
	t.engine = e
	t.timer = time.AfterFunc(time.Hour, t.fire)
	t.timer.Stop()
}

// arm puts the machine's look-up at deadline, if that is earlier than the one it has.
func (t *timers) arm(a *Actor, deadline time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if int64(deadline) >= a.armed.Load() || t.stopped {
		return
	}
	a.armed.Store(int64(deadline))
	if a.heap < 0 {
		heap.Push(&t.heap, a)
	} else {
		heap.Fix(&t.heap, a.heap)
	}
	if t.heap[0] == a {
		t.timer.Reset(deadline - t.engine.clock.now().Mono)
	}
}

func (t *timers) remove(a *Actor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.heap >= 0 {
		heap.Remove(&t.heap, a.heap)
	}
}

func (t *timers) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	t.timer.Stop()
}

// fire ticks the machines whose deadline has come and looks again later at those whose deadline has moved.
func (t *timers) fire() {
	w := t.engine.Worker()
	now := t.engine.clock.now().Mono
	t.mu.Lock()
	for len(t.heap) > 0 && time.Duration(t.heap[0].armed.Load()) <= now {
		if a := t.heap[0]; t.postpone(a, now) {
			w.Post(a, core.Input{Kind: core.InputTick})
		}
	}
	if len(t.heap) > 0 && !t.stopped {
		t.timer.Reset(time.Duration(t.heap[0].armed.Load()) - now)
	}
	t.mu.Unlock()
	t.engine.Finish(w)
}

// postpone moves the machine's look-up to its present deadline. If that has come it takes the machine off the heap and
// reports true: stepping it will arm it again.
func (t *timers) postpone(a *Actor, now time.Duration) bool {
	for {
		deadline := a.deadline.Load()
		due := deadline <= int64(now)
		if due {
			// The step after the tick compares with this and arms again even when it wants the same deadline.
			a.deadline.CompareAndSwap(deadline, int64(core.Never))
			deadline = int64(core.Never)
		}
		a.armed.Store(deadline)
		if due || deadline == int64(core.Never) {
			// The claimant may have stored an earlier deadline and still seen the old time armed.
			if again := a.deadline.Load(); again != int64(core.Never) {
				a.armed.Store(again)
				heap.Fix(&t.heap, a.heap)
				return due
			}
			heap.Remove(&t.heap, a.heap)
			return due
		}
		if a.deadline.Load() == deadline {
			heap.Fix(&t.heap, a.heap)
			return false
		}
	}
}

// wakeups is a heap of machines by armed time.
type wakeups []*Actor

func (h wakeups) Len() int           { return len(h) }
func (h wakeups) Less(i, j int) bool { return h[i].armed.Load() < h[j].armed.Load() }

func (h wakeups) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heap, h[j].heap = i, j
}

// Push appends a machine, for container/heap.
func (h *wakeups) Push(x any) {
	a := x.(*Actor)
	a.heap = len(*h)
	*h = append(*h, a)
}

// Pop removes the last machine, for container/heap.
func (h *wakeups) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	a.heap = -1
	(*h)[last] = nil
	*h = (*h)[:last]
	return a
}

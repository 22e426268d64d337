package run

import (
	"sync"
	"sync/atomic"
	"time"

	"ottla.dev/core"
)

// Files executes the file operations of one machine. Its methods are called by whoever runs the machine, never twice at
// a time.
type Files interface {
	// Urgent reports whether ops must be executed before the machine's next step.
	Urgent(ops []core.FileOp) bool
	// Execute executes ops in order and pushes completions to the machine, at once or later. The slice is reused after
	// the call.
	Execute(a *Actor, ops []core.FileOp)
}

// Links executes the link operations of one machine, without waiting for the network.
type Links interface {
	Execute(ops []core.LinkOp)
	// Release takes back frames that came by links. The slice is reused after the call.
	Release(frames [][]byte)
}

// Client is the connection of a session.
type Client interface {
	// Execute takes over answers, releases, resume and close of a session's outbox, without waiting for the network.
	// It reports whether Flush has work.
	Execute(out *core.Outbox) bool
	// Flush sends what it can without waiting for the peer. The worker is there to push inputs; alone says that no
	// other connection waits for this worker.
	Flush(w *Worker, alone bool)
	// Retired is called once, when the session has been forgotten. Frames that it still holds are the driver's again.
	Retired()
}

// Actor is a machine with its inbox, its claim and its timer.
type Actor struct {
	address core.Address
	machine core.Machine
	files   Files
	client  Client
	links   Links // nil for machines that open none
	engine  *Engine

	mu    sync.Mutex
	inbox []core.Input
	busy  bool // somebody has claimed the machine

	batch []core.Input // being stepped; the claimant's

	// disconnected says that a session has taken [core.InputDisconnected]: its next Close is its last word. The
	// claimant's.
	disconnected bool

	// deadline is what the machine asked for last, armed the time at which the timer will look at it. The two are
	// written and read in opposite order by claimant and timer, so that at least one of them sees the other's news.
	deadline atomic.Int64
	armed    atomic.Int64
	heap     int // index in the timers' heap, -1 outside; guarded by the timers' lock
}

// Address returns the machine's address.
func (a *Actor) Address() core.Address { return a.address }

// post pushes an input and reports whether the caller has thereby claimed the machine, and must run it.
func (a *Actor) post(in core.Input) bool {
	a.mu.Lock()
	a.inbox = append(a.inbox, in)
	claimed := !a.busy
	a.busy = true
	a.mu.Unlock()
	return claimed
}

// Connect gives the machine its links, before its first input.
func (a *Actor) Connect(links Links) { a.links = links }

// Complete pushes an input to a machine that the caller is running, from within [Files.Execute].
func (a *Actor) Complete(in core.Input) {
	if a.post(in) {
		panic("run: completion for " + a.address.String() + ", which nobody is running")
	}
}

// take swaps the inbox against the emptied last batch. With an empty inbox it gives the claim up and reports false.
func (a *Actor) take() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.inbox) == 0 {
		a.busy = false
		return false
	}
	a.inbox, a.batch = a.batch[:0], a.inbox
	return true
}

// arm makes sure that the timer looks at the machine when its deadline comes. A deadline that moved later needs no
// call: the timer finds out when it fires.
func (a *Actor) arm() {
	deadline, ok := a.machine.Deadline()
	if !ok {
		deadline = core.Never
	}
	if int64(deadline) == a.deadline.Load() {
		return
	}
	a.deadline.Store(int64(deadline))
	if int64(deadline) < a.armed.Load() {
		a.engine.timers.arm(a, deadline)
	}
}

// clock reads both clocks.
type clock struct {
	start time.Time
	shift func() time.Duration // nil for a clock that is right
}

func (c *clock) now() core.Instant {
	now := time.Now()
	wall := now
	if c.shift != nil {
		wall = now.Add(c.shift())
	}
	return core.Instant{Mono: now.Sub(c.start), Wall: core.Timestamp(wall.UnixMilli())}
}

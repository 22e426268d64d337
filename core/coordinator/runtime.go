package coordinator

import (
	"fmt"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// State is where a [Runtime] is in its life.
type State uint8

// The states of a runtime.
const (
	Unloaded State = iota
	Loading
	Active
)

// String gives the state's name for traces.
func (s State) String() string {
	switch s {
	case Unloaded:
		return "Unloaded"
	case Loading:
		return "Loading"
	case Active:
		return "Active"
	}
	return "State?"
}

// Runtime runs the machine of one coordinator partition.
type Runtime[O Op] struct {
	log     Appender
	encode  encoder
	timeout time.Duration

	state   State
	epoch   core.LeaderEpoch
	machine Machine[O] // nil unless Active

	// appended is the offset after the last record that the machine's state holds.
	appended core.Offset
	// committed is the high watermark. It may lag behind what a loaded machine holds.
	committed core.Offset
	// parked operations have their answers, and wait. Invariant: offsets and deadlines ascend, and
	// committed < parked[0].after.
	parked queue[O]
	// failed is set when an append in the middle of a turn shows that the log is not ours any more.
	failed core.ErrorCode

	done, drained []O

	// Reached are the probes that were passed, until the owner takes them.
	Reached probe.Set
}

// New returns an unloaded runtime over log. An answer that is not committed within timeout is replaced by
// COORDINATOR_NOT_AVAILABLE (offsets.commit.timeout.ms).
func New[O Op](log Appender, timeout time.Duration) *Runtime[O] {
	return &Runtime[O]{log: log, timeout: timeout}
}

// State returns the runtime's state.
func (r *Runtime[O]) State() State { return r.state }

// Epoch returns the leader epoch of the last BeginLoad.
func (r *Runtime[O]) Epoch() core.LeaderEpoch { return r.epoch }

// Machine returns the active machine, or nil. It is for inspection only.
func (r *Runtime[O]) Machine() Machine[O] { return r.machine }

// Appended is the offset after the last record that the active machine's state holds.
func (r *Runtime[O]) Appended() core.Offset { return r.appended }

// BeginLoad starts the leadership of epoch: the owner is loading the log. A state of an earlier epoch is dropped.
func (r *Runtime[O]) BeginLoad(epoch core.LeaderEpoch) {
	if epoch < r.epoch {
		panic(fmt.Sprintf("coordinator: load for epoch %d after %d", epoch, r.epoch))
	}
	r.drop(core.NotCoordinator)
	r.epoch, r.state = epoch, Loading
}

// FinishLoad installs what l has loaded, if it was loaded for the epoch that is loading now, and reports whether it
// was. The load of a leadership that has ended meanwhile is thrown away.
func (r *Runtime[O]) FinishLoad(
	now core.Instant, epoch core.LeaderEpoch, l *Loader[O], highWatermark core.Offset,
) bool {
	if r.state != Loading || epoch != r.epoch {
		r.Reached.Add(probe.LoadDiscarded)
		return false
	}
	r.state, r.machine = Active, l.machine
	r.appended, r.committed = l.end, max(highWatermark, 0)
	r.machine.Loaded(r.turn(now))
	r.settle()
	return true
}

// LoadFailed gives up the load of epoch. Operations are refused with NOT_COORDINATOR until the next BeginLoad.
func (r *Runtime[O]) LoadFailed(epoch core.LeaderEpoch) {
	if r.state == Loading && epoch == r.epoch {
		r.Reached.Add(probe.LoadFailed)
		r.state = Unloaded
	}
}

// Unload drops the state because the leadership has ended. Everything in flight is refused with NOT_COORDINATOR.
func (r *Runtime[O]) Unload() { r.drop(core.NotCoordinator) }

// Fail drops the state because something that was appended will never be committed: a write failed, or the log was
// truncated. Everything in flight is refused with the translation of code. The owner loads again if it still leads.
func (r *Runtime[O]) Fail(code core.ErrorCode) { r.drop(ErrorFor(code)) }

// Submit takes one operation. It comes out of Drain exactly once, now or later.
func (r *Runtime[O]) Submit(now core.Instant, op O) {
	switch r.state {
	case Loading:
		r.Reached.Add(probe.LoadRefused)
		r.refuse(op, core.CoordinatorLoadInProgress)
	case Unloaded:
		r.refuse(op, core.NotCoordinator)
	case Active:
		r.machine.Decide(r.turn(now), op)
		r.settle()
	}
}

// Advance tells the runtime the partition's high watermark, and completes what was waiting for it, in order.
func (r *Runtime[O]) Advance(highWatermark core.Offset) {
	if r.state != Active || highWatermark <= r.committed {
		return
	}
	r.committed = highWatermark
	for !r.parked.empty() && r.parked.front().after <= r.committed {
		r.done = append(r.done, r.parked.pop().op)
	}
}

// Tick runs what is due at now: the machine's timers, and the commit timeout of parked answers.
func (r *Runtime[O]) Tick(now core.Instant) {
	if r.state != Active {
		return
	}
	for !r.parked.empty() && now.Reached(r.parked.front().deadline) {
		r.Reached.Add(probe.CommitTimedOut)
		r.refuse(r.parked.pop().op, ErrorFor(core.RequestTimedOut))
	}
	if at, ok := r.machine.Deadline(); ok && now.Reached(at) {
		r.machine.Fire(r.turn(now))
	}
	r.settle()
}

// Deadline returns the monotonic time at which Tick has something to do, or false.
func (r *Runtime[O]) Deadline() (time.Duration, bool) {
	if r.state != Active {
		return 0, false
	}
	at, ok := r.machine.Deadline()
	if r.parked.empty() {
		return at, ok
	}
	if d := r.parked.front().deadline; !ok || d < at {
		return d, true
	}
	return at, true
}

// Drain returns the operations completed since the last Drain, in the order of their completion. The slice is valid
// until the next Drain.
func (r *Runtime[O]) Drain() []O {
	clear(r.drained)
	r.done, r.drained = r.drained[:0], r.done
	return r.drained
}

// Parked returns how many answers wait for their commit.
func (r *Runtime[O]) Parked() int { return r.parked.len() }

func (r *Runtime[O]) turn(now core.Instant) Turn[O] { return Turn[O]{Now: now, r: r} }

func (r *Runtime[O]) write(now core.Instant, records []Record) core.ErrorCode {
	if len(records) == 0 {
		return core.NoError
	}
	if r.failed != core.NoError {
		return ErrorFor(r.failed)
	}
	base, last, code := r.log.Append(now, r.encode.batch(now.Wall, records))
	if code != core.NoError {
		r.Reached.Add(probe.AppendRefused)
		if lost(code) {
			r.failed = code
		}
		return ErrorFor(code)
	}
	if last-base != core.Offset(len(records)-1) || base < r.appended {
		panic(fmt.Sprintf("coordinator: %d records appended at %d to %d, after %d", len(records), base, last, r.appended))
	}
	for i, rec := range records {
		e := Entry{Offset: base + core.Offset(i), ProducerID: core.NoProducerID, Key: rec.Key, Value: rec.Value}
		if err := r.machine.Replay(e); err != nil {
			panic(fmt.Sprintf("coordinator: cannot replay own record at %d: %v", e.Offset, err))
		}
	}
	r.appended = last + 1
	return core.NoError
}

func (r *Runtime[O]) park(now core.Instant, op O) {
	if r.appended <= r.committed {
		r.done = append(r.done, op)
		return
	}
	r.parked.push(waiting[O]{op: op, after: r.appended, deadline: now.Mono + r.timeout})
}

func (r *Runtime[O]) refuse(op O, code core.ErrorCode) {
	op.Refuse(code)
	r.done = append(r.done, op)
}

// settle ends a turn: if an append showed that the log is not ours, the state goes.
func (r *Runtime[O]) settle() {
	if r.failed != core.NoError {
		r.drop(ErrorFor(r.failed))
	}
}

func (r *Runtime[O]) drop(code core.ErrorCode) {
	for !r.parked.empty() {
		r.Reached.Add(probe.MovedInFlight)
		r.refuse(r.parked.pop().op, code)
	}
	if r.machine != nil {
		r.machine.Abandon(func(op O) { r.refuse(op, code) })
	}
	r.machine, r.state, r.failed = nil, Unloaded, core.NoError
	r.appended, r.committed = 0, 0
}

package run

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"ottla.dev/core"
)

// Host is told what concerns the whole process. Its methods are called by whoever runs a machine and must not wait.
type Host interface {
	Listen()
	ListenQuorum()
	Stopped()
	// Halt is called once. No effect of any machine is executed from then on.
	Halt(from core.Address, why string)
	Note(from core.Address, n core.Note)
	// Offline says that a log directory is not used any more.
	Offline(dir string)
}

// Engine runs the machines of one broker.
type Engine struct {
	host   Host
	fs     core.FS
	clock  clock
	timers timers
	pool   pool
	halted atomic.Bool
	faults Interference

	control  *Actor
	shards   []*Actor
	sessions [sessionStripes]stripe

	idleMu sync.Mutex
	idle   []*Worker // a sync.Pool would lose them at every garbage collection

	// Steps counts the inputs that machines have taken.
	Steps atomic.Int64
	// longest is, by role, the longest step of a machine, in nanoseconds.
	longest [roles]atomic.Int64
}

// jobsLeast is how many jobs run at a time on a small machine: the most of what they do is to wait for the disk, which
// syncs sixteen files in much less than sixteen times the time of one.
const jobsLeast = 16

// roles is more than any [core.Role].
const roles = 8

// sessionStripes divides the table of sessions, so that connections on different cores seldom meet at its locks.
const sessionStripes = 64

type stripe struct {
	mu     sync.RWMutex
	actors map[uint32]*Actor
}

// New returns an engine without machines. Jobs get fs.
func New(host Host, fs core.FS) *Engine {
	e := &Engine{host: host, fs: fs, clock: clock{start: time.Now()}}
	e.timers.init(e)
	e.pool.init(e, max(2*runtime.GOMAXPROCS(0), jobsLeast))
	for i := range e.sessions {
		e.sessions[i].actors = make(map[uint32]*Actor)
	}
	return e
}

// AddControl and AddShard give the engine its lasting machines, before the first input.
func (e *Engine) AddControl(m core.Machine, files Files) {
	e.control = e.newActor(core.Control(), m, files, nil)
}

// AddShard adds the next shard.
func (e *Engine) AddShard(m core.Machine, files Files) {
	e.shards = append(e.shards, e.newActor(core.Shard(uint32(len(e.shards))), m, files, nil))
}

// Control returns the control machine.
func (e *Engine) Control() *Actor { return e.control }

// Shards returns the machines of the shards.
func (e *Engine) Shards() []*Actor { return e.shards }

// AddSession adds the machine of a connection, which is run by the first input.
func (e *Engine) AddSession(id uint32, m core.Machine, client Client) *Actor {
	a := e.newActor(core.Session(id), m, noFiles{}, client)
	s := &e.sessions[id%sessionStripes]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.actors[id] != nil {
		panic("run: a second " + a.address.String())
	}
	s.actors[id] = a
	return a
}

// retire forgets a session that has closed after its peer was gone. It has nothing left to wait for.
func (e *Engine) retire(a *Actor) {
	s := &e.sessions[a.address.Index%sessionStripes]
	s.mu.Lock()
	known := s.actors[a.address.Index] == a
	delete(s.actors, a.address.Index)
	s.mu.Unlock()
	if known {
		e.timers.remove(a)
		a.client.Retired()
	}
}

// Sessions returns how many sessions there are.
func (e *Engine) Sessions() int {
	n := 0
	for i := range e.sessions {
		s := &e.sessions[i]
		s.mu.RLock()
		n += len(s.actors)
		s.mu.RUnlock()
	}
	return n
}

// Start gives control its first input.
func (e *Engine) Start() { e.Deliver(e.control, core.Input{Kind: core.InputStart}) }

// Shutdown asks control for a clean shutdown, which [Host.Stopped] answers.
func (e *Engine) Shutdown() { e.Deliver(e.control, core.Input{Kind: core.InputShutdown}) }

// Stop ends timers. It is for the end of a test or of the process; machines are no longer woken.
func (e *Engine) Stop() { e.timers.stop() }

// Kill ends the machines as the end of their process does: no effect is executed from then on, and the host is not
// told. It is for tests that have several brokers in one process.
func (e *Engine) Kill() {
	e.halted.Store(true)
	e.Stop()
	if e.faults.Release != nil {
		e.faults.Release()
	}
}

// Interference is what a test does to one of the brokers of its process.
type Interference struct {
	// Hold is called before machines take inputs and before jobs run. It does not return while the broker is paused.
	Hold func()
	// Release is called when the broker has been killed: Hold returns from then on.
	Release func()
	// Shift returns by how much the wall clock is wrong.
	Shift func() time.Duration
}

// Interfere lets a test interfere, from before the first input.
func (e *Engine) Interfere(i Interference) { e.faults, e.clock.shift = i, i.Shift }

// observe notes how long a machine of a.address's role took for a step.
func (e *Engine) observe(a *Actor, step time.Duration) {
	took := int64(step)
	for most := &e.longest[a.address.Role]; ; {
		if seen := most.Load(); took <= seen || most.CompareAndSwap(seen, took) {
			return
		}
	}
}

// LongestStep returns the longest time that a machine of a role took for a step: for so long everything else that
// wanted the machine had to wait. It is wall-clock time, and on a busy machine mostly that of others.
func (e *Engine) LongestStep(role core.Role) time.Duration {
	return time.Duration(e.longest[role].Load())
}

// Halted reports whether a machine has stopped the broker for good.
func (e *Engine) Halted() bool { return e.halted.Load() }

// Deliver pushes an input and runs, on this goroutine, whatever that claims.
func (e *Engine) Deliver(a *Actor, in core.Input) {
	w := e.Worker()
	w.Post(a, in)
	e.Finish(w)
}

// Worker borrows a worker, to push several inputs to several machines. The borrower calls Finish or FinishLater.
func (e *Engine) Worker() *Worker {
	e.idleMu.Lock()
	defer e.idleMu.Unlock()
	last := len(e.idle) - 1
	if last < 0 {
		return &Worker{engine: e}
	}
	w := e.idle[last]
	e.idle = e.idle[:last]
	return w
}

// Finish runs what the worker has claimed and takes the worker back.
func (e *Engine) Finish(w *Worker) {
	w.finish()
	e.idleMu.Lock()
	defer e.idleMu.Unlock()
	e.idle = append(e.idle, w)
}

// FinishLater does it on another goroutine.
func (e *Engine) FinishLater(w *Worker) { go e.Finish(w) }

// hand passes a claimed machine to another goroutine.
func (e *Engine) hand(a *Actor) {
	w := e.Worker()
	w.actors = append(w.actors, a)
	e.FinishLater(w)
}

func (e *Engine) newActor(addr core.Address, m core.Machine, files Files, client Client) *Actor {
	a := &Actor{address: addr, machine: m, files: files, client: client, engine: e, heap: -1}
	a.deadline.Store(int64(core.Never))
	a.armed.Store(int64(core.Never))
	return a
}

// find returns the machine at an address, or nil.
func (e *Engine) find(addr core.Address) *Actor {
	switch addr.Role {
	case core.RoleControl:
		return e.control
	case core.RoleShard:
		if int(addr.Index) < len(e.shards) {
			return e.shards[addr.Index]
		}
	case core.RoleSession:
		s := &e.sessions[addr.Index%sessionStripes]
		s.mu.RLock()
		defer s.mu.RUnlock()
		return s.actors[addr.Index]
	}
	return nil
}

// noFiles stands for the files of a session, which has none.
type noFiles struct{}

func (noFiles) Urgent([]core.FileOp) bool { return true }

func (noFiles) Execute(a *Actor, _ []core.FileOp) {
	panic("run: file operations of " + a.address.String())
}

// Files returns the files of a lasting machine.
func (e *Engine) Files(owner core.Address) Files {
	a := e.find(owner)
	if a == nil {
		panic("run: files of " + owner.String() + ", which does not exist")
	}
	return a.files
}

package sim

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/linearizability"
	"ottla.dev/sim/check"
	"ottla.dev/sim/fault"
	"ottla.dev/sim/history"
	"ottla.dev/sim/trace"
)

// Epoch is the calendar time at which every simulation begins, in milliseconds: the first of January 2026.
const Epoch core.Timestamp = 1767225600000

const (
	// stepsPerMilli is how many events one millisecond may hold; more is a machine that never comes to rest.
	stepsPerMilli = 200_000
)

// World is one simulation.
type World struct {
	plan        *fault.Plan
	now         time.Duration
	events      queue
	nodes       []*node
	schedule    core.PRNG
	faults      core.PRNG
	seeds       core.PRNG // of the brokers' starts
	trace       *trace.Trace
	ledger      *check.Ledger
	history     *history.Recorder
	slots       []*slot
	tickInput   core.Input  // what a tick is
	out         core.Outbox // what comes of it
	left        []*leaving  // answers that have left, to be used again
	net         *network    // nil for a broker that is alone
	observer    *observer
	tap         *tap // nil if nobody reads the trace
	compose     func(*node) machines
	healed      bool
	closed      bool          // no client connects any more
	votersUntil time.Duration // somebody may be changing the voters
	rots        rots
	patience    patience
	met         []int // how often the moment of each ambush was
	probed      bool  // somebody waits for a probe
	losses      core.PRNG
	stalls      core.PRNG
	rounds      core.PRNG
	lates       core.PRNG
	// finishing says that the next clean stop is the last.
	finishing bool

	failure   *check.Failure
	report    *linearizability.Report
	busySince time.Duration
	busy      int
	stats     Stats
	fired     Fired
	probes    probe.Counts
	cells     *cells // nil if nobody wants to know
}

// Stats says how much was simulated.
type Stats struct {
	Simulated time.Duration `json:"simulated"`
	Events    int           `json:"events"`
	Steps     int           `json:"steps"`
	Starts    int           `json:"starts"`
	Crashes   int           `json:"crashes"`
	Kills     int           `json:"kills"`
	CleanEnds int           `json:"cleanEnds"`
	Halts     int           `json:"halts"`
	Injected  int           `json:"faults"`
	Acked     int           `json:"acked"`
	Read      int           `json:"read"`
	Commits   int           `json:"commits"`
	Requests  int           `json:"requests"` // of the clients
	Answers   int           `json:"answers"`  // of brokers, to each other too
	// Fired is what went wrong, by name.
	Fired Fired `json:"fired"`
	// Probes is how often each probe was passed.
	Probes probe.Counts `json:"-"`
}

// Add adds the counts of another simulation.
func (s *Stats) Add(o Stats) {
	s.Simulated += o.Simulated
	s.Events += o.Events
	s.Steps += o.Steps
	s.Starts += o.Starts
	s.Crashes += o.Crashes
	s.Kills += o.Kills
	s.CleanEnds += o.CleanEnds
	s.Halts += o.Halts
	s.Injected += o.Injected
	s.Acked += o.Acked
	s.Read += o.Read
	s.Commits += o.Commits
	s.Requests += o.Requests
	s.Answers += o.Answers
	if s.Fired == nil {
		s.Fired = Fired{}
	}
	s.Fired.add(o.Fired)
	s.Probes.Add(&o.Probes)
}

// Result is what came of a simulation.
type Result struct {
	Seed    uint64
	Hash    uint64
	Lines   int
	Stats   Stats
	Failure *check.Failure          // nil if all is well
	Report  *linearizability.Report // on the clients' history, nil if none was made
	Tail    string                  // the last lines of the trace
}

// New prepares the simulation of a plan. If to is not nil it gets every line of the trace.
func New(plan *fault.Plan, to func(line []byte)) *World {
	w := empty(plan, to)
	w.compose = w.broker
	workload := plan.Stream(fault.StreamWorkload)
	for i := range plan.Clients {
		if plan.Clients[i].Kind != fault.Absent {
			w.addClient(i, workload.Fork(uint64(i)))
		}
	}
	w.addSetup(workload.Fork(1 << 32))
	w.planFaults()
	w.planAmbushes()
	w.planLates()
	return w
}

// empty returns a world without machines and clients.
func empty(plan *fault.Plan, to func(line []byte)) *World {
	w := &World{plan: plan, tickInput: core.Input{Kind: core.InputTick}, schedule: plan.Stream(fault.StreamSchedule),
		faults: plan.Stream(fault.StreamFaults), seeds: plan.Stream(fault.StreamBroker),
		stalls: plan.Stream(fault.StreamStalls), rounds: plan.Stream(fault.StreamRounds),
		fired: newFired(plan.Clustered())}
	if w.trace = trace.New(nil); to != nil {
		w.tap = newTap(w)
		w.trace = trace.New(func(line []byte) { to(w.tap.named(line)) })
	}
	w.ledger = check.NewLedger(plan, w.fail)
	w.history = history.New(plan, w.ledger.Partitions(), func() time.Duration { return w.now })
	for range max(len(plan.Machines), 1) {
		w.addNode()
	}
	w.observer = newObserver(w)
	if plan.Clustered() {
		w.addNetwork()
	}
	return w
}

// Run simulates to the end or to the first failure. A panic of the core is left to the caller.
func (w *World) Run() Result {
	for !w.Over() {
		w.Next()
	}
	w.judge()
	w.Release()
	return w.Result()
}

// Over reports whether the end or the first failure has come.
func (w *World) Over() bool { return w.failure != nil || w.ended() }

// Now is the simulated time.
func (w *World) Now() time.Duration { return w.now }

// Result gives what came of the simulation so far.
func (w *World) Result() Result {
	w.stats.Simulated, w.stats.Fired, w.stats.Probes = w.now, w.counts(), w.probes
	w.stats.Starts, w.stats.Injected = 0, 0
	for _, n := range w.nodes {
		w.stats.Starts += n.starts
		w.stats.Injected += n.injected
	}
	w.stats.Acked, w.stats.Read, w.stats.Commits = w.ledger.Counts()
	r := Result{Seed: w.plan.Seed, Hash: w.trace.Hash(), Lines: w.trace.Lines(), Stats: w.stats, Failure: w.failure,
		Report: w.report}
	if r.Failure != nil {
		r.Tail = w.trace.Tail(60)
	}
	return r
}

// Tail returns the last lines of the trace.
func (w *World) Tail(n int) string { return w.trace.Tail(n) }

// Next executes one event.
func (w *World) Next() {
	if w.events.empty() {
		w.fail(check.Liveness, "quiet", "nothing is left to happen, and the end has not come")
		return
	}
	e := w.events.pop()
	if e.proc != nil && e.proc.dead {
		w.events.recycle(e)
		return
	}
	if e.actor != nil && e.kind != eventFile && e.proc.node.pausedUntil > e.at {
		e.at = e.proc.node.pausedUntil
		w.events.again(e)
		return
	}
	w.now = e.at
	w.stats.Events++
	w.watchdog()
	w.execute(e)
	w.events.recycle(e)
	for _, n := range w.nodes {
		if n.stopDue {
			n.stopNow()
		}
	}
	if w.net != nil {
		w.watchNet()
	}
}

// ended reports whether the last clean stop of every broker is complete.
func (w *World) ended() bool {
	for _, n := range w.nodes {
		if !n.ended {
			return false
		}
	}
	return true
}

func (w *World) watchdog() {
	if w.now-w.busySince > time.Millisecond {
		w.busySince, w.busy = w.now, 0
	}
	if w.busy++; w.busy > stepsPerMilli {
		w.fail(check.Liveness, "busy", "more events in a millisecond than any work needs")
	}
	w.exhausted()
	for _, n := range w.nodes {
		if n.stopping > 0 && w.now > n.stopping+time.Minute {
			w.fail(check.Liveness, "shutdown", "a clean shutdown is not complete after a minute")
		}
	}
}

func (w *World) execute(e *event) {
	switch e.kind {
	case eventCall:
		e.call()
		return
	case eventLeave:
		w.leave(e.leaving)
		return
	}
	n := e.proc.node
	switch e.kind {
	case eventInput:
		n.step(e.actor, &e.in)
	case eventTick:
		n.tick(e.actor, e.at)
	case eventFile:
		n.fileOp(e.actor, e.op)
	case eventSyncBegin:
		n.syncBegin(e.actor, e.op)
	case eventSyncEnd:
		n.syncEnd(e.actor, e.op, e.syncing)
	case eventRound:
		n.endRound(e.proc, e.actor)
	case eventJob:
		n.jobStep(e.job)
	}
}

// fail ends the simulation with the first failure.
func (w *World) fail(class check.Class, name, text string) {
	if w.failure == nil {
		w.failure = &check.Failure{Class: class, Check: name, Text: text, At: w.now}
		w.trace.Begin(w.now, "FAILED").Word(name).Word(text).End()
	}
}

// after calls f at a time from now.
func (w *World) after(d time.Duration, f func()) {
	e := w.events.new()
	e.at, e.kind, e.call = w.now+d, eventCall, f
	w.events.push(e)
}

// soon draws a delay of at most most. Most delays are short, and a few are long.
func (w *World) soon(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	r := w.schedule.Uint64()
	d := time.Duration(r >> 8 % uint64(most))
	if r&7 != 0 {
		d /= 8
	}
	return d
}

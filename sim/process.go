package sim

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/core/metadata"
	"ottla.dev/core/record"
	"ottla.dev/core/wire"
	"ottla.dev/sim/check"
	"ottla.dev/sim/disk"
	"ottla.dev/sim/fault"
	"ottla.dev/sim/history"
)

// logDir is the data folder with the metadata, and of most brokers the only one.
const logDir = "/data"

// maxFrame is socket.request.max.bytes.
const maxFrame = 100 << 20

// process is one life of the broker.
type process struct {
	node      *node
	number    int
	started   time.Duration
	dead      bool
	listening bool
	session   func(id uint32, classes wire.Class) core.Machine
	see       *broker.Broker
	control   *actor
	shards    []*actor
	sessions  map[uint32]*actor
	nextConn  uint32
	jobs      []*running
	pending   int      // file operations and syncs under way
	injected  int      // faults before it started
	offline   []string // log directories that it does not use any more
	tidied    bool     // its start has put the log directories in order
}

// actor is a machine with what the driver keeps for it.
type actor struct {
	address core.Address
	name    string
	machine core.Machine
	table   *disk.Table
	tail    time.Duration // when the last of its file operations happens
	queued  filesQueued   // of operations that have not happened
	armed   time.Duration // of the next tick, or core.Never
	since   time.Duration // when ticks were last counted from
	ticks   int
	conn    *conn
	wires   map[core.LinkID]*wired
	lent    loans // frames of links
	round   round
	// sent and got are when the last message to, and from, each of the machines that live as long as the process comes:
	// control and the shards. Of two sessions none sends to the other, so that one of a pair is of these, or is the same.
	sent, got []time.Duration
	own       time.Duration
}

func (n *node) newActor(a core.Address, m core.Machine) *actor {
	x := &actor{address: a, name: a.String(), machine: m, table: disk.NewTable(n.disk),
		armed: core.Never}
	if n.net != nil {
		x.name = hostName(n.index) + "/" + x.name
		x.wires = map[core.LinkID]*wired{}
	}
	return x
}

// machines are those of one life of the broker.
type machines struct {
	control core.Machine
	shards  []core.Machine
	session func(id uint32, classes wire.Class) core.Machine
	see     *broker.Broker // nil if there is nothing to see
}

// earlyBytes is small enough for some requests of the workload, and too large for others.
const earlyBytes = 300

// broker makes the machines of a broker.
func (w *World) broker(n *node) machines {
	cfg := broker.Config{Version: "sim", Seed: w.seeds.Uint64(), Static: w.plan.StaticMap(),
		LogDirs: w.plan.DirNames(), Shards: w.plan.Shards, EarlyBytes: earlyBytes,
		Endpoints: []metadata.Endpoint{{Name: "PLAINTEXT", Host: "broker", Port: clientPort}}}
	if w.plan.Clustered() {
		n.join(&cfg)
	}
	b := broker.New(cfg)
	m := machines{control: b.Control(), session: b.NewSession, see: b}
	for i := range b.Shards() {
		m.shards = append(m.shards, b.Shard(uint32(i)))
	}
	return m
}

// join makes a machine a member of the cluster.
func (n *node) join(cfg *broker.Config) {
	cfg.Static["node.id"] = itoa(n.index + 1)
	if n.Rack != "" {
		cfg.Static["broker.rack"] = n.Rack
		cfg.Static["replica.selector.class"] = "org.apache.kafka.common.replica.RackAwareReplicaSelector"
	}
	cfg.Endpoints[0].Host = hostName(n.index)
	cfg.ControllerOnly = !n.Broker
	for i, m := range n.plan.Machines {
		switch {
		case n.plan.Dynamic && m.Controller:
			cfg.Bootstrap = append(cfg.Bootstrap, controllerEndpoint(i))
		case m.Voter:
			cfg.Voters = append(cfg.Voters, broker.Voter{ID: core.BrokerID(i + 1), Name: controllerName, Host: hostName(i),
				Port: controllerPort})
		}
	}
	if n.Controller {
		cfg.ControllerEndpoints = []record.Endpoint{controllerEndpoint(n.index)}
	}
}

// start begins a life of the broker.
func (n *node) start() {
	if n.proc != nil && !n.proc.dead {
		return
	}
	if n.wiping > 0 && !n.wipe() || n.rotting != nil && !n.rotStopped() {
		return
	}
	n.starts++
	p := &process{node: n, number: n.starts, started: n.now, sessions: map[uint32]*actor{},
		injected: n.injected}
	n.syncFailed, n.unsynced = false, nil
	n.proc = p
	if r := n.second; r != nil {
		n.second = nil
		n.after(r.Then.After, func() { n.strikeOthers(r) })
	}
	n.plugIn()
	n.begin("start").Num("number", int64(p.number)).End()
	err := n.folder()
	if err == nil && n.plan.Dynamic && n.Controller && !n.formatted() {
		err = n.format()
	}
	if err != nil {
		n.trace.Begin(n.now, "folder").Err(err).End()
		p.dead = true
		n.restart(time.Second)
		return
	}
	m := n.compose(n)
	p.control = n.newActor(core.Control(), m.control)
	for i, shard := range m.shards {
		p.shards = append(p.shards, n.newActor(core.Shard(uint32(i)), shard))
	}
	p.session, p.see = m.session, m.see
	if len(n.again) > 0 && n.cut == 0 {
		n.cut, n.again = n.again[0], n.again[1:]
	}
	n.input(p, p.control, core.Input{Kind: core.InputStart}, 0)
}

func (p *process) actor(a core.Address) *actor {
	switch a.Role {
	case core.RoleControl:
		return p.control
	case core.RoleShard:
		return p.shards[a.Index]
	case core.RoleSession:
		return p.sessions[a.Index]
	}
	return nil
}

// input gives a machine an input after a delay.
func (n *node) input(p *process, a *actor, in core.Input, delay time.Duration) {
	e := n.events.new()
	e.at, e.kind, e.proc, e.actor, e.in = n.now+delay, eventInput, p, a, in
	n.events.push(e)
}

// inOrder is input, and never before what the same sender gave the machine earlier.
func (n *node) inOrder(p *process, from, to *actor, in core.Input, delay time.Duration) {
	last := p.last(from, to)
	*last = max(*last, n.now+delay)
	n.input(p, to, in, *last-n.now)
}

// last is when the last message from one machine to another arrives.
func (p *process) last(from, to *actor) *time.Duration {
	if from == to {
		return &to.own
	}
	list, other := &from.sent, to.address
	if other.Role == core.RoleSession {
		list, other = &to.got, from.address
	}
	if *list == nil {
		*list = make([]time.Duration, 1+len(p.shards))
	}
	switch other.Role {
	case core.RoleControl:
		return &(*list)[0]
	case core.RoleShard:
		return &(*list)[1+other.Index]
	}
	panic("sim: " + from.name + " sends to another session")
}

// stop asks for the end of the process after the event that is being executed.
func (n *node) stop(kind fault.StopKind) {
	if n.proc == nil || n.proc.dead {
		return
	}
	n.stopDue, n.stopKind = true, kind
}

// stopNow ends the process.
func (n *node) stopNow() {
	n.stopDue = false
	p := n.proc
	if p == nil || p.dead {
		return
	}
	kind := n.stopKind
	if !n.finishing {
		n.fire("stop " + kind.String())
	}
	n.begin("stop").Word(kind.String()).Num("pending", int64(p.pending)).End()
	closing := n.stopping > 0
	p.dead, n.stopping, n.pausedUntil, n.cut = true, 0, 0, 0
	p.endJobs()
	if kind == fault.Clean && n.rots.victim != n {
		for _, dir := range n.plan.DirNames() {
			if !slices.Contains(p.offline, dir) {
				check.Files(n.disk, dir, n.plan, n.spoiled, n.fail)
			}
		}
	}
	// A process that was stopped in its recovery leaves it at what the last complete life has left.
	if p.listening || n.before == nil {
		n.before = n.readLogs(p)
	}
	switch kind {
	case fault.Crash:
		n.stats.Crashes++
		n.disk.Crash(&n.faults)
		n.before.Crashed = true
	case fault.Kill:
		n.stats.Kills++
		n.disk.Kill()
		kind = n.cutUnsynced(p, kind)
	case fault.Clean:
		n.stats.CleanEnds++
		n.disk.Kill()
		kind = n.cutUnsynced(p, kind)
		if n.ended = n.finishing; !n.ended || n.net == nil {
			down := n.soon(time.Second)
			if n.rotting != nil {
				down = n.rotting.Down
			}
			n.restart(down)
		}
	}
	n.unplug(kind)
	n.observer.stopped(n, kind, closing)
	if n.net != nil {
		return
	}
	switch kind {
	case fault.Crash:
		n.history.Fault(history.PowerCut)
	case fault.Kill:
		n.history.Fault(history.KillName)
	}
	n.ledger.Stopped(kind)
	n.hangUpAll(p)
}

// cutUnsynced notes what a failed sync has lost: what it was to write is in the page cache, counts as clean, and is
// nowhere else. In a folder that was given up it is so until a life uses the folder again, and a clean shutdown closes
// the logs of the others only. Other folders keep everything. It returns how the process has ended, as to what is lost.
func (n *node) cutUnsynced(p *process, kind fault.StopKind) fault.StopKind {
	for _, dir := range slices.Concat(n.unsynced, p.offline) {
		n.before.Cut(dir)
		kind = fault.Crash
	}
	return kind
}

// listening is called when the broker has opened for clients.
func (n *node) listen(p *process) {
	if p.listening {
		n.fail(check.Correctness, "listen", "the broker opens twice")
	}
	p.listening = true
	n.opened = p.number
	n.begin("listen").End()
	n.listenOn(clientPort)
	var logs *check.Logs
	if n.net == nil {
		logs = n.readLogs(p)
		if n.before != nil {
			check.Recovery(n.before, logs, n.fail)
		}
	}
	if d := n.crashAfter; d > 0 && !n.healed {
		n.crashAfter = 0
		n.after(d, func() {
			if n.proc == p && !p.dead && !n.healed && n.stopping == 0 && !n.needed() {
				n.fire(firedEarly)
				n.stop(fault.Crash)
				n.restart(n.soon(time.Second))
			}
		})
	}
	if n.net == nil {
		n.ledger.Recovered(n.before, logs)
	}
	n.before = nil
}

// halt is the broker's own word that it must end.
func (n *node) halt(p *process, why string) {
	n.begin("halt").Word(why).End()
	n.stats.Halts++
	if n.injected == p.injected && !n.disk.Full {
		n.fail(check.Correctness, "halt", "the broker halts although no disk has failed: "+why)
		return
	}
	// After a failed sync the page cache is no witness of what is on the disk; whoever restarts the machine as well is
	// safe.
	kind := fault.Kill
	if n.syncFailed && !n.plan.StaleCache {
		kind = fault.Crash
	}
	n.stop(kind)
	n.restart(200*time.Millisecond + n.soon(time.Second))
}

// restart starts the broker after a while, unless another restart is asked for meanwhile.
func (n *node) restart(d time.Duration) {
	n.restarts++
	number := n.restarts
	n.after(d, func() {
		if number == n.restarts {
			n.start()
		}
	})
}

// folder makes the data folders, which are there before the broker is.
func (n *node) folder() error {
	fs := n.disk.FS(nil)
	for _, dir := range n.plan.DirNames() {
		if n.inDeadDir(dir) {
			continue
		}
		if err := fs.Mkdir(dir); err != nil {
			return err
		}
	}
	return fs.SyncDir("/")
}

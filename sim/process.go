package sim

import (
	"strings"
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

// logDir is the broker's only data folder.
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
	probe     func() broker.Probe
	control   *actor
	shards    []*actor
	sessions  map[uint32]*actor
	nextConn  uint32
	jobs      []*running
	links     map[link]time.Duration
	pending   int // file operations and syncs under way
	injected  int // faults before it started
}

// link is a pair of machines, whose messages keep their order.
type link struct{ from, to core.Address }

// actor is a machine with what the driver keeps for it.
type actor struct {
	address core.Address
	name    string
	machine core.Machine
	table   *disk.Table
	tail    time.Duration       // when the last of its file operations happens
	queued  map[core.FileID]int // of operations that have not happened
	armed   time.Duration       // of the next tick, or core.Never
	since   time.Duration       // when ticks were last counted from
	ticks   int
	conn    *conn
	wires   map[core.LinkID]*wired
	lent    map[*byte]int // frames of links
}

func (w *node) newActor(a core.Address, m core.Machine) *actor {
	x := &actor{address: a, name: a.String(), machine: m, table: disk.NewTable(w.disk), queued: map[core.FileID]int{},
		armed: core.Never}
	if w.net != nil {
		x.name = hostName(w.index) + "/" + x.name
		x.wires, x.lent = map[core.LinkID]*wired{}, map[*byte]int{}
	}
	return x
}

// machines are those of one life of the broker.
type machines struct {
	control core.Machine
	shards  []core.Machine
	session func(id uint32, classes wire.Class) core.Machine
	probe   func() broker.Probe // nil if there is nothing to see
}

// broker makes the machines of a broker.
func (w *World) broker(n *node) machines {
	cfg := broker.Config{Version: "sim", Seed: w.seeds.Uint64(), Static: w.plan.StaticMap(),
		LogDirs: []string{logDir}, Shards: w.plan.Shards,
		Endpoints: []metadata.Endpoint{{Name: "PLAINTEXT", Host: "broker", Port: clientPort}}}
	if w.plan.Clustered() {
		n.join(&cfg)
	}
	b := broker.New(cfg)
	m := machines{control: b.Control(), session: b.NewSession, probe: b.Probe}
	for i := range b.Shards() {
		m.shards = append(m.shards, b.Shard(uint32(i)))
	}
	return m
}

// join makes a broker a member of the cluster: every one votes.
func (w *node) join(cfg *broker.Config) {
	cfg.Static["node.id"] = itoa(w.index + 1)
	cfg.Endpoints[0].Host = hostName(w.index)
	const name = "CONTROLLER"
	for i := range w.nodes {
		cfg.Voters = append(cfg.Voters, broker.Voter{ID: core.BrokerID(i + 1), Name: name, Host: hostName(i),
			Port: controllerPort})
	}
	cfg.ControllerEndpoints = []record.Endpoint{{Name: name, Host: hostName(w.index), Port: controllerPort}}
}

// start begins a life of the broker.
func (w *node) start() {
	if w.proc != nil && !w.proc.dead {
		return
	}
	w.starts++
	p := &process{node: w, number: w.starts, started: w.now, sessions: map[uint32]*actor{},
		links:    map[link]time.Duration{},
		injected: w.injected}
	w.syncFailed = false
	w.proc = p
	w.plugIn()
	w.begin("start").Num("number", int64(p.number)).End()
	if err := w.folder(); err != nil {
		w.trace.Begin(w.now, "folder").Err(err).End()
		p.dead = true
		w.restart(time.Second)
		return
	}
	m := w.compose(w)
	p.control = w.newActor(core.Control(), m.control)
	for i, shard := range m.shards {
		p.shards = append(p.shards, w.newActor(core.Shard(uint32(i)), shard))
	}
	p.session, p.probe = m.session, m.probe
	if len(w.again) > 0 && w.cut == 0 {
		w.cut, w.again = w.again[0], w.again[1:]
	}
	w.input(p, p.control, core.Input{Kind: core.InputStart}, 0)
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
func (w *node) input(p *process, a *actor, in core.Input, delay time.Duration) {
	e := w.events.new()
	e.at, e.kind, e.proc, e.actor, e.in = w.now+delay, eventInput, p, a, in
	w.events.push(e)
}

// inOrder is input, and never before what the same sender gave the machine earlier.
func (w *node) inOrder(p *process, from core.Address, a *actor, in core.Input, delay time.Duration) {
	l := link{from, a.address}
	at := max(p.links[l], w.now+delay)
	p.links[l] = at
	w.input(p, a, in, at-w.now)
}

// stop asks for the end of the process after the event that is being executed.
func (w *node) stop(kind fault.StopKind) {
	if w.proc == nil || w.proc.dead {
		return
	}
	w.stopDue, w.stopKind = true, kind
}

// stopNow ends the process.
func (w *node) stopNow() {
	w.stopDue = false
	p := w.proc
	if p == nil || p.dead {
		return
	}
	kind := w.stopKind
	w.begin("stop").Word(kind.String()).Num("pending", int64(p.pending)).End()
	p.dead, w.stopping, w.pausedUntil, w.cut = true, 0, 0, 0
	for _, j := range p.jobs {
		j.stop()
	}
	p.jobs = nil
	if kind == fault.Clean {
		check.Files(w.disk, logDir, w.plan, w.fail)
	}
	// A process that was stopped in its recovery leaves it at what the last complete life has left.
	if p.listening || w.before == nil {
		w.before = check.ReadLogs(w.disk, logDir)
	}
	switch kind {
	case fault.Crash:
		w.stats.Crashes++
		w.disk.Crash(&w.faults)
		w.before.Crashed = true
	case fault.Kill:
		w.stats.Kills++
		w.disk.Kill()
		if w.syncFailed {
			// What the failed sync was to write is in the page cache, counts as clean, and is nowhere else.
			w.before.Crashed, kind = true, fault.Crash
		}
	case fault.Clean:
		w.stats.CleanEnds++
		w.disk.Kill()
		if w.ended = w.finishing; !w.ended || w.net == nil {
			w.restart(w.soon(time.Second))
		}
	}
	w.unplug(kind)
	if w.net != nil {
		w.observer.stopped(w)
		return
	}
	switch kind {
	case fault.Crash:
		w.history.Fault(history.PowerCut)
	case fault.Kill:
		w.history.Fault(history.KillName)
	}
	w.ledger.Stopped(kind)
	w.hangUpAll(p)
}

// listening is called when the broker has opened for clients.
func (w *node) listen(p *process) {
	if p.listening {
		w.fail(check.Correctness, "listen", "the broker opens twice")
	}
	p.listening = true
	w.opened = p.number
	w.begin("listen").End()
	w.listenOn(clientPort)
	var logs *check.Logs
	if w.net == nil {
		logs = check.ReadLogs(w.disk, logDir)
		if w.before != nil {
			check.Recovery(w.before, logs, w.fail)
		}
	}
	if d := w.crashAfter; d > 0 && !w.healed {
		w.crashAfter = 0
		w.after(d, func() {
			if w.proc == p && !p.dead && !w.healed && w.stopping == 0 {
				w.stop(fault.Crash)
				w.restart(w.soon(time.Second))
			}
		})
	}
	if w.net == nil {
		w.ledger.Recovered(logs, w.before != nil && w.before.Crashed)
	}
	w.before = nil
}

// halt is the broker's own word that it must end.
func (w *node) halt(p *process, why string) {
	w.begin("halt").Word(why).End()
	w.stats.Halts++
	// A registration of an earlier life that was long on its way takes the place of this one (as in Kafka).
	replaced := w.net != nil && strings.HasPrefix(why, "This broker's registration is gone")
	if w.injected == p.injected && !w.disk.Full && !replaced {
		w.fail(check.Correctness, "halt", "the broker halts although no disk has failed: "+why)
		return
	}
	// After a failed sync the page cache is no witness of what is on the disk; whoever restarts the machine as well is
	// safe.
	kind := fault.Kill
	if w.syncFailed && !w.plan.StaleCache {
		kind = fault.Crash
	}
	w.stop(kind)
	w.restart(200*time.Millisecond + w.soon(time.Second))
}

// restart starts the broker after a while, unless another restart is asked for meanwhile.
func (w *node) restart(d time.Duration) {
	w.restarts++
	n := w.restarts
	w.after(d, func() {
		if n == w.restarts {
			w.start()
		}
	})
}

// folder makes the data folder, which is there before the broker is.
func (w *node) folder() error {
	fs := w.disk.FS(nil)
	if err := fs.Mkdir(logDir); err != nil {
		return err
	}
	return fs.SyncDir("/")
}

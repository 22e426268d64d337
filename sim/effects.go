package sim

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/sim/check"
	"ottla.dev/sim/disk"
	"ottla.dev/sim/fault"
)

// step gives a machine an input and executes what it wants done.
func (n *node) step(a *actor, in *core.Input) {
	p := n.proc
	n.stats.Steps++
	n.traceInput(a, in)
	n.cells.comes(n, a, in)
	n.observer.comes(n, a, in)
	if in.Kind == core.InputDisconnected {
		a.conn.heard = true
	}
	a.machine.Step(n.instant(p), *in)
	n.observer.stepped(n, a)
	n.tap.stepped(n, a)
	if n.plan.Delays.Round > 0 && a.conn == nil {
		n.stepInRound(p, a)
		return
	}
	a.machine.Drain(&n.out)
	if !n.out.Reached.Empty() {
		n.probes.Count(&n.out.Reached)
	}
	n.effects(p, a, &n.out)
	n.meetProbes(&n.out.Reached)
	n.out.Reset()
	n.arm(p, a)
}

func (n *node) traceInput(a *actor, in *core.Input) {
	t := n.trace.Begin(n.now, inputName(in.Kind)).Word(a.name)
	switch in.Kind {
	case core.InputMessage:
		t.Text(in.From.AppendText).Text(in.Message.AppendText)
	case core.InputFrame:
		t.Num("bytes", int64(len(in.Frame)))
	case core.InputAnswered:
		t.Num("token", int64(in.Token))
	case core.InputWritten, core.InputSynced:
		t.Num("log", int64(in.Ticket.Log)).Num("seq", int64(in.Ticket.Seq)).Err(in.Err)
	case core.InputMapped, core.InputFailed:
		t.Num("file", int64(in.File)).Num("bytes", int64(len(in.View))).Err(in.Err)
	case core.InputLinkUp, core.InputLinkDown, core.InputLinkFrame:
		t.Num("link", int64(in.Link)).Num("bytes", int64(len(in.Frame)))
	case core.InputJobDone:
		t.Text(in.Job.AppendText)
	default:
	}
	t.End()
}

func inputName(k core.InputKind) string {
	return [...]string{core.InputStart: "start", core.InputTick: "tick", core.InputMessage: "message",
		core.InputFrame: "frame", core.InputAnswered: "answered", core.InputDisconnected: "disconnected",
		core.InputWritten: "written", core.InputSynced: "synced", core.InputMapped: "mapped", core.InputJobDone: "job-done",
		core.InputFailed: "failed", core.InputLinkUp: "link-up", core.InputLinkDown: "link-down",
		core.InputLinkFrame: "link-frame", core.InputShutdown: "shutdown",
	}[k]
}

// effects executes an outbox as core says: files, jobs, sends, the rest.
func (n *node) effects(p *process, a *actor, out *core.Outbox) {
	for _, note := range out.Notes {
		n.trace.Begin(n.now, "note").Word(a.name).Word(note.Text).End()
	}
	if out.Halt != "" {
		n.halt(p, out.Halt)
		return
	}
	if len(out.Offline) > 0 {
		n.giveUp(p, out.Offline)
	}
	for _, op := range out.Files {
		n.file(p, a, op)
	}
	for _, j := range out.Jobs {
		n.startJob(p, a, j)
	}
	for _, s := range out.Sends {
		to := p.actor(s.To)
		if to == nil {
			// Control may tell a session news while the session's last word is on its way.
			n.trace.Begin(n.now, "dropped").Word(a.name).Word(s.To.String()).Text(s.Message.AppendText).End()
			if a != p.control {
				panic("sim: a message to " + s.To.String() + ", which is not there")
			}
			continue
		}
		in := core.Input{Kind: core.InputMessage, From: a.address, Message: s.Message}
		n.inOrder(p, a, to, in, n.soon(n.plan.Delays.Message))
	}
	if len(out.Links) > 0 {
		n.links(p, a, out.Links)
	}
	if a.conn != nil {
		n.connEffects(a.conn, out)
	} else if n.net != nil {
		for _, frame := range out.Releases {
			n.takeBack(a, &a.lent, frame)
		}
	} else if len(out.Answers)+len(out.Releases) > 0 || out.Resume || out.Close {
		panic("sim: effects of a session from " + a.address.String())
	}
	if out.ListenQuorum {
		n.listenOn(controllerPort)
	}
	if out.Listen {
		n.listen(p)
	}
	if out.Stopped {
		n.stop(fault.Clean)
	}
}

// arm makes sure that the machine is ticked when it wants to be.
func (n *node) arm(p *process, a *actor) {
	d, ok := a.machine.Deadline()
	if !ok || d == core.Never {
		return
	}
	at := max(p.started+n.until(d), n.now)
	if at >= a.armed {
		return
	}
	a.armed = at
	e := n.events.new()
	e.at, e.kind, e.proc, e.actor = at+n.soon(n.plan.Delays.Message), eventTick, p, a
	n.events.push(e)
}

// ticksPerSecond is how many ticks one machine may ask for; more is a deadline that stays in the past.
const ticksPerSecond = 20_000

func (n *node) tick(a *actor, at time.Duration) {
	if a.armed > at {
		return // an earlier tick took its place
	}
	a.armed = core.Never
	d, ok := a.machine.Deadline()
	if !ok || d == core.Never {
		return
	}
	if n.mono(n.now-n.proc.started) < d {
		n.arm(n.proc, a)
		return
	}
	if n.now-a.since > time.Second {
		a.since, a.ticks = n.now, 0
	}
	if a.ticks++; a.ticks > ticksPerSecond {
		n.fail(check.Liveness, "busy", a.name+" wants to be ticked more often than any work needs")
		return
	}
	n.step(a, &n.tickInput)
}

// file queues a file operation. Those of one machine happen in order, except that a sync takes its time beside the
// others, and writes to a mapping are there at once.
func (n *node) file(p *process, a *actor, op core.FileOp) {
	if op.Kind == core.OpWrite {
		if !a.queued.has(op.File) && a.table.Mapped(op.File) {
			op.Data = slices.Clone(op.Data)
			n.apply(p, a, op)
			return
		}
		if op.Ticket.Seq == 0 {
			op.Data = slices.Clone(op.Data)
		}
	}
	e := n.events.new()
	e.proc, e.actor, e.op = p, a, op
	p.pending++
	a.tail = max(a.tail, n.now)
	if op.Kind == core.OpSync || op.Kind == core.OpSyncDir {
		e.at, e.kind = a.tail, eventSyncBegin
	} else {
		if n.schedule.Chance(3, 4) {
			a.tail += n.slowly(n.soon(n.plan.Delays.Write))
		}
		a.queued.add(op.File)
		e.at, e.kind = a.tail, eventFile
	}
	n.events.push(e)
}

func (n *node) fileOp(a *actor, op core.FileOp) {
	p := n.proc
	p.pending--
	a.queued.take(op.File)
	if op.Kind == core.OpWrite && op.Ticket.Seq != 0 {
		op.Data = slices.Clone(op.Data)
	}
	n.countCut()
	n.apply(p, a, op)
}

// apply executes a file operation and reports how it went.
func (n *node) apply(p *process, a *actor, op core.FileOp) {
	view, err := a.table.Apply(op)
	in := core.Input{File: op.File, Ticket: op.Ticket, Err: err}
	switch {
	case op.Kind == core.OpMap:
		in.Kind, in.View = core.InputMapped, view
	case op.Kind == core.OpWrite && op.Ticket.Seq != 0:
		in.Kind = core.InputWritten
	case err != nil:
		// A failure is known before a sync that was asked for later can have succeeded.
		in.Kind = core.InputFailed
		n.input(p, a, in, 0)
		return
	default:
		return
	}
	n.input(p, a, in, n.soon(n.plan.Delays.Write))
}

func (n *node) syncBegin(a *actor, op core.FileOp) {
	n.countCut()
	e := n.events.new()
	e.at, e.kind, e.proc, e.actor, e.op = n.now+n.slowly(n.soon(n.plan.Delays.Sync))+n.stall(), eventSyncEnd, n.proc, a, op
	e.syncing = a.table.BeginSync(op)
	n.events.push(e)
}

func (n *node) syncEnd(a *actor, op core.FileOp, s disk.Syncing) {
	n.proc.pending--
	err := s.Finish()
	if op.Ticket.Seq == 0 {
		return
	}
	in := core.Input{Kind: core.InputSynced, File: op.File, Ticket: op.Ticket, Err: err}
	n.input(n.proc, a, in, n.soon(n.plan.Delays.Message))
}

// countCut counts down to the next stop of a process that is to be stopped during its recovery.
func (n *node) countCut() {
	if n.cut == 0 {
		return
	}
	if n.cut--; n.cut == 0 && !n.needed() {
		n.fire(firedAgain)
		n.stop(n.stopKind)
		n.restart(n.soon(500 * time.Millisecond))
	}
}

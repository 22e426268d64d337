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
func (w *node) step(a *actor, in core.Input) {
	p := w.proc
	w.stats.Steps++
	w.traceInput(a, &in)
	a.machine.Step(w.instant(p), in)
	var out core.Outbox
	a.machine.Drain(&out)
	w.effects(p, a, &out)
	w.arm(p, a)
}

func (w *node) traceInput(a *actor, in *core.Input) {
	t := w.trace.Begin(w.now, inputName(in.Kind)).Word(a.name)
	switch in.Kind {
	case core.InputMessage:
		t.Word(in.From.String()).Text(in.Message.AppendText)
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
func (w *node) effects(p *process, a *actor, out *core.Outbox) {
	for _, n := range out.Notes {
		w.trace.Begin(w.now, "note").Word(a.name).Word(n.Text).End()
	}
	if out.Halt != "" {
		w.halt(p, out.Halt)
		return
	}
	for _, op := range out.Files {
		w.file(p, a, op)
	}
	for _, j := range out.Jobs {
		w.startJob(p, a, j)
	}
	for _, s := range out.Sends {
		to := p.actor(s.To)
		if to == nil {
			// Control may tell a session news while the session's last word is on its way.
			w.trace.Begin(w.now, "dropped").Word(a.name).Word(s.To.String()).Text(s.Message.AppendText).End()
			if a != p.control {
				panic("sim: a message to " + s.To.String() + ", which is not there")
			}
			continue
		}
		in := core.Input{Kind: core.InputMessage, From: a.address, Message: s.Message}
		w.inOrder(p, a.address, to, in, w.soon(w.plan.Delays.Message))
	}
	if len(out.Links) > 0 {
		w.links(p, a, out.Links)
	}
	if a.conn != nil {
		w.connEffects(a.conn, out)
	} else if w.net != nil {
		for _, frame := range out.Releases {
			w.takeBack(a, a.lent, frame)
		}
	} else if len(out.Answers)+len(out.Releases) > 0 || out.Resume || out.Close {
		panic("sim: effects of a session from " + a.address.String())
	}
	if out.ListenQuorum {
		w.listenOn(controllerPort)
	}
	if out.Listen {
		w.listen(p)
	}
	if out.Stopped {
		w.stop(fault.Clean)
	}
}

// arm makes sure that the machine is ticked when it wants to be.
func (w *node) arm(p *process, a *actor) {
	d, ok := a.machine.Deadline()
	if !ok || d == core.Never {
		return
	}
	at := max(p.started+d, w.now)
	if at >= a.armed {
		return
	}
	a.armed = at
	e := w.events.new()
	e.at, e.kind, e.proc, e.actor = at+w.soon(w.plan.Delays.Message), eventTick, p, a
	w.events.push(e)
}

// ticksPerSecond is how many ticks one machine may ask for; more is a deadline that stays in the past.
const ticksPerSecond = 20_000

func (w *node) tick(a *actor, at time.Duration) {
	if a.armed > at {
		return // an earlier tick took its place
	}
	a.armed = core.Never
	d, ok := a.machine.Deadline()
	if !ok || d == core.Never {
		return
	}
	if w.proc.started+d > w.now {
		w.arm(w.proc, a)
		return
	}
	if w.now-a.since > time.Second {
		a.since, a.ticks = w.now, 0
	}
	if a.ticks++; a.ticks > ticksPerSecond {
		w.fail(check.Liveness, "busy", a.name+" wants to be ticked more often than any work needs")
		return
	}
	w.step(a, core.Input{Kind: core.InputTick})
}

// file queues a file operation. Those of one machine happen in order, except that a sync takes its time beside the
// others, and writes to a mapping are there at once.
func (w *node) file(p *process, a *actor, op core.FileOp) {
	if op.Kind == core.OpWrite {
		if a.queued[op.File] == 0 && a.table.Mapped(op.File) {
			op.Data = slices.Clone(op.Data)
			w.apply(p, a, op)
			return
		}
		if op.Ticket.Seq == 0 {
			op.Data = slices.Clone(op.Data)
		}
	}
	e := w.events.new()
	e.proc, e.actor, e.op = p, a, op
	p.pending++
	a.tail = max(a.tail, w.now)
	if op.Kind == core.OpSync || op.Kind == core.OpSyncDir {
		e.at, e.kind = a.tail, eventSyncBegin
	} else {
		if w.schedule.Chance(3, 4) {
			a.tail += w.slowly(w.soon(w.plan.Delays.Write))
		}
		a.queued[op.File]++
		e.at, e.kind = a.tail, eventFile
	}
	w.events.push(e)
}

func (w *node) fileOp(a *actor, op core.FileOp) {
	p := w.proc
	p.pending--
	if a.queued[op.File]--; a.queued[op.File] == 0 {
		delete(a.queued, op.File)
	}
	if op.Kind == core.OpWrite && op.Ticket.Seq != 0 {
		op.Data = slices.Clone(op.Data)
	}
	w.countCut()
	w.apply(p, a, op)
}

// apply executes a file operation and reports how it went.
func (w *node) apply(p *process, a *actor, op core.FileOp) {
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
		w.input(p, a, in, 0)
		return
	default:
		return
	}
	w.input(p, a, in, w.soon(w.plan.Delays.Write))
}

func (w *node) syncBegin(a *actor, op core.FileOp) {
	w.countCut()
	e := w.events.new()
	e.at, e.kind, e.proc, e.actor, e.op = w.now+w.slowly(w.soon(w.plan.Delays.Sync)), eventSyncEnd, w.proc, a, op
	e.syncing = a.table.BeginSync(op)
	w.events.push(e)
}

func (w *node) syncEnd(a *actor, op core.FileOp, s disk.Syncing) {
	w.proc.pending--
	err := s.Finish()
	if op.Ticket.Seq == 0 {
		return
	}
	in := core.Input{Kind: core.InputSynced, File: op.File, Ticket: op.Ticket, Err: err}
	w.input(w.proc, a, in, w.soon(w.plan.Delays.Message))
}

// countCut counts down to the next stop of a process that is to be stopped during its recovery.
func (w *node) countCut() {
	if w.cut == 0 {
		return
	}
	if w.cut--; w.cut == 0 {
		w.stop(w.stopKind)
		w.restart(w.soon(500 * time.Millisecond))
	}
}

package run

import (
	"ottla.dev/core"
)

// stepsPerRound is how many inputs a machine takes before its effects are executed.
const stepsPerRound = 64

// combineLimit is how many inputs one goroutine steps a machine for before it hands the machine to another goroutine,
// so that a connection is not left waiting because it happened to be the one that claimed a busy shard, and answers
// are not held back while more and more requests arrive.
const combineLimit = 256

// Worker is a goroutine's list of what it has claimed: machines to run, then connections to flush, then jobs.
type Worker struct {
	engine  *Engine
	actors  []*Actor
	clients []Client
	jobs    []queuedJob
	out     core.Outbox // of the machine that is running; empty between rounds
}

type queuedJob struct {
	actor *Actor
	job   core.Job
}

// Post pushes an input to a machine. If that claims the machine, it runs when the worker gets to it.
func (w *Worker) Post(a *Actor, in core.Input) {
	if a.post(in) {
		w.actors = append(w.actors, a)
	}
}

// finish works the lists off.
func (w *Worker) finish() {
	for actor, client, job := 0, 0, 0; ; {
		switch {
		case actor < len(w.actors):
			w.run(w.actors[actor])
			actor++
		case client < len(w.clients):
			w.clients[client].Flush(w, client+1 == len(w.clients))
			client++
		case job < len(w.jobs):
			w.runJob(w.jobs[job])
			job++
		default:
			clear(w.actors)
			clear(w.clients)
			clear(w.jobs)
			w.actors, w.clients, w.jobs = w.actors[:0], w.clients[:0], w.jobs[:0]
			return
		}
	}
}

func (w *Worker) runJob(q queuedJob) {
	if w.engine.faults.Hold != nil {
		w.engine.faults.Hold()
	}
	q.job.Run(w.engine.fs)
	w.Post(q.actor, core.Input{Kind: core.InputJobDone, Job: q.job})
}

// run steps a claimed machine until its inbox is empty.
func (w *Worker) run(a *Actor) {
	for stepped := 0; a.take(); {
		w.steps(a)
		stepped += len(a.batch)
		clear(a.batch)
		a.arm()
		if stepped >= combineLimit {
			w.engine.hand(a)
			return
		}
	}
}

// steps gives the machine its batch and executes the effects a round at a time.
func (w *Worker) steps(a *Actor) {
	if w.engine.faults.Hold != nil {
		w.engine.faults.Hold()
	}
	w.engine.Steps.Add(int64(len(a.batch)))
	now := w.engine.clock.now()
	round := 0
	for i := range a.batch {
		if a.batch[i].Kind == core.InputDisconnected {
			w.execute(a) // a Close from before is not the session's last
			a.disconnected = true
		}
		a.machine.Step(now, a.batch[i])
		before := len(w.out.Files)
		a.machine.Drain(&w.out)
		round++
		ends := w.engine.clock.now()
		w.engine.observe(a, ends.Mono-now.Mono)
		now = ends
		if i+1 < len(a.batch) && round < stepsPerRound && !w.urgent(a, before) {
			continue
		}
		w.execute(a)
		round = 0
		if i+1 < len(a.batch) {
			now = w.engine.clock.now()
		}
	}
}

// urgent reports whether the last step's effects, from the given file operation on, forbid another step before them.
func (w *Worker) urgent(a *Actor, before int) bool {
	if w.out.Halt != "" || w.out.Stopped {
		return true
	}
	return len(w.out.Files) > before && a.files.Urgent(w.out.Files[before:])
}

// execute performs the effects of a round in the order that [core.Outbox] demands.
func (w *Worker) execute(a *Actor) {
	out, e := &w.out, w.engine
	if out.Halt != "" && e.halted.CompareAndSwap(false, true) {
		e.host.Halt(a.address, out.Halt)
	}
	if e.halted.Load() {
		out.Reset()
		return
	}
	for i := range out.Notes {
		e.host.Note(a.address, out.Notes[i])
	}
	for _, dir := range out.Offline {
		e.host.Offline(dir)
	}
	if len(out.Files) > 0 {
		a.files.Execute(a, out.Files)
	}
	for _, job := range out.Jobs {
		w.start(a, job)
	}
	for i := range out.Sends {
		w.send(a.address, out.Sends[i])
	}
	if len(out.Links) > 0 {
		a.links.Execute(out.Links)
	}
	if a.links != nil && len(out.Releases) > 0 {
		a.links.Release(out.Releases)
	}
	if a.client != nil && a.client.Execute(out) {
		w.clients = append(w.clients, a.client)
	}
	if out.Close && a.disconnected {
		e.retire(a)
	}
	if out.ListenQuorum {
		e.host.ListenQuorum()
	}
	if out.Listen {
		e.host.Listen()
	}
	if out.Stopped {
		e.host.Stopped()
	}
	out.Reset()
}

// send delivers a message. A session that is gone had nothing left to wait for; any other missing receiver is a bug.
func (w *Worker) send(from core.Address, s core.Send) {
	target := w.engine.find(s.To)
	if target == nil {
		if s.To.Role == core.RoleSession {
			return
		}
		panic("run: message from " + from.String() + " to " + s.To.String() + ", which does not exist")
	}
	w.Post(target, core.Input{Kind: core.InputMessage, From: from, Message: s.Message})
}

// start runs a job: on the pool, or, if it calls itself short, on this goroutine once it holds no machine.
func (w *Worker) start(a *Actor, job core.Job) {
	if j, ok := job.(interface{ Long() bool }); ok && !j.Long() {
		w.jobs = append(w.jobs, queuedJob{a, job})
		return
	}
	w.engine.pool.add(queuedJob{a, job})
}

package sim

import (
	"hash/crc32"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/sim/check"
)

// round is what a machine wants done and the driver has not executed yet. A driver that has several inputs for a
// machine takes steps with all of them first (core/doc.go, duty 2), as real nodes do when they are busy: what a step
// has put into the outbox has to stay as it is while the machine goes on. A process that ends has executed nothing of
// it.
type round struct {
	out   core.Outbox
	steps int // that it has taken, 0 if there is no round
	until time.Duration
	sums  []uint32 // of the bytes of each of out's operations on links, when the machine gave them
}

// mostSteps ends a round, as in node/run.
const mostSteps = 64

// stepInRound takes the effects of a step, and executes them if nothing may come before that.
func (n *node) stepInRound(p *process, a *actor) {
	out := &a.round.out
	before := len(out.Files)
	a.machine.Drain(out)
	reached := out.Reached
	out.Reached = probe.Set{}
	if !reached.Empty() {
		n.probes.Count(&reached)
	}
	a.round.steps++
	for _, op := range out.Links[len(a.round.sums):] {
		a.round.sums = append(a.round.sums, crc32.ChecksumIEEE(op.Bytes))
	}
	switch {
	case a.round.steps == mostSteps, out.Halt != "", out.Stopped, a.urgent(out.Files[before:]):
		n.finishRound(p, a)
	case a.round.steps == 1:
		a.round.until = n.now + 1 + time.Duration(n.rounds.Below(uint64(n.plan.Delays.Round)))
		e := n.events.new()
		e.at, e.kind, e.proc, e.actor = a.round.until, eventRound, p, a
		n.events.push(e)
	}
	n.meetProbes(&reached)
	n.arm(p, a)
}

// urgent reports whether data belong to the driver only until the next step.
func (a *actor) urgent(ops []core.FileOp) bool {
	for i := range ops {
		if op := &ops[i]; op.Kind == core.OpWrite && (op.Ticket.Seq == 0 || a.table.Mapped(op.File)) {
			return true
		}
	}
	return false
}

// endRound ends the round that was to end now, if it has not ended before.
func (n *node) endRound(p *process, a *actor) {
	if a.round.steps > 0 && n.now >= a.round.until {
		n.finishRound(p, a)
	}
}

func (n *node) finishRound(p *process, a *actor) {
	if a.round.steps > 1 {
		n.fire(firedRound)
		n.begin("round").Word(a.name).Num("steps", int64(a.round.steps)).End()
	}
	a.round.steps = 0
	for i, op := range a.round.out.Links {
		if crc32.ChecksumIEEE(op.Bytes) != a.round.sums[i] {
			n.fail(check.Correctness, "overwritten", a.name+" has changed a request that it had given to its driver")
		}
	}
	a.round.sums = a.round.sums[:0]
	n.effects(p, a, &a.round.out)
	a.round.out.Reset()
}

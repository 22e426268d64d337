package sim

import (
	"encoding/binary"
	"strings"

	"ottla.dev/core"
	"ottla.dev/sim/check"
	"ottla.dev/sim/disk"
	"ottla.dev/sim/fault"
)

// moment is what ambushes wait for; api is that of an answer.
type moment struct {
	on  fault.Moment
	api int16
}

// moments are those that the checks see.
//
//core:table
var moments = [...]fault.Moment{check.HasCut: fault.Cuts, check.HasVoted: fault.Voted, check.HasBegun: fault.Leads,
	check.IsAppointed: fault.Appointed}

func (w *World) planAmbushes() {
	w.moments = map[moment]int{}
	losses := w.plan.Stream(fault.StreamLosses)
	w.losses = losses.Fork(1)
	if len(w.plan.Ambushes) == 0 {
		w.observer.cluster.Met = func(int, check.Moment) {}
	}
}

// meet counts a moment of a machine, and strikes it if somebody waits for that one.
func (n *node) meet(m moment) {
	if len(n.plan.Ambushes) == 0 || n.healed || !n.alive() {
		return
	}
	n.moments[m]++
	for i := range n.plan.Ambushes {
		a := &n.plan.Ambushes[i]
		if a.On == m.on && (a.On != fault.Answers || a.API == m.api) && a.Nth == n.moments[m] {
			p := n.proc
			if a.After == 0 {
				n.strike(p, a)
				continue
			}
			n.after(a.After, func() { n.strike(p, a) })
		}
	}
}

// strike ends a process, or has it stand still.
func (n *node) strike(p *process, a *fault.Ambush) {
	if n.proc != p || p.dead || n.healed || n.stopping > 0 || n.stopDue || n.needed() {
		return
	}
	n.begin("ambush").Word(a.On.String()).Word(a.Kind.String()).End()
	n.fire(firedAmbush)
	if a.Kind == 0 {
		n.pause(n.now + a.Down)
		return
	}
	n.again, n.crashAfter, n.wiping = nil, 0, 0
	n.stop(a.Kind)
	n.restart(a.Down)
}

// meetFile finds moments in file operations of a process that serves.
func (n *node) meetFile(op disk.Op, path string) {
	if op != disk.Names || len(n.plan.Ambushes) == 0 || n.proc == nil || !n.proc.listening {
		return
	}
	switch {
	case strings.HasSuffix(path, ".log"):
		n.meet(moment{on: fault.Rolls})
	case strings.Contains(path, "quorum-state"):
		n.meet(moment{on: fault.Saves})
	case strings.HasSuffix(path, ".snapshot") || strings.Contains(path, ".checkpoint"):
		n.meet(moment{on: fault.Snapshots})
	case strings.Contains(path, "checkpoint"):
		n.meet(moment{on: fault.Points})
	}
}

// loses draws whether the answer to a broker's request gets lost.
func (n *node) loses(frame []byte) bool {
	const apiEnds = 6
	if len(n.plan.Losses) == 0 || n.healed || len(frame) < apiEnds {
		return false
	}
	api := int16(binary.BigEndian.Uint16(frame[apiEnds-2:]))
	for _, l := range n.plan.Losses {
		if l.API == api && n.losses.Chance(1, l.OneIn) {
			return true
		}
	}
	return false
}

// lose ends a connection in the place of what arrives on it.
func (w *World) lose(x *wired) {
	w.fire(firedLoss)
	w.trace.Begin(w.now, "loss").Num("end", int64(x.end)).End()
	w.closeEnd(x, true)
	w.broken(x, core.ErrNotExist)
}

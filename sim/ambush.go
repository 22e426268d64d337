package sim

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/netsim"
	"ottla.dev/sim/check"
	"ottla.dev/sim/disk"
	"ottla.dev/sim/fault"
)

// moment is what ambushes wait for; api is that of an answer, probe the one that was passed.
type moment struct {
	on    fault.Moment
	api   int16
	probe probe.Point
}

// moments are those that the checks see.
//
//core:table
var moments = [...]fault.Moment{check.HasCut: fault.Cuts, check.HasVoted: fault.Voted, check.HasBegun: fault.Leads,
	check.IsAppointed: fault.Appointed}

func (w *World) planAmbushes() {
	w.met = make([]int, len(w.plan.Ambushes))
	for i := range w.plan.Ambushes {
		w.probed = w.probed || w.plan.Ambushes[i].On == fault.Passes
	}
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
	for i := range n.plan.Ambushes {
		a := &n.plan.Ambushes[i]
		if a.On != m.on || a.On == fault.Answers && a.API != m.api || a.On == fault.Passes && a.Probe != m.probe ||
			n.now < a.From {
			continue
		}
		if n.met[i]++; n.met[i] == a.Nth {
			p := n.proc
			if a.After == 0 {
				n.strike(p, a)
				continue
			}
			n.after(a.After, func() { n.strike(p, a) })
		}
	}
}

// meetProbes finds moments in the probes that a step has passed.
func (n *node) meetProbes(passed *probe.Set) {
	for i := 0; n.probed && i < len(n.plan.Ambushes); i++ {
		a := &n.plan.Ambushes[i]
		earlier := func(o fault.Ambush) bool { return o.On == fault.Passes && o.Probe == a.Probe }
		if a.On == fault.Passes && passed.Has(a.Probe) && !slices.ContainsFunc(n.plan.Ambushes[:i], earlier) {
			n.meet(moment{on: fault.Passes, probe: a.Probe})
		}
	}
}

// strike ends a process, has it stand still, or does what lasts.
func (n *node) strike(p *process, a *fault.Ambush) {
	if n.proc != p || p.dead || n.healed || n.stopping > 0 || n.stopDue {
		return
	}
	if a.Lasting() {
		n.sever(a)
		return
	}
	if n.needed() {
		return
	}
	n.begin("ambush").Word(a.On.String()).Word(a.Kind.String()).End()
	n.fire(firedAmbush)
	n.hit(a.Kind, a.Down)
}

// hit ends a process and starts it again behind a while, or has it stand still for as long if kind is 0.
func (n *node) hit(kind fault.StopKind, down time.Duration) {
	if kind == 0 {
		n.pause(n.now + down)
		return
	}
	n.again, n.crashAfter, n.wiping = nil, 0, 0
	n.stop(kind)
	n.restart(down)
}

// sever cuts a machine off, has answers to it lost, or its disk slow, for a time.
func (n *node) sever(a *fault.Ambush) {
	n.begin("ambush").Word(a.On.String()).Word(a.Probe.Name()).Word(a.Cut.String()).Num("lose", int64(len(a.Lose))).End()
	n.fire(firedAmbush)
	if len(a.Lose) > 0 {
		n.fire(firedDeaf)
		n.deafTo, n.deafUntil = a.Lose, n.now+a.Down
	}
	if a.Slow {
		n.fire(firedCreeps)
		n.slowUntil = n.now + a.Down
	}
	if a.Cut == 0 {
		return
	}
	w := netsim.Window{Kind: netsim.Partition, To: n.now + a.Down}
	w.Hosts, w.Peers = n.sides(a.Cut)
	if len(w.Hosts) == 0 || len(w.Peers) == 0 {
		return
	}
	switch a.Way {
	case fault.In:
		w.Kind, w.Hosts, w.Peers = netsim.OneWay, w.Peers, w.Hosts
	case fault.Out:
		w.Kind = netsim.OneWay
	case fault.BothWays:
	}
	n.fire(firedCut + a.Cut.String())
	n.net.Begin(n.now, w)
}

// sides gives who is cut off from whom.
func (n *node) sides(c fault.Cut) (hosts, peers []netsim.Host) {
	active, one := n.activeController(), (n.index+1)%len(n.nodes)
	hosts = []netsim.Host{netsim.Host(n.index)}
	if c == fault.CutTogether && active != nil && active != n {
		hosts = append(hosts, netsim.Host(active.index))
	}
	for i := range n.plan.Hosts() {
		machine := i < len(n.nodes)
		if slices.Contains(hosts, netsim.Host(i)) || machine == (c == fault.CutClients) {
			continue
		}
		on := true
		switch c {
		case fault.CutController:
			on = active != nil && i == active.index
		case fault.CutControllers:
			on = n.nodes[i].Controller
		case fault.CutOne:
			on = i == one
		case fault.CutBrokers, fault.CutTogether, fault.CutClients:
		}
		if on {
			peers = append(peers, netsim.Host(i))
		}
	}
	return hosts, peers
}

// activeController is the machine that decides in the newest epoch, nil if there is none. Unlike [World.controller] it
// may be deposed.
func (w *World) activeController() *node {
	var found *node
	newest := core.LeaderEpoch(-1)
	for _, n := range w.nodes {
		if p, ok := n.quorum(); ok && p.Controller && p.Quorum.Epoch() > newest {
			found, newest = n, p.Quorum.Epoch()
		}
	}
	return found
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
	deaf := n.now < n.deafUntil
	if len(n.plan.Losses) == 0 && !deaf || n.healed || len(frame) < apiEnds {
		return false
	}
	api := int16(binary.BigEndian.Uint16(frame[apiEnds-2:]))
	if deaf && slices.Contains(n.deafTo, int(api)) {
		return true
	}
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

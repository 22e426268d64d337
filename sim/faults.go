package sim

import (
	"slices"
	"strings"
	"time"

	"ottla.dev/core"
	"ottla.dev/sim/check"
	"ottla.dev/sim/disk"
	"ottla.dev/sim/fault"
)

// planFaults puts the plan's stops, pauses and clock jumps into the queue.
func (w *World) planFaults() {
	for i := range w.plan.Stops {
		s := &w.plan.Stops[i]
		w.after(s.At, func() { w.nodes[s.Node].stopPlanned(s) })
	}
	for _, f := range w.plan.Faults {
		n := w.nodes[f.Node]
		if f.Kind == fault.Pause {
			w.after(f.From, func() { n.pause(f.To) })
		}
		if f.Kind == fault.DiskFull {
			w.after(f.From, func() { n.setFull(true) })
			w.after(f.To, func() { n.setFull(false) })
		}
	}
	for _, j := range w.plan.Jumps {
		w.after(j.At, func() {
			w.nodes[j.Node].skew += j.By
			w.fire(firedJump)
			w.trace.Begin(w.now, "clock").Num("ms", int64(j.By/time.Millisecond)).End()
		})
	}
	w.planDirs()
	w.planRots()
	w.after(w.plan.Duration, w.heal)
}

// pause has the process stand still, with all that comes for it waiting, as SIGSTOP does.
func (n *node) pause(until time.Duration) {
	if !n.alive() || n.healed {
		return
	}
	n.begin("pause").Num("ms", int64((until-n.now)/time.Millisecond)).End()
	n.pausedUntil = max(n.pausedUntil, until)
	n.fire(fault.Pause.String())
	if until-n.now > n.plan.SessionTimeout() {
		n.fire(firedLongPause)
	}
}

// setFull has the disk take nothing more, or takes that back. A broker halts because of it, and may not where damage
// elsewhere has left it the last sound replica.
func (n *node) setFull(full bool) {
	n.disk.Full = full && !n.healed && !n.needed()
	n.injected++
	if n.disk.Full {
		n.fire(fault.DiskFull.String())
	}
	n.trace.Begin(n.now, "disk-full").Word(map[bool]string{true: "on", false: "off"}[n.disk.Full]).End()
}

// pendingWait bounds how long a stop waits for work to be under way.
const pendingWait = 200

func (n *node) stopPlanned(s *fault.Stop) { n.tryStop(s, pendingWait) }

func (n *node) tryStop(s *fault.Stop, patience int) {
	p := n.proc
	if p == nil || p.dead || n.healed || n.stopping > 0 || n.needed() {
		return
	}
	if s.Pending && p.pending == 0 && patience > 0 {
		n.after(time.Millisecond, func() { n.tryStop(s, patience-1) })
		return
	}
	n.again, n.crashAfter, n.wiping = s.Again, s.Crash, 0
	if s.Wipe {
		n.wiping = wipePatience
	}
	if s.Kind == fault.Clean {
		if p.listening {
			n.again = nil
			n.shutdown(p)
		}
		return
	}
	n.stop(s.Kind)
	n.restart(s.Down)
}

// shutdown asks the broker for a clean end.
func (n *node) shutdown(p *process) {
	n.stopping = n.now
	n.input(p, p.control, core.Input{Kind: core.InputShutdown}, 0)
}

// strikes draws whether a fault that lasts strikes now.
func (n *node) strikes(kind fault.Kind) bool {
	if n.healed {
		return false
	}
	for i := range n.plan.Faults {
		f := &n.plan.Faults[i]
		if f.Kind == kind && f.Node == n.index && n.now >= f.From && n.now < f.To && n.faults.Chance(1, f.Rate) {
			return true
		}
	}
	return false
}

func (n *node) diskFault(op disk.Op, path string) error {
	n.meetFile(op, path)
	if len(n.deadDirs) > 0 && n.inDeadDir(path) {
		n.injected++
		n.noteSync(op, path)
		return disk.ErrIO
	}
	kind := fault.Kind(0)
	switch op {
	case disk.Read:
		kind = fault.ReadError
	case disk.Write:
		kind = fault.WriteError
	case disk.Sync:
		kind = fault.SyncError
	case disk.Names:
		return nil
	}
	if !n.strikes(kind) || n.needed() {
		return nil // a broker halts after most of them
	}
	n.injected++
	n.noteSync(op, path)
	n.fire(kind.String())
	n.trace.Begin(n.now, "fault").Word(kind.String()).Word(path).End()
	return disk.ErrIO
}

// noteSync takes note of the log directory in which a sync fails.
func (n *node) noteSync(op disk.Op, path string) {
	if op != disk.Sync {
		return
	}
	n.syncFailed = true
	for _, dir := range n.plan.DirNames() {
		if (path == dir || strings.HasPrefix(path, dir+"/")) && !slices.Contains(n.unsynced, dir) {
			n.unsynced = append(n.unsynced, dir)
		}
	}
}

// slowFactor is how much slower a slow disk or network is.
const slowFactor = 50

func (n *node) slowly(d time.Duration) time.Duration {
	if n.now < n.slowUntil && !n.healed || n.strikes(fault.SlowDisk) {
		n.fire(fault.SlowDisk.String())
		return d * slowFactor
	}
	return d
}

// stall draws how much longer than usual a sync takes.
func (n *node) stall() time.Duration {
	most := n.plan.Delays.Stall
	if most == 0 || n.healed || !n.stalls.Chance(1, fault.StallOneIn) {
		return 0
	}
	n.fire(firedStall)
	return time.Duration(n.stalls.Between(int64(most/8), int64(most)))
}

func (w *World) slowNet(d time.Duration) time.Duration {
	if w.nodes[0].strikes(fault.SlowNetwork) {
		w.fire(fault.SlowNetwork.String())
		return d * slowFactor
	}
	return d
}

// heal ends all faults and lets the clients come to their end.
func (w *World) heal() {
	// A pause that is under way ends when it would have: events were moved behind it, and later ones must not overtake
	// them.
	w.healed = true
	for _, n := range w.nodes {
		n.disk.Full, n.again, n.cut, n.deadDirs = false, nil, 0, nil
		n.startAfresh()
	}
	w.trace.Begin(w.now, "heal").End()
	if w.net != nil {
		w.net.Heal(w.now)
		w.history.Fault("network")
	}
	for _, s := range w.slots {
		s.actor.Finish()
	}
}

// stuck says what has not come to its end.
func (w *World) stuck() string {
	text := "five minutes or more after all faults have ended,"
	for _, n := range w.nodes {
		if !n.alive() || !n.proc.listening {
			text += " broker " + itoa(n.index) + " is not open;"
		}
	}
	for _, s := range w.slots {
		if !s.actor.Idle() {
			text += " " + s.name + " " + itoa(s.index) + " waits for " + s.actor.Doing() + ";"
		}
	}
	if w.net != nil {
		w.observer.settled()
		text += w.observer.unsettled
	}
	return text
}

// audited is called when the auditor has read everything back: the connections end, then the broker.
func (w *World) audited() {
	if w.net != nil && !w.observer.settled() {
		w.after(100*time.Millisecond, w.audited)
		return
	}
	w.closed = true
	for _, s := range w.slots {
		s.Hang(w.schedule.Chance(1, 2))
	}
	w.after(10*time.Second, func() {
		w.finishing = true
		for _, n := range w.nodes {
			// In a cluster a half-open connection may stay until it is idle for too long.
			if k := n.clientSessions(); k > 0 && w.net == nil {
				w.fail(check.Liveness, "leak", itoa(k)+" sessions are left ten seconds after their clients are gone")
				return
			}
			n.shutdown(n.proc)
		}
	})
}

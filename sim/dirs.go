package sim

import (
	"slices"
	"strings"
	"time"

	"ottla.dev/core"
	"ottla.dev/sim/check"
	"ottla.dev/sim/fault"
)

// operatorSlow is how long it may take until somebody starts a broker again that has given up a log directory.
const operatorSlow = 10 * time.Second

const (
	// dirPatience is how often the failure of a log directory looks whether it may strike, and dirAgain the pause.
	dirPatience = 30
	dirAgain    = 300 * time.Millisecond
)

// planDirs puts the failures of log directories into the queue.
func (w *World) planDirs() {
	for i := range w.plan.DirFailures {
		f := &w.plan.DirFailures[i]
		w.after(f.At, func() { w.nodes[f.Node].failDir(f, dirPatience) })
	}
}

// failDir has a log directory fail for a while. In a cluster it waits until all that the machine has is elsewhere, too:
// a replica that is away, and others that crash meanwhile, are more at a time than is survived.
func (n *node) failDir(f *fault.DirFailure, patience int) {
	dir := n.plan.DirNames()[f.Dir]
	switch {
	case n.healed || slices.Contains(n.deadDirs, dir):
		return
	case n.net != nil && patience == 0:
		n.fire(firedDirSpared)
		return
	case n.net != nil && (n.rots.victim != nil || n.elsewhere() != ""):
		n.after(dirAgain, func() { n.failDir(f, patience-1) })
		return
	}
	n.deadDirs = append(n.deadDirs, dir)
	n.injected++
	n.fire(firedDir)
	n.begin("directory-fails").Word(dir).End()
	n.after(f.Back-f.At, func() { n.mend(dir) })
}

// crippled reports whether a machine does without a log directory.
func (n *node) crippled() bool { return len(n.deadDirs) > 0 || n.alive() && len(n.proc.offline) > 0 }

// elsewhere finds what of a machine's replicas has no leader that serves on another one; nothing if all have, or are
// not replicated at all.
func (n *node) elsewhere() string {
	p := n.controller()
	if p == nil {
		return "no controller"
	}
	id := core.BrokerID(n.index + 1)
	for t := range p.Image.Topics() {
		for _, part := range t.Partitions {
			if part.HasReplica(id) && len(part.Replicas) > 1 && !n.survives(part, id) {
				return core.TopicPartition{Topic: t.Name, Partition: part.ID}.String()
			}
		}
	}
	return ""
}

// mend brings a log directory back, and starts the machine again if its broker has given one up.
func (n *node) mend(dir string) {
	if !slices.Contains(n.deadDirs, dir) {
		return
	}
	n.deadDirs = slices.DeleteFunc(n.deadDirs, func(d string) bool { return d == dir })
	n.begin("directory-back").Word(dir).End()
	n.startAfresh()
}

// startAfresh restarts a broker that works without some of its log directories, if all of them are well by now.
func (n *node) startAfresh() {
	if p := n.proc; p != nil && !p.dead && len(p.offline) > 0 && len(n.deadDirs) == 0 && n.stopping == 0 {
		n.stop(fault.Crash)
		n.restart(n.soon(time.Second))
	}
}

// giveUp notes that a broker does not use some of its log directories any more.
func (n *node) giveUp(p *process, dirs []string) {
	p.offline = append(p.offline, dirs...)
	n.begin("offline").Word(strings.Join(dirs, ",")).End()
	if n.injected == p.injected && !n.disk.Full && len(n.deadDirs) == 0 {
		n.fail(check.Correctness, "directory", "the broker gives up "+strings.Join(dirs, ",")+" although no disk has failed")
		return
	}
	n.fire(firedOffline)
	n.after(n.soon(operatorSlow), func() {
		if n.proc == p {
			n.startAfresh()
		}
	})
}

// readLogs reads the logs of a process. Where a directory that it does not use has one of the same name as another one,
// of a topic that was deleted meanwhile, the other one counts. In a cluster nobody compares what was recovered with
// what was there, since a log may be cut off; the checks of replicas read it as it is written.
func (n *node) readLogs(p *process) *check.Logs {
	if n.net != nil {
		return &check.Logs{}
	}
	dirs := slices.DeleteFunc(n.plan.DirNames(), func(d string) bool { return slices.Contains(p.offline, d) })
	return n.observer.cluster.ReadLogs(n.disk, append(slices.Clone(p.offline), dirs...)...)
}

// inDeadDir reports whether a path is in a log directory that has failed.
func (n *node) inDeadDir(path string) bool {
	return slices.ContainsFunc(n.deadDirs, func(d string) bool {
		return path == d || strings.HasPrefix(path, d+"/")
	})
}

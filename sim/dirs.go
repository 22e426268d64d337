package sim

import (
	"slices"
	"strings"
	"time"

	"ottla.dev/sim/check"
	"ottla.dev/sim/fault"
)

// operatorSlow is how long it may take until somebody starts a broker again that has given up a log directory.
const operatorSlow = 10 * time.Second

// planDirs puts the failures of log directories into the queue.
func (w *World) planDirs() {
	for _, f := range w.plan.DirFailures {
		n, dir := w.nodes[f.Node], w.plan.DirNames()[f.Dir]
		w.after(f.At, func() {
			if !w.healed && !slices.Contains(n.deadDirs, dir) {
				n.deadDirs = append(n.deadDirs, dir)
				n.injected++
				n.fire(firedDir)
				n.begin("directory-fails").Word(dir).End()
			}
		})
		w.after(f.Back, func() { n.mend(dir) })
	}
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
// of a topic that was deleted meanwhile, the other one counts.
func (n *node) readLogs(p *process) *check.Logs {
	dirs := slices.DeleteFunc(n.plan.DirNames(), func(d string) bool { return slices.Contains(p.offline, d) })
	return check.ReadLogs(n.disk, append(slices.Clone(p.offline), dirs...)...)
}

// inDeadDir reports whether a path is in a log directory that has failed.
func (n *node) inDeadDir(path string) bool {
	return slices.ContainsFunc(n.deadDirs, func(d string) bool {
		return path == d || strings.HasPrefix(path, d+"/")
	})
}

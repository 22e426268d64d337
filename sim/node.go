package sim

import (
	"strings"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/netsim"
	"ottla.dev/sim/check"
	"ottla.dev/sim/disk"
	"ottla.dev/sim/fault"
	"ottla.dev/sim/trace"
)

// node is a machine with its disk, its clock and the lives of its broker.
type node struct {
	*World
	fault.Machine
	index    int
	disk     *disk.Disk
	proc     *process
	disks    int           // that the machine has had
	random   core.PRNG     // names its directories
	dir      core.UUID     // the id of its data folder, if the world has formatted it
	firstEnd netsim.End    // of a connection since the disk was lost
	wiping   int           // how often the next start may wait until an empty disk is within the budget
	skew     time.Duration // of the wall clock
	starts   int
	restarts int
	// crashAfter is how long after the next opening the machine crashes; 0 not at all.
	crashAfter  time.Duration
	opened      int  // the number of the last process that opened for clients
	ended       bool // the last clean stop is complete
	pausedUntil time.Duration
	injected    int      // faults of the disk that struck
	deadDirs    []string // log directories that have failed
	syncFailed  bool     // since the process started
	unsynced    []string // the log directories in which one has
	cut         int      // file operations until the process is stopped again
	again       []int
	rotting     *fault.Rot // strikes before the next start
	second      *fault.Rot // whose second strike is due after the next start
	rotWait     int        // how often that may wait
	repairedAt  time.Duration
	spoiled     map[string]bool // files that were ever damaged by name
	stopKind    fault.StopKind
	stopDue     bool
	vanished    bool          // without power: the network knows it no more
	stopping    time.Duration // since when a clean stop is under way, 0 if none is
	before      *check.Logs   // the logs as the last process left them
	deafTo      []int         // APIs to whose requests no answer comes
	deafUntil   time.Duration
	slowUntil   time.Duration // an ambush has made its disk slow
}

// addNode adds a machine whose broker starts at once.
func (w *World) addNode() {
	n := &node{World: w, index: len(w.nodes), spoiled: map[string]bool{}}
	if w.plan.Clustered() {
		n.Machine = w.plan.Machines[n.index]
		n.skew = n.Skew
		seeds := w.plan.Stream(fault.StreamDirectories)
		n.random = seeds.Fork(uint64(n.index))
		n.dir = n.random.UUID()
		if n.Skew != 0 {
			w.fire(firedSkew)
		}
		if n.Drift != 0 {
			w.fire(firedDrift)
		}
	}
	n.newDisk()
	w.nodes = append(w.nodes, n)
	w.after(n.Joins, n.start)
}

func (n *node) newDisk() {
	n.disks++
	n.disk = disk.New(n.faults.Fork(uint64(n.disks) + uint64(n.index)<<32))
	n.disk.Unordered, n.disk.Replicated = n.plan.UnorderedNames, n.plan.Clustered()
	n.disk.Fault = n.diskFault
	if !n.plan.Clustered() {
		n.disk.Renamed = func(from, to string) {
			if n.alive() && n.proc.listening && n.ofPartition(from) && strings.HasSuffix(to, log.DeletedSuffix) {
				check.SegmentGone(n.disk, from, n.fail)
			}
		}
	}
}

func (n *node) instant(p *process) core.Instant {
	return core.Instant{Mono: n.mono(n.now - p.started), Wall: n.wall()}
}

// million is what drift is counted in.
const million = 1_000_000

// mono is what the process's monotonic clock shows a time after its start.
func (n *node) mono(d time.Duration) time.Duration {
	drift := time.Duration(n.Drift)
	return d + d/million*drift + d%million*drift/million
}

// until is how long after its start the process's clock has come to show mono.
func (n *node) until(mono time.Duration) time.Duration {
	if n.Drift == 0 {
		return mono
	}
	pace := million + time.Duration(n.Drift)
	return mono/pace*million + mono%pace*million/pace + 1
}

func (n *node) wall() core.Timestamp {
	return Epoch + core.Timestamp((n.now+n.skew)/time.Millisecond)
}

// begin begins a line of the trace that is about the machine.
func (n *node) begin(what string) *trace.Trace {
	t := n.trace.Begin(n.now, what)
	if n.net != nil {
		t.Num("node", int64(n.index))
	}
	return t
}

// alive reports whether a process of the machine runs.
func (n *node) alive() bool { return n.proc != nil && !n.proc.dead }

// clientSessions is how many sessions of clients the process has.
func (n *node) clientSessions() int {
	if n.proc == nil {
		return 0
	}
	k := 0
	//core:unordered counted
	for _, a := range n.proc.sessions {
		if a.conn.client {
			k++
		}
	}
	return k
}

package rafttest

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/config"
	"ottla.dev/core/log"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/raft"
)

func (w *World) logSettings() log.Settings {
	s := log.DefaultSettings()
	s.SegmentBytes, s.SegmentMs = w.LogBytes, math.MaxInt64/4
	s.IndexBytes, s.IndexIntervalBytes = 960, 256
	s.RetentionMs, s.RetentionBytes = config.NoLimit, config.NoLimit
	s.FileDeleteDelayMs = 0
	return s
}

// Start begins the node's process on what its disk holds.
func (n *Node) Start() {
	if n.Q != nil {
		return
	}
	w := n.w
	n.Incarnation++
	n.driver, n.files = logtest.NewDriver(n.Disk), log.FileIDs{}
	n.out.Reset()
	n.mail.Reset()
	n.taken, n.tick, n.down = 0, -1, false
	job := &raft.OpenJob{Slot: 1, Parent: parent, Dir: Dir, Settings: w.logSettings()}
	if !w.Dynamic && !n.bare {
		job.Static = w.InitialVoters()
		for i := range job.Static {
			job.Static[i].Directory = core.UUID{} // the configuration has none
		}
	}
	job.Run(n.Disk)
	if errors.Is(job.Err, logtest.ErrCrashed) {
		n.Crash(true)
		return
	}
	if job.Err != nil {
		w.breach("node %d does not start: %v", n.ID, job.Err)
		return
	}
	if err := n.load(job); err != nil {
		if errors.Is(err, logtest.ErrCrashed) {
			n.Crash(true)
			return
		}
		w.breach("node %d: its snapshot cannot be read: %v", n.ID, err)
		return
	}
	o := raft.Options{Self: n.Key, Endpoints: n.endpoints(), ClusterID: ClusterID, Settings: w.Settings,
		Random: core.NewPRNG(w.Seed).Fork(uint64(n.ID*1000 + n.Incarnation)), Files: &n.files, Slot: 1, Deliver: true,
		Applied: n.applied}
	for _, x := range w.Nodes[:w.Voters] {
		o.Bootstrap = append(o.Bootstrap, x.endpoints()...)
	}
	n.track.restarted()
	n.Q = raft.Start(w.instant(), o, job, &n.out)
	if n.forgetful {
		n.Q.Distrust()
	}
	w.tracef("%d starts: epoch %d log %d..%d", n.ID, n.Q.Epoch(), n.Q.Log().LogStartOffset(), n.Q.LogEndOffset())
	n.checkRestart()
	n.Q.Poll(w.instant(), &n.out)
	n.effects()
}

// load reads the state from the latest snapshot.
func (n *Node) load(job *raft.OpenJob) error {
	n.State, n.applied = State{}, 0
	if k := len(job.Snapshots); k > 0 {
		s, err := readState(n.Disk, job.Snapshots[k-1])
		if err != nil {
			return err
		}
		n.State, n.applied = s, job.Snapshots[k-1].End
	}
	return nil
}

// Crash ends the process; with lose, what was not synced is lost with it. Whoever waits for its answers learns that the
// connection is gone.
func (n *Node) Crash(lose bool) {
	w := n.w
	w.tracef("%d stops, losing: %v", n.ID, lose)
	if n.Q != nil {
		n.remember()
	}
	n.Q, n.down = nil, true
	if lose {
		rng := w.schedule.Fork(uint64(w.Now)*64 + uint64(n.ID))
		n.Disk.Crash(&rng)
	} else {
		n.Disk.Kill()
	}
	n.Incarnation++
	var gone []uint64
	//core:unordered sorted below
	for token, o := range w.tokens {
		if o.at == n.ID {
			gone = append(gone, token)
		}
	}
	slices.Sort(gone)
	for _, token := range gone {
		o := w.tokens[token]
		delete(w.tokens, token)
		if o.node > 0 {
			w.carry(n.ID, o.node, func() { w.respond(o, nil) }, nil)
		}
	}
}

// crashed makes a crash of one that the disk has had in the middle of an operation.
func (n *Node) crashed() bool {
	if n.Disk.CrashAt > 0 && n.Disk.Ops >= n.Disk.CrashAt {
		n.w.probe("crash in the middle of an operation")
		n.Crash(true)
		return true
	}
	return false
}

// effects carries out what the node wants after a step.
func (n *Node) effects() {
	w := n.w
	if n.Q == nil {
		return
	}
	before := len(n.driver.Jobs)
	n.driver.Execute(&n.out)
	if n.crashed() {
		return
	}
	n.Q.Mail(&n.mail)
	n.forgetful = n.forgetful && n.Q.Recalling()
	n.check()
	n.send()
	for range len(n.driver.Jobs) - before {
		n.later(n.runJob)
	}
	for ; n.taken < n.driver.Pending(); n.taken++ {
		n.later(n.complete)
	}
	if n.Q == nil {
		return
	}
	if at, ok := n.Q.Deadline(); ok && max(at, w.Now) != n.tick {
		n.tick = max(at, w.Now)
		due, incarnation := n.tick, n.Incarnation
		w.After(due-w.Now, func() {
			if n.Q != nil && n.Incarnation == incarnation && n.tick == due {
				n.tick = -1
				n.Q.Tick(w.instant(), &n.out)
				n.effects()
			}
		})
	}
}

// later lets the disk do something.
func (n *Node) later(do func()) {
	incarnation := n.Incarnation
	n.w.After(n.w.between(n.w.DiskMin, n.w.DiskMax), func() {
		if n.Q != nil && n.Incarnation == incarnation {
			do()
		}
	})
}

func (n *Node) runJob() {
	if len(n.driver.Jobs) == 0 {
		return
	}
	i := int(n.w.schedule.Below(uint64(len(n.driver.Jobs))))
	j := n.driver.Jobs[i]
	n.driver.Jobs = append(n.driver.Jobs[:i:i], n.driver.Jobs[i+1:]...)
	j.Run(n.Disk)
	if n.crashed() {
		return
	}
	n.w.tracef("%d job %s", n.ID, j.AppendText(nil))
	n.w.probe(fmt.Sprintf("job %T", j))
	if !n.Q.JobDone(n.w.instant(), j, &n.out) {
		n.w.breach("node %d does not know its job %s", n.ID, j.AppendText(nil))
	}
	n.effects()
}

func (n *Node) complete() {
	if n.driver.Pending() == 0 {
		return
	}
	in := n.driver.Take(int(n.w.schedule.Below(uint64(n.driver.Pending()))))
	n.taken--
	switch in.Kind {
	case core.InputMapped, core.InputFailed:
		n.Q.Mapped(in)
	default:
		n.Q.Completed(in)
		n.Q.Poll(n.w.instant(), &n.out)
	}
	n.effects()
}

// send puts the node's mail on its way.
func (n *Node) send() {
	w := n.w
	for _, r := range n.mail.Requests {
		to := w.node(r.To)
		if r.To == core.NoBroker && len(r.Endpoints) > 0 {
			to = w.node(core.BrokerID(r.Endpoints[0].Port) - 9000)
		}
		w.tracef("%d -> %v: %s", n.ID, r.To, Text(r.Request))
		n.track.sent(n, r.Request)
		if to != nil {
			w.deliver(n, to, r)
		}
	}
	for _, a := range n.mail.Answers {
		o, ok := w.tokens[a.Token]
		if !ok {
			w.breach("node %d answers twice", n.ID)
			return
		}
		delete(w.tokens, a.Token)
		if a.Response != nil {
			w.tracef("%d => %d: %s", n.ID, o.node, Text(a.Response))
			w.probeAnswer(n, a.Response)
			n.track.answered(n, a.Token, a.Response)
		}
		if o.node < 0 {
			w.probe(Text(a.Response))
			w.replies = append(w.replies, Reply{Node: n.ID, Token: a.Token, Response: a.Response})
			continue
		}
		w.carry(n.ID, o.node, func() { w.respond(o, a.Response) }, nil)
	}
	for _, note := range n.mail.Notes {
		w.probe(note.Text)
		w.tracef("%d notes: %s", n.ID, note.Text)
	}
	n.apply()
	n.mail.Reset()
}

// carry lets something travel: in order between two nodes, and lost with the rate of losses or where the way is cut.
func (w *World) carry(from, to int, arrive, lost func()) {
	way := [2]int{from, to}
	at := max(w.Now+w.between(w.NetMin, w.NetMax), w.arrival[way])
	gone := w.cut[way] || w.schedule.Below(1000) < w.Loss
	if gone {
		if lost != nil && w.schedule.Chance(1, 2) {
			w.After(at-w.Now, lost)
		}
		return
	}
	w.arrival[way] = at
	w.After(at-w.Now, arrive)
}

func (w *World) deliver(n, to *Node, r raft.Request) {
	o := origin{node: n.ID, at: to.ID, incarnation: n.Incarnation, correlation: r.Correlation,
		version: r.Request.GetVersion(), key: r.Request.Key()}
	raw := r.Request.AppendTo(nil)
	failed := func() {
		if r.Correlation%2 == 0 && w.Rejects { // as from a firewall: the receiver may be well
			w.refuse(o)
			return
		}
		w.respond(o, nil)
	}
	w.carry(n.ID, to.ID, func() {
		if to.Q == nil {
			w.carry(to.ID, n.ID, func() { w.refuse(o) }, nil)
			return
		}
		req := kmsg.RequestForKey(o.key)
		req.SetVersion(o.version)
		if err := req.ReadFrom(raw); err != nil {
			w.breach("a request cannot be decoded: %v", err)
			return
		}
		w.token++
		o.since = w.Now
		w.tokens[w.token] = o
		to.track.asked(w.token, req)
		to.Q.Receive(w.instant(), w.token, req, &to.out)
		to.effects()
	}, failed)
}

// refuse tells a node that nobody takes its connection.
func (w *World) refuse(o origin) {
	if n := w.Nodes[o.node-1]; n.Q != nil && n.Incarnation == o.incarnation {
		w.probe("refused")
		n.Q.Refused(w.instant(), o.correlation, &n.out)
		n.effects()
	}
}

func (w *World) respond(o origin, resp kmsg.Response) {
	n := w.Nodes[o.node-1]
	if n.Q == nil || n.Incarnation != o.incarnation {
		return
	}
	if resp != nil {
		raw := resp.AppendTo(nil)
		resp = kmsg.ResponseForKey(o.key)
		resp.SetVersion(o.version)
		if err := resp.ReadFrom(raw); err != nil {
			w.breach("a response cannot be decoded: %v", err)
			return
		}
	}
	if w.Tamper != nil && resp != nil {
		w.Tamper(n, resp)
	}
	n.Q.Respond(w.instant(), o.correlation, resp, &n.out)
	n.effects()
}

// Propose appends records at a node that may.
func (n *Node) Propose(values ...string) core.Offset {
	raw := make([][]byte, len(values))
	for i, v := range values {
		raw[i] = []byte(v)
	}
	last := n.Q.Propose(n.w.instant(), raw, &n.out)
	n.w.tracef("%d proposes %q at %d", n.ID, values, last)
	n.effects()
	return last
}

// Snapshot has the node write a snapshot of what it has applied.
func (n *Node) Snapshot() {
	if n.applied == 0 || n.applied > n.Q.HighWatermark() {
		return
	}
	state := n.State
	job := n.Q.Snapshot(n.applied, 0, func(yield func([]byte) bool) { yield(state.encode()) })
	if job != nil {
		n.out.Run(job)
		n.effects()
	}
}

// Resign has the node give up its leadership.
func (n *Node) Resign() {
	n.Q.Resign(n.w.instant(), &n.out)
	n.effects()
}

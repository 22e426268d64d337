package rafttest

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/raft"
)

var (
	seeds = flag.Int("seeds", 25, "how many seeds the sweep runs")
	first = flag.Uint64("seed", 1, "the first seed")
	story = flag.Bool("story", false, "print the trace of failures in full")
)

// plan is what a seed does to its world.
type plan struct {
	crash, lose, oneWay, loss, slowDisk, snapshots, changes, torn, losses bool
}

func drawPlan(r *core.PRNG) plan {
	return plan{crash: r.Chance(3, 4), lose: r.Chance(2, 3), oneWay: r.Chance(1, 2), loss: r.Chance(1, 2),
		slowDisk: r.Chance(1, 3), snapshots: r.Chance(1, 2), changes: r.Chance(1, 2), torn: r.Chance(1, 2),
		losses: r.Chance(1, 2)}
}

// sweep runs one seed: faults for some seconds, then healing and the demand of progress.
func sweep(seed uint64) *World {
	r := core.NewPRNG(seed).Fork(99)
	p := drawPlan(&r)
	o := Options{Seed: seed, Nodes: int(r.Between(3, 5)), Dynamic: r.Chance(1, 2), Trace: true}
	if o.Dynamic && r.Chance(1, 2) {
		o.Voters = int(r.Between(1, int64(o.Nodes)))
	}
	if r.Chance(1, 2) {
		o.LogBytes = 2000
	}
	if p.slowDisk {
		o.DiskMin, o.DiskMax = 0, 60*time.Millisecond
	}
	if r.Chance(1, 3) {
		o.NetMin, o.NetMax = 0, 80*time.Millisecond
	}
	o.Settings = raft.DefaultSettings()
	if p.snapshots && r.Chance(1, 2) {
		o.Settings.LogBytes, o.Settings.SnapshotBytes = 3000, 50
	}
	o.Rejects, o.Directories = r.Chance(1, 2), p.changes
	w := New(o)
	for _, n := range w.Nodes {
		n.Start()
	}
	x := &chaos{w: w, r: r, plan: p, upgraded: core.NoOffset}
	x.propose()
	x.fault()
	w.Run(12 * time.Second)
	if p.losses {
		w.Run(12 * time.Second)
	}
	x.over = true
	w.Heal()
	heal(w, x)
	return w
}

func heal(w *World, x *chaos) {
	if len(w.Broken) > 0 {
		return
	}
	if !w.Until(15*time.Second, func() bool { return w.Active() != nil }) {
		w.liveness("no leader after healing")
		return
	}
	w.Run(2 * time.Second)
	if n := w.Active(); n != nil {
		n.Propose("the last word")
	}
	if !w.Until(10*time.Second, w.Settled) {
		w.liveness("not settled after healing")
		return
	}
	epoch := w.Active().Q.Epoch()
	w.Run(8 * time.Second)
	if n := w.Active(); len(w.Broken) == 0 && (n == nil || n.Q.Epoch() != epoch) {
		w.liveness("elections without a fault")
	}
	if k := w.Unanswered(5 * time.Second); k > 0 {
		w.liveness(fmt.Sprintf("S21: %d requests are never answered", k))
	}
	for _, n := range w.Nodes {
		if n.Q != nil {
			n.remember()
		}
	}
}

func (w *World) liveness(what string) {
	if len(w.Broken) == 0 {
		w.breach("L1: %s\n%s", what, w.Describe())
	}
}

// chaos does things to a world at random times.
type chaos struct {
	w    *World
	r    core.PRNG
	plan plan
	over bool
	n    int
	// upgraded is the offset of the last attempt to put the voters into the log; lost when a disk was lost last.
	upgraded core.Offset
	lost     time.Duration
}

func (x *chaos) propose() {
	x.w.After(time.Duration(x.r.Between(1, 100))*time.Millisecond, func() {
		if x.over {
			return
		}
		for _, n := range x.w.Nodes {
			if n.Q != nil && n.Q.Active() && n.Q.Failed() == nil && n.Q.LogEndOffset()-n.Q.HighWatermark() < 50 {
				x.n++
				n.Propose(fmt.Sprintf("value %d of node %d", x.n, n.ID))
			}
		}
		x.propose()
	})
}

func (x *chaos) fault() {
	x.w.After(time.Duration(x.r.Between(50, 1500))*time.Millisecond, func() {
		if x.over || len(x.w.Broken) > 0 {
			return
		}
		x.one()
		x.fault()
	})
}

func (x *chaos) any() *Node { return x.w.Nodes[x.r.Below(uint64(len(x.w.Nodes)))] }

func (x *chaos) one() {
	w, n := x.w, x.any()
	if l := w.Leader(); l != nil && x.r.Chance(1, 3) {
		n = l
	}
	if x.plan.losses && x.r.Chance(1, 4) {
		x.lose(n, 20)
		return
	}
	switch x.r.Below(9) {
	case 0, 1:
		if x.plan.crash && n.Q != nil {
			if x.plan.torn && x.r.Chance(1, 2) {
				n.Disk.CrashAt = n.Disk.Ops + int(x.r.Between(1, 30))
			} else {
				n.Crash(x.plan.lose && x.r.Chance(2, 3))
			}
			x.restart(n)
		}
	case 2:
		if x.plan.crash && x.plan.lose && x.r.Chance(1, 3) {
			for _, n := range w.Nodes {
				if n.Q != nil {
					n.Crash(true)
				}
				x.restart(n)
			}
		}
	case 3:
		w.Isolate(n.ID, true)
		w.After(time.Duration(x.r.Between(100, 5000))*time.Millisecond, func() { w.Isolate(n.ID, false) })
	case 4:
		if m := x.any(); x.plan.oneWay && m != n {
			w.Cut(n.ID, m.ID, true)
			w.After(time.Duration(x.r.Between(100, 6000))*time.Millisecond, func() { w.Cut(n.ID, m.ID, false) })
		}
	case 5:
		if x.plan.loss {
			w.Loss = x.r.Below(200)
			w.After(time.Duration(x.r.Between(100, 2000))*time.Millisecond, func() { w.Loss = 0 })
		}
	case 6:
		if x.plan.snapshots {
			for _, n := range w.Nodes {
				if n.Q != nil && x.r.Chance(2, 3) {
					n.Snapshot()
				}
			}
		}
	case 7:
		if n.Q != nil && n.Q.Role() == raft.Leader && x.r.Chance(1, 2) {
			n.Resign()
		}
	case 8:
		switch l := w.Active(); {
		case !x.plan.changes || l == nil:
		case l.Q.Version() > 0:
			x.change(l, n)
		case !w.Dynamic:
			x.upgraded = max(x.upgraded, l.Q.LogEndOffset())
			code, why := l.Q.Upgrade(w.instant(), 1, false, &l.out)
			w.probe("upgrade: " + code.String() + " " + why)
			l.effects()
		}
	}
}

func (x *chaos) restart(n *Node) {
	x.w.After(time.Duration(x.r.Between(1, 3000))*time.Millisecond, func() {
		if n.Q == nil {
			n.Start()
		} else if n.Disk.CrashAt > 0 {
			x.restart(n)
		}
	})
}

// change adds or removes a voter.
func (x *chaos) change(l, n *Node) {
	voters := l.Q.Voters()
	if key, ok := x.w.gone(voters); ok {
		x.w.Ask(l, removeVoter(&Node{ID: int(key.ID), Key: key}))
		return
	}
	if voters.Has(n.Key) {
		if len(voters) > 2 || len(voters) > 1 && x.r.Chance(1, 4) {
			x.w.Ask(l, removeVoter(n))
		}
		return
	}
	x.w.Ask(l, addVoter(n))
}

func addVoter(n *Node) kmsg.Request {
	req := kmsg.NewPtrAddRaftVoterRequest()
	req.Version = 1
	req.VoterID, req.VoterDirectoryID, req.TimeoutMillis, req.AckWhenCommitted = int32(n.ID), n.Key.Directory, 3000, true
	for _, e := range n.endpoints() {
		l := kmsg.NewAddRaftVoterRequestListener()
		l.Name, l.Host, l.Port = e.Name, e.Host, e.Port
		req.Listeners = append(req.Listeners, l)
	}
	return req
}

func removeVoter(n *Node) kmsg.Request {
	req := kmsg.NewPtrRemoveRaftVoterRequest()
	req.VoterID, req.VoterDirectoryID = int32(n.ID), n.Key.Directory
	return req
}

func TestSweep(t *testing.T) {
	probes := map[string]int{}
	for i := range uint64(*seeds) {
		w := sweep(*first + i)
		if len(w.Broken) > 0 {
			if *story {
				for _, l := range w.Lines {
					t.Log(l)
				}
			}
			t.Fatal(w.Fault())
		}
		for what, n := range w.probes {
			probes[what] += n
		}
	}
	for _, what := range slices.Sorted(maps.Keys(probes)) {
		t.Logf("%6d %s", probes[what], what)
	}
}

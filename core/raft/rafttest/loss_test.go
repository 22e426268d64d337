package rafttest

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
)

// spacing is how long a world leaves between two losses: longer than the addition of a replica that is gone meanwhile
// may wait.
const spacing = 4 * time.Second

// intact reports whether a voter is a replica whose disk is there.
func (w *World) intact(key raft.Key) bool {
	n := w.node(key.ID)
	return n != nil && (key.Directory.IsZero() || key.Directory == n.Key.Directory)
}

// mayLose reports whether a disk can be lost without anything that the quorum has promised: all nodes are up, none has
// forgotten anything, and all voters of at least three are there, whomever one asks.
func (w *World) mayLose() bool {
	for _, n := range w.Nodes {
		if n.Q == nil || n.forgetful || len(n.Q.Voters()) < 3 {
			return false
		}
		for _, v := range n.Q.Voters() {
			if !w.intact(raft.Key{ID: v.ID, Directory: v.Directory}) {
				return false
			}
		}
	}
	return true
}

// Wipe gives a node an empty disk. It comes back as another replica, whose configuration names no voters.
func (n *Node) Wipe() {
	n.lose()
	n.Key.Directory, n.bare = core.UUID{0: 99, 1: byte(n.ID), 2: byte(n.Incarnation)}, true
	n.w.probe("a disk is wiped")
}

// Forget has a node find its metadata damaged at its next start, which puts them aside. It is the same replica still.
func (n *Node) Forget() {
	n.lose()
	n.forgetful = true
	n.w.probe("metadata are forgotten")
}

func (n *Node) lose() {
	n.Crash(true)
	n.lost, n.lostKey = n.Disk, n.Key
	n.Disk = logtest.NewDisk()
	must(n.Disk.Mkdir(parent))
	n.Disk.SyncAll()
	n.track = tracked{}
}

// durable is where the log of a voter ends that a crash leaves. What a replica has confirmed before it lost its disk
// counts, also where the leader hears of it later: no other disk is lost before that is made good.
func (n *Node) durable(directory core.UUID, rng *core.PRNG) core.Offset {
	end := core.Offset(0)
	for _, at := range [...]struct {
		disk *logtest.Disk
		key  raft.Key
	}{{n.Disk, n.Key}, {n.lost, n.lostKey}} {
		if at.disk == nil || !directory.IsZero() && directory != at.key.Directory {
			continue
		}
		disk := at.disk.Clone()
		disk.Crash(rng)
		must(n.batches(disk, func(v record.View) { end = max(end, v.NextOffset()) }))
	}
	return end
}

// lose has a node lose what it has, as soon as that may be. Voters that are in the log have directories, and with
// another disk a node is another replica; one whose voters were in configuration first still finds them there.
func (x *chaos) lose(n *Node, again int) {
	w := x.w
	logged := true
	for _, m := range w.Nodes {
		logged = logged && m.Q != nil && m.Q.Version() > 0 && m.Q.HighWatermark() > x.upgraded
	}
	switch may := !x.over && len(w.Broken) == 0 && w.mayLose() && w.Now >= x.lost+spacing; {
	case may && logged && (w.Dynamic || x.r.Chance(1, 2)):
		n.Wipe()
	case may && !w.Dynamic && !n.bare:
		n.Forget()
	case again > 0:
		w.After(100*time.Millisecond, func() { x.lose(n, again-1) })
		return
	default:
		return
	}
	x.lost = w.Now
	x.restart(n)
}

// gone returns a voter whose disk is lost, which has to be removed before anybody else is.
func (w *World) gone(voters raft.Voters) (raft.Key, bool) {
	for _, v := range voters {
		if key := (raft.Key{ID: v.ID, Directory: v.Directory}); !w.intact(key) {
			return key, true
		}
	}
	return raft.Key{}, false
}

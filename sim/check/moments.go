package check

import (
	"ottla.dev/core"
)

// Moment is what a machine has just done.
type Moment uint8

// The moments that are seen from outside.
const (
	HasCut      Moment = iota // a log is shorter than it was
	HasVoted                  // a vote is on disk
	HasBegun                  // it leads the quorum
	IsAppointed               // it leads a partition
)

// metReplica tells what a replica has done.
func (c *Cluster) metReplica(was, s *Sighting) {
	if was.Life != s.Life {
		return
	}
	if s.End < was.End {
		c.Met(s.Node, HasCut)
	}
	if s.Leading && !was.Leading {
		c.Met(s.Node, IsAppointed)
	}
}

// metQuorum tells what a node of the quorum has done.
func (c *Cluster) metQuorum(was, s *QuorumSighting) {
	if was.Life != s.Life {
		return
	}
	if s.Saved.Voted != core.NoBroker && (s.Saved.Voted != was.Saved.Voted || s.Saved.Epoch != was.Saved.Epoch) {
		c.Met(s.Node, HasVoted)
	}
	if s.Leading && !was.Leading {
		c.Met(s.Node, HasBegun)
	}
}

// Epoch is the leader epoch of a replica as it was seen last, which never goes back (S7). It reports false if there is
// nothing to go by: no such replica was seen, or what the machine had is lost or damaged.
func (c *Cluster) Epoch(node int, id core.TopicIDPartition) (core.LeaderEpoch, bool) {
	r := c.replicas[replicaKey{node, id}]
	if r == nil || r.Life == 0 || c.brokers[node].wiped || c.brokers[node].rotten {
		return core.NoLeaderEpoch, false
	}
	return r.Epoch, true
}

// Bounds is between what a replica's log lies, as it was seen last, in one life of its broker.
type Bounds struct {
	Life          int
	Epoch         core.LeaderEpoch // in which it leads or follows
	Leading       bool
	Start, Told   core.Offset // of the log, and as readers are told
	HighWatermark core.Offset
	End           core.Offset
	Latest        core.LeaderEpoch // in the log
}

// Bounds gives those of a replica. It reports false where [Cluster.Epoch] does, and where something may have been lost.
func (c *Cluster) Bounds(node int, id core.TopicIDPartition) (Bounds, bool) {
	if _, ok := c.Epoch(node, id); !ok {
		return Bounds{}, false
	}
	s := &c.replicas[replicaKey{node, id}].Sighting
	return Bounds{Life: s.Life, Epoch: s.Epoch, Leading: s.Leading, Start: s.Start, Told: s.Told,
		HighWatermark: s.HighWatermark, End: s.End, Latest: s.Epochs.Latest()}, !c.ledger.Forgiven(s.Name)
}

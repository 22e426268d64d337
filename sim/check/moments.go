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

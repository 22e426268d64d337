package check

import (
	"slices"
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/raft"
)

// leaders is S1: one node leads the metadata quorum in an epoch, and one broker a partition.
type leaders struct {
	quorums    map[core.LeaderEpoch]int
	partitions map[ledKey]int
}

type ledKey struct {
	id    core.TopicIDPartition
	epoch core.LeaderEpoch
}

func newLeaders() leaders {
	return leaders{quorums: map[core.LeaderEpoch]int{}, partitions: map[ledKey]int{}}
}

func (l *leaders) quorum(c *Cluster, s *QuorumSighting) {
	if !s.Leading {
		return
	}
	if other, ok := l.quorums[s.Epoch]; ok && other != s.Node {
		c.wrong("two-controllers", s.Node, "leads the quorum in epoch "+epochText(s.Epoch)+", as broker "+
			strconv.Itoa(other+1)+" did")
	}
	l.quorums[s.Epoch] = s.Node
}

func (l *leaders) partition(c *Cluster, s *Sighting) {
	if !s.Leading {
		return
	}
	at := ledKey{s.ID, s.Epoch}
	if other, ok := l.partitions[at]; ok && other != s.Node {
		c.wrong("two-leaders", s.Node, s.Name.String()+": leads in epoch "+epochText(s.Epoch)+", as broker "+
			strconv.Itoa(other+1)+" did")
	}
	l.partitions[at] = s.Node
}

// watchCampaign is the manners of elections (KIP-996): nobody raises the epoch to be elected in before others have said
// that they would vote for it; who hears nothing could do so again and again, and depose a leader that is well when it
// is back. A sole voter asks nobody.
//
// Which of two it is, a vote for itself or for another in an epoch that it has just heard of, is seen when it is on
// disk.
func (c *Cluster) watchCampaign(b *seenBroker, was, s *QuorumSighting) {
	if was.Life == s.Life && s.Epoch > was.Epoch {
		b.unasked = s.Role == raft.Voted && was.Role != raft.Prospective && len(s.Voters) > 1
	}
	if b.unasked = b.unasked && was.Life == s.Life; b.unasked && s.Saved.Epoch == s.Epoch &&
		s.Saved.Voted == core.BrokerID(s.Node+1) {
		c.wrong("elections", s.Node, "raises the epoch of the quorum to "+epochText(s.Epoch)+
			" to be elected in it, and has asked nobody before")
	}
}

// watchVoters judges changes of the voters: a leader makes none before a record of its epoch is committed, without
// which an earlier change that it does not know to be undone may decide by another majority (Ongaro, raft-dev 2015). A
// request that has waited for that may be decided in the very step in which the record is committed.
func (c *Cluster) watchVoters(was, s *QuorumSighting) {
	if was.Life != s.Life || !was.Leading || !s.Leading || was.Epoch != s.Epoch || slices.Equal(was.Voters, s.Voters) {
		return
	}
	if !was.Active && !s.Active {
		c.wrong("voters", s.Node, "changes the voters in epoch "+epochText(s.Epoch)+
			", and has committed nothing of that epoch yet")
	}
}

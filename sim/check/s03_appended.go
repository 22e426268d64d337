package check

import (
	"ottla.dev/core"
	"ottla.dev/core/log"
)

// watchAppended is S3 of followers: what one appends in a leader epoch is in the log of that epoch's leader, which
// cuts nothing off while it leads, and comes behind a record that is in both (Raft's log matching property). The
// answer to what it asked an earlier leader, or the same one in an earlier epoch, may hold what is gone
// (KAFKA-13207).
func (c *Cluster) watchAppended(was, s *Sighting) {
	if s.Leading || s.Epoch < 0 || s.End <= was.End || was.Life != s.Life || was.Epoch != s.Epoch || was.Start != s.Start {
		return
	}
	node, led := c.leaders.partitions[ledKey{s.ID, s.Epoch}]
	if !led {
		c.wrong("replicas-differ", s.Node, s.Name.String()+": takes records up to offset "+offsetText(s.End)+" in epoch "+
			epochText(s.Epoch)+", in which nobody has led yet")
		return
	}
	l := c.replicas[replicaKey{node, s.ID}]
	if l == nil || !l.Leading || l.Epoch != s.Epoch || l.Life != c.brokers[node].life || c.brokers[node].rotten {
		return
	}
	from := max(was.End-1, s.Start)
	if at := departs(s.Epochs, from, s.End, l.Epochs, l.Start, l.End); at != core.NoOffset {
		c.wrong("replicas-differ", s.Node, s.Name.String()+": takes records in epoch "+epochText(s.Epoch)+
			", and what it has at offset "+offsetText(at)+" is not in the log of its leader, "+brokerText(core.BrokerID(node+1)))
	}
}

// watchFetched is the same of the metadata.
func (c *Cluster) watchFetched(was, s *QuorumSighting) {
	if s.Leading || s.End <= was.End || was.Life != s.Life || was.Epoch != s.Epoch || was.Leading || was.Start != s.Start {
		return
	}
	node, led := c.leaders.quorums[s.Epoch]
	if !led {
		c.wrong("replicas-differ", s.Node, "takes metadata up to offset "+offsetText(s.End)+" in epoch "+
			epochText(s.Epoch)+", in which nobody has led yet")
		return
	}
	l := &c.brokers[node].quorum
	if !l.Leading || l.Epoch != s.Epoch || l.Life != c.brokers[node].life {
		return
	}
	if at := departs(s.Epochs, max(was.End-1, s.Start), s.End, l.Epochs, l.Start, l.End); at != core.NoOffset {
		c.wrong("replicas-differ", s.Node, "takes metadata in epoch "+epochText(s.Epoch)+", and what it has at offset "+
			offsetText(at)+" is not in the log of "+brokerText(core.BrokerID(node+1))+", which leads")
	}
}

// departs finds the first offset from one to another at which a log is not the same as its leader's, or NoOffset.
func departs(epochs *log.Epochs, from, to core.Offset, leaders *log.Epochs, start, end core.Offset) core.Offset {
	if to > end {
		return max(from, end)
	}
	from = max(from, start)
	if from >= to {
		return core.NoOffset
	}
	if epochs.EpochAt(from) != leaders.EpochAt(from) {
		return from
	}
	for _, e := range epochs.All() {
		if e.Start > from && e.Start < to && leaders.EpochAt(e.Start) != e.Epoch {
			return e.Start
		}
	}
	if epochs.EpochAt(to-1) != leaders.EpochAt(to-1) {
		return to - 1
	}
	return core.NoOffset
}

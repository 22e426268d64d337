package check

import (
	"strconv"

	"ottla.dev/core"
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

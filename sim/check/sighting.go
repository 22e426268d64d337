package check

import (
	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/partition"
	"ottla.dev/core/raft"
)

// Sighting is what one replica was like after a step. Life counts the lives of the broker from 1.
type Sighting struct {
	Node, Life    int
	ID            core.TopicIDPartition
	Name          core.TopicPartition
	Epoch         core.LeaderEpoch
	Leading       bool
	HighWatermark core.Offset
	Start         core.Offset // of the log
	Told          core.Offset // what readers are told of it
	Synced        core.Offset
	Written       core.Offset
	End           core.Offset
	Epochs        *log.Epochs
	Caching       bool // what is written counts, synced or not

	Appointed bool // by the controller: Lead says what it believes
	Lead      partition.Leading
}

// sight looks at a replica.
func (c *Cluster) sight(node, life int, r *partition.Replica) Sighting {
	l := r.Log()
	s := Sighting{Node: node, Life: life, ID: r.ID(), Name: r.Name(), Epoch: r.LeaderEpoch(), Leading: r.Leading(),
		HighWatermark: r.HighWatermark(), Start: l.Start(), Told: l.LogStartOffset(), Synced: l.SyncedOffset(),
		Written: l.WrittenOffset(), End: l.LogEndOffset(), Epochs: l.Epochs()}
	s.Lead, s.Appointed = r.Leads()
	if p := c.ledger.Partition(s.Name); p != nil {
		s.Caching = p.Caching()
	} else {
		s.Caching = c.ledger.caching(s.Name)
	}
	return s
}

// unchanged reports whether a replica still looks as it was seen last.
func (s *Sighting) unchanged(r *partition.Replica) bool {
	l := r.Log()
	if s.HighWatermark != r.HighWatermark() || s.End != l.LogEndOffset() || s.Written != l.WrittenOffset() ||
		s.Synced != l.SyncedOffset() || s.Epoch != r.LeaderEpoch() || s.Leading != r.Leading() || s.Start != l.Start() ||
		s.Told != l.LogStartOffset() {
		return false
	}
	lead, ok := r.Leads()
	return ok == s.Appointed && lead.PartitionEpoch == s.Lead.PartitionEpoch && lead.Pending == s.Lead.Pending &&
		lead.Doubted == s.Lead.Doubted && lead.Confirmed == s.Lead.Confirmed &&
		lead.MinISR == s.Lead.MinISR && lead.EpochStart == s.Lead.EpochStart && len(lead.ISR) == len(s.Lead.ISR) &&
		len(lead.Left) == len(s.Lead.Left)
}

// durable is the offset below which a replica has promised to keep everything.
func (s *Sighting) durable() core.Offset {
	if s.Caching {
		return s.Written
	}
	return s.Synced
}

// QuorumSighting is what one node of the metadata quorum was like after a step.
type QuorumSighting struct {
	Node, Life    int
	Epoch         core.LeaderEpoch
	Role          raft.Role
	Leading       bool
	Active        bool
	HighWatermark core.Offset
	Start         core.Offset
	Synced        core.Offset
	Written       core.Offset
	End           core.Offset
	Saved         raft.ElectionState // what is on disk
	Epochs        *log.Epochs
	Voters        []core.BrokerID
	// Recalling says that it has lost what it had promised, and Forgetful that nothing it has counts; Asked have told it
	// their epochs since.
	Recalling, Forgetful bool
	Asked                []core.BrokerID
}

func sightQuorum(node, life int, q *raft.Quorum) QuorumSighting {
	l := q.Log()
	s := QuorumSighting{Node: node, Life: life, Epoch: q.Epoch(), Role: q.Role(),
		Leading: q.Role() == raft.Leader, Active: q.Active(),
		HighWatermark: q.HighWatermark(), Start: l.Start(), Synced: l.SyncedOffset(), Written: l.WrittenOffset(),
		End: l.LogEndOffset(), Saved: q.State(), Epochs: l.Epochs(), Recalling: q.Recalling()}
	if s.Recalling {
		s.Asked, s.Forgetful = q.Recalled()
	}
	for _, v := range q.Voters() {
		s.Voters = append(s.Voters, v.ID)
	}
	return s
}

// unchanged reports whether a node of the quorum still looks as it was seen last.
func (s *QuorumSighting) unchanged(node, life int, q *raft.Quorum) bool {
	l, saved := q.Log(), q.State()
	if s.Node != node || s.Life != life || s.Epoch != q.Epoch() || s.Role != q.Role() || s.Active != q.Active() ||
		s.HighWatermark != q.HighWatermark() || s.Start != l.Start() || s.Synced != l.SyncedOffset() ||
		s.Written != l.WrittenOffset() || s.End != l.LogEndOffset() || s.Saved.Epoch != saved.Epoch ||
		s.Saved.Voted != saved.Voted || s.Recalling != q.Recalling() {
		return false
	}
	forgetful := false
	if s.Recalling {
		_, forgetful = q.Recalled()
	}
	return s.Forgetful == forgetful
}

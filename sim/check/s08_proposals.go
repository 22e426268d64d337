package check

import (
	"slices"
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// watchGivenUp is S8 of proposals: a leader gives one up, and counts those whom it names no more, only when no
// controller can take it any more, since the partition has another epoch by then (KIP-497). A request that got no
// answer may still be on its way, and so may one that was sent again and refused: it arrives when the reason for the
// refusal is gone, and admits somebody whom the leader does not wait for.
func (c *Cluster) watchGivenUp(was, s *Sighting) {
	given := was.Lead.Pending
	if given == nil || given == s.Lead.Pending || !s.Appointed || was.Life != s.Life || was.Epoch != s.Epoch ||
		c.images.latest == nil {
		return
	}
	p := partitionOf(c.images.latest, s.ID)
	if p == nil || p.PartitionEpoch > given.PartitionEpoch || p.LeaderEpoch > given.LeaderEpoch {
		return
	}
	c.wrong("isr", s.Node, s.Name.String()+": it gives up what it has proposed in partition epoch "+
		epochText(core.LeaderEpoch(given.PartitionEpoch))+", which a controller may still take")
}

// watchProposed is S19 of the ISR: who is to join it has deleted what clients were told is deleted (KIP-107), on its
// disk. What it deletes while the proposal is under way comes late: a crash of it, and one of the leader, and the
// records are back.
func (c *Cluster) watchProposed(was, s *Sighting) {
	pending := s.Lead.Pending
	if pending == nil || pending == was.Lead.Pending || !s.Appointed {
		return
	}
	x := c.ledger.Partition(s.Name)
	if x == nil || x.gone == 0 || c.ledger.Forgiven(s.Name) || c.committed.of(s.ID).unclean >= 0 {
		return
	}
	for _, b := range pending.ISR {
		if slices.Contains(s.Lead.ISR, b) {
			continue
		}
		r := c.replicas[replicaKey{int(b) - 1, s.ID}]
		if r != nil && r.Life > 0 && r.Told < x.gone {
			c.wrong("isr", s.Node, s.Name.String()+": "+brokerText(b)+" is to join the ISR with a log that begins at "+
				offsetText(r.Told)+", and everything below "+offsetText(x.gone)+" was deleted on request")
		}
	}
}

// mostRenewals is how often in a row a controller may refuse a leader's proposals for a partition, by raising its epoch
// alone: the leader knows the reason as soon as it hears of that.
const mostRenewals = 20

// watchRenewals is L1 of proposals: a leader does not propose again and again what is refused, as fast as the disks can
// sync.
func (c *Cluster) watchRenewals(x *commitment, name string, was, p *metadata.Partition) {
	if was == nil || was.Leader != p.Leader || was.LeaderEpoch != p.LeaderEpoch || was.RecoveryState != p.RecoveryState ||
		!slices.Equal(was.ISR, p.ISR) || !slices.Equal(was.ELR, p.ELR) || !slices.Equal(was.Replicas, p.Replicas) ||
		!slices.Equal(was.Directories, p.Directories) || !slices.Equal(was.LastKnownELR, p.LastKnownELR) ||
		!slices.Equal(was.Adding, p.Adding) || !slices.Equal(was.Removing, p.Removing) {
		x.renewed = 0
		return
	}
	if x.renewed += int(p.PartitionEpoch - was.PartitionEpoch); x.renewed > mostRenewals {
		c.fail(Liveness, "busy", name+": the controller has refused "+strconv.Itoa(x.renewed)+
			" proposals in a row, the last in partition epoch "+epochText(core.LeaderEpoch(p.PartitionEpoch)))
		x.renewed = 0
	}
}

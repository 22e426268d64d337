package partition

import (
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// Doubt is an answer that a leader has made of what it knows, without anything being committed for it, and that would
// do harm if another broker led by now: that a sequence number does not follow, which is fatal to producers, or which
// offset was committed. A leader that stood still or was cut off does not hear that it is deposed, and its clients
// may reach it before the news do. The answer therefore waits until the controller has said that this broker leads
// still, asked after the request had come, and with a majority's word for it: whatever another leader has
// acknowledged was then acknowledged later, which is while the request was under way, so that the answer may stand
// before it.
//
// The question is an AlterPartition with the ISR that the partition has (KIP-497). Fetches of followers would not do
// instead: one that fetches does not know of a later leader, but who leads then need not be the one that fetched, and
// all that may be elected are the maximal ISR and the eligible replicas, of which some may be down.
type Doubt struct {
	Proposal
	number uint64 // in this leadership, from 1
	then   func(now core.Instant, confirmed bool, out *core.Outbox)
}

// maxDoubts bounds the answers of a shard that wait for a confirmation. A connection has at most a few under way.
const maxDoubts = 1 << 14

// Confirm calls then, at once or later, and says whether this broker led the partition in r's leader epoch at some time
// after this call. Where it does not, or nobody can tell, clients are to look for the leader.
func (s *Set) Confirm(now core.Instant, r *Replica, out *core.Outbox,
	then func(now core.Instant, confirmed bool, out *core.Outbox)) {
	l := r.lead
	if l == nil || s.doubts == maxDoubts {
		then(now, r.role == alone, out) // nobody else ever leads what is alone
		return
	}
	out.Sometimes(probe.LeadershipDoubted)
	l.doubted++
	d := &Doubt{number: l.doubted, then: then}
	d.Proposal = Proposal{ID: r.id, LeaderEpoch: r.leaderEpoch, PartitionEpoch: l.partitionEpoch,
		ISR: slices.Clone(l.isr), Epochs: make([]core.BrokerEpoch, len(l.isr)), Recovery: metadata.Recovered}
	for i := range d.Epochs {
		d.Epochs[i] = -1
	}
	if l.recovering {
		d.Recovery = metadata.Recovering
	}
	s.doubts++
	s.Doubts = append(s.Doubts, d)
}

// Settle ends a doubt. Code is the controller's answer for the partition, or that of the request as a whole. The
// controller refuses changes of the ISR for other reasons only where the leader and its epoch are right.
func (s *Set) Settle(now core.Instant, d *Doubt, code core.ErrorCode, out *core.Outbox) {
	s.doubts--
	switch code {
	case core.NoError, core.InvalidUpdateVersion, core.IneligibleReplica:
		if r := s.byID[d.ID]; r != nil && r.lead != nil && r.leaderEpoch == d.LeaderEpoch {
			r.lead.confirmed = max(r.lead.confirmed, d.number)
		}
		d.then(now, true, out)
	default:
		out.Sometimes(probe.LeadershipNotConfirmed)
		d.then(now, false, out)
	}
}

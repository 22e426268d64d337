package partition

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// Proposal is a change of an ISR that a leader asks the controller for (AlterPartition, KIP-497). There is at most one
// under way for a partition.
type Proposal struct {
	ID             core.TopicIDPartition
	LeaderEpoch    core.LeaderEpoch
	PartitionEpoch core.PartitionEpoch
	ISR            []core.BrokerID
	Epochs         []core.BrokerEpoch // of the members' incarnations, -1 where unknown (KIP-903)
	Recovery       metadata.RecoveryState
}

// Decided is what the controller has made of a partition, with a proposal that it took.
type Decided struct {
	LeaderEpoch    core.LeaderEpoch
	PartitionEpoch core.PartitionEpoch
	ISR            []core.BrokerID
}

// retryProposal is how long a leader waits before it proposes again what may have been lost.
const retryProposal = 50 * time.Millisecond

// expand proposes to take a follower into the ISR that has everything committed and everything that was in the log when
// the leadership began (Kafka: Partition.maybeExpandIsr), and has deleted what clients were told is deleted. Without
// the last, a leader that is alone answers DeleteRecords; a follower joins that has heard of it and not written it
// down, or not even heard; it crashes, then the leader does, and the records are back. Kafka does not ask for that
// (KIP-107).
func (s *Set) expand(now core.Instant, r *Replica, f *follower) {
	l := r.lead
	if l.pending != nil || f.inSync || l.epochStart == core.NoOffset || !s.eligible(f) ||
		f.end < max(r.highWatermark, l.epochStart) {
		return
	}
	if f.start < l.floor {
		s.Reached.Add(probe.ExpandAwaitsDeletion)
		return
	}
	s.Reached.Add(probe.ExpandProposed)
	s.propose(now, r, append(slices.Clone(l.isr), f.id))
}

// leastCheck bounds how often the ISRs are looked at.
const leastCheck = time.Millisecond

// nextCheck is when the ISRs are searched next for members that lag: all at the same time, as in Kafka
// (ReplicaManager.maybeShrinkIsr). Were it each leader's own time, a broker with thousands of them would never rest.
func (s *Set) nextCheck(now core.Instant) time.Duration {
	every := max(s.replication.LagMax/2, leastCheck)
	return (now.Mono/every + 1) * every
}

// shrink proposes to drop the members of the ISR that lag.
func (s *Set) shrink(now core.Instant, r *Replica) {
	l := r.lead
	l.checkAt, l.refused = s.nextCheck(now), false
	if l.pending != nil {
		return
	}
	isr := slices.DeleteFunc(slices.Clone(l.isr), func(id core.BrokerID) bool {
		if id == s.replication.Broker {
			return false
		}
		f := l.follower(id)
		return f == nil || !f.keepsUp(now, r, s.replication.LagMax)
	})
	if len(isr) < len(l.isr) {
		s.Reached.Add(probe.ShrinkProposed)
		s.propose(now, r, isr)
	}
}

func (s *Set) propose(now core.Instant, r *Replica, isr []core.BrokerID) {
	l := r.lead
	p := &Proposal{ID: r.id, LeaderEpoch: r.leaderEpoch, PartitionEpoch: l.partitionEpoch, ISR: isr,
		Recovery: metadata.Recovered}
	for _, id := range isr {
		epoch := s.replication.BrokerEpoch
		if f := l.follower(id); f != nil {
			epoch = f.epoch
		}
		p.Epochs = append(p.Epochs, epoch)
	}
	l.pending, l.retryAt = p, core.Never
	l.mark()
	s.Proposals = append(s.Proposals, p)
}

// ISRAnswered takes the controller's answer to a proposal. Code is the partition's, or that of the request as a whole;
// RequestTimedOut stands for no answer at all. Rules as Kafka's Partition.handleAlterPartitionError: only where the
// controller says that it knows the partition as the leader does, and has refused, is the proposal certain not to be
// applied. After a loss it is proposed again, since a second application does no harm. Else the members that it named
// count on until the metadata tell.
func (s *Set) ISRAnswered(now core.Instant, p *Proposal, code core.ErrorCode, d Decided, out *core.Outbox) {
	r := s.byID[p.ID]
	if r == nil || r.lead == nil || r.lead.pending != p {
		return
	}
	l := r.lead
	switch code {
	case core.NoError:
		if d.LeaderEpoch != r.leaderEpoch || d.PartitionEpoch < l.partitionEpoch {
			return
		}
		l.elr = append(l.elr, l.isr...) // those that left may be eligible: the metadata will tell
		l.left = slices.Clone(l.elr)
		l.partitionEpoch, l.isr = d.PartitionEpoch, slices.Clone(d.ISR)
		l.pending, l.recovering = nil, false
	case core.OperationNotAttempted, core.IneligibleReplica:
		out.Sometimes(probe.ProposalRefused)
		if l.pending = nil; code == core.IneligibleReplica {
			l.refuse(p)
		}
	case core.UnknownTopicOrPartition, core.UnknownTopicID, core.FencedLeaderEpoch, core.InvalidUpdateVersion,
		core.InvalidRequest, core.NewLeaderElected:
		out.Sometimes(probe.ProposalOvertaken)
		return // the metadata will tell
	default:
		l.retryAt = now.Mono + retryProposal
		s.touch(r)
		return
	}
	l.mark()
	if code == core.NoError {
		s.reconsider(now, r, out)
		return
	}
	// Refused: not asked again before the follower's next fetch, or the next search for laggards.
	s.advance(now, r, out)
}

// reconsider draws the consequences of another ISR, or of other brokers that may be in it: more may be committed
// (KAFKA-13091), or nothing any more; followers that waited for a decision may be let in.
func (s *Set) reconsider(now core.Instant, r *Replica, out *core.Outbox) {
	if r.log == nil || !r.Online() {
		return
	}
	s.settleDeletions(now, out)
	if s.advance(now, r, out); r.underMinISR() {
		r.refuseUncommitted(out)
		s.advance(now, r, out)
	}
	for i := range r.lead.followers {
		if f := &r.lead.followers[i]; f.end != core.NoOffset && f.keepsUp(now, r, s.replication.LagMax) {
			s.expand(now, r, f)
		}
	}
	s.endRecovery(now, r)
	s.touch(r)
}

// endRecovery proposes to end what an unclean election has begun.
func (s *Set) endRecovery(now core.Instant, r *Replica) {
	if r.lead.recovering && r.lead.pending == nil && !r.lead.refused {
		s.Reached.Add(probe.RecoveryProposed)
		s.propose(now, r, slices.Clone(r.lead.isr))
	}
}

// refuseUncommitted answers NOT_ENOUGH_REPLICAS_AFTER_APPEND to acks=all requests whose records are in the log but
// cannot be committed.
func (r *Replica) refuseUncommitted(out *core.Outbox) {
	for i := r.head; i < len(r.waits); i++ {
		w := &r.waits[i]
		switch {
		case w.op == nil || w.op.Acks != AcksAll || w.end <= r.highWatermark:
		case i < r.written:
			out.Sometimes(probe.UnderMinISRAfterAppend)
			w.finish(core.NotEnoughReplicasAfterAppend, out)
		case w.code == core.NoError:
			w.code = core.NotEnoughReplicasAfterAppend
		}
	}
}

// tickLead does what is due in a leadership.
func (s *Set) tickLead(now core.Instant, r *Replica) {
	l := r.lead
	if now.Reached(l.checkAt) {
		s.shrink(now, r)
		s.endRecovery(now, r)
	}
	if l.pending != nil && now.Reached(l.retryAt) {
		l.retryAt = core.Never
		s.Reached.Add(probe.ProposalRepeated)
		s.Proposals = append(s.Proposals, l.pending)
	}
}

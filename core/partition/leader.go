package partition

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// leadership is what a leader knows of its partition.
//
// Invariant: isr is committed by the controller; while pending is not nil, the maximal ISR is isr and pending's
// together, because the controller may have committed it (KIP-497). The high watermark takes all of them into account.
// It also waits for those who may be eligible to lead once the controller has taken a proposal, until the metadata of
// that partition epoch are here: min.insync.replicas may have been raised in metadata that are not, and then the
// controller keeps more eligible than the leader would think (KIP-966).
type leadership struct {
	partitionEpoch core.PartitionEpoch
	epochStart     core.Offset // the log end offset when the leadership began; none before the log was open
	replicas       int
	isr            []core.BrokerID
	elr            []core.BrokerID
	left           []core.BrokerID // who was in the ISR or eligible, between the controller's answer and the metadata
	followers      []follower      // the other replicas
	pending        *Proposal
	retryAt        time.Duration // when pending is proposed again, or core.Never
	checkAt        time.Duration // when the ISR is searched for members that lag
	recovering     bool          // elected uncleanly; the next proposal ends that (KIP-704)
	// floor is where the log of a replica must begin, or later, that joins the ISR: where this one did when the leadership
	// began, or what DeleteRecords was answered with since, without those that were away. Retention does not raise it:
	// each replica looks for itself for what is too old.
	floor core.Offset
	// doubted counts the doubts of this leadership, and confirmed is the last one that the controller has ended well: for
	// who looks on.
	doubted, confirmed uint64
	refused            bool // the controller has refused what was proposed last, and nothing is known since
}

// follower is what the leader knows of another replica (Kafka: Replica).
type follower struct {
	id    core.BrokerID
	epoch core.BrokerEpoch // of the broker's incarnation that fetched last, or -1
	start core.Offset
	// end is the fetch offset: below it everything is on the follower's disk. None before the first fetch in this epoch.
	end       core.Offset
	caughtUp  time.Duration // the last time at which it had all that the leader had
	fetchedAt time.Duration
	leaderEnd core.Offset // the leader's log end offset then
	directory core.UUID   // where it is, by the metadata; LOST if it is not to be relied on
	// refused says that the controller would not take it, for a reason that has not got here yet. It is not proposed, and
	// does not hold anything back, before its next fetch.
	refused bool
	inSync  bool // member of the committed ISR
	maximal bool // member of the maximal ISR
}

// longAgo is the time of what has never happened.
const longAgo = time.Duration(-1 << 62)

func newLeadership() *leadership {
	return &leadership{partitionEpoch: -1, epochStart: core.NoOffset, retryAt: core.Never, checkAt: core.Never}
}

// assign takes replicas and ISR from the metadata. A proposal under way is decided: it named an older partition epoch.
func (l *leadership) assign(now core.Instant, self core.BrokerID, n *Leadership) {
	l.noteRefusal(n)
	l.partitionEpoch, l.replicas, l.isr = n.PartitionEpoch, len(n.Replicas), slices.Clone(n.ISR)
	l.elr, l.left = slices.Clone(n.ELR), nil
	l.pending, l.retryAt, l.recovering = nil, core.Never, n.Recovery == metadata.Recovering
	known := l.followers
	l.followers = nil
	for k, id := range n.Replicas {
		if id == self {
			continue
		}
		f := follower{id: id, epoch: -1, end: core.NoOffset, start: core.NoOffset, caughtUp: longAgo,
			fetchedAt: longAgo, leaderEnd: core.NoOffset}
		if slices.Contains(l.isr, id) {
			f.caughtUp = now.Mono
		}
		if i := slices.IndexFunc(known, func(k follower) bool { return k.id == id }); i >= 0 {
			f = known[i]
		}
		if f.directory = metadata.UnassignedDirectory(); k < len(n.Directories) {
			f.directory = n.Directories[k]
		}
		l.followers = append(l.followers, f)
	}
	l.mark()
}

// noteRefusal finds what news say of the proposal under way: if they change nothing of the partition but its epoch, it
// was refused for one of its members. The controller knows something that this broker does not, or not yet. Were it
// proposed again at once, whatever has come or not, it would be refused again with a record in the metadata, which is
// news again: as fast as the disk can sync, for ever if the follower is gone, because one that is gone and had
// everything keeps up. The answer may be here before the news, or after them.
func (l *leadership) noteRefusal(n *Leadership) {
	alike := slices.Equal(l.isr, n.ISR) && slices.Equal(l.elr, n.ELR) && l.replicas == len(n.Replicas) &&
		l.recovering == (n.Recovery == metadata.Recovering)
	switch {
	case !alike:
		l.refused = false
		for i := range l.followers {
			l.followers[i].refused = false
		}
	case l.pending != nil:
		l.refuse(l.pending)
	}
}

// refuse notes that the controller does not take a proposal for one of its members.
func (l *leadership) refuse(p *Proposal) {
	l.refused = true
	for i := range l.followers {
		f := &l.followers[i]
		f.refused = f.refused || !f.inSync && slices.Contains(p.ISR, f.id)
	}
}

// mark notes of each follower which ISRs it is in.
func (l *leadership) mark() {
	for i := range l.followers {
		f := &l.followers[i]
		f.inSync = slices.Contains(l.isr, f.id)
		f.maximal = f.inSync || l.pending != nil && slices.Contains(l.pending.ISR, f.id) || slices.Contains(l.left, f.id)
	}
}

func (l *leadership) follower(id core.BrokerID) *follower {
	for i := range l.followers {
		if l.followers[i].id == id {
			return &l.followers[i]
		}
	}
	return nil
}

// minISR is the effective min.insync.replicas: no more than there are replicas (KIP-966).
func (r *Replica) minISR() int {
	if r.lead == nil {
		return 1
	}
	return min(int(r.settings.MinInSyncReplicas), r.lead.replicas)
}

// underMinISR reports whether nothing can be committed for want of replicas.
func (r *Replica) underMinISR() bool { return r.lead != nil && len(r.lead.isr) < r.minISR() }

// committable is the offset below which all counted replicas have everything: those of the maximal ISR, and those about
// to join it. With fewer than min.insync.replicas in the committed ISR it is none (KIP-966).
func (s *Set) committable(now core.Instant, r *Replica) core.Offset {
	hw := r.counted()
	if r.lead == nil {
		return hw
	}
	if r.underMinISR() {
		return core.NoOffset
	}
	for i := range r.lead.followers {
		if f := &r.lead.followers[i]; f.end < hw && (f.maximal || s.joining(now, r, f)) {
			hw = f.end
		}
	}
	return hw
}

// joining reports whether the high watermark waits for a follower that is not in the ISR: one that keeps up would
// otherwise run after it for ever. It does not wait for one that the controller would not admit (KAFKA-15021).
func (s *Set) joining(now core.Instant, r *Replica, f *follower) bool {
	return f.end != core.NoOffset && f.keepsUp(now, r, s.replication.LagMax) && s.eligible(f)
}

// keepsUp reports whether a follower has what the leader has, or had lagMax ago (Kafka: ReplicaState.isCaughtUp).
func (f *follower) keepsUp(now core.Instant, r *Replica, lagMax time.Duration) bool {
	return f.end == r.log.LogEndOffset() || f.caughtUp+lagMax >= now.Mono
}

// eligible reports whether the controller, as far as is known here, would take a follower into an ISR: not one that is
// fenced or shuts down (KIP-841), nor an incarnation for what an earlier one had (KIP-903), nor one that has not got
// back yet what it had.
func (s *Set) eligible(f *follower) bool {
	p := s.peer(f.id)
	return p != nil && !f.refused && f.online(p) && (f.epoch < 0 || f.epoch == p.Epoch)
}

// online reports whether the follower's directory is one that its broker uses.
func (f *follower) online(p *Peer) bool { return metadata.Online(p.LogDirs, f.directory) }

// refuseFollower finds what is against a replica's fetch.
func (s *Set) refuseFollower(r *Replica, op *FetchOp) core.ErrorCode {
	if r.lead == nil {
		return core.NotLeaderOrFollower
	}
	f := r.lead.follower(op.Replica)
	if f == nil || op.ReplicaEpoch >= 0 && op.ReplicaEpoch < f.epoch {
		return core.NotLeaderOrFollower
	}
	if p := s.peer(op.Replica); p != nil && op.ReplicaEpoch >= 0 && op.ReplicaEpoch < p.Epoch {
		return core.NotLeaderOrFollower
	}
	return core.NoError
}

// noteFollower takes a fetch, whose offset has been found sound, for what it says about the follower (Kafka:
// Replica.updateFetchStateOrThrow): it had all that the leader had at this fetch, or at the one before.
func (s *Set) noteFollower(now core.Instant, r *Replica, op *FetchOp, it *FetchItem, out *core.Outbox) {
	f, end := r.lead.follower(op.Replica), r.log.LogEndOffset()
	if it.Offset >= end {
		f.caughtUp = max(f.caughtUp, now.Mono)
	} else if f.leaderEnd != core.NoOffset && it.Offset >= f.leaderEnd {
		f.caughtUp = max(f.caughtUp, f.fetchedAt)
	}
	raised := f.start != it.ReplicaLogStart
	f.refused = false
	f.end, f.start, f.epoch = it.Offset, it.ReplicaLogStart, op.ReplicaEpoch
	f.fetchedAt, f.leaderEnd = now.Mono, end
	s.expand(now, r, f)
	s.advance(now, r, out)
	if raised {
		s.settleDeletions(now, out)
	}
}

// PreferredReadReplica chooses the replica that a consumer in rack should read from (KIP-392, Kafka:
// RackAwareReplicaSelector): of those in the rack that have the offset the one that has most, and rather this one;
// core.NoBroker is this one, too.
func (s *Set) PreferredReadReplica(r *Replica, rack string, offset core.Offset) core.BrokerID {
	if self := s.peer(s.replication.Broker); rack == "" || r.lead == nil || self != nil && self.Rack == rack {
		return core.NoBroker
	}
	best := (*follower)(nil)
	for i := range r.lead.followers {
		f := &r.lead.followers[i]
		p := s.peer(f.id)
		if p == nil || p.Rack != rack || !f.inSync || f.end < offset || f.start > offset {
			continue
		}
		if best == nil || f.end > best.end || f.end == best.end && f.caughtUp > best.caughtUp {
			best = f
		}
	}
	if best == nil {
		return core.NoBroker
	}
	return best.id
}

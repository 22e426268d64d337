package partition

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// role is what a replica does in its partition.
type role uint8

const (
	// alone is the role of the only replica there is, which nobody appoints: see [Set.SetLeaderEpoch].
	alone role = iota
	// unknown is the role of a replica that has not been told.
	unknown
	leads
	follows
)

// Replication are this broker's part in replication and the settings of it.
type Replication struct {
	Broker           core.BrokerID
	BrokerEpoch      core.BrokerEpoch
	LagMax           time.Duration // replica.lag.time.max.ms
	FetchWait        time.Duration // replica.fetch.wait.max.ms
	FetchMinBytes    int32         // replica.fetch.min.bytes
	FetchMaxBytes    int32         // replica.fetch.max.bytes, of one partition
	FetchTotalBytes  int32         // replica.fetch.response.max.bytes
	FetchBackoff     time.Duration // replica.fetch.backoff.ms: the longest pause after errors
	FetchRequestsFor int16         // version of the Fetch requests; 0 is the newest
}

// DefaultReplication returns Kafka's defaults for a broker.
func DefaultReplication(id core.BrokerID, epoch core.BrokerEpoch) Replication {
	return Replication{Broker: id, BrokerEpoch: epoch, LagMax: 30 * time.Second, FetchWait: 500 * time.Millisecond,
		FetchMinBytes: 1, FetchMaxBytes: 1 << 20, FetchTotalBytes: 10 << 20, FetchBackoff: time.Second}
}

// Peer is a broker that may be in an ISR: registered, not fenced and not shutting down (KIP-841).
type Peer struct {
	ID    core.BrokerID
	Epoch core.BrokerEpoch
	Rack  string
	// LogDirs are the log directories that it uses, as far as is known: a replica in another one has nothing.
	LogDirs []core.UUID
}

// Leadership is what the metadata say of a partition that this broker leads.
type Leadership struct {
	Epoch          core.LeaderEpoch
	PartitionEpoch core.PartitionEpoch
	Replicas       []core.BrokerID
	Directories    []core.UUID // of Replicas, one each, or none at all: nothing is said of them
	ISR            []core.BrokerID
	ELR            []core.BrokerID // eligible to lead without being in the ISR (KIP-966)
	Recovery       metadata.RecoveryState
}

// Following is what the metadata say of a partition that another broker leads.
type Following struct {
	Epoch  core.LeaderEpoch
	Leader core.BrokerID // core.NoBroker: nobody does
}

// Leading reports whether this broker leads the partition.
func (r *Replica) Leading() bool { return r.role == leads || r.role == alone }

// SetPeers tells which brokers may be in ISRs, by id. The slice belongs to the set from now on.
func (s *Set) SetPeers(now core.Instant, peers []Peer, out *core.Outbox) {
	s.peers = peers
	for _, r := range slices.Clone(s.ordered) {
		if r.lead != nil && r.Online() {
			s.reconsider(now, r, out)
		}
	}
	s.settleDeletions(now, out)
}

func (s *Set) peer(id core.BrokerID) *Peer {
	for i := range s.peers {
		if s.peers[i].ID == id {
			return &s.peers[i]
		}
	}
	return nil
}

// Lead makes this broker the leader of a partition, or tells the leader what has changed. Metadata that are older than
// what the replica knows are ignored. What waits for an earlier leadership of this broker waits on: its log goes on.
func (s *Set) Lead(now core.Instant, r *Replica, l Leadership, out *core.Outbox) {
	switch {
	case r.lead != nil && l.Epoch == r.leaderEpoch && l.PartitionEpoch == r.lead.partitionEpoch:
		r.lead.elr, r.lead.left = slices.Clone(l.ELR), nil // all else was in the answer to the proposal
		r.lead.mark()
		s.reconsider(now, r, out)
		return
	case l.Epoch < r.leaderEpoch, r.lead != nil && l.Epoch == r.leaderEpoch && l.PartitionEpoch < r.lead.partitionEpoch:
		return
	case r.role == follows && l.Epoch == r.leaderEpoch:
		panic("partition: two leaders of " + r.name.String() + " in one epoch")
	}
	begins := r.lead == nil || l.Epoch > r.leaderEpoch
	if begins {
		s.leave(r, out)
		r.role, r.lead, r.leaderEpoch = leads, newLeadership(), l.Epoch
	}
	r.lead.assign(now, s.replication.Broker, &l)
	if begins && r.log != nil {
		s.enterLead(now, r, out)
	}
	s.reconsider(now, r, out)
	s.Changed = append(s.Changed, r)
}

// enterLead begins a leadership with an open log: the epoch starts at its end.
func (s *Set) enterLead(now core.Instant, r *Replica, out *core.Outbox) {
	if !r.Online() || s.closing {
		return
	}
	if s.overtake(r) {
		out.Sometimes(probe.TruncationOvertaken)
	}
	r.lead.epochStart, r.lead.floor = r.log.LogEndOffset(), max(r.lead.floor, r.log.LogStartOffset())
	r.lead.checkAt = s.nextCheck(now)
	r.log.AssignEpoch(r.leaderEpoch, out)
	if !r.settings.WriteCaching {
		r.log.Sync(out)
	}
	s.wakeAll(now, r, out) // readers of another epoch, or of a follower
	s.touch(r)
}

// Follow makes this broker a follower, of another broker or of nobody yet. It may come at any moment: what waits for
// a leadership that has ended is answered NOT_LEADER_OR_FOLLOWER, and clients take the outcome for unknown.
func (s *Set) Follow(now core.Instant, r *Replica, f Following, out *core.Outbox) {
	switch {
	case f.Epoch < r.leaderEpoch, r.follow != nil && f.Epoch == r.leaderEpoch:
		return
	case r.role == leads && f.Epoch == r.leaderEpoch:
		panic("partition: two leaders of " + r.name.String() + " in one epoch")
	}
	s.leave(r, out)
	r.role, r.lead, r.leaderEpoch = follows, nil, f.Epoch
	r.follow = &following{leader: f.Leader}
	if s.overtake(r) {
		out.Sometimes(probe.TruncationOvertaken)
	}
	r.abandonWaits(out)
	s.advance(now, r, out)
	s.wakeAll(now, r, out)
	if f.Leader != core.NoBroker && (r.opening != nil || r.Online()) {
		s.join(r, s.Fetcher(f.Leader))
	}
	if r.suspicion != nil {
		r.suspicion.goal = core.NoOffset
	}
	s.Changed = append(s.Changed, r)
	s.pursue(now, r, out)
	s.touch(r)
}

// abandonWaits answers the produce requests of a leadership that is lost, those whose bytes the disk still reads when
// it has let go of them.
func (r *Replica) abandonWaits(out *core.Outbox) {
	for i := r.head; i < len(r.waits); i++ {
		w := &r.waits[i]
		if w.op != nil {
			out.Sometimes(probe.LeaderDeposedInFlight)
		}
		switch {
		case w.op == nil:
		case i < r.written:
			w.finish(core.NotLeaderOrFollower, out)
		default:
			w.code = core.NotLeaderOrFollower
		}
	}
}

// leave ends the following that there may be.
func (s *Set) leave(r *Replica, out *core.Outbox) {
	if r.follow != nil && r.follow.fetcher != nil {
		r.follow.fetcher.remove(r)
	}
	r.follow = nil
}

// points are a replica's entries in the offset checkpoints.
type points struct{ recovery, start, highWatermark core.Offset }

// Fresh reports whether the replica has no log yet, and no checkpoint knows of it. Were it in one before its folder is
// made, a crash would make it look as if the folder were gone.
func (r *Replica) Fresh() bool {
	p := r.points
	return r.log == nil && p.recovery == 0 && p.start <= 0 && p.highWatermark == 0 && r.offline == nil
}

// Points are what the owner writes into the offset checkpoints for the replica. While the end of the log is about to be
// cut, the recovery point already lies at or below the cut; while the log is about to begin anew, its start is already
// the new one.
func (r *Replica) Points() (recovery, start, highWatermark core.Offset) {
	if r.log == nil || r.reopening { // without them a log that is damaged would look like one that was torn
		return r.points.recovery, max(r.points.start, 0), r.points.highWatermark
	}
	recovery, start, highWatermark = r.log.RecoveryPoint(), r.log.Start(), r.highWatermark
	if t := r.trunc; t != nil && t.stage == checkpointing {
		recovery, highWatermark = min(recovery, t.end()), min(highWatermark, t.end())
		if t.restart {
			start = t.to
		}
	}
	return recovery, start, highWatermark
}

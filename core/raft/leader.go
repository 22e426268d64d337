package raft

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// leading is what a leader knows of the others.
type leading struct {
	replicas []*progress // voters and observers
	parked   []*parkedFetch
	change   *change // of the voters
	// successors are the others in the order of preference, after a resignation.
	successors []Key
}

// progress is what a leader knows of another replica.
type progress struct {
	key       Key
	end       core.Offset   // what it has on disk, or NoOffset
	heard     time.Duration // its last fetch, or the begin of the leadership
	fetched   bool          // it has fetched in this epoch
	beginAt   time.Duration // when it is told of the leader next
	caughtUp  time.Duration // when it last had all that the leader had, or -1
	leaderEnd core.Offset   // the log end offset at its last fetch
	fetchWall core.Timestamp
	caughtAt  core.Timestamp
}

func newProgress(now core.Instant, key Key) *progress {
	return &progress{key: key, end: core.NoOffset, heard: now.Mono, caughtUp: -1, fetchWall: core.NoTimestamp,
		caughtAt: core.NoTimestamp}
}

// maxObservers bounds the observers that a leader remembers, and observerExpiry how long (Kafka: LeaderState).
const (
	maxObservers   = 1000
	observerExpiry = 5 * time.Minute
)

// takeLead begins the leadership with its first record. Where the voters are known from the bootstrap checkpoint alone
// the log has to say so itself, since that file is not replicated (KIP-853).
func (q *Quorum) takeLead(now core.Instant, out *core.Outbox) {
	granted := q.ballot.granted
	q.become(Leader, q.state.Epoch)
	q.state.Leader = q.self.ID
	q.lead = leading{}
	q.epochStart = q.log.LogEndOffset()
	voters := q.Voters()
	for _, v := range voters {
		if v.ID != q.self.ID {
			q.lead.replicas = append(q.lead.replicas, newProgress(now, Key{v.ID, v.Directory}))
		}
	}
	version := min(q.Version(), 1)
	var b record.Builder
	b.Start(nil, q.epochStart)
	b.AppendLeaderChange(now.Wall, &record.LeaderChange{Version: version, Leader: q.self.ID, Epoch: q.state.Epoch,
		Voters: voters.control(func(*record.Voter) bool { return true }),
		Granting: voters.control(func(v *record.Voter) bool {
			return slices.ContainsFunc(granted, func(k Key) bool { return k.ID == v.ID })
		})})
	if version > 0 && q.history.changedAt() == core.NoOffset {
		b.AppendKRaftVersion(now.Wall, version)
		b.AppendKRaftVoters(now.Wall, voters)
	}
	_, batch := b.Finish()
	q.append(now, batch, out)
}

// stepDown ends the leadership: whoever waits is told to look elsewhere. It runs before the role and the epoch change.
func (q *Quorum) stepDown() {
	for _, p := range q.lead.parked {
		resp, a := q.fetchResponse(p.req, core.NotLeaderOrFollower)
		a.CurrentLeader.LeaderID, resp.Brokers = int32(core.NoBroker), nil
		q.answer(p.token, resp)
	}
	if c := q.lead.change; c != nil && !c.answered {
		q.Reached.Add(probe.VoterChangeAbandoned)
		code, why := core.NotLeaderOrFollower, "the leader has resigned"
		if c.last != core.NoOffset { // nobody knows whether the next leader has the record
			code, why = core.RequestTimedOut, "the leader has resigned before the new voters were committed"
		}
		q.answer(c.token, q.changed(c.req, code, why))
	}
	q.lead = leading{}
}

// Propose appends records as one batch and returns the offset of the last. They are committed when the high watermark
// passes it.
func (q *Quorum) Propose(now core.Instant, values [][]byte, out *core.Outbox) core.Offset {
	if !q.Active() {
		panic("raft: a proposal to a node that is not the active leader")
	}
	var b record.Builder
	b.Start(nil, q.log.LogEndOffset())
	for _, v := range values {
		b.Append(now.Wall, nil, v)
	}
	_, batch := b.Finish()
	return q.append(now, batch, out)
}

func (q *Quorum) append(now core.Instant, batch record.View, out *core.Outbox) core.Offset {
	_, last := q.log.Append(now, batch, q.state.Epoch, out)
	q.log.Sync(out)
	q.history.take(batch, false)
	if !q.manual {
		q.tail.push(batch)
	}
	q.again = q.again || len(q.lead.parked) > 0
	return last
}

// advance computes the high watermark: what a majority of the voters has on disk, this node counting like any other and
// only if it is a voter (KAFKA-16531), once that includes a record of this epoch (Raft, section 5.4.2; KIP-595).
func (q *Quorum) advance() {
	voters := q.Voters()
	var room [9]core.Offset
	reached := room[:0]
	for i := range voters {
		key := Key{voters[i].ID, voters[i].Directory}
		switch p := q.progressOf(key); {
		case voters.find(q.self) == &voters[i]:
			reached = append(reached, q.log.SyncedOffset())
		case p != nil:
			reached = append(reached, max(p.end, 0))
		default:
			reached = append(reached, 0)
		}
	}
	if common := commonOffset(reached); common > q.epochStart {
		q.raise(min(common, q.log.LogEndOffset()))
	}
}

// progressOf returns what is known of the replica that a voter is.
func (q *Quorum) progressOf(voter Key) *progress {
	for _, p := range q.lead.replicas {
		if p.key.ID == voter.ID && (voter.Directory.IsZero() || p.key.Directory == voter.Directory) {
			return p
		}
	}
	return nil
}

// HeardFrom is when a voter was heard of last, as far as it tells by its role: a leader by the fetch of a voter, and a
// follower by the answer of its leader. Otherwise it is 0.
func (q *Quorum) HeardFrom(v *record.Voter) time.Duration {
	switch q.role {
	case Leader:
		if p := q.progressOf(Key{v.ID, v.Directory}); p != nil && p.fetched {
			return p.heard
		}
	case Follower:
		if v.ID == q.state.Leader {
			return q.follow.heard
		}
	case Unattached, Voted, Prospective, Candidate, Resigned:
	}
	return 0
}

// pollLeader keeps the leadership up.
func (q *Quorum) pollLeader(now core.Instant, out *core.Outbox) {
	q.advance()
	switch {
	case now.Reached(q.quorumDue()):
		out.Sometimes(probe.CheckQuorumResigned)
		q.note(core.Warn, "no majority of the voters has fetched for too long; the leader resigns")
		q.resign(now)
		return
	case q.Active() && q.Observer() && q.history.changedAt() < q.highWatermark:
		q.pollChange(now, out)
		out.Sometimes(probe.LeaderRemovedItself)
		q.note(core.Info, "the leader is no voter any more and resigns")
		q.resign(now)
		return
	}
	q.pollChange(now, out)
	q.beginEpoch(now)
	q.pollParked(now, out)
}

// usualVoters is how many voters are counted without allocating.
const usualVoters = 8

// quorumDue is when the leader resigns unless it hears of more voters (check-quorum; KAFKA-15489). A sole voter leads
// forever (KAFKA-16144).
func (q *Quorum) quorumDue() time.Duration {
	voters := q.Voters()
	var few [usualVoters]time.Duration
	heard := few[:0]
	for i := range voters {
		key := Key{voters[i].ID, voters[i].Directory}
		if voters.find(q.self) == &voters[i] {
			heard = append(heard, core.Never)
		} else if p := q.progressOf(key); p != nil {
			heard = append(heard, p.heard)
		} else {
			heard = append(heard, 0)
		}
	}
	slices.Sort(heard)
	if len(heard) == 0 {
		return core.Never
	}
	at := heard[(len(heard)-1)/2]
	if at == core.Never {
		return at
	}
	return at + q.settings.checkQuorum()
}

// beginEpoch tells the voters that have not fetched lately who leads (KIP-595).
func (q *Quorum) beginEpoch(now core.Instant) {
	voters := q.Voters()
	for i := range voters {
		v := &voters[i]
		if v.ID == q.self.ID {
			continue
		}
		p := q.track(now, Key{v.ID, v.Directory})
		f := q.flightTo(v.ID, "")
		if !now.Reached(p.beginAt) || !f.ready(now) {
			continue
		}
		p.beginAt = now.Mono + q.settings.suspicion()
		q.send(now, f, p.key, v.Endpoints, q.beginRequest(v), q.suspicion())
	}
}

func (q *Quorum) beginRequest(v *record.Voter) kmsg.Request {
	req := kmsg.NewPtrBeginQuorumEpochRequest()
	req.Version = req.MaxVersion()
	req.ClusterID, req.VoterID = text(q.clusterID), int32(v.ID)
	p := kmsg.NewBeginQuorumEpochRequestTopicPartition()
	p.VoterDirectoryID, p.LeaderID, p.LeaderEpoch = v.Directory, int32(q.self.ID), int32(q.state.Epoch)
	req.Topics = []kmsg.BeginQuorumEpochRequestTopic{{Topic: Topic,
		Partitions: []kmsg.BeginQuorumEpochRequestTopicPartition{p}}}
	for _, e := range q.endpoints {
		req.LeaderEndpoints = append(req.LeaderEndpoints,
			kmsg.BeginQuorumEpochRequestLeaderEndpoint{Name: e.Name, Host: e.Host, Port: e.Port})
	}
	return req
}

// track returns the progress of a replica, known or new.
func (q *Quorum) track(now core.Instant, key Key) *progress {
	for _, p := range q.lead.replicas {
		if p.key == key {
			return p
		}
	}
	// A voter of kraft.version 0 is known by its id alone until it fetches.
	if v := q.Voters().find(key); v != nil && v.Directory.IsZero() {
		if p := q.progressOf(Key{ID: key.ID}); p != nil {
			if !key.Directory.IsZero() {
				p.key.Directory = key.Directory
			}
			return p
		}
	}
	if len(q.lead.replicas) >= maxObservers {
		q.lead.replicas = slices.DeleteFunc(q.lead.replicas, func(p *progress) bool {
			return !q.Voters().Has(p.key) && now.Reached(p.heard+observerExpiry)
		})
	}
	p := newProgress(now, key)
	q.lead.replicas = append(q.lead.replicas, p)
	return p
}

func (q *Quorum) leaderDue() time.Duration {
	at := q.quorumDue()
	for _, p := range q.lead.parked {
		if p.reading == nil {
			at = min(at, p.deadline)
		}
	}
	if c := q.lead.change; c != nil {
		at = min(at, c.deadline)
	}
	voters := q.Voters()
	for i := range voters {
		if p := q.progressOf(Key{voters[i].ID, voters[i].Directory}); p != nil && p.beginAt > q.polled {
			at = min(at, p.beginAt)
		}
	}
	return at
}

package raft

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// Resign ends this node's leadership, if it leads, and tells the voters so that the most advanced one campaigns at
// once. A node that is to stop resigns first and closes the log later.
func (q *Quorum) Resign(now core.Instant, out *core.Outbox) {
	if q.role == Leader && q.Failed() == nil {
		q.resign(now)
		q.Poll(now, out)
	}
}

func (q *Quorum) resign(now core.Instant) {
	successors := q.successors()
	q.become(Resigned, q.state.Epoch)
	q.state.Leader = core.NoBroker
	q.ballot.granted = nil
	q.lead.successors = successors
	q.electionAt = now.Mono + q.between(q.settings.ElectionTimeout, 2*q.settings.ElectionTimeout)
}

// successors are the other voters, the most advanced first.
func (q *Quorum) successors() []Key {
	var keys []Key
	end := func(key Key) core.Offset {
		if p := q.progressOf(key); p != nil {
			return p.end
		}
		return core.NoOffset
	}
	for _, v := range q.Voters() {
		key := Key{v.ID, v.Directory}
		if v.ID == q.self.ID {
			continue
		}
		keys = append(keys, key)
	}
	slices.SortStableFunc(keys, func(a, b Key) int { return cmp.Compare(end(b), end(a)) })
	return keys
}

// pollResigned tells every voter once, and leaves the epoch in which it led when nobody else has: it can neither lead
// nor vote in it.
func (q *Quorum) pollResigned(now core.Instant) {
	if now.Reached(q.electionAt) {
		if epoch, ok := q.nextEpoch(); ok {
			q.unattach(now, epoch)
		}
		return
	}
	voters := q.Voters()
	for i := range voters {
		v := &voters[i]
		key := Key{v.ID, v.Directory}
		f := q.flightTo(v.ID, "")
		if v.ID == q.self.ID || slices.Contains(q.ballot.granted, key) || !f.ready(now) {
			continue
		}
		q.send(now, f, key, v.Endpoints, q.endRequest(), q.patience())
	}
}

func (q *Quorum) endRequest() kmsg.Request {
	req := kmsg.NewPtrEndQuorumEpochRequest()
	req.Version = req.MaxVersion()
	req.ClusterID = text(q.clusterID)
	p := kmsg.NewEndQuorumEpochRequestTopicPartition()
	p.LeaderID, p.LeaderEpoch = int32(q.self.ID), int32(q.state.Epoch)
	for _, k := range q.lead.successors {
		p.PreferredSuccessors = append(p.PreferredSuccessors, int32(k.ID))
		c := kmsg.NewEndQuorumEpochRequestTopicPartitionPreferredCandidate()
		c.CandidateID, c.CandidateDirectoryID = int32(k.ID), k.Directory
		p.PreferredCandidates = append(p.PreferredCandidates, c)
	}
	req.Topics = []kmsg.EndQuorumEpochRequestTopic{{Topic: Topic,
		Partitions: []kmsg.EndQuorumEpochRequestTopicPartition{p}}}
	for _, e := range q.endpoints {
		req.LeaderEndpoints = append(req.LeaderEndpoints,
			kmsg.EndQuorumEpochRequestLeaderEndpoint{Name: e.Name, Host: e.Host, Port: e.Port})
	}
	return req
}

// ended takes the answer to the news of a resignation.
func (q *Quorum) ended(now core.Instant, f *flight, r *kmsg.EndQuorumEpochResponse) {
	if r.ErrorCode != 0 || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		q.land(now, f, true)
		return
	}
	key := f.key
	p := &r.Topics[0].Partitions[0]
	q.land(now, f, p.ErrorCode != 0)
	q.learn(now, p.LeaderEpoch, p.LeaderID, nil)
	if q.role == Resigned && p.ErrorCode == 0 {
		q.ballot.granted = append(q.ballot.granted, key)
	}
}

// end takes the news that a leader resigns. Whoever is named first asks for pre-votes at once, the others in their
// order after it (Kafka: KafkaRaftClient.endEpochElectionBackoff).
func (q *Quorum) end(now core.Instant, req *kmsg.EndQuorumEpochRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.EndQuorumEpochResponse)
	if code := q.refuseCluster(req.ClusterID); code != core.NoError {
		resp.ErrorCode = int16(code)
		return resp
	}
	if len(req.Topics) != 1 || req.Topics[0].Topic != Topic || len(req.Topics[0].Partitions) != 1 {
		resp.ErrorCode = int16(core.InvalidRequest)
		return resp
	}
	p := &req.Topics[0].Partitions[0]
	code := core.NoError
	var at []record.Endpoint
	for _, e := range req.LeaderEndpoints {
		at = append(at, record.Endpoint{Name: e.Name, Host: e.Host, Port: e.Port})
	}
	switch {
	case p.LeaderID < 0 || p.LeaderEpoch < 0:
		code = core.InvalidRequest
	case core.LeaderEpoch(p.LeaderEpoch) < q.state.Epoch:
		code = core.FencedLeaderEpoch
	case !q.learn(now, p.LeaderEpoch, p.LeaderID, at):
		code = core.InvalidRequest
	case q.role == Follower && q.state.Leader == core.BrokerID(p.LeaderID):
		q.succeed(now, p)
	}
	a := kmsg.NewEndQuorumEpochResponseTopicPartition()
	a.ErrorCode, a.LeaderID, a.LeaderEpoch = int16(code), int32(q.state.Leader), int32(q.state.Epoch)
	resp.Topics = []kmsg.EndQuorumEpochResponseTopic{{Topic: Topic,
		Partitions: []kmsg.EndQuorumEpochResponseTopicPartition{a}}}
	return resp
}

// succeed lets suspicion come when this node's turn is. The leader counts as not heard from now on, so that pre-votes
// for the others are granted.
func (q *Quorum) succeed(now core.Instant, p *kmsg.EndQuorumEpochRequestTopicPartition) {
	position, n := 0, len(p.PreferredCandidates)
	if n > 0 {
		for position < n && !(core.BrokerID(p.PreferredCandidates[position].CandidateID) == q.self.ID &&
			(p.PreferredCandidates[position].CandidateDirectoryID == [16]byte{} ||
				p.PreferredCandidates[position].CandidateDirectoryID == q.self.Directory)) {
			position++
		}
	} else {
		for n = len(p.PreferredSuccessors); position < n && core.BrokerID(p.PreferredSuccessors[position]) != q.self.ID; {
			position++
		}
	}
	q.Reached.Add(probe.ResignationFollowed)
	q.follow.heard = now.Mono - q.suspicion()
	q.follow.suspect = now.Mono
	if position > 0 {
		step := q.settings.ElectionTimeout / 10
		for range min(position, maxDelaySteps) {
			q.follow.suspect += q.between(step/2, step)
		}
	}
}

// maxDelaySteps bounds how long the last successor waits.
const maxDelaySteps = 8

// begin takes the news of a leader (KIP-595).
func (q *Quorum) begin(now core.Instant, req *kmsg.BeginQuorumEpochRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.BeginQuorumEpochResponse)
	if code := q.refuseCluster(req.ClusterID); code != core.NoError {
		resp.ErrorCode = int16(code)
		return resp
	}
	if len(req.Topics) != 1 || req.Topics[0].Topic != Topic || len(req.Topics[0].Partitions) != 1 {
		resp.ErrorCode = int16(core.InvalidRequest)
		return resp
	}
	p := &req.Topics[0].Partitions[0]
	var at []record.Endpoint
	for _, e := range req.LeaderEndpoints {
		at = append(at, record.Endpoint{Name: e.Name, Host: e.Host, Port: e.Port})
	}
	code := core.NoError
	switch {
	case p.LeaderID < 0 || p.LeaderEpoch < 0:
		code = core.InvalidRequest
	case core.LeaderEpoch(p.LeaderEpoch) < q.state.Epoch:
		code = core.FencedLeaderEpoch
	case !q.learn(now, p.LeaderEpoch, p.LeaderID, at):
		code = core.InvalidRequest
	case !q.meant(req.VoterID, p.VoterDirectoryID):
		code = invalidVoterKey
	case q.role == Prospective && q.state.Leader == core.BrokerID(p.LeaderID):
		q.lose(now) // the leader lives
	case q.role == Follower:
		// It has not heard of this node for long: whatever fetch is under way has been lost.
		q.ground()
		q.again = true
	}
	a := kmsg.NewBeginQuorumEpochResponseTopicPartition()
	a.ErrorCode, a.LeaderID, a.LeaderEpoch = int16(code), int32(q.state.Leader), int32(q.state.Epoch)
	resp.Topics = []kmsg.BeginQuorumEpochResponseTopic{{Topic: Topic,
		Partitions: []kmsg.BeginQuorumEpochResponseTopicPartition{a}}}
	return resp
}

// begun takes a voter's answer to the news of this leader.
func (q *Quorum) begun(now core.Instant, f *flight, r *kmsg.BeginQuorumEpochResponse) {
	if r.ErrorCode != 0 || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		q.land(now, f, true)
		return
	}
	p := &r.Topics[0].Partitions[0]
	q.land(now, f, p.ErrorCode != 0)
	q.learn(now, p.LeaderEpoch, p.LeaderID, nil)
}

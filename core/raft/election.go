package raft

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// ballot is a vote or pre-vote that this node asks for.
type ballot struct {
	campaign bool // a vote for this node is being written
	open     bool // requests may leave
	granted  []Key
	rejected []Key // of a candidate: whoever voted for another
	won      bool
}

// Campaign takes a new epoch and votes for itself. The vote counts when it is on disk (Raft, figure 2): otherwise two
// leaders of one epoch are a crash away.
func (q *Quorum) Campaign(out *core.Outbox) {
	if q.role != Unattached && q.role != Prospective && q.role != Voted {
		panic("raft: campaign of a node that is " + q.role.String())
	}
	q.campaign()
	q.persist(out)
}

func (q *Quorum) campaign() {
	epoch, ok := q.nextEpoch()
	if !ok {
		return
	}
	if q.role == Voted {
		q.become(Prospective, q.state.Epoch) // a sole voter that comes back with its vote
	}
	q.become(Voted, epoch)
	q.state.Voted, q.state.VotedDirectory = q.self.ID, q.self.Directory
	q.ballot.campaign = true
}

// candidate asks for votes, its own being on disk.
func (q *Quorum) candidate(now core.Instant) {
	q.become(Candidate, q.state.Epoch)
	q.openBallot(now)
}

// prospect asks for pre-votes (KIP-996): would a majority vote for this node in the next epoch? The leader of the
// epoch, if one is known, stays known, for the answer may be that it lives.
func (q *Quorum) prospect(now core.Instant) {
	endpoints := q.follow.endpoints
	q.become(Prospective, q.state.Epoch)
	q.follow.endpoints = endpoints
	q.openBallot(now)
}

func (q *Quorum) openBallot(now core.Instant) {
	q.ballot.open = true
	if q.Voters().Has(q.self) {
		q.ballot.granted = append(q.ballot.granted, q.self)
	}
	q.electionAt = now.Mono + q.between(q.settings.ElectionTimeout/2, q.settings.ElectionTimeout*3/4)
}

// pollUnattached waits for a leader, and asks for pre-votes when none shows up. Observers ask around instead.
func (q *Quorum) pollUnattached(now core.Instant) {
	switch {
	case q.ballot.campaign:
	case !q.electable():
		q.askAround(now)
	case !q.manual && now.Reached(q.electionAt):
		q.prospect(now)
	}
}

// pollBallot asks the voters that have not answered, and draws the conclusion.
func (q *Quorum) pollBallot(now core.Instant, out *core.Outbox) {
	voters := q.Voters()
	switch {
	case !q.electable():
		q.lose(now) // the voters have changed
	case len(q.ballot.granted) >= voters.Majority():
		q.win(now, out)
	case now.Reached(q.electionAt):
		q.Reached.Add(map[Role]probe.Point{Prospective: probe.PreVoteLost, Candidate: probe.ElectionLost}[q.role])
		q.lose(now)
	default:
		for i := range voters {
			q.askVote(now, &voters[i])
		}
	}
}

func (q *Quorum) askVote(now core.Instant, v *record.Voter) {
	key := Key{v.ID, v.Directory}
	f := q.flightTo(v.ID, "")
	if v.ID == q.self.ID || slices.Contains(q.ballot.granted, key) || slices.Contains(q.ballot.rejected, key) ||
		!f.ready(now) {
		return
	}
	req := q.voteRequest(v)
	req.Topics[0].Partitions[0].PreVote = q.role == Prospective
	q.send(now, f, key, v.Endpoints, req, q.patience())
}

func (q *Quorum) voteRequest(v *record.Voter) *kmsg.VoteRequest {
	req := kmsg.NewPtrVoteRequest()
	req.Version = req.MaxVersion()
	req.ClusterID, req.VoterID = text(q.clusterID), int32(v.ID)
	p := kmsg.NewVoteRequestTopicPartition()
	p.CandidateEpoch, p.CandidateID, p.CandidateDirectoryID = int32(q.state.Epoch), int32(q.self.ID), q.self.Directory
	p.VoterDirectoryID = v.Directory
	p.LastOffsetEpoch, p.LastOffset = int32(q.lastEpoch()), int64(q.log.LogEndOffset())
	req.Topics = []kmsg.VoteRequestTopic{{Topic: Topic, Partitions: []kmsg.VoteRequestTopicPartition{p}}}
	return req
}

// win goes on to the campaign, or to leading once nothing is being cut from the log.
func (q *Quorum) win(now core.Instant, out *core.Outbox) {
	q.ballot.won = true
	switch {
	case q.role == Prospective:
		q.campaign()
	case !q.log.Truncating():
		q.takeLead(now, out)
	}
}

// lose ends a ballot. A candidate asks for pre-votes again, since what it lost to may be a leader or a partition; a
// prospective node goes back to where it was.
func (q *Quorum) lose(now core.Instant) {
	leader, endpoints := q.state.Leader, q.follow.endpoints
	switch {
	case q.role == Candidate && q.electable():
		q.prospect(now)
	case q.role == Candidate:
		if epoch, ok := q.nextEpoch(); ok { // not a voter any more
			q.unattach(now, epoch)
		}
	case leader != core.NoBroker:
		heard := q.follow.heard
		q.obey(now, q.state.Epoch, leader, endpoints)
		q.follow.heard = heard // nobody heard it meanwhile
	case q.state.Voted != core.NoBroker:
		q.become(Voted, q.state.Epoch)
		q.backOff(now)
	default:
		q.become(Unattached, q.state.Epoch)
		q.backOff(now)
	}
}

// backOff puts the next election off, by another time on every node.
func (q *Quorum) backOff(now core.Instant) {
	q.electionAt = now.Mono + q.between(q.settings.ElectionTimeout/20, q.spread())
}

// vote answers a request for a vote or a pre-vote (KIP-595, KIP-996).
func (q *Quorum) vote(now core.Instant, req *kmsg.VoteRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.VoteResponse)
	p := voteTopic(req)
	if code := q.refuseCluster(req.ClusterID); code != core.NoError {
		resp.ErrorCode = int16(code)
		return resp
	}
	if p == nil {
		resp.ErrorCode = int16(core.InvalidRequest)
		return resp
	}
	if q.forgetful() {
		resp.ErrorCode = int16(core.BrokerNotAvailable) // its epoch is not to be believed
		return resp
	}
	code := q.refuseVote(p)
	granted := false
	if code == core.NoError {
		if core.LeaderEpoch(p.CandidateEpoch) > q.state.Epoch {
			q.unattach(now, core.LeaderEpoch(p.CandidateEpoch))
		}
		if !q.meant(req.VoterID, p.VoterDirectoryID) {
			code = invalidVoterKey
		} else {
			granted = q.grant(now, p)
		}
	}
	a := kmsg.NewVoteResponseTopicPartition()
	a.ErrorCode, a.VoteGranted = int16(code), granted
	a.LeaderID, a.LeaderEpoch = int32(q.state.Leader), int32(q.state.Epoch)
	resp.Topics = []kmsg.VoteResponseTopic{{Topic: Topic, Partitions: []kmsg.VoteResponseTopicPartition{a}}}
	if e, ok := q.leaderEndpoint(); ok {
		resp.NodeEndpoints = []kmsg.VoteResponseNodeEndpoint{{NodeID: int32(q.state.Leader), Host: e.Host, Port: e.Port}}
	}
	return resp
}

func (q *Quorum) refuseVote(p *kmsg.VoteRequestTopicPartition) core.ErrorCode {
	switch {
	case p.CandidateID < 0 || p.LastOffset < 0 || p.LastOffsetEpoch < 0 || p.LastOffsetEpoch > p.CandidateEpoch,
		!p.PreVote && p.LastOffsetEpoch == p.CandidateEpoch:
		return core.InvalidRequest
	case core.LeaderEpoch(p.CandidateEpoch) < q.state.Epoch:
		return core.FencedLeaderEpoch
	}
	return core.NoError
}

// grant decides on a vote in the current epoch and, if it is a real one, gives it. A voter gives one vote an epoch,
// none where it knows a leader, and only to a log that has all that it has (Raft, section 5.4.1). A pre-vote is
// denied by the leader and by whoever has heard it lately.
func (q *Quorum) grant(now core.Instant, p *kmsg.VoteRequestTopicPartition) bool {
	if q.recall != nil {
		return false
	}
	candidate := Key{core.BrokerID(p.CandidateID), p.CandidateDirectoryID}
	complete := q.upToDate(core.LeaderEpoch(p.LastOffsetEpoch), core.Offset(p.LastOffset))
	if !complete {
		q.Reached.Add(probe.OldLogDenied)
	}
	if p.PreVote {
		switch q.role {
		case Leader:
			q.Reached.Add(probe.PreVoteDenied)
			return false
		case Follower:
			if now.Mono < q.follow.heard+q.suspicion() {
				q.Reached.Add(probe.PreVoteDenied)
				return false
			}
			return complete
		case Unattached, Voted, Prospective, Candidate, Resigned:
		}
		return complete
	}
	if q.state.Voted != core.NoBroker {
		same := q.state.VotedDirectory.IsZero() || q.state.VotedDirectory == candidate.Directory
		if q.state.Voted == candidate.ID {
			q.Reached.Add(probe.VoteGivenAgain)
		} else {
			q.Reached.Add(probe.SecondVoteDenied)
		}
		return q.state.Voted == candidate.ID && same && candidate != q.self
	}
	if !complete || q.state.Epoch <= q.spent || q.state.Leader != core.NoBroker ||
		q.role != Unattached && q.role != Prospective {
		return false
	}
	q.become(Voted, q.state.Epoch)
	q.state.Voted, q.state.VotedDirectory = candidate.ID, candidate.Directory
	q.electionAt = now.Mono + q.between(q.settings.ElectionTimeout/4, q.settings.ElectionTimeout/2)
	return true
}

// upToDate reports whether a log that ends so has everything that this one has.
func (q *Quorum) upToDate(epoch core.LeaderEpoch, end core.Offset) bool {
	if own := q.lastEpoch(); epoch != own {
		return epoch > own
	}
	return end >= q.log.LogEndOffset()
}

// voted counts a vote or pre-vote.
func (q *Quorum) voted(now core.Instant, f *flight, resp *kmsg.VoteResponse) {
	if q.forgetful() {
		q.epochTold(now, f, resp)
		return
	}
	q.silence = max(q.silence, now.Mono-f.sent+q.settings.maxWait())
	preVote := q.role == Prospective
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 || !q.ballot.open {
		q.land(now, f, true)
		return
	}
	p := &resp.Topics[0].Partitions[0]
	q.land(now, f, p.ErrorCode != 0 || !p.VoteGranted)
	key := f.key
	var at []record.Endpoint
	for _, n := range resp.NodeEndpoints {
		if n.NodeID == p.LeaderID {
			at = endpointOf(n.Host, n.Port)
		}
	}
	role, epoch := q.role, q.state.Epoch
	q.learn(now, p.LeaderEpoch, p.LeaderID, at)
	if q.role != role || q.state.Epoch != epoch || p.ErrorCode != 0 {
		return
	}
	switch {
	case p.VoteGranted:
		q.ballot.granted = append(q.ballot.granted, key)
		q.again = true
	case preVote && f.to == q.state.Leader && core.BrokerID(p.LeaderID) == f.to:
		q.lose(now) // the leader itself has answered
	case preVote:
		// Whoever denies it still hears the leader, or has more in its log. Both may change soon.
		f.again = now.Mono + q.settings.ElectionTimeout/20
	default:
		q.ballot.rejected = append(q.ballot.rejected, key)
		// The epoch's votes are split or another has won; the first to try the next epoch will have them all.
		q.electionAt = min(q.electionAt, now.Mono+q.between(q.settings.ElectionTimeout/20, q.spread()))
	}
}

package raft

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// change is one change of the voters: there is at most one at a time (KIP-853; Raft, section 4.1).
type change struct {
	token    uint64
	req      kmsg.Request
	deadline time.Duration
	voter    record.Voter // to be added, once it has caught up
	last     core.Offset  // of the record with the new voters, or NoOffset
	early    bool         // the answer does not wait for the commit
	answered bool
}

// defaultChangeTimeout is how long a change may take whose request names no timeout.
const defaultChangeTimeout = 30 * time.Second

// refuseChange finds what is against any change of voters now. A leader that has not committed a record of its own
// epoch may not know of a change by its predecessor that is committed elsewhere, or of one that is not: two
// majorities that do not meet would follow (Ongaro, raft-dev 2015).
func (q *Quorum) refuseChange(cluster *string) (core.ErrorCode, string) {
	switch {
	case q.refuseCluster(cluster) != core.NoError:
		return core.InconsistentClusterID, "the request is for another cluster"
	case q.role != Leader:
		return core.NotLeaderOrFollower, "this node does not lead the quorum"
	case !q.Active():
		return core.RequestTimedOut, "the leader has not committed a record of its epoch yet"
	case q.Version() < 1:
		return core.UnsupportedVersion, "kraft.version is 0: the voters are fixed by configuration"
	case q.lead.change != nil || q.history.changedAt() >= q.highWatermark:
		return core.RequestTimedOut, "the last change of voters is not committed yet"
	}
	return core.NoError, ""
}

// addVoter begins to add a voter (KIP-853, API 80). It is added when it has caught up, so that the quorum does not wait
// for it.
func (q *Quorum) addVoter(now core.Instant, token uint64, req *kmsg.AddRaftVoterRequest) {
	code, why := q.refuseChange(req.ClusterID)
	switch {
	case code != core.NoError:
	case req.VoterID < 0 || core.UUID(req.VoterDirectoryID).IsZero() || len(req.Listeners) == 0:
		code, why = core.InvalidRequest, "a voter needs an id, a directory id and a listener"
	case q.Voters().byID(core.BrokerID(req.VoterID)) != nil:
		code, why = duplicateVoter, "there is a voter with this id"
	}
	if code != core.NoError {
		q.answer(token, changeResponse(req, code, why))
		return
	}
	v := record.Voter{ID: core.BrokerID(req.VoterID), Directory: req.VoterDirectoryID, MaxKRaftVersion: 1}
	for _, l := range req.Listeners {
		v.Endpoints = append(v.Endpoints, record.Endpoint{Name: l.Name, Host: l.Host, Port: l.Port})
	}
	wait := time.Duration(req.TimeoutMillis) * time.Millisecond
	if wait <= 0 || wait > defaultChangeTimeout {
		wait = defaultChangeTimeout
	}
	q.lead.change = &change{token: token, req: req, deadline: now.Mono + wait, voter: v, last: core.NoOffset,
		early: req.Version >= 1 && !req.AckWhenCommitted}
	q.again = true
}

// removeVoter removes a voter (API 81). The leader may remove itself, and goes when that is committed.
func (q *Quorum) removeVoter(now core.Instant, token uint64, req *kmsg.RemoveRaftVoterRequest, out *core.Outbox) {
	code, why := q.refuseChange(req.ClusterID)
	voters := q.Voters()
	v := voters.byID(core.BrokerID(req.VoterID))
	switch {
	case code != core.NoError:
	case v == nil || v.Directory != core.UUID(req.VoterDirectoryID):
		code, why = voterNotFound, "there is no voter with this id and directory id"
	case len(voters) == 1:
		code, why = core.InvalidRequest, "the last voter cannot be removed"
	}
	if code != core.NoError {
		q.answer(token, changeResponse(req, code, why))
		return
	}
	q.lead.change = &change{token: token, req: req, deadline: now.Mono + defaultChangeTimeout}
	q.lead.change.last = q.appendVoters(now, voters.without(v.ID), out)
}

// updateVoter changes a voter's listeners (API 82).
func (q *Quorum) updateVoter(now core.Instant, token uint64, req *kmsg.UpdateRaftVoterRequest, out *core.Outbox) {
	code, why := q.refuseChange(req.ClusterID)
	voters := q.Voters()
	v := voters.byID(core.BrokerID(req.VoterID))
	if e := q.refuseEpoch(req.CurrentLeaderEpoch); e != core.NoError && code == core.NoError {
		code = e
	}
	f := req.KRaftVersionFeature
	switch {
	case code != core.NoError:
	case v == nil || v.Directory != core.UUID(req.VoterDirectoryID):
		code = voterNotFound
	case len(req.Listeners) == 0 || f.MinSupportedVersion > q.Version() || f.MaxSupportedVersion < q.Version():
		code = core.InvalidRequest
	}
	if code != core.NoError {
		q.answer(token, q.updateResponse(req, code, why))
		return
	}
	x := record.Voter{ID: v.ID, Directory: v.Directory, MinKRaftVersion: f.MinSupportedVersion,
		MaxKRaftVersion: f.MaxSupportedVersion}
	for _, l := range req.Listeners {
		x.Endpoints = append(x.Endpoints, record.Endpoint{Name: l.Name, Host: l.Host, Port: l.Port})
	}
	if slices.Equal(x.Endpoints, v.Endpoints) && x.MaxKRaftVersion == v.MaxKRaftVersion {
		q.answer(token, q.updateResponse(req, core.NoError, ""))
		return
	}
	q.lead.change = &change{token: token, req: req, deadline: now.Mono + defaultChangeTimeout}
	q.lead.change.last = q.appendVoters(now, voters.with(x), out)
}

// appendVoters puts new voters into the log, and with that into force.
func (q *Quorum) appendVoters(now core.Instant, voters Voters, out *core.Outbox) core.Offset {
	var b record.Builder
	b.Start(nil, q.log.LogEndOffset())
	b.AppendKRaftVoters(now.Wall, voters)
	_, batch := b.Finish()
	q.again = true
	return q.append(now, batch, out)
}

// pollChange takes a change further: the record once the new voter has caught up, the answer once it is committed.
func (q *Quorum) pollChange(now core.Instant, out *core.Outbox) {
	c := q.lead.change
	if c == nil {
		return
	}
	if c.last == core.NoOffset && q.caughtUp(now, Key{c.voter.ID, c.voter.Directory}) {
		c.last = q.appendVoters(now, q.Voters().with(c.voter), out)
		if c.early {
			c.answered = true
			q.answer(c.token, q.changed(c.req, core.NoError, ""))
		}
	}
	switch {
	case c.last != core.NoOffset && c.last < q.highWatermark:
		noteChange(c.req, out)
		if !c.answered {
			q.answer(c.token, q.changed(c.req, core.NoError, ""))
		}
		q.lead.change = nil
	case now.Reached(c.deadline) && c.last == core.NoOffset:
		out.Sometimes(probe.VoterChangeTimedOut)
		q.answer(c.token, q.changed(c.req, core.RequestTimedOut, "the new voter has not caught up with the leader"))
		q.lead.change = nil
	case now.Reached(c.deadline):
		out.Sometimes(probe.VoterChangeTimedOut)
		if !c.answered {
			q.answer(c.token, q.changed(c.req, core.RequestTimedOut, "the new voters are not committed yet"))
			c.answered = true
		}
		c.deadline = core.Never // it stays under way until it is committed or truncated
	}
}

// noteChange says that a change of voters is committed.
func noteChange(req kmsg.Request, out *core.Outbox) {
	switch req.(type) {
	case *kmsg.AddRaftVoterRequest:
		out.Sometimes(probe.VoterAdded)
	case *kmsg.RemoveRaftVoterRequest:
		out.Sometimes(probe.VoterRemoved)
	case *kmsg.UpdateRaftVoterRequest:
		out.Sometimes(probe.VoterUpdated)
	}
}

// caughtUp reports whether a replica has had everything lately.
func (q *Quorum) caughtUp(now core.Instant, key Key) bool {
	p := q.progressOf(key)
	return p != nil && p.key == key && p.caughtUp >= 0 && now.Mono-p.caughtUp <= q.settings.FetchTimeout
}

func (q *Quorum) changed(req kmsg.Request, code core.ErrorCode, why string) kmsg.Response {
	if r, ok := req.(*kmsg.UpdateRaftVoterRequest); ok {
		return q.updateResponse(r, code, why)
	}
	return changeResponse(req, code, why)
}

// changeResponse answers a request to change voters.
func changeResponse(req kmsg.Request, code core.ErrorCode, why string) kmsg.Response {
	resp := req.ResponseKind()
	switch r := resp.(type) {
	case *kmsg.AddRaftVoterResponse:
		r.ErrorCode = int16(code)
		if why != "" {
			r.ErrorMessage = text(why)
		}
	case *kmsg.RemoveRaftVoterResponse:
		r.ErrorCode = int16(code)
		if why != "" {
			r.ErrorMessage = text(why)
		}
	case *kmsg.UpdateRaftVoterResponse:
		r.ErrorCode = int16(code)
	}
	return resp
}

func (q *Quorum) updateResponse(req *kmsg.UpdateRaftVoterRequest, code core.ErrorCode, _ string) kmsg.Response {
	r := req.ResponseKind().(*kmsg.UpdateRaftVoterResponse)
	r.ErrorCode = int16(code)
	r.CurrentLeader.LeaderID, r.CurrentLeader.LeaderEpoch = int32(q.state.Leader), int32(q.state.Epoch)
	if e, ok := q.leaderEndpoint(); ok {
		r.CurrentLeader.Host, r.CurrentLeader.Port = e.Host, int32(e.Port)
	}
	return r
}

// updateDue reports whether the voters record has other listeners for this voter than it has.
func (q *Quorum) updateDue(now core.Instant) bool {
	v := q.Voters().find(q.self)
	return q.Version() > 0 && v != nil && len(q.endpoints) > 0 && !slices.Equal(v.Endpoints, q.endpoints) &&
		now.Reached(q.follow.updateAt)
}

// sendUpdateVoter asks the leader to correct this voter's listeners.
func (q *Quorum) sendUpdateVoter(now core.Instant, f *flight) {
	q.follow.updateAt = now.Mono + q.settings.FetchTimeout
	req := kmsg.NewPtrUpdateRaftVoterRequest()
	req.Version = req.MaxVersion()
	req.ClusterID, req.CurrentLeaderEpoch = text(q.clusterID), int32(q.state.Epoch)
	req.VoterID, req.VoterDirectoryID = int32(q.self.ID), q.self.Directory
	for _, e := range q.endpoints {
		l := kmsg.NewUpdateRaftVoterRequestListener()
		l.Name, l.Host, l.Port = e.Name, e.Host, e.Port
		req.Listeners = append(req.Listeners, l)
	}
	req.KRaftVersionFeature.MaxSupportedVersion = 1
	q.send(now, f, Key{ID: f.to}, q.endpointsOf(f.to), req, q.patience())
}

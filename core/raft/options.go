package raft

import (
	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// Options are what a replica of the quorum is made of.
type Options struct {
	Self      Key
	Endpoints []record.Endpoint // at which the other nodes reach it
	ClusterID string
	Bootstrap []record.Endpoint // controller.quorum.bootstrap.servers: where an observer asks for the leader
	Settings  Settings
	Random    core.PRNG
	Files     *log.FileIDs
	Slot      uint32
	// Deliver has committed batches handed over in [Outbox.Committed], those from Applied on.
	Deliver bool
	Applied core.Offset
}

// Start makes the replica of an opened log. It takes part in the quorum from its first Poll on.
func Start(now core.Instant, o Options, j *OpenJob, out *core.Outbox) *Quorum {
	if j.Err != nil {
		panic("raft: Start with an OpenJob that did not succeed")
	}
	q := newQuorum(o.Self, o.ClusterID, j.State, log.New(now, o.Slot, o.Files, &j.Log, out))
	q.endpoints, q.bootstrap, q.settings, q.random = o.Endpoints, o.Bootstrap, o.Settings, o.Random
	q.files, q.opened, q.deliver, q.delivered = o.Files, j, o.Deliver, o.Applied
	q.history, q.snapshots = j.History, j.Snapshots
	if s, ok := q.latestSnapshot(); ok {
		q.raise(s.End) // a snapshot is of committed records alone
	}
	q.state.Epoch = max(q.state.Epoch, q.lastEpoch())
	q.saved.Epoch = q.state.Epoch
	if q.state.Epoch > j.State.Epoch {
		q.state.Voted, q.state.VotedDirectory, q.state.Leader = core.NoBroker, core.UUID{}, core.NoBroker
		q.saved = q.state
	}
	q.resume(now)
	return q
}

// resume finds the role after a start. Whoever voted stays bound by the vote; whoever led is not the leader any more.
func (q *Quorum) resume(now core.Instant) {
	q.role = Unattached
	switch {
	case q.state.Voted != core.NoBroker:
		q.role = Voted
		q.Reached.Add(probe.VoteFromDisk)
	case q.state.Leader != core.NoBroker && q.state.Leader != q.self.ID:
		q.role = Follower
		q.follow.heard = now.Mono
		q.follow.suspect = now.Mono + q.between(0, q.settings.suspicion())
	}
	if q.role != Follower {
		q.state.Leader = core.NoBroker
	}
	q.electionAt = now.Mono + q.between(0, q.settings.ElectionTimeout/4)
}

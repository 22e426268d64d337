package raft

import (
	"fmt"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// KRaftVersion is the feature whose level says where the voters are: in configuration with 0, in the log with 1.
const KRaftVersion = "kraft.version"

// MaxKRaftVersion is the highest level of that feature.
const MaxKRaftVersion int16 = 1

// Upgrade raises kraft.version, which puts the voters of configuration into the log with the folders that they have
// been fetching for (KIP-853; Kafka: LeaderState.maybeAppendUpgradedKRaftVersion). The record has effect at once, and
// is committed like any other. Nothing is appended if the version is in force already, or with validate.
//
// A replica that names its folder when it fetches knows about voters in the log: versions of Kafka before that do not
// name one. So nothing else needs to be asked of the voters. A level is never lowered: without the records nobody would
// know the voters that have been added since.
func (q *Quorum) Upgrade(now core.Instant, level int16, validate bool, out *core.Outbox) (core.ErrorCode, string) {
	switch {
	case q.role != Leader:
		return core.NotLeaderOrFollower, "this node does not lead the quorum"
	case !q.Active() || q.lead.change != nil || q.history.changedAt() >= q.highWatermark:
		return core.RequestTimedOut, "the leader has not committed what is under way"
	case level == q.Version():
		return core.NoError, ""
	case level < q.Version():
		return core.InvalidUpdateVersion, "kraft.version cannot be lowered"
	case level > MaxKRaftVersion:
		return core.InvalidUpdateVersion, fmt.Sprintf("the controllers only support versions 0-%d", MaxKRaftVersion)
	}
	var voters Voters
	for _, v := range q.Voters() {
		key := Key{ID: v.ID}
		if v.ID == q.self.ID {
			key = q.self
			v.Endpoints = q.endpoints
		} else if p := q.progressOf(key); p != nil {
			key = p.key
		}
		if key.Directory.IsZero() || len(v.Endpoints) == 0 {
			return core.InvalidUpdateVersion, fmt.Sprintf("voter %d has not named its directory, or has no listener for the "+
				"quorum: all voters must be there", v.ID)
		}
		v.Directory, v.MaxKRaftVersion = key.Directory, MaxKRaftVersion
		voters = voters.with(v)
	}
	if validate {
		return core.NoError, ""
	}
	var b record.Builder
	b.Start(nil, q.log.LogEndOffset())
	b.AppendKRaftVersion(now.Wall, level)
	b.AppendKRaftVoters(now.Wall, voters)
	_, batch := b.Finish()
	q.append(now, batch, out)
	out.Sometimes(probe.VersionRaised)
	q.again = true
	return core.NoError, ""
}

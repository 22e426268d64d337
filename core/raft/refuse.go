package raft

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// Error codes of the quorum's requests (Kafka: Errors.java).
const (
	snapshotNotFound   core.ErrorCode = 98
	positionOutOfRange core.ErrorCode = 99
	invalidVoterKey    core.ErrorCode = 125
	duplicateVoter     core.ErrorCode = 126
	voterNotFound      core.ErrorCode = 127
)

// Topic is the name of the metadata log, whose only partition is 0.
const Topic = "__cluster_metadata"

// refuseCluster finds out whether a request is for another cluster.
func (q *Quorum) refuseCluster(id *string) core.ErrorCode {
	if id != nil && *id != q.clusterID {
		return core.InconsistentClusterID
	}
	return core.NoError
}

// refuseEpoch finds what is against a request that only the leader of an epoch takes.
func (q *Quorum) refuseEpoch(epoch int32) core.ErrorCode {
	switch e := core.LeaderEpoch(epoch); {
	case e >= 0 && e < q.state.Epoch:
		return core.FencedLeaderEpoch
	case e > q.state.Epoch:
		return core.UnknownLeaderEpoch
	case q.role != Leader:
		return core.NotLeaderOrFollower
	}
	return core.NoError
}

// meant reports whether a request that names its receiver means this replica. Version 0 of the requests does not name
// it.
func (q *Quorum) meant(id int32, directory core.UUID) bool {
	return (id < 0 || core.BrokerID(id) == q.self.ID) &&
		(directory.IsZero() || q.self.Directory.IsZero() || directory == q.self.Directory)
}

// learn takes note of an epoch and its leader, which any request and answer may name. It reports whether they go
// together with what is known.
func (q *Quorum) learn(now core.Instant, epoch int32, leader int32, endpoints []record.Endpoint) bool {
	e, id := core.LeaderEpoch(epoch), core.BrokerID(leader)
	switch {
	case e < q.state.Epoch:
		return true
	case id < 0 || id == q.self.ID:
		// That this node leads the epoch is known to itself, or was before it restarted.
		if e > q.state.Epoch {
			q.unattach(now, e)
		}
	case e > q.state.Epoch || q.state.Leader == core.NoBroker && q.role != Leader && q.role != Resigned:
		q.obey(now, e, id, endpoints)
	default:
		return q.state.Leader == id || q.state.Leader == core.NoBroker
	}
	return true
}

// unattach enters a new epoch whose leader is not known. An election that is due stays due: an endless row of
// candidates must not keep better ones waiting.
func (q *Quorum) unattach(now core.Instant, epoch core.LeaderEpoch) {
	fresh := q.role == Leader || q.role == Follower || q.role == Resigned
	q.become(Unattached, epoch)
	if fresh {
		q.electionAt = now.Mono + q.between(q.settings.ElectionTimeout/20, q.settings.ElectionTimeout/4)
	}
}

// obey follows a leader.
func (q *Quorum) obey(now core.Instant, epoch core.LeaderEpoch, leader core.BrokerID, endpoints []record.Endpoint) {
	q.become(Follower, epoch)
	q.state.Leader = leader
	q.follow.endpoints = endpoints
	q.follow.hear(now, q)
}

// endpointsOf is where a node is reached.
func (q *Quorum) endpointsOf(id core.BrokerID) []record.Endpoint {
	if q.role == Follower && id == q.state.Leader && len(q.follow.endpoints) > 0 {
		return q.follow.endpoints
	}
	if v := q.Voters().byID(id); v != nil {
		return v.Endpoints
	}
	return nil
}

// LeaderEndpoint is where the leader is reached, as far as it is known.
func (q *Quorum) LeaderEndpoint() (record.Endpoint, bool) { return q.leaderEndpoint() }

// leaderEndpoint is the leader's endpoint as answers have it.
func (q *Quorum) leaderEndpoint() (record.Endpoint, bool) {
	list := q.endpointsOf(q.state.Leader)
	if q.state.Leader == q.self.ID {
		list = q.endpoints
	}
	if q.state.Leader == core.NoBroker || len(list) == 0 {
		return record.Endpoint{}, false
	}
	return list[0], true
}

func text(s string) *string { return &s }

func endpointOf(host string, port uint16) []record.Endpoint {
	if host == "" {
		return nil
	}
	return []record.Endpoint{{Host: host, Port: port}}
}

// voteTopic finds the metadata partition in a request for a vote.
func voteTopic(req *kmsg.VoteRequest) *kmsg.VoteRequestTopicPartition {
	if len(req.Topics) != 1 || req.Topics[0].Topic != Topic || len(req.Topics[0].Partitions) != 1 ||
		req.Topics[0].Partitions[0].Partition != 0 {
		return nil
	}
	return &req.Topics[0].Partitions[0]
}

package raft

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// describe answers DESCRIBE_QUORUM (API 55; KIP-642, KIP-836). Only the leader knows.
func (q *Quorum) describe(now core.Instant, req *kmsg.DescribeQuorumRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DescribeQuorumResponse)
	if len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 {
		resp.ErrorCode = int16(core.InvalidRequest)
		return resp
	}
	p := kmsg.NewDescribeQuorumResponseTopicPartition()
	p.Partition = req.Topics[0].Partitions[0].Partition
	switch {
	case req.Topics[0].Topic != Topic || p.Partition != 0:
		p.ErrorCode = int16(core.UnknownTopicOrPartition)
	case q.role != Leader:
		resp.ErrorCode = int16(core.NotLeaderOrFollower)
		p.ErrorCode, p.LeaderID, p.LeaderEpoch = resp.ErrorCode, int32(q.state.Leader), int32(q.state.Epoch)
	default:
		q.describeAsLeader(now, req, resp, &p)
	}
	t := kmsg.NewDescribeQuorumResponseTopic()
	t.Topic, t.Partitions = req.Topics[0].Topic, []kmsg.DescribeQuorumResponseTopicPartition{p}
	resp.Topics = []kmsg.DescribeQuorumResponseTopic{t}
	return resp
}

func (q *Quorum) describeAsLeader(now core.Instant, req *kmsg.DescribeQuorumRequest, resp *kmsg.DescribeQuorumResponse,
	p *kmsg.DescribeQuorumResponseTopicPartition) {
	p.LeaderID, p.LeaderEpoch, p.HighWatermark = int32(q.self.ID), int32(q.state.Epoch), int64(q.highWatermark)
	voters := q.Voters()
	state := func(x *progress) kmsg.DescribeQuorumResponseTopicPartitionReplicaState {
		s := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
		s.ReplicaID, s.ReplicaDirectoryID, s.LogEndOffset = int32(x.key.ID), x.key.Directory, int64(x.end)
		s.LastFetchTimestamp, s.LastCaughtUpTimestamp = int64(x.fetchWall), int64(x.caughtAt)
		return s
	}
	for i := range voters {
		v := &voters[i]
		x := newProgress(now, Key{v.ID, v.Directory})
		if voters.find(q.self) == v {
			x.end, x.fetchWall, x.caughtAt = q.log.LogEndOffset(), now.Wall, now.Wall
		} else if known := q.progressOf(x.key); known != nil {
			x = known
		}
		p.CurrentVoters = append(p.CurrentVoters, state(x))
		if req.Version >= 2 {
			n := kmsg.NewDescribeQuorumResponseNode()
			n.NodeID = int32(v.ID)
			for _, e := range v.Endpoints {
				l := kmsg.DescribeQuorumResponseNodeListener{Name: e.Name, Host: e.Host, Port: e.Port}
				n.Listeners = append(n.Listeners, l)
			}
			resp.Nodes = append(resp.Nodes, n)
		}
	}
	for _, x := range q.lead.replicas {
		if !voters.Has(x.key) && x.fetched && !now.Reached(x.heard+observerExpiry) {
			p.Observers = append(p.Observers, state(x))
		}
	}
}

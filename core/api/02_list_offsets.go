package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/partition"
)

// ListOffsets serves API key 2, v1-11: the earliest (-2), the latest (-1, below the last stable offset when reading
// committed), the first with a timestamp at or after one given, the one with the largest timestamp (-3, v7), the
// earliest on local disk (-4, v8; here the earliest), the latest in tiered storage (-5, v9; here none), the earliest
// not yet tiered (-6, v11; here none). A partition that is named twice is INVALID_REQUEST.
func ListOffsets(c *Context) {
	req := c.Request.(*kmsg.ListOffsetsRequest)
	resp := kmsg.NewPtrListOffsetsResponse()
	c.Response = resp
	var q query
	for i := range req.Topics {
		t := kmsg.NewListOffsetsResponseTopic()
		t.Topic = req.Topics[i].Topic
		for j := range req.Topics[i].Partitions {
			p := kmsg.NewListOffsetsResponseTopicPartition()
			p.Partition = req.Topics[i].Partitions[j].Partition
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	seen := map[core.TopicPartition]int{}
	for i := range req.Topics {
		for _, p := range req.Topics[i].Partitions {
			seen[core.TopicPartition{Topic: req.Topics[i].Topic, Partition: core.PartitionID(p.Partition)}]++
		}
	}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			p := &req.Topics[i].Partitions[j]
			out := &resp.Topics[i].Partitions[j]
			out.Timestamp, out.Offset, out.LeaderEpoch = -1, -1, -1
			id, code := c.Cluster.Resolve(req.Topics[i].Topic, p.Partition)
			switch {
			case seen[core.TopicPartition{Topic: req.Topics[i].Topic, Partition: core.PartitionID(p.Partition)}] > 1:
				out.ErrorCode = int16(core.InvalidRequest)
			case !asksForKnownTimestamp(core.Timestamp(p.Timestamp), c.Version):
				out.ErrorCode = int16(core.UnsupportedVersion)
			case code != core.NoError:
				out.ErrorCode = int16(code)
			default:
				epoch := epochOf(c.Version >= 4, p.CurrentLeaderEpoch)
				item := partition.QueryItem{ID: id, LeaderEpoch: epoch, Timestamp: core.Timestamp(p.Timestamp)}
				q.add(c, req.Topics[i].Topic, item, func(it *partition.QueryItem) {
					out.ErrorCode = int16(it.Code)
					if it.Code == core.NoError {
						out.Timestamp, out.Offset, out.LeaderEpoch = int64(it.Timestamp), int64(it.Offset), int32(it.Epoch)
					}
				})
			}
		}
	}
	q.send(c, partition.QueryOffset, req.IsolationLevel == 1)
}

// asksForKnownTimestamp reports whether a version may ask for a timestamp: the special ones came one by one (Kafka:
// ReplicaManager.timestampMinSupportedVersion).
func asksForKnownTimestamp(at core.Timestamp, version int16) bool {
	switch at {
	case partition.LatestTimestamp, partition.EarliestTimestamp:
		return true
	case partition.MaxTimestamp:
		return version >= 7
	case partition.EarliestLocalTimestamp:
		return version >= 8
	case partition.LatestTieredTimestamp:
		return version >= 9
	case partition.EarliestPendingTimestamp:
		return version >= 11
	}
	return at >= 0
}

// epochOf is the epoch a request carries, or none in versions that cannot carry it.
func epochOf(carried bool, epoch int32) core.LeaderEpoch {
	if !carried {
		return core.NoLeaderEpoch
	}
	return core.LeaderEpoch(epoch)
}

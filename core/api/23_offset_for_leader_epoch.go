package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/partition"
)

// OffsetForLeaderEpoch serves API key 23, v0-4 (KIP-101, KIP-320): where the records of a leader epoch end in the
// leader's log, so that a consumer or follower finds out whether its own log has diverged.
func OffsetForLeaderEpoch(c *Context) {
	req := c.Request.(*kmsg.OffsetForLeaderEpochRequest)
	resp := kmsg.NewPtrOffsetForLeaderEpochResponse()
	c.Response = resp
	for i := range req.Topics {
		t := kmsg.NewOffsetForLeaderEpochResponseTopic()
		t.Topic = req.Topics[i].Topic
		t.Partitions = make([]kmsg.OffsetForLeaderEpochResponseTopicPartition, len(req.Topics[i].Partitions))
		resp.Topics = append(resp.Topics, t)
	}
	var q query
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			p, out := &req.Topics[i].Partitions[j], &resp.Topics[i].Partitions[j]
			out.Default()
			out.Partition, out.LeaderEpoch, out.EndOffset = p.Partition, -1, -1
			id, code := c.Cluster.Resolve(req.Topics[i].Topic, p.Partition)
			if code != core.NoError {
				out.ErrorCode = int16(code)
				continue
			}
			q.add(c, req.Topics[i].Topic, partition.QueryItem{ID: id, LeaderEpoch: epochOf(c.Version >= 2, p.CurrentLeaderEpoch),
				Epoch: core.LeaderEpoch(p.LeaderEpoch)}, func(it *partition.QueryItem) {
				out.ErrorCode = int16(it.Code)
				if it.Code == core.NoError {
					out.LeaderEpoch, out.EndOffset = int32(it.Epoch), int64(it.Offset)
				}
			})
		}
	}
	q.send(c, partition.QueryEpochEnd, false)
}

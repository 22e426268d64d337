package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/partition"
)

// DescribeProducers serves API key 61, v0 (KIP-664): the idempotent producers that a partition remembers. A
// partition that is named again is refused, so that a few bytes of request cannot ask for the same long list.
func DescribeProducers(c *Context) {
	req := c.Request.(*kmsg.DescribeProducersRequest)
	resp := kmsg.NewPtrDescribeProducersResponse()
	c.Response = resp
	for i := range req.Topics {
		t := kmsg.NewDescribeProducersResponseTopic()
		t.Topic = req.Topics[i].Topic
		t.Partitions = make([]kmsg.DescribeProducersResponseTopicPartition, len(req.Topics[i].Partitions))
		resp.Topics = append(resp.Topics, t)
	}
	seen := map[core.TopicIDPartition]bool{}
	var q query
	for i := range req.Topics {
		for j, p := range req.Topics[i].Partitions {
			out := &resp.Topics[i].Partitions[j]
			out.Default()
			out.Partition = p
			id, code := c.Cluster.Resolve(req.Topics[i].Topic, p)
			if code == core.NoError && seen[id] {
				code = core.InvalidRequest
			}
			if code != core.NoError {
				out.ErrorCode = int16(code)
				continue
			}
			seen[id] = true
			item := partition.QueryItem{ID: id, LeaderEpoch: core.NoLeaderEpoch}
			q.add(c, req.Topics[i].Topic, item, func(it *partition.QueryItem) {
				out.ErrorCode = int16(it.Code)
				for _, pr := range it.Producers {
					rp := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
					rp.ProducerID, rp.ProducerEpoch = int64(pr.ID), int32(pr.Epoch)
					rp.LastSequence, rp.LastTimestamp = int32(pr.LastSequence), int64(pr.LastTimestamp)
					rp.CoordinatorEpoch, rp.CurrentTxnStartOffset = pr.Coordinator, int64(pr.TxnStart)
					out.ActiveProducers = append(out.ActiveProducers, rp)
				}
			})
		}
	}
	q.send(c, partition.QueryProducers, false)
}

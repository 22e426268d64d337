package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/partition"
)

// DeleteRecords serves API key 21, v0-2 (KIP-107): raises the log start offset, and waits for the replicas that may
// lead next. Offset -1 means the high watermark; one beyond it is OFFSET_OUT_OF_RANGE. Internal topics are refused,
// as their owners alone know what may go.
func DeleteRecords(c *Context) {
	req := c.Request.(*kmsg.DeleteRecordsRequest)
	resp := kmsg.NewPtrDeleteRecordsResponse()
	c.Response = resp
	for i := range req.Topics {
		t := kmsg.NewDeleteRecordsResponseTopic()
		t.Topic = req.Topics[i].Topic
		t.Partitions = make([]kmsg.DeleteRecordsResponseTopicPartition, len(req.Topics[i].Partitions))
		resp.Topics = append(resp.Topics, t)
	}
	var q query
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			p, out := &req.Topics[i].Partitions[j], &resp.Topics[i].Partitions[j]
			out.Partition, out.LowWatermark = p.Partition, -1
			id, code := c.Cluster.Resolve(req.Topics[i].Topic, p.Partition)
			if IsInternal(req.Topics[i].Topic) {
				code = core.InvalidTopicException
			}
			if code != core.NoError {
				out.ErrorCode = int16(code)
				continue
			}
			item := partition.QueryItem{ID: id, LeaderEpoch: core.NoLeaderEpoch, Offset: core.Offset(p.Offset)}
			q.add(c, req.Topics[i].Topic, item,
				func(it *partition.QueryItem) {
					out.ErrorCode = int16(it.Code)
					if it.Code == core.NoError {
						out.LowWatermark = int64(it.Offset)
					}
				})
		}
	}
	q.timeout = time.Duration(max(0, req.TimeoutMillis)) * time.Millisecond
	q.send(c, partition.QueryDelete, false)
}

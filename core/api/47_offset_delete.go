package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// OffsetDelete serves API key 47, v0 (KIP-496). Partitions that do not exist are answered here.
func OffsetDelete(c *Context) {
	req := c.Request.(*kmsg.OffsetDeleteRequest)
	known := *req
	known.Topics = nil
	var refused []kmsg.OffsetDeleteResponseTopic
	for _, t := range req.Topics {
		keep := t
		keep.Partitions = nil
		no := kmsg.NewOffsetDeleteResponseTopic()
		no.Topic = t.Topic
		for _, p := range t.Partitions {
			if _, code := c.Cluster.Resolve(t.Topic, p.Partition); code == core.NoError {
				keep.Partitions = append(keep.Partitions, p)
				continue
			}
			rp := kmsg.NewOffsetDeleteResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, int16(core.UnknownTopicOrPartition)
			no.Partitions = append(no.Partitions, rp)
		}
		if len(keep.Partitions) > 0 {
			known.Topics = append(known.Topics, keep)
		}
		if len(no.Partitions) > 0 {
			refused = append(refused, no)
		}
	}
	coordinates(c, req.Group, &known, func(answer kmsg.Response) {
		resp := answer.(*kmsg.OffsetDeleteResponse)
		if resp.ErrorCode == 0 {
			resp.Topics = append(resp.Topics, refused...)
		}
		c.Response = resp
	})
}

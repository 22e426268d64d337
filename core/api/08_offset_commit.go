package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// OffsetCommit serves API key 8, v2-10. Partitions that do not exist are answered here and the rest goes to the
// coordinator, as Kafka does, so that a commit for a deleted topic does not fail the others. v10 names topics by id.
func OffsetCommit(c *Context) {
	req := c.Request.(*kmsg.OffsetCommitRequest)
	known := *req
	known.Topics = nil
	refused := make([]kmsg.OffsetCommitResponseTopic, len(req.Topics))
	for i := range req.Topics {
		keep := req.Topics[i]
		keep.Partitions = nil
		refused[i] = kmsg.NewOffsetCommitResponseTopic()
		refused[i].Topic, refused[i].TopicID = keep.Topic, keep.TopicID
		missing := core.UnknownTopicOrPartition
		if c.Version >= 10 {
			missing = core.UnknownTopicID
			if t := c.Cluster.Image.TopicByID(keep.TopicID); t != nil {
				keep.Topic, missing = t.Name, core.UnknownTopicOrPartition
			}
		}
		for _, p := range req.Topics[i].Partitions {
			if _, code := c.Cluster.Resolve(keep.Topic, p.Partition); code == core.NoError {
				keep.Partitions = append(keep.Partitions, p)
				continue
			}
			rp := kmsg.NewOffsetCommitResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, int16(missing)
			refused[i].Partitions = append(refused[i].Partitions, rp)
		}
		if len(keep.Partitions) > 0 {
			known.Topics = append(known.Topics, keep)
		}
	}
	if len(known.Topics) == 0 && len(req.Topics) > 0 {
		resp := kmsg.NewPtrOffsetCommitResponse()
		resp.Topics = refused
		c.Response = resp
		return
	}
	coordinates(c, req.Group, &known, func(answer kmsg.Response) {
		resp := answer.(*kmsg.OffsetCommitResponse)
		resp.Topics = mergeCommitted(refused, resp.Topics)
		c.Response = resp
	})
}

// mergeCommitted adds the coordinator's answers to those given here, topic by topic in the order of the request.
func mergeCommitted(refused, answered []kmsg.OffsetCommitResponseTopic) []kmsg.OffsetCommitResponseTopic {
	next := 0
	for i := range refused {
		if next < len(answered) && answered[next].Topic == refused[i].Topic && answered[next].TopicID == refused[i].TopicID ||
			next < len(answered) && refused[i].TopicID != [16]byte{} && answered[next].TopicID == refused[i].TopicID {
			refused[i].Partitions = append(answered[next].Partitions, refused[i].Partitions...)
			next++
		}
	}
	return refused
}

package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// DescribeTopicPartitions serves API key 75, v0 (KIP-966): topics in the order of their names, cut after a number of
// partitions (the request's, at most max.request.partition.size.limit), with a cursor to go on from.
func DescribeTopicPartitions(c *Context) {
	req := c.Request.(*kmsg.DescribeTopicPartitionsRequest)
	resp := kmsg.NewPtrDescribeTopicPartitionsResponse()
	c.Response = resp
	resp.Topics = []kmsg.DescribeTopicPartitionsResponseTopic{}
	if req.Cursor != nil && req.Cursor.Partition < 0 {
		for i := range req.Topics {
			rt := undescribed(req.Topics[i].Topic)
			rt.ErrorCode = int16(core.InvalidRequest)
			resp.Topics = append(resp.Topics, rt)
		}
		return
	}
	left := int(max(1, min(c.Cluster.Settings.RequestPartitionLimit, req.ResponsePartitionLimit)))
	for _, name := range describedTopics(c, req) {
		first := int32(0)
		if req.Cursor != nil && name == req.Cursor.Topic {
			first = req.Cursor.Partition
		}
		t := c.Cluster.Image.TopicByName(name)
		if t == nil {
			resp.Topics = append(resp.Topics, undescribed(name))
			continue
		}
		if left == 0 {
			resp.NextCursor = cursor(name, first)
			return
		}
		rt, next := describeTopic(c, t, int(first), left)
		resp.Topics = append(resp.Topics, rt)
		left -= len(rt.Partitions)
		if next < len(t.Partitions) {
			resp.NextCursor = cursor(name, int32(next))
			return
		}
	}
}

// describedTopics are the names asked for, or all, sorted, from the cursor on.
func describedTopics(c *Context, req *kmsg.DescribeTopicPartitionsRequest) []string {
	var names []string
	for i := range req.Topics {
		names = append(names, req.Topics[i].Topic)
	}
	if len(req.Topics) == 0 {
		for t := range c.Cluster.Image.Topics() {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if req.Cursor != nil {
		names = slices.DeleteFunc(names, func(n string) bool { return n < req.Cursor.Topic })
	}
	return names
}

func cursor(topic string, partition int32) *kmsg.DescribeTopicPartitionsResponseNextCursor {
	next := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	next.Topic, next.Partition = topic, partition
	return &next
}

func undescribed(name string) kmsg.DescribeTopicPartitionsResponseTopic {
	rt := kmsg.NewDescribeTopicPartitionsResponseTopic()
	rt.Topic, rt.ErrorCode = &name, int16(core.UnknownTopicOrPartition)
	rt.AuthorizedOperations = notAsked
	if !validTopicName(name) {
		rt.ErrorCode = int16(core.InvalidTopicException)
	}
	return rt
}

// describeTopic describes at most count partitions from first on, and returns the first that is left.
func describeTopic(c *Context, t *metadata.Topic, first, count int) (kmsg.DescribeTopicPartitionsResponseTopic, int) {
	rt := kmsg.NewDescribeTopicPartitionsResponseTopic()
	rt.Topic, rt.TopicID, rt.IsInternal = &t.Name, t.ID, IsInternal(t.Name)
	rt.AuthorizedOperations = topicOperations
	first = min(first, len(t.Partitions))
	end := min(first+count, len(t.Partitions))
	for _, p := range t.Partitions[first:end] {
		rp := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
		rp.Partition, rp.LeaderID, rp.LeaderEpoch = int32(p.ID), int32(p.Leader), int32(p.LeaderEpoch)
		rp.Replicas, rp.ISR = int32s(p.Replicas), int32s(p.ISR)
		rp.EligibleLeaderReplicas, rp.LastKnownELR = int32s(p.ELR), int32s(p.LastKnownELR)
		rp.OfflineReplicas = c.Cluster.offline(p)
		if p.Leader == core.NoBroker {
			rp.ErrorCode = int16(core.LeaderNotAvailable)
		}
		rt.Partitions = append(rt.Partitions, rp)
	}
	return rt, end
}

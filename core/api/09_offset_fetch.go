package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// OffsetFetch serves API key 9, v1-10. v8 asks for many groups, each of which has its own coordinator; v10 names topics
// by id. A request for all topics of a group gets all that still exist by id, or all by name. A group that is named
// again is refused, so that a few bytes of request cannot ask for all of its offsets over and over.
func OffsetFetch(c *Context) {
	req := c.Request.(*kmsg.OffsetFetchRequest)
	if c.Version < 8 {
		coordinates(c, req.Group, req, func(resp kmsg.Response) { c.Response = resp })
		return
	}
	resp := kmsg.NewPtrOffsetFetchResponse()
	resp.Groups = make([]kmsg.OffsetFetchResponseGroup, len(req.Groups))
	c.Response = resp
	seen := make(map[string]bool, len(req.Groups))
	for i := range req.Groups {
		g := req.Groups[i]
		if seen[g.Group] || len(seen) >= maxGroups {
			resp.Groups[i].Default()
			resp.Groups[i].Group, resp.Groups[i].ErrorCode = g.Group, int16(core.InvalidRequest)
			continue
		}
		seen[g.Group] = true
		unknown := nameTopics(c, &g)
		one := kmsg.NewPtrOffsetFetchRequest()
		one.Version, one.RequireStable = req.Version, req.RequireStable
		one.Groups = []kmsg.OffsetFetchRequestGroup{g}
		coordinates(c, g.Group, one, func(answer kmsg.Response) {
			resp.Groups[i] = answer.(*kmsg.OffsetFetchResponse).Groups[0]
			finishFetched(c, &resp.Groups[i], unknown)
		})
	}
}

// nameTopics fills in the names of the topics that g asks for by id, and takes out those that do not exist.
func nameTopics(c *Context, g *kmsg.OffsetFetchRequestGroup) (unknown []kmsg.OffsetFetchRequestGroupTopic) {
	if c.Version < 10 || g.Topics == nil {
		return nil
	}
	known := make([]kmsg.OffsetFetchRequestGroupTopic, 0, len(g.Topics))
	for _, t := range g.Topics {
		topic := c.Cluster.Image.TopicByID(t.TopicID)
		if topic == nil {
			unknown = append(unknown, t)
			continue
		}
		t.Topic = topic.Name
		known = append(known, t)
	}
	g.Topics = known
	return unknown
}

// finishFetched fills in topic ids where the version has them, and answers for the topics that do not exist.
func finishFetched(c *Context, g *kmsg.OffsetFetchResponseGroup, unknown []kmsg.OffsetFetchRequestGroupTopic) {
	if c.Version < 10 {
		return
	}
	kept := g.Topics[:0]
	for _, t := range g.Topics {
		if topic := c.Cluster.Image.TopicByName(t.Topic); topic != nil {
			t.TopicID = topic.ID
			kept = append(kept, t)
		}
	}
	g.Topics = kept
	if core.ErrorCode(g.ErrorCode) != core.NoError {
		return
	}
	for _, t := range unknown {
		rt := kmsg.NewOffsetFetchResponseGroupTopic()
		rt.TopicID = t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch, rp.ErrorCode = p, -1, -1, int16(core.UnknownTopicID)
			rp.Metadata = new(string)
			rt.Partitions = append(rt.Partitions, rp)
		}
		g.Topics = append(g.Topics, rt)
	}
}

package api

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/group"
)

// ListGroups serves API key 16, v0-5: the groups of every coordinator of this broker. One coordinator that is still
// loading makes the whole answer COORDINATOR_LOAD_IN_PROGRESS, so that no group is missed in silence.
func ListGroups(c *Context) {
	req := c.Request.(*kmsg.ListGroupsRequest)
	resp := kmsg.NewPtrListGroupsResponse()
	c.Response = resp
	offsets := c.Cluster.Image.TopicByName(ConsumerOffsetsTopic)
	if offsets == nil {
		return
	}
	for _, p := range offsets.Partitions {
		if p.Leader != c.Cluster.Self {
			continue
		}
		op := &GroupOp{Reply: c.Self, Partition: p.ID, Call: group.Call{From: c.Self, Slot: c.Call, Request: req}}
		c.Send(c.Cluster.ShardOf(ConsumerOffsetsTopic, p.ID), op, func(core.Message) {
			one := op.Call.Response.(*kmsg.ListGroupsResponse)
			if one.ErrorCode != 0 {
				resp.ErrorCode = one.ErrorCode
			}
			resp.Groups = append(resp.Groups, one.Groups...)
			if c.Done() {
				slices.SortStableFunc(resp.Groups, func(a, b kmsg.ListGroupsResponseGroup) int {
					return strings.Compare(a.Group, b.Group)
				})
			}
		})
	}
}

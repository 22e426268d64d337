package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/group"
)

// coordinates sends req to the coordinator of a group and runs then with the answer. If there is no coordinator yet the
// answer is the request's refusal with COORDINATOR_NOT_AVAILABLE.
func coordinates(c *Context, groupID string, req kmsg.Request, then func(kmsg.Response)) {
	call := group.Call{From: c.Self, Slot: c.Call, Request: req, ClientID: c.ClientID, ClientHost: c.ClientHost}
	offsets := c.Cluster.Image.TopicByName(ConsumerOffsetsTopic)
	if offsets == nil || len(offsets.Partitions) == 0 {
		call.Refuse(core.CoordinatorNotAvailable)
		then(call.Response)
		return
	}
	p := core.PartitionID(group.PartitionFor(groupID, int32(len(offsets.Partitions))))
	op := &GroupOp{Reply: c.Self, Partition: p, Call: call}
	to := c.Cluster.ShardOf(ConsumerOffsetsTopic, p)
	c.Send(to, op, func(core.Message) { then(op.Call.Response) })
}

// maxGroups is how many groups one request may name. Each is a question of its own to a coordinator, which takes many
// times the memory of its name; Kafka has no bound. Those beyond it are answered INVALID_REQUEST.
const maxGroups = 10_000

// Heartbeat serves API key 12, v0-4. It comes often, and allocates nothing.
func Heartbeat(c *Context) {
	req := c.Request.(*kmsg.HeartbeatRequest)
	c.beatResp = kmsg.HeartbeatResponse{}
	c.beat = GroupOp{Reply: c.Self, Call: group.Call{From: c.Self, Slot: c.Call, Request: req, Response: &c.beatResp,
		ClientID: c.ClientID, ClientHost: c.ClientHost}}
	offsets := c.Cluster.Image.TopicByName(ConsumerOffsetsTopic)
	if offsets == nil || len(offsets.Partitions) == 0 {
		c.beat.Call.Refuse(core.CoordinatorNotAvailable)
		c.Response = &c.beatResp
		return
	}
	c.beat.Partition = core.PartitionID(group.PartitionFor(req.Group, int32(len(offsets.Partitions))))
	c.Send(c.Cluster.ShardOf(ConsumerOffsetsTopic, c.beat.Partition), &c.beat, nil)
}

// Group serves the API keys of one group each whose answer is the coordinator's own: 11 JoinGroup, 13 LeaveGroup,
// 14 SyncGroup.
func Group(c *Context) {
	coordinates(c, groupOf(c.Request), c.Request, func(resp kmsg.Response) { c.Response = resp })
}

func groupOf(req kmsg.Request) string {
	switch r := req.(type) {
	case *kmsg.JoinGroupRequest:
		return r.Group
	case *kmsg.LeaveGroupRequest:
		return r.Group
	case *kmsg.SyncGroupRequest:
		return r.Group
	}
	panic("api: not a request of one group")
}

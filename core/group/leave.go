package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// leaveManyVersion is from where LeaveGroup names members, and instances, instead of one member (KIP-345).
const leaveManyVersion = 3

func refuseLeave(c *Call, _ *kmsg.LeaveGroupRequest, code core.ErrorCode) {
	resp := c.answer().(*kmsg.LeaveGroupResponse)
	resp.ErrorCode, resp.Members = int16(code), nil
}

func (m *Machine) leaveGroup(t turn, c *Call, req *kmsg.LeaveGroupRequest) {
	if req.Group == "" {
		refuseLeave(c, req, core.InvalidGroupID)
		t.Answer(c)
		return
	}
	leaving := req.Members
	if req.Version < leaveManyVersion {
		leaving = []kmsg.LeaveGroupRequestMember{{MemberID: req.MemberID}}
	}
	g := m.groups[req.Group]
	resp := c.answer().(*kmsg.LeaveGroupResponse)
	resp.ErrorCode, resp.Members = 0, make([]kmsg.LeaveGroupResponseMember, 0, len(leaving))
	left := false
	for i := range leaving {
		code := core.UnknownMemberID
		if g != nil {
			code = m.leave(t, g, leaving[i].MemberID, leaving[i].InstanceID)
		}
		left = left || code == core.NoError
		resp.Members = append(resp.Members, kmsg.LeaveGroupResponseMember{
			MemberID: leaving[i].MemberID, InstanceID: leaving[i].InstanceID, ErrorCode: int16(code),
		})
	}
	if left {
		m.afterLeave(t, g)
	}
	if req.Version < leaveManyVersion {
		resp.ErrorCode, resp.Members = resp.Members[0].ErrorCode, nil
	}
	t.Answer(c)
}

// leave lets one member go. An administrator names a static member by its instance alone.
func (m *Machine) leave(t turn, g *Group, id string, instance *string) core.ErrorCode {
	if id == noMemberID {
		if instance == nil || g.instances[*instance] == nil {
			return core.UnknownMemberID
		}
		m.evict(t, g, g.instances[*instance])
		return core.NoError
	}
	if g.pending[id] != nil {
		m.dropPending(g, id)
		return core.NoError
	}
	if code := g.refuseMember(id, instance); code != core.NoError {
		return code
	}
	m.evict(t, g, g.byID[id])
	return core.NoError
}

func (m *Machine) afterLeave(t turn, g *Group) {
	switch g.state {
	case Stable, CompletingRebalance:
		m.prepareRebalance(t, g)
	case PreparingRebalance:
		m.maybeComplete(t, g)
	case Empty, Dead:
	}
}

package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

func answerHeartbeat(c *Call, code core.ErrorCode) {
	resp := c.answer().(*kmsg.HeartbeatResponse)
	resp.ThrottleMillis, resp.ErrorCode = 0, int16(code)
}

// heartbeat keeps a member's session alive and tells it whether to join again. It allocates nothing.
func (m *Machine) heartbeat(t turn, c *Call, req *kmsg.HeartbeatRequest) {
	g := m.groups[req.Group]
	code := refuseHeartbeat(g, req)
	if code == core.NoError {
		m.restartSession(t, g.byID[req.MemberID])
		if g.state == PreparingRebalance {
			code = core.RebalanceInProgress
		}
	}
	if code == core.FencedInstanceID {
		t.Sometimes(probe.StaticFenced)
	}
	answerHeartbeat(c, code)
	t.Answer(c)
}

func refuseHeartbeat(g *Group, req *kmsg.HeartbeatRequest) core.ErrorCode {
	if req.Group == "" {
		return core.InvalidGroupID
	}
	if g == nil {
		return core.UnknownMemberID
	}
	if code := g.refuseMember(req.MemberID, req.InstanceID); code != core.NoError {
		return code
	}
	if req.Generation != g.generation {
		return core.IllegalGeneration
	}
	return core.NoError
}

package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// syncProtocolVersion is from where SyncGroup names the protocol it means, and must (KIP-559).
const syncProtocolVersion = 5

func refuseSync(c *Call, code core.ErrorCode) {
	resp := c.answer().(*kmsg.SyncGroupResponse)
	v := resp.Version
	*resp = kmsg.NewSyncGroupResponse()
	resp.Version, resp.ErrorCode = v, int16(code)
}

func (m *Machine) failSync(t turn, c *Call, code core.ErrorCode) {
	refuseSync(c, code)
	t.Answer(c)
}

func (m *Machine) answerSync(t turn, c *Call, g *Group, mem *member) {
	refuseSync(c, core.NoError)
	resp := c.Response.(*kmsg.SyncGroupResponse)
	resp.ProtocolType, resp.Protocol, resp.MemberAssignment = g.typeOrNil(), g.protocol, mem.assignment
	t.Answer(c)
}

func (m *Machine) refuseSyncRequest(g *Group, req *kmsg.SyncGroupRequest) core.ErrorCode {
	if req.Group == "" {
		return core.InvalidGroupID
	}
	if req.Version >= syncProtocolVersion && (req.ProtocolType == nil || req.Protocol == nil) {
		return core.InconsistentGroupProtocol
	}
	if g == nil || g.state == Empty {
		return core.UnknownMemberID
	}
	if code := g.refuseMember(req.MemberID, req.InstanceID); code != core.NoError {
		return code
	}
	if req.Generation != g.generation {
		return core.IllegalGeneration
	}
	if differs(req.ProtocolType, g.typeOrNil()) || differs(req.Protocol, g.protocol) {
		return core.InconsistentGroupProtocol
	}
	return core.NoError
}

// differs reports whether both are there and not the same.
func differs(a, b *string) bool { return a != nil && b != nil && *a != *b }

func (m *Machine) syncGroup(t turn, c *Call, req *kmsg.SyncGroupRequest) {
	g := m.groups[req.Group]
	if code := m.refuseSyncRequest(g, req); code != core.NoError {
		m.failSync(t, c, code)
		return
	}
	mem := g.byID[req.MemberID]
	switch g.state {
	case PreparingRebalance:
		m.failSync(t, c, core.RebalanceInProgress)
	case CompletingRebalance:
		m.noteSync(g, mem)
		if mem.sync != nil {
			m.failSync(t, mem.sync, core.RebalanceInProgress) // given up by the client, which has sent another
		}
		mem.sync = c
		if g.leads(mem) {
			m.assign(t, g, req)
		}
	case Stable:
		m.noteSync(g, mem)
		m.answerSync(t, c, g, mem)
	case Empty, Dead:
		panic("group: " + g.id + " is " + g.state.String() + " and has members")
	}
}

// noteSync marks that a member has come for its assignment. When all have, nobody is in danger of being put out.
func (m *Machine) noteSync(g *Group, mem *member) {
	g.setOwesSync(mem, false)
	if g.owing == 0 {
		m.timers.cancel(&g.syncTimer)
	}
}

// assign takes the leader's assignment: written, it makes the group Stable, and everybody who waits gets his part. Who
// comes later gets it then; who was left out gets an empty one.
func (m *Machine) assign(t turn, g *Group, req *kmsg.SyncGroupRequest) {
	given := make(map[string][]byte, len(req.GroupAssignment))
	for i := range req.GroupAssignment {
		given[req.GroupAssignment[i].MemberID] = req.GroupAssignment[i].MemberAssignment
	}
	part := func(mem *member) []byte { return given[mem.id] }
	same := func(mem *member) string { return mem.id }
	if code := m.writeStable(t, g, part, same); code != core.NoError {
		m.cancelAssignment(t, g, code)
		m.prepareRebalance(t, g)
		return
	}
	for _, mem := range g.members {
		if mem.sync != nil {
			c := mem.sync
			mem.sync = nil
			m.answerSync(t, c, g, mem)
			m.restartSession(t, mem)
		}
	}
}

// cancelAssignment sends back everybody who waits for an assignment that will not come.
func (m *Machine) cancelAssignment(t turn, g *Group, code core.ErrorCode) {
	for _, mem := range g.members {
		mem.assignment = nil
		if mem.sync != nil {
			c := mem.sync
			mem.sync = nil
			m.failSync(t, c, code)
			m.restartSession(t, mem)
		}
	}
}

package group

import (
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// noMemberID is what a member sends that has no id yet, and what it is told when it must begin again.
const noMemberID = ""

// Versions of JoinGroup that changed the rules.
const (
	joinRebalanceTimeoutVersion = 1 // before, the session timeout is the rebalance timeout too (KIP-62)
	joinKnownMemberVersion      = 4 // from here a new member must come back with its id (KIP-394)
	joinSkipAssignmentVersion   = 9 // from here a static leader can be told not to assign (KIP-814)
)

func refuseJoin(c *Call, memberID string, code core.ErrorCode) {
	resp := c.answer().(*kmsg.JoinGroupResponse)
	v := resp.Version
	*resp = kmsg.NewJoinGroupResponse()
	resp.Version, resp.MemberID, resp.ErrorCode = v, memberID, int16(code)
}

func (m *Machine) failJoin(t turn, c *Call, memberID string, code core.ErrorCode) {
	refuseJoin(c, memberID, code)
	t.Answer(c)
}

// answerJoin tells a member the current generation. members is for the leader.
func (m *Machine) answerJoin(t turn, c *Call, g *Group, mem *member, leader string, members bool, skip bool) {
	refuseJoin(c, mem.id, core.NoError)
	resp := c.Response.(*kmsg.JoinGroupResponse)
	resp.Generation, resp.ProtocolType, resp.Protocol = g.generation, g.typeOrNil(), g.protocol
	resp.LeaderID, resp.SkipAssignment = leader, skip
	if members {
		resp.Members = make([]kmsg.JoinGroupResponseMember, 0, len(g.members))
		for _, mem := range g.members {
			resp.Members = append(resp.Members, kmsg.JoinGroupResponseMember{
				MemberID: mem.id, InstanceID: mem.instance, ProtocolMetadata: mem.metadata(*g.protocol),
			})
		}
	}
	t.Answer(c)
}

func (m *Machine) refuseJoinRequest(c *Call, req *kmsg.JoinGroupRequest) core.ErrorCode {
	if req.Group == "" {
		return core.InvalidGroupID
	}
	if len(req.Group) > maxString {
		return core.InvalidGroupID
	}
	session := time.Duration(req.SessionTimeoutMillis) * time.Millisecond
	if session < m.settings.MinSessionTimeout || session > m.settings.MaxSessionTimeout {
		return core.InvalidSessionTimeout
	}
	if len(c.ClientID)+memberIDSuffix > maxString || len(req.ProtocolType) > maxString {
		return core.InvalidRequest
	}
	if req.InstanceID != nil && len(*req.InstanceID)+memberIDSuffix > maxString {
		return core.InvalidRequest
	}
	for i := range req.Protocols {
		if len(req.Protocols[i].Name) > maxString {
			return core.InvalidRequest
		}
	}
	return core.NoError
}

func (m *Machine) joinGroup(t turn, c *Call, req *kmsg.JoinGroupRequest) {
	if code := m.refuseJoinRequest(c, req); code != core.NoError {
		m.failJoin(t, c, req.MemberID, code)
		return
	}
	g := m.groups[req.Group]
	if g == nil {
		if req.MemberID != noMemberID {
			m.failJoin(t, c, req.MemberID, core.UnknownMemberID)
			return
		}
		// A join that would be refused leaves no group behind.
		if req.ProtocolType == "" || len(req.Protocols) == 0 {
			m.failJoin(t, c, noMemberID, core.InconsistentGroupProtocol)
			return
		}
		if code := m.writeNewGroup(t, req.Group); code != core.NoError {
			m.failJoin(t, c, noMemberID, code)
			return
		}
		g = m.groups[req.Group]
	}
	if !m.hasRoom(g, req.MemberID) {
		t.Sometimes(probe.GroupFull)
		m.turnAway(t, g, req.MemberID)
		m.failJoin(t, c, noMemberID, core.GroupMaxSizeReached)
		return
	}
	if !g.supports(req.ProtocolType, req.Protocols) {
		t.Sometimes(probe.ProtocolRefused)
		m.failJoin(t, c, req.MemberID, core.InconsistentGroupProtocol)
		return
	}
	if req.MemberID == noMemberID {
		m.joinNew(t, c, g, req)
	} else {
		m.joinKnown(t, c, g, req)
	}
}

// hasRoom reports whether the group's size lets the member in (KIP-389, Kafka: acceptJoiningMember). During a rebalance
// those who already wait count, not the members: the group may be over a limit that was lowered, and the last to come
// back are turned away.
func (m *Machine) hasRoom(g *Group, memberID string) bool {
	mem := g.byID[memberID]
	switch g.state {
	case Empty:
		return true
	case PreparingRebalance:
		return mem != nil && mem.join != nil || g.waiting < m.settings.MaxSize
	case CompletingRebalance, Stable:
		return mem != nil || len(g.members) < m.settings.MaxSize
	case Dead:
	}
	panic("group: " + g.id + " is " + g.state.String())
}

func (m *Machine) turnAway(t turn, g *Group, memberID string) {
	if mem := g.byID[memberID]; mem != nil {
		m.evict(t, g, mem)
	}
	m.dropPending(g, memberID)
}

func (m *Machine) joinNew(t turn, c *Call, g *Group, req *kmsg.JoinGroupRequest) {
	id := newMemberID(&m.random, c.ClientID, req.InstanceID)
	if req.InstanceID != nil {
		if holder := g.instances[*req.InstanceID]; holder != nil {
			m.replaceStatic(t, c, g, holder, id, req)
		} else {
			m.addMember(t, c, g, id, req)
		}
		return
	}
	if req.Version < joinKnownMemberVersion {
		m.addMember(t, c, g, id, req)
		return
	}
	// A client whose first JoinGroup is lost would leave a member behind that nobody is; so the id is given first, and
	// who comes back with it is added.
	p := &timer{kind: timerPending, group: g, member: &member{id: id}}
	g.pending[id] = p
	m.timers.schedule(p, t.Now.Mono+time.Duration(req.SessionTimeoutMillis)*time.Millisecond)
	m.failJoin(t, c, id, core.MemberIDRequired)
}

func (m *Machine) joinKnown(t turn, c *Call, g *Group, req *kmsg.JoinGroupRequest) {
	if g.pending[req.MemberID] != nil {
		if req.InstanceID != nil {
			// An id is only ever pending for a dynamic member. Kafka asserts this, and the client sees that.
			m.failJoin(t, c, req.MemberID, core.UnknownServerError)
			return
		}
		id := strings.Clone(req.MemberID)
		m.dropPending(g, id)
		m.addMember(t, c, g, id, req)
		return
	}
	if code := g.refuseMember(req.MemberID, req.InstanceID); code != core.NoError {
		m.failJoin(t, c, req.MemberID, code)
		return
	}
	mem := g.byID[req.MemberID]
	switch g.state {
	case PreparingRebalance:
		m.rejoin(t, c, g, mem, req)
	case CompletingRebalance:
		if mem.offers(req.Protocols) {
			t.Sometimes(probe.JoinAnsweredAgain)
			// The answer to its first join was lost. It gets the same again, the assignment is on its way (KAFKA-9801).
			m.answerJoin(t, c, g, mem, g.leader, g.leads(mem), false)
			return
		}
		m.rejoin(t, c, g, mem, req)
	case Stable:
		// A leader joins again when it wants to assign anew, for example because topics have changed.
		if g.leads(mem) || !mem.offers(req.Protocols) {
			t.Sometimes(probe.LeaderJoinedAgain)
			m.rejoin(t, c, g, mem, req)
			return
		}
		m.answerJoin(t, c, g, mem, g.leader, false, false)
	case Empty, Dead:
		panic("group: " + g.id + " has a member and is " + g.state.String())
	}
}

// addMember lets a new member in, under its id, and rebalances.
func (m *Machine) addMember(t turn, c *Call, g *Group, id string, req *kmsg.JoinGroupRequest) {
	mem := &member{
		id: id, instance: cloneNullable(req.InstanceID),
		clientID: strings.Clone(c.ClientID), clientHost: strings.Clone(c.ClientHost),
		protocols: copyProtocols(req.Protocols), join: c, fresh: true,
	}
	mem.setTimeouts(req)
	if g.state == PreparingRebalance && g.previous == Empty {
		g.grew = true
	}
	g.add(mem, strings.Clone(req.ProtocolType))
	// It cannot send heartbeats yet. But a client that gave up and comes again as another member must not be waited for
	// without end either.
	m.timers.schedule(&mem.session, t.Now.Mono+newMemberJoinTimeout)
	m.rebalanceOrComplete(t, g)
}

// rejoin takes a member's new protocols and rebalances.
func (m *Machine) rejoin(t turn, c *Call, g *Group, mem *member, req *kmsg.JoinGroupRequest) {
	g.setProtocols(mem, copyProtocols(req.Protocols))
	mem.setTimeouts(req)
	m.hold(t, g, mem, c)
	m.rebalanceOrComplete(t, g)
}

// hold makes the member wait in JoinGroup. An earlier call of the same member is sent back: the client has given it up.
func (m *Machine) hold(t turn, g *Group, mem *member, c *Call) {
	if mem.join != nil {
		m.failJoin(t, mem.join, mem.id, core.RebalanceInProgress)
		g.waiting--
	}
	mem.join = c
	g.waiting++
}

func (mem *member) setTimeouts(req *kmsg.JoinGroupRequest) {
	mem.sessionTimeout = time.Duration(req.SessionTimeoutMillis) * time.Millisecond
	mem.rebalanceTimeout = max(0, time.Duration(req.RebalanceTimeoutMillis)*time.Millisecond)
	if req.Version < joinRebalanceTimeoutVersion {
		mem.rebalanceTimeout = mem.sessionTimeout
	}
}

// replaceStatic gives the place of a static member to a new process with the same instance id (KIP-345). In a stable
// group whose protocol stays the same there is no rebalance: the new id is written (KAFKA-10284) and the process takes
// over the assignment.
func (m *Machine) replaceStatic(t turn, c *Call, g *Group, mem *member, id string, req *kmsg.JoinGroupRequest) {
	before, oldLeader := *mem, g.leader
	g.setProtocols(mem, copyProtocols(req.Protocols))
	mem.setTimeouts(req)
	if g.state == Stable && g.selectProtocol() == *g.protocol {
		same := func(other *member) []byte { return other.assignment }
		renamed := func(other *member) string {
			if other == mem {
				return id
			}
			return other.id
		}
		if code := m.writeStable(t, g, same, renamed); code != core.NoError {
			g.setProtocols(mem, before.protocols)
			mem.sessionTimeout, mem.rebalanceTimeout = before.sessionTimeout, before.rebalanceTimeout
			m.failJoin(t, c, noMemberID, code)
			return
		}
		t.Sometimes(probe.StaticReplaced)
		m.fence(t, g, mem, before.id)
		m.restartSession(t, mem)
		if req.Version >= joinSkipAssignmentVersion {
			m.answerJoin(t, c, g, mem, g.leader, g.leads(mem), g.leads(mem))
		} else {
			// An old client that leads would assign if it knew that it leads, and nobody would take the assignment.
			m.answerJoin(t, c, g, mem, oldLeader, false, false)
		}
		return
	}
	t.Sometimes(probe.StaticReplacedInRebalance)
	m.fence(t, g, mem, before.id)
	g.rename(mem, id)
	m.restartSession(t, mem)
	m.hold(t, g, mem, c)
	// While completing, the leader may be assigning to the old id; so it starts over.
	m.rebalanceOrComplete(t, g)
}

// fence answers what the process that had the place before still waits for.
func (m *Machine) fence(t turn, g *Group, mem *member, oldID string) {
	if mem.join != nil {
		m.failJoin(t, mem.join, oldID, core.FencedInstanceID)
		mem.join = nil
		g.waiting--
	}
	if mem.sync != nil {
		m.failSync(t, mem.sync, core.FencedInstanceID)
		mem.sync = nil
	}
}

func (m *Machine) dropPending(g *Group, id string) {
	if p := g.pending[id]; p != nil {
		m.timers.cancel(p)
		delete(g.pending, id)
	}
}

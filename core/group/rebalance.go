package group

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// rebalanceOrComplete starts a rebalance, or if one is under way lets it complete when nobody is missing.
func (m *Machine) rebalanceOrComplete(t turn, g *Group) {
	if g.state == PreparingRebalance {
		m.maybeComplete(t, g)
		return
	}
	m.prepareRebalance(t, g)
}

// maybeComplete completes a rebalance that nobody is missing from. The first rebalance of a group is different: it
// waits for its delay, whoever has come.
func (m *Machine) maybeComplete(t turn, g *Group) {
	if g.state == PreparingRebalance && g.previous != Empty && g.allJoined() {
		m.completeJoin(t, g)
	}
}

// prepareRebalance asks everybody to join again.
func (m *Machine) prepareRebalance(t turn, g *Group) {
	if g.state == CompletingRebalance {
		t.Sometimes(probe.JoinedDuringAssignment)
		m.cancelAssignment(t, g, core.RebalanceInProgress)
	}
	m.timers.cancel(&g.syncTimer)
	g.clearOwing()

	initial := g.state == Empty
	g.transition(PreparingRebalance, t.Now.Wall)
	if initial {
		g.grew = false
		g.initialDelay = m.settings.InitialRebalanceDelay
		g.initialRemaining = max(g.rebalanceTimeout()-g.initialDelay, 0)
		g.joinTimer.kind = timerInitial
		m.timers.schedule(&g.joinTimer, t.Now.Mono+g.initialDelay)
		return
	}
	if g.allJoined() {
		m.completeJoin(t, g)
		return
	}
	m.waitForJoins(t, g, minDelay)
}

// waitForJoins gives the members the rebalance timeout to join, or least if that is more.
func (m *Machine) waitForJoins(t turn, g *Group, least time.Duration) {
	g.joinTimer.kind = timerJoin
	m.timers.schedule(&g.joinTimer, t.Now.Mono+max(g.rebalanceTimeout(), least))
}

// extendOrComplete ends the initial delay, unless somebody joined during it and there is time left (KIP-134).
func (m *Machine) extendOrComplete(t turn, g *Group) {
	if !g.grew || g.initialRemaining == 0 {
		m.completeJoin(t, g)
		return
	}
	t.Sometimes(probe.JoinDelayExtended)
	g.grew = false
	delay := min(m.settings.InitialRebalanceDelay, g.initialRemaining)
	g.initialRemaining = max(g.initialRemaining-g.initialDelay, 0)
	g.initialDelay = delay
	m.timers.schedule(&g.joinTimer, t.Now.Mono+max(delay, minDelay))
}

// completeJoin ends the joining: who has not come is out, unless static, and the rest is the next generation.
func (m *Machine) completeJoin(t turn, g *Group) {
	m.timers.cancel(&g.joinTimer)
	for _, mem := range slices.Clone(g.members) {
		if mem.join == nil && !mem.static() {
			t.Sometimes(probe.JoinTimedOut)
			m.evict(t, g, mem)
		}
	}
	if len(g.members) == 0 {
		m.completeEmpty(t, g)
		return
	}
	if !g.electJoined() {
		// Only static members that are away are left. Their sessions will end it. A rebalance timeout of nothing must not
		// make us look for them all the time.
		m.waitForJoins(t, g, rejoinRetryDelay)
		return
	}
	m.completeGeneration(t, g)
}

func (m *Machine) completeEmpty(t turn, g *Group) {
	t.Sometimes(probe.GroupEmptied)
	if code := m.writeEmpty(t, g); code != core.NoError {
		// Nobody waits for this. If the log does not take it now, perhaps later, or somebody joins before.
		g.joinTimer.kind = timerJoin
		m.timers.schedule(&g.joinTimer, t.Now.Mono+rejoinRetryDelay)
	}
}

func (m *Machine) completeGeneration(t turn, g *Group) {
	name := g.selectProtocol()
	g.generation++
	g.protocol = &name
	g.subscribe()
	g.transition(CompletingRebalance, t.Now.Wall)
	for _, mem := range g.members {
		if mem.join != nil {
			c := mem.join
			mem.join = nil
			g.waiting--
			m.answerJoin(t, c, g, mem, g.leader, g.leads(mem), false)
		}
		mem.fresh = false
		m.restartSession(t, mem)
		g.setOwesSync(mem, true)
	}
	m.timers.schedule(&g.syncTimer, t.Now.Mono+max(g.rebalanceTimeout(), minDelay))
}

// expireSync puts out who was told the generation and did not come for its assignment (KAFKA-12890).
func (m *Machine) expireSync(t turn, g *Group) {
	if g.owing == 0 || g.state != CompletingRebalance && g.state != Stable {
		return
	}
	for _, mem := range slices.Clone(g.members) {
		if mem.owesSync {
			t.Sometimes(probe.SyncTimedOut)
			m.evict(t, g, mem)
		}
	}
	m.prepareRebalance(t, g)
}

// expireSession puts out a member that was not heard of for its session timeout.
func (m *Machine) expireSession(t turn, g *Group, mem *member) {
	// Who waits for us is alive. Its session begins again with the answer.
	if mem.excused() {
		return
	}
	m.evict(t, g, mem)
	t.Sometimes(probe.MemberTimedOut)
	m.afterLoss(t, g)
}

// expirePending gives up on a member that did not come back with its id (KAFKA-9752 is about those blocking a
// rebalance).
func (m *Machine) expirePending(t turn, p *timer) {
	t.Sometimes(probe.PendingTimedOut)
	delete(p.group.pending, p.member.id)
	if p.group.state == PreparingRebalance && p.group.allJoined() {
		m.completeJoin(t, p.group)
	}
}

// afterLoss goes on after a member's session has expired.
func (m *Machine) afterLoss(t turn, g *Group) {
	switch g.state {
	case Stable, CompletingRebalance:
		m.prepareRebalance(t, g)
	case PreparingRebalance:
		if g.allJoined() {
			m.completeJoin(t, g)
		}
	case Empty, Dead:
	}
}

// evict takes a member out of the group. If it waits it is told UNKNOWN_MEMBER_ID, on which a live client joins anew.
func (m *Machine) evict(t turn, g *Group, mem *member) {
	m.timers.cancel(&mem.session)
	if mem.join != nil {
		m.failJoin(t, mem.join, noMemberID, core.UnknownMemberID)
		mem.join = nil
		g.waiting--
	}
	if mem.sync != nil {
		m.failSync(t, mem.sync, core.UnknownMemberID)
		mem.sync = nil
	}
	g.remove(mem)
}

// restartSession gives a member its whole session timeout from now.
func (m *Machine) restartSession(t turn, mem *member) {
	m.timers.schedule(&mem.session, t.Now.Mono+mem.sessionTimeout)
}

package group

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/coordinator"
	"ottla.dev/core/probe"
)

type turn = coordinator.Turn[*Call]

// Machine is the group coordinator of one partition of __consumer_offsets. It implements coordinator.Machine.
type Machine struct {
	settings  Settings
	random    core.PRNG
	groups    map[string]*Group
	timers    timers
	retention timer

	// arena and batch are where records to write are built; they are used again by the next write.
	arena []byte
	batch []coordinator.Record
}

// New returns a machine without groups, to be filled by a coordinator.Loader. Member ids are drawn from random.
func New(settings Settings, random core.PRNG) *Machine {
	return &Machine{
		settings: settings, random: random, groups: map[string]*Group{}, retention: timer{kind: timerRetention},
	}
}

// SetSettings changes the settings from the next decision on.
func (m *Machine) SetSettings(settings Settings) { m.settings = settings }

// Decide takes one call. It implements coordinator.Machine.
func (m *Machine) Decide(t turn, c *Call) {
	if c.Request == nil {
		m.deleteTopics(t, c)
		return
	}
	switch req := c.Request.(type) {
	case *kmsg.HeartbeatRequest:
		m.heartbeat(t, c, req)
	case *kmsg.OffsetCommitRequest:
		m.commitOffsets(t, c, req)
	case *kmsg.OffsetFetchRequest:
		m.fetchOffsets(t, c, req)
	case *kmsg.JoinGroupRequest:
		m.joinGroup(t, c, req)
	case *kmsg.SyncGroupRequest:
		m.syncGroup(t, c, req)
	case *kmsg.LeaveGroupRequest:
		m.leaveGroup(t, c, req)
	case *kmsg.DescribeGroupsRequest:
		m.describeGroups(t, c, req)
	case *kmsg.ListGroupsRequest:
		m.listGroups(t, c, req)
	case *kmsg.DeleteGroupsRequest:
		m.deleteGroups(t, c, req)
	case *kmsg.OffsetDeleteRequest:
		m.deleteOffsets(t, c, req)
	default:
		panicUnknown(c.Request)
	}
}

func panicUnknown(req kmsg.Request) { panic(fmt.Sprintf("group: %T is not a request for groups", req)) }

// Loaded gives the members of loaded groups a session to show up in. It implements coordinator.Machine.
func (m *Machine) Loaded(t turn) {
	for _, id := range m.groupIDs() {
		g := m.groups[id]
		for _, mem := range g.members {
			t.Sometimes(probe.MembersLoaded)
			m.restartSession(t, mem)
		}
		if len(g.members) > m.settings.MaxSize {
			// The limit was lowered. A rebalance lets all commit their offsets before some are turned away (KIP-389).
			m.prepareRebalance(t, g)
		}
	}
	m.timers.schedule(&m.retention, t.Now.Mono+m.settings.RetentionCheckInterval)
}

// Deadline returns when the next timer is due. It implements coordinator.Machine.
func (m *Machine) Deadline() (time.Duration, bool) {
	next := m.timers.next()
	if next == nil {
		return 0, false
	}
	return next.at, true
}

// Fire runs the timers that are due. It implements coordinator.Machine.
func (m *Machine) Fire(t turn) {
	for {
		next := m.timers.next()
		if next == nil || !t.Now.Reached(next.at) {
			return
		}
		m.timers.cancel(next)
		switch next.kind {
		case timerSession:
			m.expireSession(t, next.group, next.member)
		case timerPending:
			m.expirePending(t, next)
		case timerInitial:
			m.extendOrComplete(t, next.group)
		case timerJoin:
			m.completeJoin(t, next.group)
		case timerSync:
			m.expireSync(t, next.group)
		case timerRetention:
			m.expireOffsets(t)
			m.timers.schedule(&m.retention, t.Now.Mono+max(m.settings.RetentionCheckInterval, minDelay))
		}
	}
}

// minDelay keeps a timer that sets itself again from firing twice in one turn.
const minDelay = time.Millisecond

// Abandon gives back the calls that wait for a rebalance. It implements coordinator.Machine.
func (m *Machine) Abandon(yield func(*Call)) {
	for _, id := range m.groupIDs() {
		for _, mem := range m.groups[id].members {
			if mem.join != nil {
				yield(mem.join)
			}
			if mem.sync != nil {
				yield(mem.sync)
			}
			mem.join, mem.sync = nil, nil
		}
	}
}

// groupIDs returns the ids of all groups in order.
func (m *Machine) groupIDs() []string {
	ids := make([]string, 0, len(m.groups))
	//core:unordered sorted below
	for id := range m.groups {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// removeGroup forgets a group. Nobody may be waiting in it.
func (m *Machine) removeGroup(g *Group) {
	for _, mem := range g.members {
		if mem.join != nil || mem.sync != nil {
			panic("group: " + g.id + " removed while a member waits")
		}
		m.timers.cancel(&mem.session)
	}
	//core:unordered cancelling timers commutes
	for _, p := range g.pending {
		m.timers.cancel(p)
	}
	m.timers.cancel(&g.joinTimer)
	m.timers.cancel(&g.syncTimer)
	delete(m.groups, g.id)
}

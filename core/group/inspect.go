package group

import (
	"maps"
	"slices"
	"strconv"

	"ottla.dev/core"
)

// Seen is a group as the coordinator has it in memory, for who looks on from outside.
type Seen struct {
	ID           string
	State        State
	Generation   int32
	ProtocolType string
	Leader       string
	Members      []SeenMember
	Offsets      []SeenOffset // in the order of topics and partitions
	// Unarmed says what waits for something without a timer that ends the wait, empty if nothing does.
	Unarmed string
}

// SeenMember is a member of a [Seen] group. The assignment belongs to the machine.
type SeenMember struct {
	ID         string
	Instance   *string
	Assignment []byte
}

// SeenOffset is an offset that is committed in a [Seen] group.
type SeenOffset struct {
	Topic       string
	Partition   int32
	Offset      core.Offset
	LeaderEpoch core.LeaderEpoch
	Metadata    string
}

// Inspect describes all groups, in the order of their ids.
func (m *Machine) Inspect() []Seen {
	seen := make([]Seen, 0, len(m.groups))
	for _, id := range m.groupIDs() {
		g := m.groups[id]
		s := Seen{ID: id, State: g.state, Generation: g.generation, ProtocolType: g.protocolType, Leader: g.leader,
			Unarmed: g.unarmed()}
		for _, mem := range g.members {
			s.Members = append(s.Members, SeenMember{mem.id, mem.instance, mem.assignment})
		}
		for _, topic := range g.offsets.topics() {
			for _, p := range g.offsets.partitions(topic) {
				c, _ := g.offsets.get(topic, p)
				s.Offsets = append(s.Offsets, SeenOffset{topic, p, c.offset, c.leaderEpoch, c.metadata})
			}
		}
		seen = append(seen, s)
	}
	return seen
}

// unarmed finds a wait that nothing ends: what a group waits for may never come, so that each wait has a timer.
func (g *Group) unarmed() string {
	switch {
	case g.state == PreparingRebalance && !g.joinTimer.set():
		return "it waits for members to join"
	case g.owing > 0 && !g.syncTimer.set():
		return "it waits for members to come for their assignments"
	}
	for _, mem := range g.members {
		if !mem.session.set() && !mem.excused() {
			return "it waits for member " + mem.id
		}
	}
	for _, id := range slices.Sorted(maps.Keys(g.pending)) {
		if !g.pending[id].set() {
			return "it waits for " + id + " to come back with its id"
		}
	}
	return ""
}

// Broken finds something in the machine's books that does not fit together, and says what, for who looks on from
// outside between two turns.
func (m *Machine) Broken() string {
	for i, t := range m.timers.heap {
		if t.place != i+1 || i > 0 && m.timers.before(i, (i-1)/2) {
			return "the timers are out of order"
		}
	}
	for _, id := range m.groupIDs() {
		if why := m.groups[id].broken(); why != "" {
			return "group " + id + ": " + why
		}
	}
	return ""
}

// broken compares what a group keeps beside its members with them.
func (g *Group) broken() string {
	waiting, owing, static, supported := 0, 0, 0, map[string]int{}
	for _, mem := range g.members {
		if g.byID[mem.id] != mem || mem.static() && g.instances[*mem.instance] != mem {
			return "member " + mem.id + " is not found"
		}
		if mem.static() {
			static++
		}
		if mem.join != nil {
			waiting++
		}
		if mem.owesSync {
			owing++
		}
		for i := range mem.protocols {
			supported[mem.protocols[i].name]++
		}
		if mem.join != nil && g.state != PreparingRebalance || mem.sync != nil && g.state != CompletingRebalance {
			return "member " + mem.id + " waits for what is not coming: it is " + g.state.String()
		}
	}
	switch n := len(g.members); {
	case len(g.byID) != n || len(g.instances) != static:
		return "there are members that have left"
	case g.waiting != waiting || g.owing != owing:
		return "it has miscounted who waits to join or owes a SyncGroup"
	case !maps.Equal(g.supported, supported):
		return "it has miscounted who supports a protocol"
	case g.leader == "" && n > 0 || g.leader != "" && g.byID[g.leader] == nil:
		return "its leader is no member"
	case g.joinTimer.set() && g.state != PreparingRebalance, g.syncTimer.set() && g.state == Empty:
		return "it is " + g.state.String() + ", and a timer of a rebalance is set"
	case g.state == Empty && n > 0 || n == 0 && (g.state == Stable || g.state == CompletingRebalance):
		return "it is " + g.state.String() + " and has " + strconv.Itoa(n) + " members"
	}
	return ""
}

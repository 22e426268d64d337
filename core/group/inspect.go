package group

import (
	"maps"
	"slices"

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

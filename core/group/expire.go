package group

import (
	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// expireOffsets drops offsets that nobody used for offsets.retention.minutes, and groups that have neither members nor
// offsets (KIP-211, Kafka: cleanupGroupMetadata).
func (m *Machine) expireOffsets(t turn) {
	m.begin()
	for _, id := range m.groupIDs() {
		g := m.groups[id]
		if m.expireGroup(t, g) && g.state == Empty && len(g.pending) == 0 {
			t.Sometimes(probe.GroupExpired)
			m.addRecord(groupKey(id), nil)
		}
		m.flushFull(t)
	}
	m.flush(t)
}

// expireGroup adds tombstones for a group's expired offsets and reports whether no others are left.
func (m *Machine) expireGroup(t turn, g *Group) bool {
	if len(g.offsets) == 0 {
		return true
	}
	if !g.expires() {
		return false
	}
	all := true
	for _, topic := range g.offsets.topics() {
		if g.reads(topic) {
			all = false
			continue
		}
		for _, p := range g.offsets.partitions(topic) {
			// An offset that a transaction is about to replace will have to be kept here.
			if c, _ := g.offsets.get(topic, p); !m.expired(t.Now.Wall, g, c) {
				all = false
				continue
			}
			m.addOffsetTombstone(g.id, topic, p)
			t.Sometimes(probe.OffsetExpired)
			// A group goes only with its last offset: what the log refuses would come back without it.
			if m.flushFull(t) != core.NoError {
				return false
			}
		}
	}
	return all
}

// expires reports whether the group is in a state in which offsets may expire. A group that rebalances keeps all it
// has; one of consumers that is Stable loses what it does not read any more, if we know what it reads.
func (g *Group) expires() bool {
	switch {
	case g.protocolType == "", g.state == Empty:
		return true
	case g.isConsumers() && g.subscribedKnown:
		return g.state == Stable
	}
	return false
}

// expired tells by the time since the group became empty, if its last members have left and we know when; by the
// time since the commit otherwise; and by the time that the client has set, if it did (before 2.1).
func (m *Machine) expired(now core.Timestamp, g *Group, c committed) bool {
	if c.expireAt != core.NoTimestamp {
		return now >= c.expireAt
	}
	from := c.at
	if g.protocolType != "" && g.state == Empty && g.since != core.NoTimestamp {
		from = g.since
	}
	return now-from >= core.Timestamp(m.settings.OffsetsRetention.Milliseconds())
}

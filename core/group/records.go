package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/coordinator"
)

// begin starts a new set of records to write.
func (m *Machine) begin() { m.arena, m.batch = m.arena[:0], m.batch[:0] }

// flush writes the records since begin as one batch.
func (m *Machine) flush(t turn) core.ErrorCode {
	code := t.Write(m.batch...)
	m.begin()
	return code
}

type appender interface{ AppendTo([]byte) []byte }

func (m *Machine) addRecord(key, value appender) {
	r := coordinator.Record{Key: m.encode(key)}
	if value != nil {
		r.Value = m.encode(value)
	}
	m.batch = append(m.batch, r)
}

// encode appends to the arena. If that moves the arena, earlier records keep the old one.
func (m *Machine) encode(a appender) []byte {
	from := len(m.arena)
	m.arena = a.AppendTo(m.arena)
	return m.arena[from:len(m.arena):len(m.arena)]
}

func (m *Machine) addOffset(group, topic string, partition int32, c committed) {
	value := kmsg.OffsetCommitValue{
		Version: offsetValueVersion, Offset: int64(c.offset), LeaderEpoch: int32(c.leaderEpoch), Metadata: c.metadata,
		CommitTimestamp: int64(c.at), ExpireTimestamp: int64(c.expireAt), TopicID: c.topicID,
	}
	switch {
	case c.expireAt != core.NoTimestamp:
		value.Version = offsetValueExpiryVersion
	case !c.topicID.IsZero():
		value.Version = offsetValueTopicIDVersion
	}
	m.addRecord(offsetKey(group, topic, partition), &value)
}

func (m *Machine) addOffsetTombstone(group, topic string, partition int32) {
	m.addRecord(offsetKey(group, topic, partition), nil)
}

func offsetKey(group, topic string, partition int32) *kmsg.OffsetCommitKey {
	return &kmsg.OffsetCommitKey{Version: offsetKeyVersion, Group: group, Topic: topic, Partition: partition}
}

func groupKey(group string) *kmsg.GroupMetadataKey {
	return &kmsg.GroupMetadataKey{Version: groupKeyVersion, Group: group}
}

// writeNewGroup brings a group into being: Empty, generation 0, nobody's protocol type.
func (m *Machine) writeNewGroup(t turn, id string) core.ErrorCode {
	m.begin()
	m.addRecord(groupKey(id), &kmsg.GroupMetadataValue{
		Version: groupValueVersion, CurrentStateTimestamp: int64(t.Now.Wall),
	})
	return m.flush(t)
}

// writeEmpty writes the next generation of a group that all members have left.
func (m *Machine) writeEmpty(t turn, g *Group) core.ErrorCode {
	m.begin()
	m.addRecord(groupKey(g.id), &kmsg.GroupMetadataValue{
		Version: groupValueVersion, ProtocolType: g.protocolType, Generation: g.generation + 1,
		CurrentStateTimestamp: int64(t.Now.Wall),
	})
	return m.flush(t)
}

// writeStable writes the group's generation with its members. What changes against the members in memory comes from
// assignment, and from id: the id that a member is about to have.
func (m *Machine) writeStable(
	t turn, g *Group, assignment func(*member) []byte, id func(*member) string,
) core.ErrorCode {
	value := kmsg.GroupMetadataValue{
		Version: groupValueVersion, ProtocolType: g.protocolType, Generation: g.generation, Protocol: g.protocol,
		CurrentStateTimestamp: int64(t.Now.Wall), Members: make([]kmsg.GroupMetadataValueMember, 0, len(g.members)),
	}
	for _, mem := range g.members {
		memberID := id(mem)
		if g.leads(mem) {
			value.Leader = &memberID
		}
		value.Members = append(value.Members, kmsg.GroupMetadataValueMember{
			MemberID: memberID, InstanceID: mem.instance, ClientID: mem.clientID, ClientHost: mem.clientHost,
			RebalanceTimeoutMillis: int32(mem.rebalanceTimeout / time.Millisecond),
			SessionTimeoutMillis:   int32(mem.sessionTimeout / time.Millisecond),
			Subscription:           mem.metadata(*g.protocol), Assignment: assignment(mem),
		})
	}
	m.begin()
	m.addRecord(groupKey(g.id), &value)
	return m.flush(t)
}

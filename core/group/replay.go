package group

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/coordinator"
)

// The versions of records that we write and read. The version of a key says what kind of record it is.
const (
	offsetKeyVersion = 1 // and 0, of old
	groupKeyVersion  = 2

	offsetValueVersion        = 3
	offsetValueExpiryVersion  = 1 // the only version with an explicit expiry time
	offsetValueTopicIDVersion = 4
	groupValueVersion         = 3
	newestValueVersion        = 4 // of both
)

// Replay applies one record of __consumer_offsets. Records of kinds that we do not know, like those of other group
// types, are left alone. It implements coordinator.Machine.
func (m *Machine) Replay(e coordinator.Entry) error {
	if len(e.Key) < 2 {
		return fmt.Errorf("group: record at %d has a key of %d bytes", e.Offset, len(e.Key))
	}
	switch binary.BigEndian.Uint16(e.Key) {
	case 0, offsetKeyVersion:
		return m.replayOffset(e)
	case groupKeyVersion:
		return m.replayGroup(e)
	}
	return nil
}

func (m *Machine) replayOffset(e coordinator.Entry) error {
	var key kmsg.OffsetCommitKey
	if err := key.UnsafeReadFrom(e.Key); err != nil {
		return fmt.Errorf("group: offset key at %d: %w", e.Offset, err)
	}
	g := m.groups[key.Group]
	if e.Value == nil {
		// The compacted log may hold the tombstone of something that is long gone (KAFKA-17306).
		if g != nil {
			g.offsets.remove(key.Topic, key.Partition)
		}
		return nil
	}
	if err := readable(e.Value); err != nil {
		return fmt.Errorf("group: offset value at %d: %w", e.Offset, err)
	}
	var value kmsg.OffsetCommitValue
	if err := value.ReadFrom(e.Value); err != nil {
		return fmt.Errorf("group: offset value at %d: %w", e.Offset, err)
	}
	if g == nil {
		// Somebody commits without joining: a simple group, without a protocol type.
		g = newGroup(strings.Clone(key.Group))
		m.groups[g.id] = g
	}
	c := committed{
		offset: core.Offset(value.Offset), leaderEpoch: core.NoLeaderEpoch, metadata: value.Metadata,
		at: core.Timestamp(value.CommitTimestamp), expireAt: core.NoTimestamp, topicID: value.TopicID,
		recordOffset: e.Offset,
	}
	// Fields that a version does not have are absent, not zero; -1 is absent too (KAFKA-8069).
	if value.Version >= 3 && value.LeaderEpoch >= 0 {
		c.leaderEpoch = core.LeaderEpoch(value.LeaderEpoch)
	}
	if value.Version == offsetValueExpiryVersion && value.ExpireTimestamp != -1 {
		c.expireAt = core.Timestamp(value.ExpireTimestamp)
	}
	// Offsets of a transaction, which have a producer id, are to be kept aside until its marker, and then applied
	// unless a later record has been (KAFKA-14505: by record offset). Nobody writes them yet.
	g.offsets.put(key.Topic, key.Partition, c)
	return nil
}

// readable refuses values of a version that we cannot read. Passing over them would lose offsets.
func readable(value []byte) error {
	if len(value) < 2 {
		return fmt.Errorf("it has %d bytes", len(value))
	}
	if v := int16(binary.BigEndian.Uint16(value)); v < 0 || v > newestValueVersion {
		return fmt.Errorf("it has the unknown version %d", v)
	}
	return nil
}

func (m *Machine) replayGroup(e coordinator.Entry) error {
	var key kmsg.GroupMetadataKey
	if err := key.UnsafeReadFrom(e.Key); err != nil {
		return fmt.Errorf("group: group key at %d: %w", e.Offset, err)
	}
	g := m.groups[key.Group]
	if e.Value == nil {
		if g != nil {
			m.removeGroup(g)
		}
		return nil
	}
	if err := readable(e.Value); err != nil {
		return fmt.Errorf("group: group value at %d: %w", e.Offset, err)
	}
	var value kmsg.GroupMetadataValue
	if err := value.ReadFrom(e.Value); err != nil {
		return fmt.Errorf("group: group value at %d: %w", e.Offset, err)
	}
	if g == nil {
		g = newGroup(strings.Clone(key.Group))
		m.groups[g.id] = g
	}
	m.adopt(g, &value)
	return nil
}

// adopt makes a group what its record says: Stable with its members and their assignments, or Empty. On the leader the
// members are there already; they keep what is not in the record, like the protocols that were not selected.
func (m *Machine) adopt(g *Group, v *kmsg.GroupMetadataValue) {
	g.previous, g.state = g.state, Stable
	if len(v.Members) == 0 {
		g.state = Empty
	}
	g.since = core.NoTimestamp
	if v.Version >= 2 {
		g.since = core.Timestamp(v.CurrentStateTimestamp)
	}
	g.generation, g.protocolType, g.protocol = v.Generation, v.ProtocolType, v.Protocol
	if g.protocol == nil && g.state == Stable {
		g.protocol = new(string)
	}

	before := g.members
	members := make([]*member, 0, len(v.Members))
	for i := range v.Members {
		members = append(members, g.adoptMember(&v.Members[i]))
	}
	g.setMembers(members)
	g.leader = ""
	if v.Leader != nil && g.byID[*v.Leader] != nil {
		g.leader = *v.Leader
	} else if len(g.members) > 0 {
		g.leader = g.members[0].id
	}
	for _, mem := range before {
		if g.byID[mem.id] != mem {
			m.timers.cancel(&mem.session)
		}
	}
	g.subscribe()
}

// setMembers makes these the members, and counts them anew. Who has the id or the instance of another is left out: it
// is not us who wrote that, but it must not break us.
func (g *Group) setMembers(members []*member) {
	g.members = make([]*member, 0, len(members))
	clear(g.byID)
	clear(g.instances)
	clear(g.supported)
	g.waiting, g.owing = 0, 0
	for _, mem := range members {
		if g.byID[mem.id] != nil || mem.static() && g.instances[*mem.instance] != nil {
			continue
		}
		g.members = append(g.members, mem)
		g.byID[mem.id] = mem
		if mem.static() {
			g.instances[*mem.instance] = mem
		}
		g.count(mem, +1)
		if mem.join != nil {
			g.waiting++
		}
		if mem.owesSync {
			g.owing++
		}
	}
}

func (g *Group) adoptMember(v *kmsg.GroupMetadataValueMember) *member {
	mem := g.byID[v.MemberID]
	if mem == nil && v.InstanceID != nil {
		mem = g.instances[*v.InstanceID]
	}
	if mem == nil {
		mem = &member{}
		mem.session = timer{kind: timerSession, group: g, member: mem}
	}
	mem.id, mem.instance = v.MemberID, v.InstanceID
	mem.clientID, mem.clientHost = v.ClientID, v.ClientHost
	mem.sessionTimeout = time.Duration(v.SessionTimeoutMillis) * time.Millisecond
	mem.rebalanceTimeout = time.Duration(v.RebalanceTimeoutMillis) * time.Millisecond
	if v.RebalanceTimeoutMillis == -1 {
		mem.rebalanceTimeout = mem.sessionTimeout
	}
	mem.assignment = bytes.Clone(v.Assignment)
	name := ""
	if g.protocol != nil {
		name = *g.protocol
	}
	if !bytes.Equal(mem.metadata(name), v.Subscription) || len(mem.protocols) == 0 {
		mem.protocols = []protocol{{name: name, metadata: bytes.Clone(v.Subscription)}}
	}
	return mem
}

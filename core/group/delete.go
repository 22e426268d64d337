package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// groupSubscribedToTopic is Kafka's code for offsets that a live group still reads from (KIP-496).
const groupSubscribedToTopic core.ErrorCode = 86

func refuseDelete(c *Call, req *kmsg.DeleteGroupsRequest, code core.ErrorCode) {
	resp := c.answer().(*kmsg.DeleteGroupsResponse)
	resp.Groups = make([]kmsg.DeleteGroupsResponseGroup, 0, len(req.Groups))
	for _, id := range req.Groups {
		resp.Groups = append(resp.Groups, kmsg.DeleteGroupsResponseGroup{Group: id, ErrorCode: int16(code)})
	}
}

// deleteGroups removes groups without members, and all their offsets. What can be deleted is deleted at once, or not at
// all.
func (m *Machine) deleteGroups(t turn, c *Call, req *kmsg.DeleteGroupsRequest) {
	resp := c.answer().(*kmsg.DeleteGroupsResponse)
	resp.Groups = make([]kmsg.DeleteGroupsResponseGroup, 0, len(req.Groups))
	m.begin()
	for i, id := range req.Groups {
		g, code := m.groups[id], core.NoError
		switch {
		case g == nil:
			code = core.GroupIDNotFound
		case g.state != Empty:
			code = core.NonEmptyGroup
		case !named(req.Groups[:i], id):
			t.Sometimes(probe.GroupDeleted)
			m.addGroupTombstones(g)
		}
		resp.Groups = append(resp.Groups, kmsg.DeleteGroupsResponseGroup{Group: id, ErrorCode: int16(code)})
	}
	if code := m.flush(t); code != core.NoError {
		for i := range resp.Groups {
			if resp.Groups[i].ErrorCode == 0 {
				resp.Groups[i].ErrorCode = int16(code)
			}
		}
	}
	t.Answer(c)
}

func named(ids []string, id string) bool {
	for _, other := range ids {
		if other == id {
			return true
		}
	}
	return false
}

// addGroupTombstones adds the records that forget a group: its offsets first, then the group.
func (m *Machine) addGroupTombstones(g *Group) {
	for _, topic := range g.offsets.topics() {
		for _, p := range g.offsets.partitions(topic) {
			m.addOffsetTombstone(g.id, topic, p)
		}
	}
	m.addRecord(groupKey(g.id), nil)
}

func refuseDeleteOffsets(g *Group, req *kmsg.OffsetDeleteRequest) core.ErrorCode {
	switch {
	case req.Group == "":
		return core.InvalidGroupID
	case g == nil:
		return core.GroupIDNotFound
	case g.state != Empty && !g.isConsumers():
		// We do not know what such a group reads.
		return core.NonEmptyGroup
	}
	return core.NoError
}

// deleteOffsets removes offsets of topics that the group does not read any more (KIP-496).
func (m *Machine) deleteOffsets(t turn, c *Call, req *kmsg.OffsetDeleteRequest) {
	g := m.groups[req.Group]
	if code := refuseDeleteOffsets(g, req); code != core.NoError {
		c.Refuse(code)
		t.Answer(c)
		return
	}
	resp := c.answer().(*kmsg.OffsetDeleteResponse)
	resp.ErrorCode, resp.Topics = 0, make([]kmsg.OffsetDeleteResponseTopic, 0, len(req.Topics))
	m.begin()
	for i := range req.Topics {
		name, code := req.Topics[i].Topic, core.NoError
		if g.reads(name) {
			code = groupSubscribedToTopic
		}
		topic := kmsg.OffsetDeleteResponseTopic{Topic: name}
		for _, p := range req.Topics[i].Partitions {
			if _, ok := g.offsets.get(name, p.Partition); ok && code == core.NoError {
				t.Sometimes(probe.OffsetDeleted)
				m.addOffsetTombstone(g.id, name, p.Partition)
			}
			topic.Partitions = append(topic.Partitions, kmsg.OffsetDeleteResponseTopicPartition{
				Partition: p.Partition, ErrorCode: int16(code),
			})
		}
		resp.Topics = append(resp.Topics, topic)
	}
	if code := m.flush(t); code != core.NoError {
		c.Refuse(code)
	}
	t.Answer(c)
}

// deleteTopics drops the offsets of topics that are gone, unless they are of a topic that has the name now.
func (m *Machine) deleteTopics(t turn, c *Call) {
	m.begin()
	for _, id := range m.groupIDs() {
		g := m.groups[id]
		for _, topic := range c.Deleted {
			for _, p := range g.offsets.partitions(topic.Topic) {
				if offset, _ := g.offsets.get(topic.Topic, p); !offset.of(topic.ID) {
					continue
				}
				t.Sometimes(probe.TopicForgotten)
				m.addOffsetTombstone(id, topic.Topic, p)
				m.flushFull(t)
			}
		}
	}
	m.flush(t)
	t.Answer(c)
}

// flushFull writes the records if there are many. It is for cleanups, which need not be all or nothing; what the log
// refuses stays and is cleaned the next time.
func (m *Machine) flushFull(t turn) core.ErrorCode {
	if len(m.batch) < maxRecordsPerBatch {
		return core.NoError
	}
	return m.flush(t)
}

package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// Versions of OffsetFetch that changed its shape.
const (
	fetchTopErrorVersion = 2 // from here an error of the group stands once, at the top
	fetchGroupsVersion   = 8 // from here a request names many groups (KIP-709)
)

func refuseFetch(c *Call, req *kmsg.OffsetFetchRequest, code core.ErrorCode) {
	resp := c.answer().(*kmsg.OffsetFetchResponse)
	resp.ErrorCode, resp.Topics, resp.Groups = 0, nil, nil
	if req.Version >= fetchGroupsVersion {
		for i := range req.Groups {
			resp.Groups = append(resp.Groups, kmsg.OffsetFetchResponseGroup{Group: req.Groups[i].Group, ErrorCode: int16(code)})
		}
		return
	}
	resp.ErrorCode = int16(code)
	if req.Version >= fetchTopErrorVersion {
		return
	}
	for i := range req.Topics {
		topic := kmsg.OffsetFetchResponseTopic{Topic: req.Topics[i].Topic}
		for _, p := range req.Topics[i].Partitions {
			none := fetchResult(nil, "", p, core.UUID{})
			none.ErrorCode = int16(code)
			topic.Partitions = append(topic.Partitions, kmsg.OffsetFetchResponseTopicPartition(none))
		}
		resp.Topics = append(resp.Topics, topic)
	}
}

// fetchOffsets reads committed offsets. That they are committed is the runtime's doing: the answer waits for everything
// that was appended before, so "require stable" has no more to ask for until transactions commit offsets (KIP-447).
func (m *Machine) fetchOffsets(t turn, c *Call, req *kmsg.OffsetFetchRequest) {
	resp := c.answer().(*kmsg.OffsetFetchResponse)
	resp.ErrorCode, resp.Topics, resp.Groups = 0, nil, nil
	if req.Version >= fetchGroupsVersion {
		resp.Groups = make([]kmsg.OffsetFetchResponseGroup, 0, len(req.Groups))
		for i := range req.Groups {
			g := &req.Groups[i]
			resp.Groups = append(resp.Groups, kmsg.OffsetFetchResponseGroup{
				Group: g.Group, Topics: fetchTopics(m.groups[g.Group], g.Topics),
			})
		}
		t.Answer(c)
		return
	}
	var wanted []kmsg.OffsetFetchRequestGroupTopic // nil asks for all
	if req.Topics != nil {
		wanted = make([]kmsg.OffsetFetchRequestGroupTopic, 0, len(req.Topics))
		for i := range req.Topics {
			wanted = append(wanted, kmsg.OffsetFetchRequestGroupTopic{
				Topic: req.Topics[i].Topic, Partitions: req.Topics[i].Partitions,
			})
		}
	}
	topics := fetchTopics(m.groups[req.Group], wanted)
	resp.Topics = make([]kmsg.OffsetFetchResponseTopic, 0, len(topics))
	for i := range topics {
		topic := kmsg.OffsetFetchResponseTopic{
			Topic:      topics[i].Topic,
			Partitions: make([]kmsg.OffsetFetchResponseTopicPartition, 0, len(topics[i].Partitions)),
		}
		for _, p := range topics[i].Partitions {
			topic.Partitions = append(topic.Partitions, kmsg.OffsetFetchResponseTopicPartition(p))
		}
		resp.Topics = append(resp.Topics, topic)
	}
	t.Answer(c)
}

// fetchTopics answers for one group, which may be nil.
func fetchTopics(g *Group, wanted []kmsg.OffsetFetchRequestGroupTopic) []kmsg.OffsetFetchResponseGroupTopic {
	if wanted == nil {
		return fetchAll(g)
	}
	topics := make([]kmsg.OffsetFetchResponseGroupTopic, 0, len(wanted))
	for i := range wanted {
		topic := kmsg.OffsetFetchResponseGroupTopic{
			Topic: wanted[i].Topic, TopicID: wanted[i].TopicID,
			Partitions: make([]kmsg.OffsetFetchResponseGroupTopicPartition, 0, len(wanted[i].Partitions)),
		}
		for _, p := range wanted[i].Partitions {
			topic.Partitions = append(topic.Partitions, fetchResult(g, topic.Topic, p, topic.TopicID))
		}
		topics = append(topics, topic)
	}
	return topics
}

func fetchAll(g *Group) []kmsg.OffsetFetchResponseGroupTopic {
	if g == nil {
		return nil
	}
	topics := make([]kmsg.OffsetFetchResponseGroupTopic, 0, len(g.offsets))
	for _, name := range g.offsets.topics() {
		topic := kmsg.OffsetFetchResponseGroupTopic{Topic: name}
		for _, p := range g.offsets.partitions(name) {
			if c, _ := g.offsets.get(name, p); !c.topicID.IsZero() {
				topic.TopicID = c.topicID
			}
			topic.Partitions = append(topic.Partitions, fetchResult(g, name, p, core.UUID{}))
		}
		topics = append(topics, topic)
	}
	return topics
}

func fetchResult(g *Group, topic string, partition int32, id core.UUID) kmsg.OffsetFetchResponseGroupTopicPartition {
	metadata := ""
	result := kmsg.OffsetFetchResponseGroupTopicPartition{
		Partition: partition, Offset: int64(core.NoOffset), LeaderEpoch: int32(core.NoLeaderEpoch), Metadata: &metadata,
	}
	if g == nil {
		return result
	}
	if c, ok := g.offsets.get(topic, partition); ok && c.of(id) {
		result.Offset, result.LeaderEpoch, metadata = int64(c.offset), int32(c.leaderEpoch), c.metadata
	}
	return result
}

package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// commitUnknownGroupVersion is from where OffsetCommit says GROUP_ID_NOT_FOUND for a group that is not there.
const commitUnknownGroupVersion = 9

func refuseCommit(c *Call, req *kmsg.OffsetCommitRequest, code core.ErrorCode) {
	resp := c.answer().(*kmsg.OffsetCommitResponse)
	resp.Topics = resp.Topics[:0]
	for i := range req.Topics {
		addCommitTopic(resp, &req.Topics[i])
		for j := range req.Topics[i].Partitions {
			addCommitPartition(resp, req.Topics[i].Partitions[j].Partition, code)
		}
	}
}

func addCommitTopic(resp *kmsg.OffsetCommitResponse, topic *kmsg.OffsetCommitRequestTopic) {
	resp.Topics = append(resp.Topics, kmsg.OffsetCommitResponseTopic{
		Topic: topic.Topic, TopicID: topic.TopicID,
		Partitions: make([]kmsg.OffsetCommitResponseTopicPartition, 0, len(topic.Partitions)),
	})
}

func addCommitPartition(resp *kmsg.OffsetCommitResponse, partition int32, code core.ErrorCode) {
	topic := &resp.Topics[len(resp.Topics)-1]
	topic.Partitions = append(topic.Partitions, kmsg.OffsetCommitResponseTopicPartition{
		Partition: partition, ErrorCode: int16(code),
	})
}

// refuseCommitter checks that whoever commits may: a member of the current generation, so that a consumer that was put
// out and does not know it cannot set offsets back; or somebody without membership while nobody is a member
// (Kafka: ClassicGroup.validateOffsetCommit).
func refuseCommitter(g *Group, req *kmsg.OffsetCommitRequest) core.ErrorCode {
	if len(req.Group) > maxString {
		return core.InvalidGroupID
	}
	if g == nil {
		switch {
		case req.Generation < 0:
			return core.NoError
		case req.Version >= commitUnknownGroupVersion:
			return core.GroupIDNotFound
		}
		return core.IllegalGeneration
	}
	if req.Generation < 0 && g.state == Empty {
		return core.NoError
	}
	if req.Generation < 0 && req.MemberID == noMemberID && req.InstanceID == nil {
		return core.UnknownMemberID // commits from outside while there are members
	}
	if code := g.refuseMember(req.MemberID, req.InstanceID); code != core.NoError {
		return code
	}
	if req.Generation != g.generation {
		return core.IllegalGeneration
	}
	if g.state == CompletingRebalance {
		// It knows the generation but not yet what it owns in it.
		return core.RebalanceInProgress
	}
	return core.NoError
}

func noteRefusedCommit(t turn, code core.ErrorCode) {
	switch code {
	case core.IllegalGeneration:
		t.Sometimes(probe.OldGenerationRefused)
	case core.RebalanceInProgress:
		t.Sometimes(probe.CommitDuringAssignment)
	case core.UnknownMemberID:
		t.Sometimes(probe.UnknownMemberRefused)
	case core.FencedInstanceID:
		t.Sometimes(probe.StaticFenced)
	default:
	}
}

func (m *Machine) commitOffsets(t turn, c *Call, req *kmsg.OffsetCommitRequest) {
	g := m.groups[req.Group]
	if code := refuseCommitter(g, req); code != core.NoError {
		noteRefusedCommit(t, code)
		refuseCommit(c, req, code)
		t.Answer(c)
		return
	}
	if g != nil && (g.state == Stable || g.state == PreparingRebalance) {
		m.restartSession(t, g.byID[req.MemberID]) // a commit is as good as a heartbeat
	}
	resp := c.answer().(*kmsg.OffsetCommitResponse)
	resp.Topics = resp.Topics[:0]
	m.begin()
	for i := range req.Topics {
		topic := &req.Topics[i]
		addCommitTopic(resp, topic)
		for j := range topic.Partitions {
			p := &topic.Partitions[j]
			if code := m.refuseOffset(topic, p); code != core.NoError {
				addCommitPartition(resp, p.Partition, code)
				continue
			}
			m.addOffset(req.Group, topic.Topic, p.Partition, commitOf(t.Now.Wall, req, topic, p))
			addCommitPartition(resp, p.Partition, core.NoError)
		}
	}
	if code := m.flush(t); code != core.NoError {
		refuseCommit(c, req, code)
	}
	t.Answer(c)
}

func (m *Machine) refuseOffset(
	topic *kmsg.OffsetCommitRequestTopic, p *kmsg.OffsetCommitRequestTopicPartition,
) core.ErrorCode {
	if len(topic.Topic) > maxString {
		return core.UnknownTopicOrPartition
	}
	if p.Metadata == nil {
		return core.NoError
	}
	if len(*p.Metadata) > maxString || javaLength(*p.Metadata) > m.settings.OffsetMetadataMaxBytes {
		return core.OffsetMetadataTooLarge
	}
	return core.NoError
}

func commitOf(now core.Timestamp, req *kmsg.OffsetCommitRequest, topic *kmsg.OffsetCommitRequestTopic,
	p *kmsg.OffsetCommitRequestTopicPartition) committed {
	c := committed{
		offset: core.Offset(p.Offset), leaderEpoch: core.NoLeaderEpoch, at: now, expireAt: core.NoTimestamp,
		topicID: topic.TopicID,
	}
	if p.LeaderEpoch >= 0 {
		c.leaderEpoch = core.LeaderEpoch(p.LeaderEpoch)
	}
	if p.Metadata != nil {
		c.metadata = *p.Metadata
	}
	if req.Version == 1 && p.Timestamp != -1 {
		c.at = core.Timestamp(p.Timestamp)
	}
	// Only versions 2 to 4 can ask for a retention of their own (KIP-211 took it away).
	if req.Version >= 2 && req.Version <= 4 && req.RetentionTimeMillis != -1 {
		c.expireAt = now + core.Timestamp(req.RetentionTimeMillis)
	}
	return c
}

// javaLength counts a string as Kafka does when it compares with offset.metadata.max.bytes: in UTF-16 units.
func javaLength(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

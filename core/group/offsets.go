package group

import (
	"slices"
	"strings"

	"ottla.dev/core"
)

// committed is one committed offset.
type committed struct {
	offset      core.Offset
	leaderEpoch core.LeaderEpoch // of the last record read, or core.NoLeaderEpoch
	metadata    string
	at          core.Timestamp // of the commit
	expireAt    core.Timestamp // set by clients before 2.1 alone, else core.NoTimestamp
	topicID     core.UUID      // zero if the client named the topic by its name and nobody knew better
	// recordOffset is where in __consumer_offsets this is written. Of a plain and a transactional commit the later
	// record counts, not the later marker (KAFKA-14505).
	recordOffset core.Offset
}

// of reports whether the offset may be of the topic that has this id: a topic of the same name that was deleted and
// created again is another topic. Without two ids to compare it is taken for the same.
func (c *committed) of(topicID core.UUID) bool {
	return c.topicID == topicID || c.topicID.IsZero() || topicID.IsZero()
}

// offsets are the committed offsets of a group, by topic and partition.
type offsets map[string]map[int32]committed

func (o offsets) get(topic string, partition int32) (committed, bool) {
	c, ok := o[topic][partition]
	return c, ok
}

// put remembers c. The topic's name is borrowed.
func (o offsets) put(topic string, partition int32, c committed) {
	byPartition := o[topic]
	if byPartition == nil {
		byPartition = map[int32]committed{}
		o[strings.Clone(topic)] = byPartition
	}
	byPartition[partition] = c
}

func (o offsets) remove(topic string, partition int32) {
	byPartition := o[topic]
	delete(byPartition, partition)
	if len(byPartition) == 0 {
		delete(o, topic)
	}
}

// topics returns the topics in order.
func (o offsets) topics() []string {
	names := make([]string, 0, len(o))
	//core:unordered sorted below
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// partitions returns a topic's partitions in order.
func (o offsets) partitions(topic string) []int32 {
	ids := make([]int32, 0, len(o[topic]))
	//core:unordered sorted below
	for id := range o[topic] {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

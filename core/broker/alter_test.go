package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// The answer to a proposal of an earlier leadership must not be taken for that to the present one's.
func TestAPartitionIsProposedOnceInARequest(t *testing.T) {
	proposal := func(topic byte, partition int32, epoch int32) *alterPartition {
		rt := kmsg.NewAlterPartitionRequestTopic()
		rt.TopicID = core.UUID{topic}
		rp := kmsg.NewAlterPartitionRequestTopicPartition()
		rp.Partition, rp.LeaderEpoch = partition, epoch
		rt.Partitions = append(rt.Partitions, rp)
		return &alterPartition{topics: []kmsg.AlterPartitionRequestTopic{rt}}
	}
	got := map[core.TopicIDPartition]int32{}
	count := 0
	batch := []*alterPartition{proposal(1, 0, 4), proposal(1, 1, 4), proposal(2, 0, 5), proposal(1, 0, 6)}
	for _, topic := range newestProposals(batch) {
		for _, p := range topic.Partitions {
			got[core.TopicIDPartition{Topic: topic.TopicID, Partition: core.PartitionID(p.Partition)}] = p.LeaderEpoch
			count++
		}
	}
	id := func(topic byte, p core.PartitionID) core.TopicIDPartition {
		return core.TopicIDPartition{Topic: core.UUID{topic}, Partition: p}
	}
	if count != 3 || got[id(1, 0)] != 6 || got[id(1, 1)] != 4 || got[id(2, 0)] != 5 {
		t.Errorf("%d: %v", count, got)
	}
}

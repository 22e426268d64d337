package broker

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/partition"
)

// An answer names a partition and no epoch: it is about the latest that was doubted, and says nothing of others.
func TestAPartitionIsAskedAboutInItsLatestEpoch(t *testing.T) {
	one := core.TopicIDPartition{Topic: core.UUID{1}, Partition: 0}
	two := core.TopicIDPartition{Topic: core.UUID{1}, Partition: 1}
	doubt := func(id core.TopicIDPartition, epoch core.LeaderEpoch) *partition.Doubt {
		return &partition.Doubt{Proposal: partition.Proposal{ID: id, LeaderEpoch: epoch}}
	}
	batch := []*confirmation{{doubts: []*partition.Doubt{doubt(one, 4), doubt(two, 7)}},
		{shard: 1, doubts: []*partition.Doubt{doubt(one, 6), doubt(one, 5)}}}
	topics := doubted(batch)
	if len(topics) != 1 || len(topics[0].Partitions) != 2 {
		t.Fatalf("%+v", topics)
	}
	for i, want := range []core.LeaderEpoch{6, 7} {
		if p := topics[0].Partitions[i]; p.Partition != int32(i) || core.LeaderEpoch(p.LeaderEpoch) != want {
			t.Errorf("%+v", p)
		}
	}
	for _, m := range batch {
		if m.asked[one] != 6 || m.asked[two] != 7 {
			t.Errorf("%v", m.asked)
		}
	}
}

// What comes while a request is under way goes into the next one, and that not before its time.
func TestDoubtsDoNotJoinARequestThatIsUnderWay(t *testing.T) {
	c := &Control{epoch: -1}
	a := &c.confirmations
	if at := a.due(); at != core.Never {
		t.Errorf("nothing to ask: due at %v", at)
	}
	a.waiting, a.next = []*confirmation{{}}, time.Second
	if at := a.due(); at != time.Second {
		t.Errorf("due at %v", at)
	}
	c.sendConfirmations()
	if a.flying || len(a.waiting) != 1 {
		t.Error("asked too early")
	}
	a.flying = true
	if at := a.due(); at != core.Never {
		t.Errorf("under way: due at %v", at)
	}
	a.flying, c.now.Mono = false, time.Second
	if c.sendConfirmations(); len(a.waiting) != 0 || a.flying || len(c.out.Sends) != 1 {
		t.Errorf("a broker that is not registered: %+v, %d messages", a, len(c.out.Sends))
	}
	m := c.out.Sends[0].Message.(*confirmation)
	if m.code != core.RequestTimedOut || m.response != (*kmsg.AlterPartitionResponse)(nil) {
		t.Errorf("%v", m.code)
	}
}

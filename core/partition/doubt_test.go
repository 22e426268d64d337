package partition

import (
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// refused is a batch of one record whose sequence number the leader refuses, after one that it took.
func refused(c *cluster, n *node, acks Acks) *ProduceOp {
	batch := func(sequence core.Sequence) *ProduceOp {
		var b record.Builder
		b.Start(nil, 0)
		b.SetProducer(7, 0, sequence)
		b.Append(c.now().Wall, nil, []byte("v"))
		_, v := b.Finish()
		return &ProduceOp{Acks: acks, Items: []ProduceItem{{ID: c.partitions[0], Batch: v, LogAppendTime: core.NoTimestamp}}}
	}
	n.set.Work(c.now(), batch(0), &n.out)
	op := batch(5)
	n.set.Work(c.now(), op, &n.out)
	return op
}

func TestARefusalByStateWaitsForAConfirmation(t *testing.T) {
	for answer, want := range map[core.ErrorCode]core.ErrorCode{
		core.NoError:                 core.OutOfOrderSequenceNumber,
		core.InvalidUpdateVersion:    core.OutOfOrderSequenceNumber, // of the same leader epoch
		core.IneligibleReplica:       core.OutOfOrderSequenceNumber,
		core.FencedLeaderEpoch:       core.NotLeaderOrFollower,
		core.InvalidRequest:          core.NotLeaderOrFollower,
		core.NotController:           core.NotLeaderOrFollower,
		core.StaleBrokerEpoch:        core.NotLeaderOrFollower,
		core.UnknownTopicID:          core.NotLeaderOrFollower,
		core.UnknownTopicOrPartition: core.NotLeaderOrFollower,
		core.RequestTimedOut:         core.NotLeaderOrFollower,
	} {
		c, n, _ := pair(t)
		op := refused(c, n, AcksAll)
		if op.open != 1 || len(n.set.Doubts) != 1 {
			t.Fatalf("%d items open, %d doubts", op.open, len(n.set.Doubts))
		}
		d := n.set.Doubts[0]
		if r := n.set.Replica(d.ID); d.LeaderEpoch != r.leaderEpoch || d.PartitionEpoch != r.lead.partitionEpoch ||
			len(d.ISR) != len(r.lead.isr) || len(d.Epochs) != len(d.ISR) {
			t.Errorf("asked about %+v", d.Proposal)
		}
		n.set.Doubts = nil
		n.set.Settle(c.now(), d, answer, &n.out)
		if op.open != 0 || op.Items[0].Code != want || n.set.doubts != 0 {
			t.Errorf("%v: %v, not %v", answer, op.Items[0].Code, want)
		}
		n.out.Reset()
	}
}

func TestNobodyAsksForAnAnswerThatIsNotSent(t *testing.T) {
	c, n, _ := pair(t)
	if op := refused(c, n, AcksNone); op.open != 0 || len(n.set.Doubts) != 0 {
		t.Errorf("%d items open, %d doubts", op.open, len(n.set.Doubts))
	}
	n.out.Reset()
}

func TestDoubtsAreBounded(t *testing.T) {
	c, n, _ := pair(t)
	n.set.doubts = maxDoubts
	if op := refused(c, n, AcksAll); op.open != 0 || op.Items[0].Code != core.NotLeaderOrFollower {
		t.Errorf("%d items open, %v", op.open, op.Items[0].Code)
	}
	n.out.Reset()
}

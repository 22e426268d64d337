package chaos

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/linearizability"
)

// pollWithin bounds a poll, so that its reader can commit and stop.
const pollWithin = 500 * time.Millisecond

// consume is a place in the group: one member after another, each for some time.
func (l *load) consume() {
	for l.stopped.Err() == nil {
		l.member(l.process.Add(1), 20*time.Second+time.Duration(rand.Int64N(int64(40*time.Second))))
	}
}

// member is one member of the group: it polls, and commits now and then.
func (l *load) member(process int32, stay time.Duration) {
	var moved atomic.Int64 // when partitions last came or went
	rebalance := func(_ context.Context, _ *kgo.Client, what map[string][]int32) {
		op := linearizability.NewOp(linearizability.Rebalance, process, l.now())
		for topic, all := range what {
			for _, p := range all {
				op.Partitions = append(op.Partitions, linearizability.Partition{Topic: topic, Index: p})
			}
		}
		if len(op.Partitions) > 0 {
			l.recorder.Add(op.Done(l.now(), linearizability.OK, ""))
			moved.Store(l.now())
		}
	}
	client := l.client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(ledger), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.RebalanceTimeout(6*time.Second), kgo.FetchMaxWait(300*time.Millisecond),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(rebalance), kgo.OnPartitionsRevoked(rebalance), kgo.OnPartitionsLost(rebalance))
	defer client.CloseAllowingRebalance()
	until := time.Now().Add(stay)
	for polls := 0; l.stopped.Err() == nil && time.Now().Before(until); polls++ {
		l.read.Add(int64(l.poll(client, process, &moved)))
		if polls%4 == 3 {
			l.commit(client, process)
		}
		client.AllowRebalance()
	}
}

// poll polls once and records what came. A client that fetches ahead returns what it had fetched before partitions
// moved or after, which moved tells apart: a poll begins when they last did.
func (l *load) poll(client *kgo.Client, process int32, moved *atomic.Int64) int {
	op := linearizability.NewOp(linearizability.Poll, process, l.now())
	ctx, cancel := context.WithTimeout(context.Background(), pollWithin)
	defer cancel()
	fetches := client.PollRecords(ctx, 5000)
	if fetches.NumRecords() == 0 {
		return 0
	}
	op.Call = max(op.Call, moved.Load())
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 {
			return
		}
		read := linearizability.NewRead(linearizability.Partition{Topic: p.Topic, Index: p.Partition}, nil, nil)
		for _, r := range p.Records {
			read.Offsets, read.Values = append(read.Offsets, r.Offset), append(read.Values, string(r.Value))
		}
		op.Reads = append(op.Reads, read)
	})
	l.recorder.Add(op.Done(l.now(), linearizability.OK, ""))
	return fetches.NumRecords()
}

// commit commits what was polled.
func (l *load) commit(client *kgo.Client, process int32) {
	_, generation := client.GroupMetadata()
	var ids []int
	for topic, all := range client.UncommittedOffsets() {
		for p, at := range all {
			ids = append(ids, l.begin(linearizability.Commit, process, func(op *linearizability.Op) {
				op.Group, op.Generation, op.Offset = group, generation, at.Offset
				op.Partition = linearizability.Partition{Topic: topic, Index: p}
			}))
		}
	}
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := client.CommitUncommittedOffsets(ctx)
	for _, id := range ids {
		l.end(id, err, nil)
	}
	if err == nil {
		l.commits.Add(int64(len(ids)))
	}
}

// fetchCommitted asks for the group's offsets once everything is over.
func (l *load) fetchCommitted(ctx context.Context) error {
	client := l.client()
	defer client.Close()
	process := l.process.Add(1)
	var ids [partitions]int
	for p := range ids {
		ids[p] = l.begin(linearizability.FetchCommitted, process, func(op *linearizability.Op) {
			op.Group, op.Partition = group, linearizability.Partition{Topic: ledger, Index: int32(p)}
		})
	}
	offsets, err := kadm.NewClient(client).FetchOffsets(ctx, group)
	for p, id := range ids {
		at, ok := offsets.Lookup(ledger, int32(p))
		l.end(id, err, func(op *linearizability.Op) {
			if ok && at.Err == nil {
				op.Offset = at.At
			}
		})
	}
	return err
}

// readAll reads every record of the topics, as the history's final reads.
func (l *load) readAll(ctx context.Context, topics []string) error {
	client := l.client()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topics...)
	client.Close()
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err
	}
	from, left := map[string]map[int32]kgo.Offset{}, map[where]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 && slices.Contains(topics, o.Topic) {
			if from[o.Topic] == nil {
				from[o.Topic] = map[int32]kgo.Offset{}
			}
			from[o.Topic][o.Partition] = kgo.NewOffset().At(0)
			left[where{o.Topic, o.Partition}] = o.Offset
		}
	})
	if len(left) == 0 {
		return nil
	}
	reader := l.client(kgo.ConsumePartitions(from), kgo.FetchMaxWait(200*time.Millisecond))
	defer reader.Close()
	return l.readTo(ctx, reader, left)
}

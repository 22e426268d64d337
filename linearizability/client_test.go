package linearizability_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/linearizability"
)

// recordedClient is how a real client's operations get into a history.
type recordedClient struct {
	*kgo.Client
	process  int32
	recorder *linearizability.SharedRecorder
	clock    func() int64
}

func (c recordedClient) produce(topic, value string) {
	op := linearizability.NewOp(linearizability.Send, c.process, c.clock())
	op.Partition, op.Values, op.Idempotent = linearizability.Partition{Topic: topic}, []string{value}, true
	id := c.recorder.Call(op)
	c.Produce(context.Background(), kgo.StringRecord(value), func(r *kgo.Record, err error) {
		outcome, name := outcomeOf(err)
		c.recorder.Return(id, c.clock(), outcome, name, func(op *linearizability.Op) {
			if err == nil {
				op.Offset = r.Offset
			}
		})
	})
}

func outcomeOf(err error) (linearizability.Outcome, string) {
	var code *kerr.Error
	switch {
	case err == nil:
		return linearizability.OK, ""
	case errors.As(err, &code):
		return linearizability.Classify(code.Code), code.Message
	}
	return linearizability.Unknown, err.Error()
}

// poll polls once and returns how many records there were.
func (c recordedClient) poll(ctx context.Context, final bool) int {
	op := linearizability.NewOp(linearizability.Poll, c.process, c.clock())
	op.Final = final
	id := c.recorder.Call(op)
	fetches := c.PollFetches(ctx)
	outcome, name := outcomeOf(fetches.Err())
	c.recorder.Return(id, c.clock(), outcome, name, func(op *linearizability.Op) {
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			where := linearizability.Partition{Topic: p.Topic, Index: p.Partition}
			read := linearizability.NewRead(where, nil, nil)
			read.HighWatermark = p.HighWatermark
			p.EachRecord(func(r *kgo.Record) {
				read.Offsets, read.Values = append(read.Offsets, r.Offset), append(read.Values, string(r.Value))
			})
			op.Reads = append(op.Reads, read)
		})
	})
	return fetches.NumRecords()
}

// TestRealClients records real clients at work, and holds that the history is one of a correct cluster, and is not one
// any more without one of its records.
func TestRealClients(t *testing.T) {
	const topic, producers, records = "orders", 3, 200
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close) // after the clients
	recorder := linearizability.NewSharedRecorder("clients of kfake", linearizability.Allow{})
	began := time.Now()
	client := func(process int32, options ...kgo.Opt) recordedClient {
		c, err := kgo.NewClient(append(options, kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic(topic),
			kgo.FetchMaxWait(100*time.Millisecond))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return recordedClient{c, process, recorder, func() int64 { return time.Since(began).Nanoseconds() }}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for p := range int32(producers) {
		c := client(p)
		all.Go(func() {
			for i := range records {
				c.produce(topic, fmt.Sprintf("%d-%d", p, i))
			}
			if err := c.Flush(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	reader := client(producers, kgo.ConsumeTopics(topic))
	all.Go(func() {
		for n := 0; n < producers*records && ctx.Err() == nil; {
			n += reader.poll(ctx, false)
		}
	})
	all.Wait()
	auditor := client(producers+1, kgo.ConsumeTopics(topic))
	for n := 0; n < producers*records && ctx.Err() == nil; {
		n += auditor.poll(ctx, true)
	}
	h := recorder.History()
	report := linearizability.Check(h)
	if report.Verdict() != linearizability.VerdictOK || report.Records != producers*records {
		report.WriteText(os.Stderr)
		t.Fatalf("%s, %d records", report.Verdict(), report.Records)
	}
	loseLast(h)
	report = linearizability.Check(h)
	if report.Found(linearizability.Unseen) != 1 {
		t.Errorf("the loss of the last record was not found: %s", report.Verdict())
	}
}

// loseLast takes the last record of the log out of all polls, as if it had never been there.
func loseLast(h *linearizability.History) {
	last := int64(0)
	for i := range h.Ops {
		last = max(last, h.Ops[i].Offset)
	}
	for i := range h.Ops {
		for j := range h.Ops[i].Reads {
			r := &h.Ops[i].Reads[j]
			if n := len(r.Offsets) - 1; n >= 0 && r.Offsets[n] == last {
				r.Offsets, r.Values = r.Offsets[:n], r.Values[:n]
			}
			r.HighWatermark = min(r.HighWatermark, last)
		}
	}
}

package franz_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/linearizability"
	"ottla.dev/linearizability/franz"
)

const topic, records = "orders", 100

// run has a program produce equal records, consume and commit them, and returns its history.
func run(t *testing.T) *linearizability.History {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topic))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	seeds := kgo.SeedBrokers(cluster.ListenAddrs()...)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	recorder := franz.NewRecorder("a program and a fake cluster")
	client := func(p *franz.Process, options ...kgo.Opt) *kgo.Client {
		c, err := p.NewClient(append(options, seeds)...)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	producer := client(recorder.Process(), kgo.DefaultProduceTopic(topic))
	headers := make([]kgo.RecordHeader, 1, 8) // the program's own, which every record shares
	headers[0] = kgo.RecordHeader{Key: "own", Value: []byte("header")}
	for range records {
		producer.Produce(ctx, &kgo.Record{Value: []byte("the same"), Headers: headers}, nil)
	}
	if err := producer.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	producer.Close()
	reader := recorder.Process()
	member := client(reader, kgo.ConsumeTopics(topic), kgo.ConsumerGroup("g"), kgo.DisableAutoCommit())
	defer member.Close()
	for seen := 0; seen < records && ctx.Err() == nil; {
		member.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			if seen++; string(r.Value) != "the same" || len(r.Headers) != 2 {
				t.Errorf("%q with headers %v was polled", r.Value, r.Headers)
			}
		})
		if err := reader.Commit(ctx, member); err != nil {
			t.Fatal(err)
		}
	}
	done := recorder.Fault("nothing")
	done()
	if err := recorder.ReadBack(ctx, seeds); err != nil {
		t.Fatal(err)
	}
	return recorder.History()
}

func kinds(h *linearizability.History) string {
	var names []string
	for i := range h.Ops {
		names = append(names, h.Ops[i].Kind.String())
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
}

// A program's history is complete, and is not a correct one any more if a record is taken out of the reads.
func TestAProgramIsRecorded(t *testing.T) {
	h := run(t)
	if got := kinds(h); got != "commit fault poll rebalance send" {
		t.Errorf("the history has %s", got)
	}
	report := linearizability.Check(h)
	if report.Verdict() != linearizability.VerdictOK || report.Records != records {
		var text strings.Builder
		report.WriteText(&text)
		t.Errorf("%d records\n%s", report.Records, text.String())
	}
	var lost string
	for i := range h.Ops {
		for j := range h.Ops[i].Reads {
			r := &h.Ops[i].Reads[j]
			if lost == "" {
				lost = r.Values[0]
			}
			if at := slices.Index(r.Values, lost); at >= 0 {
				r.Offsets, r.Values = slices.Delete(r.Offsets, at, at+1), slices.Delete(r.Values, at, at+1)
			}
		}
	}
	if report := linearizability.Check(h); report.Found(linearizability.LostWrite) != 1 {
		t.Errorf("the loss of record %s was not found: %s", lost, report.Verdict())
	}
}

// A record that never left its client is no operation, and one whose answer never came is of unknown outcome.
func TestWhatDidNotLeaveIsNotRecorded(t *testing.T) {
	recorder := franz.NewRecorder("nobody answers")
	client, err := recorder.Process().NewClient(kgo.SeedBrokers("127.0.0.1:1"), kgo.DefaultProduceTopic(topic),
		kgo.RecordDeliveryTimeout(time.Second), kgo.UnknownTopicRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if client.ProduceSync(context.Background(), kgo.StringRecord("x")).FirstErr() == nil {
		t.Fatal("nobody has answered")
	}
	if h := recorder.History(); len(h.Ops) != 0 {
		t.Errorf("the history has %s", fmt.Sprint(h.Ops))
	}
}

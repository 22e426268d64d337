package interop

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestRestartKeepsWhatWasAcknowledged stops the broker, politely and not, and asks for everything again.
func TestRestartKeepsWhatWasAcknowledged(t *testing.T) {
	endings := map[string]func(*testing.T, *brokerProcess){
		"stopped by SIGTERM": func(t *testing.T, b *brokerProcess) {
			if err := b.stop(); err != nil {
				t.Fatal(err)
			}
		},
		"killed": func(_ *testing.T, b *brokerProcess) { b.kill() },
	}
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := ownBroker(t)
			mustStart(t, broker)
			ctx, topic, group := withTimeout(t), uniqueName("restart"), uniqueName("restart-group")
			before := fillBroker(ctx, t, broker.addr, topic, group)
			end(t, broker)
			mustStart(t, broker)
			start := verifyBroker(ctx, t, broker.addr, topic, group, before)
			// Kafka writes log start offsets down once a minute and at a clean stop: a kill may bring deleted
			// records back.
			if start != filledStart && (name != "killed" || start > filledStart) {
				t.Errorf("log start offset after the restart: %d, wanted %d", start, filledStart)
			}
			if err := broker.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func mustStart(t *testing.T, broker *brokerProcess) {
	t.Helper()
	if err := broker.start(); err != nil {
		t.Fatal(err)
	}
}

// What fillBroker writes.
const (
	filledRecords   = 500
	filledCommitted = 123
	filledStart     = 50 // records before it are deleted
)

// fillBroker leaves a configured topic of two partitions with records in partition 0, a log start offset, a
// committed offset and a topic that was deleted again. It gives the topic's id.
func fillBroker(ctx context.Context, t *testing.T, addr, topic, group string) kadm.TopicID {
	t.Helper()
	client := franzAt(t, addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	admin := kadm.NewClient(client)
	created, err := admin.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": kadm.StringPtr("7200000")}, topic)
	if err != nil {
		t.Fatal(err)
	}
	produceNumbers(ctx, t, client, topic, 1, filledRecords)
	deleted, err := admin.DeleteRecords(ctx, kadm.Offsets{topic: {0: {Topic: topic, At: filledStart}}})
	if err != nil || deleted.Error() != nil {
		t.Fatal(err, deleted.Error())
	}
	var offsets kadm.Offsets
	offsets.AddOffset(topic, 0, filledCommitted, -1)
	if err := admin.CommitAllOffsets(ctx, group, offsets); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, topic+"-gone"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.DeleteTopic(ctx, topic+"-gone"); err != nil {
		t.Fatal(err)
	}
	return created.ID
}

// verifyBroker checks what fillBroker left, then goes on writing. It gives the first offset there is to read.
func verifyBroker(ctx context.Context, t *testing.T, addr, topic, group string, id kadm.TopicID) int64 {
	t.Helper()
	client := franzAt(t, addr, kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	admin := kadm.NewClient(client)
	eventually(ctx, t, "the topic after a restart", func() bool {
		listed, err := admin.ListTopics(ctx, topic)
		return err == nil && listed[topic].Err == nil && len(listed[topic].Partitions) == 2
	})
	listed, err := admin.ListTopics(ctx)
	if err != nil || listed[topic].ID != id || listed.Has(topic+"-gone") {
		t.Errorf("topics after the restart: %+v, %v; the id was %v", listed, err, id)
	}
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range configs[0].Configs {
		if config.Key == "retention.ms" && config.MaybeValue() != "7200000" {
			t.Errorf("retention.ms after the restart: %s", config.MaybeValue())
		}
	}
	fetched, err := admin.FetchOffsets(ctx, group)
	if at, ok := fetched.Lookup(topic, 0); err != nil || !ok || at.At != filledCommitted {
		t.Errorf("committed offset after the restart: %+v, %v", fetched, err)
	}

	produceNumbers(ctx, t, client, topic, 1, 1)
	starts, err := admin.ListStartOffsets(ctx, topic)
	start, ok := starts.Lookup(topic, 0)
	if err != nil || !ok || start.Err != nil {
		t.Fatalf("log start offset after the restart: %+v, %v", starts, err)
	}
	records := readRecords(ctx, t, client, filledRecords+1-int(start.Offset))
	for i, record := range records[:len(records)-1] {
		want := start.Offset + int64(i)
		if record.Offset != want || string(record.Value) != fmt.Sprint(want) {
			t.Fatalf("offset %d holds %q, wanted offset and value %d", record.Offset, record.Value, want)
		}
	}
	if last := records[len(records)-1]; last.Offset != filledRecords || string(last.Value) != "0" {
		t.Errorf("the first record after the restart is %q at %d", last.Value, last.Offset)
	}
	return start.Offset
}

// TestKillLosesNoAcknowledgedRecord kills the broker again and again while a producer writes with acks=all.
func TestKillLosesNoAcknowledgedRecord(t *testing.T) {
	kills := 5
	if text := os.Getenv("OTTLA_INTEROP_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatalf("OTTLA_INTEROP_KILLS: %v", err)
		}
	}
	broker := ownBroker(t)
	mustStart(t, broker)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute+time.Duration(kills)*5*time.Second)
	defer cancel()
	topic := uniqueName("killed")
	if _, err := kadm.NewClient(franzAt(t, broker.addr)).CreateTopic(ctx, 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}

	load := startLoad(ctx, franzAt(t, broker.addr, kgo.ProducerLinger(0), kgo.RetryBackoffFn(
		func(int) time.Duration { return 20 * time.Millisecond })), topic)
	for range kills {
		already := load.acknowledged.Load()
		eventually(ctx, t, "acknowledgements", func() bool { return load.acknowledged.Load() >= already+500 })
		broker.kill()
		mustStart(t, broker)
	}
	load.stop()
	t.Logf("%d records acknowledged over %d kills", load.acknowledged.Load(), kills)

	end := int64(-1)
	eventually(ctx, t, "the end offset", func() bool {
		listed, err := kadm.NewClient(franzAt(t, broker.addr)).ListEndOffsets(ctx, topic)
		at, ok := listed.Lookup(topic, 0)
		end = at.Offset
		return err == nil && ok && at.Err == nil
	})
	consumer := franzAt(t, broker.addr, kgo.ConsumePartitions(
		map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	values := map[int64]string{}
	seen := map[string]int64{}
	for _, record := range readRecords(ctx, t, consumer, int(end)) {
		values[record.Offset] = string(record.Value)
		if before, twice := seen[string(record.Value)]; twice {
			t.Errorf("record %s is at offset %d and at %d, though its producer is idempotent",
				record.Value, before, record.Offset)
		}
		seen[string(record.Value)] = record.Offset
	}
	for offset, value := range load.byOffset {
		if values[offset] != value {
			t.Errorf("acknowledged %q at offset %d, found %q", value, offset, values[offset])
		}
	}
}

// A load is an idempotent producer that keeps a hundred records in flight and notes what was acknowledged.
type load struct {
	acknowledged atomic.Int64
	mutex        sync.Mutex
	byOffset     map[int64]string
	cancel       context.CancelFunc
	done         chan struct{}
}

func startLoad(ctx context.Context, client *kgo.Client, topic string) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{byOffset: map[int64]string{}, cancel: cancel, done: make(chan struct{})}
	go l.run(ctx, client, topic)
	return l
}

func (l *load) run(ctx context.Context, client *kgo.Client, topic string) {
	defer close(l.done)
	inFlight := make(chan struct{}, 100)
	for n := 0; ctx.Err() == nil; n++ {
		inFlight <- struct{}{}
		// The record is not cancelled with the load: it would leave a gap in the producer's sequence.
		client.Produce(context.Background(), &kgo.Record{Topic: topic, Value: fmt.Append(nil, n)},
			func(record *kgo.Record, err error) {
				<-inFlight
				if err != nil {
					return
				}
				l.mutex.Lock()
				l.byOffset[record.Offset] = string(record.Value)
				l.mutex.Unlock()
				l.acknowledged.Add(1)
			})
	}
	flush, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client.Flush(flush)
}

// stop ends the load and waits for the answers that are still due.
func (l *load) stop() {
	l.cancel()
	<-l.done
}

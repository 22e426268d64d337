package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// withTimeout bounds everything that one franz-go test does.
func withTimeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), programTimeout)
	t.Cleanup(cancel)
	return ctx
}

// franz makes a kgo client for the shared server under test.
func franz(t *testing.T, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	return franzAt(t, bootstrap(t), options...)
}

func franzAt(t *testing.T, addr string, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(strings.Split(addr, ",")...)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// produceNumbers sends count records numbered from 0 to the topic, spread over its partitions, and waits for all.
func produceNumbers(ctx context.Context, t *testing.T, client *kgo.Client, topic string, partitions, count int) {
	t.Helper()
	records := make([]*kgo.Record, count)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: fmt.Append(nil, i)}
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// readRecords polls until count records have come.
func readRecords(ctx context.Context, t *testing.T, client *kgo.Client, count int) []*kgo.Record {
	t.Helper()
	var records []*kgo.Record
	for len(records) < count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(records), count, err)
		}
		records = append(records, fetches.Records()...)
	}
	if len(records) != count {
		t.Fatalf("read %d records, wanted %d", len(records), count)
	}
	return records
}

func TestFranzIdempotentProducerEveryCodec(t *testing.T) {
	t.Parallel()
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			ctx, topic := withTimeout(t), uniqueName("kgo-"+name)
			// The default producer is idempotent with five requests in flight; small batches fill them.
			producer := franz(t, kgo.AllowAutoTopicCreation(), kgo.ProducerBatchCompression(codec),
				kgo.ProducerBatchMaxBytes(2048), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			produceNumbers(ctx, t, producer, topic, 1, 2000)

			consumer := franz(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			for i, record := range readRecords(ctx, t, consumer, 2000) {
				if record.Offset != int64(i) || string(record.Value) != fmt.Sprint(i) {
					t.Fatalf("record %d came as %q at offset %d", i, record.Value, record.Offset)
				}
			}
		})
	}
}

func TestFranzKeysHeadersAndTimestamps(t *testing.T) {
	t.Parallel()
	ctx, topic := withTimeout(t), uniqueName("kgo")
	client := franz(t, kgo.AllowAutoTopicCreation(), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	sent := &kgo.Record{
		Topic: topic, Key: []byte{}, Value: nil, Timestamp: time.UnixMilli(1_600_000_000_123),
		Headers: []kgo.RecordHeader{{Key: "a", Value: []byte{0, 255}}, {Key: "a"}, {Key: ""}},
	}
	if err := client.ProduceSync(ctx, sent).FirstErr(); err != nil {
		t.Fatal(err)
	}
	got := readRecords(ctx, t, client, 1)[0]
	if got.Key == nil || got.Value != nil {
		t.Errorf("an empty key and a null value came back as %#v and %#v", got.Key, got.Value)
	}
	if !got.Timestamp.Equal(sent.Timestamp) {
		t.Errorf("timestamp %v, sent %v", got.Timestamp, sent.Timestamp)
	}
	if !slices.EqualFunc(got.Headers, sent.Headers, func(a, b kgo.RecordHeader) bool {
		return a.Key == b.Key && string(a.Value) == string(b.Value) && (a.Value == nil) == (b.Value == nil)
	}) {
		t.Errorf("headers %v, sent %v", got.Headers, sent.Headers)
	}
}

func TestFranzGroupsShareAndResume(t *testing.T) {
	t.Parallel()
	balancers := map[string]kgo.GroupBalancer{
		"range": kgo.RangeBalancer(), "sticky": kgo.StickyBalancer(), "cooperative-sticky": kgo.CooperativeStickyBalancer(),
	}
	for name, balancer := range balancers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const partitions, count = 4, 200
			ctx, topic, group := withTimeout(t), uniqueName("kgo"), uniqueName("kgo-group")
			createTopic(ctx, t, topic, partitions)
			producer := franz(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
			produceNumbers(ctx, t, producer, topic, partitions, count)

			joinGroup := func() *kgo.Client {
				return franz(t, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.Balancers(balancer),
					kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
					kgo.HeartbeatInterval(200*time.Millisecond))
			}
			first := joinGroup()
			readRecords(ctx, t, first, count)
			if err := first.CommitUncommittedOffsets(ctx); err != nil {
				t.Fatal(err)
			}
			second := joinGroup()
			awaitGroup(ctx, t, group, func(assigned []int) bool { return slices.Equal(assigned, []int{2, 2}) })

			// The one who stays takes over, and neither reads what was committed.
			first.Close()
			awaitGroup(ctx, t, group, func(assigned []int) bool { return slices.Equal(assigned, []int{4}) })
			produceNumbers(ctx, t, producer, topic, partitions, partitions)
			for _, record := range readRecords(ctx, t, second, partitions) {
				if record.Offset != count/partitions {
					t.Errorf("partition %d: read offset %d again", record.Partition, record.Offset)
				}
			}
		})
	}
}

func TestFranzLongPollWakesAtOnce(t *testing.T) {
	t.Parallel()
	ctx, topic := withTimeout(t), uniqueName("kgo")
	createTopic(ctx, t, topic, 1)
	consumer := franz(t, kgo.ConsumeTopics(topic), kgo.FetchMaxWait(20*time.Second),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	producer := franz(t)
	produceNumbers(ctx, t, producer, topic, 1, 1)
	readRecords(ctx, t, consumer, 1)

	started := time.Now()
	time.AfterFunc(500*time.Millisecond, func() {
		producer.Produce(ctx, &kgo.Record{Topic: topic, Value: []byte("late")}, nil)
	})
	readRecords(ctx, t, consumer, 1)
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("a waiting fetch noticed a record only after %v", took)
	}
}

func TestFranzOffsetOutOfRange(t *testing.T) {
	t.Parallel()
	ctx, topic := withTimeout(t), uniqueName("kgo")
	createTopic(ctx, t, topic, 1)
	produceNumbers(ctx, t, franz(t), topic, 1, 3)
	consumer := franz(t, kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.ConsumePartitions(
		map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(100)}}))
	if err := consumer.PollFetches(ctx).Err(); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("fetching past the end: %v", err)
	}
}

package benchmarks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"
)

const (
	topic      = "bench"
	partitions = 8
	// touchMost bounds how much memory is touched before a run.
	touchMost = 4 << 30
	// wholeBatches is the client's largest batch where nothing else is said: as much as max.message.bytes lets through.
	wholeBatches = 1_000_000
)

// preTouch makes the machine's memory warm.
func preTouch(b *testing.B, bytes int) {
	bytes = min(max(bytes, 64<<20), touchMost)
	m, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < len(m); i += 4096 {
		m[i] = 1
	}
	if err := unix.Munmap(m); err != nil {
		b.Fatal(err)
	}
}

func newClient(b *testing.B, address string, opts ...kgo.Opt) *kgo.Client {
	b.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(address)}, opts...)...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

func createTopic(b *testing.B, address string) {
	b.Helper()
	c := newClient(b, address)
	if _, err := kadm.NewClient(c).CreateTopic(context.Background(), partitions, 1, nil, topic); err != nil {
		b.Fatal(err)
	}
}

// createPartitions makes a topic with n partitions and writes a record to each.
func createPartitions(b *testing.B, address string, n int) {
	b.Helper()
	c := newClient(b, address, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	ctx := context.Background()
	if _, err := kadm.NewClient(c).CreateTopic(ctx, int32(n), 1, nil, "many"); err != nil {
		b.Fatal(err)
	}
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: "many", Partition: int32(i), Value: []byte("v")}
	}
	if err := c.ProduceSync(ctx, records...).FirstErr(); err != nil {
		b.Fatal(err)
	}
}

// produce sends n records of size bytes and waits until all are acknowledged.
func produce(b *testing.B, address string, n, size, batch int) {
	b.Helper()
	opts := []kgo.Opt{kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(int32(batch)), kgo.MaxBufferedRecords(64_000_000 / size), kgo.ProducerLinger(0)}
	if batch < wholeBatches {
		// Without this the client keeps a partition on one batch until it is full, which suits large batches.
		opts = append(opts, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	}
	c := newClient(b, address, opts...)
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(rand.Uint32())
	}
	var failed atomic.Pointer[error]
	done := func(_ *kgo.Record, err error) {
		if err != nil {
			failed.Store(&err)
		}
	}
	records := make([]kgo.Record, n)
	b.ResetTimer()
	for i := range records {
		records[i].Value = value
		c.Produce(context.Background(), &records[i], done)
	}
	if err := c.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if err := failed.Load(); err != nil {
		b.Fatal(*err)
	}
}

// consume fetches n records from the beginning of the topic.
func consume(b *testing.B, address string, n int) {
	b.Helper()
	c := newClient(b, address, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxPartitionBytes(4<<20), kgo.FetchMaxBytes(32<<20))
	b.ResetTimer()
	b.StartTimer()
	for got := 0; got < n; {
		fetches := c.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			b.Fatal(err)
		}
		got += fetches.NumRecords()
	}
	b.StopTimer()
}

// report gives the rates of b.N records of size bytes.
func report(b *testing.B, size int) {
	b.SetBytes(int64(size))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// sizes are those of the records, in bytes.
var sizes = []int{100, 1000}

// eachCase runs a benchmark for sizes of records and both answers to acks=all.
func eachCase(b *testing.B, sizes []int, run func(b *testing.B, size int, caching bool)) {
	for _, size := range sizes {
		for _, caching := range []bool{false, true} {
			b.Run(fmt.Sprintf("record=%dB/ack=%s", size, ackName(caching)), func(b *testing.B) { run(b, size, caching) })
		}
	}
}

func ackName(caching bool) string {
	if caching {
		return "cache"
	}
	return "disk"
}

// settings are those of a broker for benchmarks.
func settings(dir string, caching bool) []string {
	return []string{"listeners=PLAINTEXT://127.0.0.1:0", "log.dirs=" + dir, fmt.Sprintf("write.caching=%v", caching)}
}

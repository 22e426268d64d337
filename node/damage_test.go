package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core/log"
	"ottla.dev/core/record"
	"ottla.dev/node/config"
)

// damaged is a cluster whose nodes are stopped, then damaged all in the same way, and started again.
type damaged struct {
	settings []*config.Config
	nodes    []*Node
	client   *kgo.Client
	sent     [2][]string // by partition of topic t
}

func (d *damaged) start(t *testing.T) {
	t.Helper()
	var seeds []string
	d.nodes = nil
	for _, c := range d.settings {
		d.nodes = append(d.nodes, startNode(t, c))
		seeds = append(seeds, c.Listeners[0].Address())
	}
	awaitReady(t, d.nodes...)
	if d.client != nil {
		return
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.DefaultProduceTopic("t"),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	d.client = client
}

func (d *damaged) stop(ctx context.Context) {
	for _, n := range d.nodes {
		n.engine.Shutdown()
	}
	for _, n := range d.nodes {
		n.Shutdown(ctx)
	}
}

func (d *damaged) produce(ctx context.Context, t *testing.T, partition, n int) {
	t.Helper()
	for range n {
		r := &kgo.Record{Value: fmt.Appendf(nil, "%0200d", len(d.sent[partition])), Partition: int32(partition)}
		if err := d.client.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatalf("partition %d, record %d: %v", partition, len(d.sent[partition]), err)
		}
		d.sent[partition] = append(d.sent[partition], string(r.Value))
	}
}

// firstSegment is where a node keeps the first segment of a partition, which is not the last one.
func firstSegment(t *testing.T, c *config.Config, partition int) string {
	t.Helper()
	dir := filepath.Join(c.Static["log.dirs"], fmt.Sprintf("t-%d", partition))
	names, _ := filepath.Glob(filepath.Join(dir, "*"+log.LogSuffix))
	if slices.Sort(names); len(names) < 2 {
		t.Fatalf("there are only the segments %v", names)
	}
	return names[0]
}

// fetched asks a broker for a partition from an offset on, and returns the records' values and the error code.
func (d *damaged) fetched(ctx context.Context, t *testing.T, node, partition int, from int64) ([]string, int16) {
	t.Helper()
	topics, err := kadm.NewClient(d.client).ListTopics(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 13, 10, 1, 1<<20
	topic, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	topic.TopicID = topics["t"].ID
	p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = int32(partition), from, 1<<20, -1
	topic.Partitions = append(topic.Partitions, p)
	req.Topics = append(req.Topics, topic)
	resp, err := d.client.Broker(node).Request(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	got := resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	var values []string
	codecs := record.NewCodecs(0)
	for b := got.RecordBatches; len(b) > 0; {
		v := record.View(b)
		if len(b) < record.HeaderSize || v.Size() > len(b) {
			break // a batch that was cut off at the end of the answer
		}
		if v = v[:v.Size()]; !v.ValidCRC() {
			t.Fatalf("partition %d at %d: bytes with a bad checksum", partition, from)
		}
		it := record.Records(v, codecs)
		for it.Next() {
			if it.Record.Offset >= 0 && int64(it.Record.Offset) >= from {
				values = append(values, string(it.Record.Value))
			}
		}
		b = b[v.Size():]
	}
	return values, got.ErrorCode
}

// read reads a partition of a node up to its end or the first error, and compares.
func (d *damaged) read(ctx context.Context, t *testing.T, node, partition int, from int64) (int64, int16) {
	t.Helper()
	for {
		values, code := d.fetched(ctx, t, node, partition, from)
		for i, value := range values {
			if want := d.sent[partition][from+int64(i)]; value != want {
				t.Fatalf("partition %d, offset %d: %q is not %q", partition, from+int64(i), value, want)
			}
		}
		from += int64(len(values))
		if code != 0 || len(values) == 0 {
			return from, code
		}
	}
}

// spoilings are what is done to the first segment of partition 0, on all nodes alike.
var spoilings = map[string]func(t *testing.T, path string){
	"a bit is flipped": func(t *testing.T, path string) {
		overwrite(t, path, func(b []byte) []byte { b[len(b)/2] ^= 4; return b })
	},
	"a page is zeroed": func(t *testing.T, path string) {
		overwrite(t, path, func(b []byte) []byte { clear(b[4096:8192]); return b })
	},
	"half of it is lost": func(t *testing.T, path string) {
		overwrite(t, path, func(b []byte) []byte { return b[:len(b)/2] })
	},
	"it is gone": func(t *testing.T, path string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	},
}

func overwrite(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(b), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The same damage in all replicas, of one broker or of three: clients are told that the records are corrupt
// (CORRUPT_MESSAGE) or cannot be read (KAFKA_STORAGE_ERROR), and never given wrong ones; other partitions are served.
func TestWhatIsDamagedEverywhereIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("eight clusters, some seconds each")
	}
	for _, size := range []int{1, 3} {
		for _, name := range slices.Sorted(maps.Keys(spoilings)) {
			t.Run(fmt.Sprintf("%s on %d", name, size), func(t *testing.T) { damagedEverywhere(t, size, spoilings[name]) })
		}
	}
}

func damagedEverywhere(t *testing.T, size int, spoil func(*testing.T, string)) {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	d := &damaged{settings: clusterOf(t, size)}
	if size == 1 {
		d.settings[0].Static["default.replication.factor"], d.settings[0].Static["min.insync.replicas"] = "1", "1"
	}
	for _, c := range d.settings {
		c.Static["ottla.scrub.interval.ms"] = "1000"
	}
	d.start(t)
	defer func() { d.client.Close(); d.stop(ctx) }()
	segments := "20000"
	configs := map[string]*string{"internal.segment.bytes": &segments}
	made, err := kadm.NewClient(d.client).CreateTopic(ctx, 2, int16(size), configs, "t")
	if err != nil || made.Err != nil {
		t.Fatal(err, made.Err)
	}
	d.produce(ctx, t, 0, 200)
	d.produce(ctx, t, 1, 200)
	d.stop(ctx)
	var left []int64
	for _, c := range d.settings {
		path := firstSegment(t, c, 0)
		spoil(t, path)
		left = append(left, sizeOf(path))
	}
	d.start(t)
	d.produce(ctx, t, 1, 50)
	told := map[int16]bool{}
	for until := time.Now().Add(4 * time.Second); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		for node := 1; node <= size; node++ {
			next, code := d.read(ctx, t, node, 0, 0)
			if told[code] = true; code == 0 && next != 0 && next == int64(len(d.sent[0])) {
				t.Fatalf("all was read of node %d", node)
			}
		}
	}
	for code := range told {
		switch err := kerr.ErrorForCode(code); {
		case err == nil, errors.Is(err, kerr.CorruptMessage), errors.Is(err, kerr.KafkaStorageError):
		case size > 1 && errors.Is(err, kerr.NotLeaderForPartition):
		default:
			t.Errorf("the error is %v", err)
		}
	}
	if !told[kerr.CorruptMessage.Code] && !told[kerr.KafkaStorageError.Code] {
		t.Errorf("the errors are %v", told)
	}
	d.produce(ctx, t, 1, 50)
	for node := 1; node <= size; node++ {
		if next, code := d.read(ctx, t, node, 1, 0); code == 0 && next == int64(len(d.sent[1])) {
			break
		} else if node == size {
			t.Errorf("the other partition is read to %d of %d, error %d", next, len(d.sent[1]), code)
		}
	}
	// A replica may be cut and copied from one that has not found its own damage yet; the last one never is.
	kept := false
	for i, c := range d.settings {
		path := filepath.Join(c.Static["log.dirs"], "t-0", log.FileName(0, log.LogSuffix))
		kept = kept || sizeOf(path) == left[i]
	}
	if !kept {
		t.Error("all replicas are cut")
	}
	t.Logf("errors: %v", told)
}

// sizeOf is -1 for a file that is not there.
func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return info.Size()
}

package node

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// produceEach produces one record to each of the partitions.
func produceEach(t *testing.T, address string, partitions ...int32) {
	t.Helper()
	c := client(t, kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.AllowAutoTopicCreation())
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, p := range partitions {
		r := &kgo.Record{Topic: "t", Partition: p, Value: []byte("v")}
		if err := c.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatalf("partition %d: %v", p, err)
		}
	}
}

// partitionsIn asks which partitions each data folder holds; one that has failed is listed with its error and none.
func partitionsIn(t *testing.T, address string) (codes map[string]core.ErrorCode, held map[string][]int32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	// Not through the client's own merging of several brokers' answers, which drops the error codes.
	answer, err := client(t, kgo.SeedBrokers(address)).Broker(1).Request(ctx, kmsg.NewPtrDescribeLogDirsRequest())
	if err != nil {
		t.Fatal(err)
	}
	resp := answer.(*kmsg.DescribeLogDirsResponse)
	codes, held = map[string]core.ErrorCode{}, map[string][]int32{}
	for _, d := range resp.Dirs {
		codes[d.Dir] = core.ErrorCode(d.ErrorCode)
		for _, topic := range d.Topics {
			for _, p := range topic.Partitions {
				held[d.Dir] = append(held[d.Dir], p.Partition)
			}
		}
	}
	return codes, held
}

// A folder that goes away under a running broker, as an unplugged disk does, takes its partitions alone.
func TestADataFolderGoesAwayAndComesBack(t *testing.T) {
	first, second := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	set := []string{"log.dirs=" + first + "," + second, "num.partitions=2", "log.flush.offset.checkpoint.interval.ms=200",
		"ottla.shards=1"}
	n, address := startReal(t, settings(t, set...))
	produceEach(t, address, 0, 1)
	_, held := partitionsIn(t, address)
	if len(held[first]) != 1 || len(held[second]) != 1 {
		t.Fatalf("partitions are not spread: %v", held)
	}
	here := held[first][0]
	aside := second + ".aside"
	if err := os.Rename(second, aside); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(second, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(20 * time.Second); n.OfflineDirs() == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the broker does not notice")
		}
	}
	produceEach(t, address, here)
	codes, _ := partitionsIn(t, address)
	if codes[first] != core.NoError || codes[second] != core.KafkaStorageError {
		t.Errorf("folders: %v", codes)
	}
	shutdown(t, n)

	// A start goes without it, too.
	n, address = startReal(t, settings(t, set...))
	produceEach(t, address, here)
	if n.OfflineDirs() != 1 {
		t.Errorf("%d folders are offline", n.OfflineDirs())
	}
	shutdown(t, n)
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, second); err != nil {
		t.Fatal(err)
	}
	n, address = startReal(t, settings(t, set...))
	produceEach(t, address, 0, 1)
	if n.OfflineDirs() != 0 {
		t.Errorf("%d folders are offline", n.OfflineDirs())
	}
	shutdown(t, n)
}

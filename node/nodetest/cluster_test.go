package nodetest_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/node/nodetest"
)

func createTopic(t *testing.T, c *nodetest.Cluster, topic string, partitions int32) {
	t.Helper()
	_, err := kadm.NewClient(c.Client(t)).CreateTopic(context.Background(), partitions, -1, nil, topic)
	if err != nil {
		t.Fatal(err)
	}
}

// Codecs have pools of coders that one bubble after another uses.
func TestEveryCodec(t *testing.T) {
	for _, codec := range []kgo.CompressionCodec{
		kgo.ZstdCompression(), kgo.Lz4Compression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.ZstdCompression(),
	} {
		synctest.Test(t, func(t *testing.T) {
			c := nodetest.Start(t, nodetest.Brokers(1), nodetest.Setting("compression.type", "zstd"))
			createTopic(t, c, "t", 1)
			client := c.RecordedClient(t, kgo.ConsumeTopics("t"), kgo.DefaultProduceTopic("t"),
				kgo.ProducerBatchCompression(codec))
			text := strings.Repeat("text that can be made shorter ", 1000)
			if err := client.ProduceSync(t.Context(), kgo.StringRecord(text)).FirstErr(); err != nil {
				t.Fatal(err)
			}
			client.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
				if string(r.Value) != text {
					t.Errorf("%d bytes came back of %d", len(r.Value), len(text))
				}
			})
			c.Check(t)
		})
		for range 3 {
			runtime.GC() // finalizers run outside of the bubble
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func TestAClusterStartsAndEnds(t *testing.T) {
	for range 2 { // one bubble after another
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			c := nodetest.Start(t)
			t.Logf("ready after %s", time.Since(began))
			createTopic(t, c, "t", 3)
			client := c.Client(t, kgo.ConsumeTopics("t"), kgo.DefaultProduceTopic("t"))
			if err := client.ProduceSync(context.Background(), kgo.StringRecord("hello")).FirstErr(); err != nil {
				t.Fatal(err)
			}
			fetches := client.PollFetches(context.Background())
			if n := fetches.NumRecords(); n != 1 {
				t.Fatalf("%d records, %v", n, fetches.Errors())
			}
			t.Logf("all done after %s", time.Since(began))
		})
	}
}

package nodetest_test

import (
	"context"
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

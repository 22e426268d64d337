package nodetest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/linearizability"
	"ottla.dev/node/nodetest"
)

func TestTheExample(t *testing.T) {
	if !nodetest.ChannelMutexes {
		t.Skip("it is run with -tags synctests")
	}
	testShout(t)
}

func leaderOf(t *testing.T, c *nodetest.Cluster, topic string) int {
	t.Helper()
	topics, err := kadm.NewClient(c.Client(t)).ListTopics(context.Background(), topic)
	if err != nil {
		t.Fatal(err)
	}
	return int(topics[topic].Partitions[0].Leader)
}

// Records that one broker alone has, because the producer asked for no more, go with it when the others elect another
// leader. Whoever checks the history hears of it.
func TestALossIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := nodetest.Start(t)
		createTopic(t, c, "t", 1)
		leader := leaderOf(t, c, "t")
		producer := c.RecordedClient(t, kgo.DefaultProduceTopic("t"), kgo.RequiredAcks(kgo.LeaderAck()),
			kgo.DisableIdempotentWrite())
		send := func(n int) {
			for i := range n {
				if err := producer.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
		send(10)
		time.Sleep(time.Second)
		c.Partition(leader)
		send(10)
		time.Sleep(time.Minute)
		c.Heal()
		time.Sleep(time.Minute)
		if now := leaderOf(t, c, "t"); now == leader {
			t.Fatalf("broker %d leads all the time", now)
		}
		if err := c.Recorder().ReadBack(t.Context(), kgo.SeedBrokers(c.Addresses()...), kgo.Dialer(c.Dial)); err != nil {
			t.Fatal(err)
		}
		report := linearizability.Check(c.Recorder().History())
		if n := report.Found(linearizability.LostWrite) + report.Found(linearizability.Unseen); n != 10 {
			t.Errorf("%d losses were found of 10: %s", n, report.Verdict())
		}
	})
}

func TestAPowerCutOfAllBrokersLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := nodetest.Start(t)
		createTopic(t, c, "t", 3)
		producer := c.RecordedClient(t, kgo.DefaultProduceTopic("t"))
		for i := range 100 {
			if err := producer.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		for id := range c.Brokers() {
			c.PowerOff(id + 1)
		}
		for id := range c.Brokers() {
			c.Begin(id + 1)
		}
		for id := range c.Brokers() {
			c.AwaitReady(id + 1)
		}
		if report := c.Check(t); report.Records != 100 {
			t.Errorf("%d records of 100", report.Records)
		}
	})
}

package nodetest_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
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
		if err := c.Recorder().ReadBack(t.Context(), c.Options()...); err != nil {
			t.Fatal(err)
		}
		report := linearizability.Check(c.Recorder().History())
		if n := report.Found(linearizability.LostWrite) + report.Found(linearizability.Unseen); n != 10 {
			t.Errorf("%d losses were found of 10: %s", n, report.Verdict())
		}
	})
}

// Everything works in real time as well, and nothing stays behind.
func TestOutsideABubble(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("cluster", func(t *testing.T) {
		c := nodetest.Start(t, nodetest.Setting("broker.session.timeout.ms", "1000"),
			nodetest.Setting("broker.heartbeat.interval.ms", "200"))
		createTopic(t, c, "t", 3)
		producer := c.RecordedClient(t, kgo.DefaultProduceTopic("t"))
		c.Kill(3)
		if err := producer.ProduceSync(t.Context(), kgo.StringRecord("x")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		c.Restart(3)
		c.Pause(1) // and never resumed
		c.Kill(2)
	})
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines are left of %d before\n%s", runtime.NumGoroutine(), before,
				stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// A history tells what was done to the cluster, and for how long.
func TestFaultsAreNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := nodetest.Start(t)
		c.Kill(1)
		time.Sleep(time.Minute)
		c.Restart(1)
		c.Pause(2)
		time.Sleep(time.Second)
		c.Resume(2)
		c.ClockJump(3, time.Second)
		c.Isolate(3)
		c.Check(t)
		var noted []string
		for _, op := range c.Recorder().History().Ops {
			lasted := time.Duration(op.Return - op.Call).Truncate(time.Second)
			noted = append(noted, fmt.Sprint(op.Name, " ", lasted))
		}
		if got := strings.Join(noted, ", "); got != "kill 1m0s, pause 1s, clock-jump 0s, partition 0s" {
			t.Error(got)
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

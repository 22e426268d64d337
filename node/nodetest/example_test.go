package nodetest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/node/nodetest"
)

// shout is the program under test: it copies a topic to another one, in capitals, and commits what it has copied.
func shout(ctx context.Context, client *kgo.Client) error {
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var copies []*kgo.Record
		fetches.EachRecord(func(r *kgo.Record) {
			copies = append(copies, &kgo.Record{Topic: "loud", Key: r.Key, Value: []byte(strings.ToUpper(string(r.Value)))})
		})
		if err := client.ProduceSync(ctx, copies...).FirstErr(); err != nil && ctx.Err() == nil {
			return err
		}
		if err := client.CommitUncommittedOffsets(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// testShout is the test. One broker after the other is killed while the program works, and comes back a minute later.
func testShout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := nodetest.Start(t, nodetest.Brokers(3))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if _, err := kadm.NewClient(c.Client(t)).CreateTopics(ctx, 3, 3, nil, "quiet", "loud"); err != nil {
			t.Fatal(err)
		}

		program := c.RecordedClient(t, kgo.ConsumeTopics("quiet"), kgo.ConsumerGroup("shouters"), kgo.DisableAutoCommit())
		go shout(ctx, program)

		input := c.RecordedClient(t, kgo.DefaultProduceTopic("quiet"))
		for i := range 3 {
			c.Kill(i + 1)
			if err := input.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint("hello ", i))).FirstErr(); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute) // of virtual time
			c.Restart(i + 1)
		}

		output := c.RecordedClient(t, kgo.ConsumeTopics("loud"))
		for seen := 0; seen < 3; {
			output.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				t.Logf("%s", r.Value)
				seen++
			})
		}
		c.Check(t) // nothing that a program was told is there is lost, or there twice, or in another order
	})
}

// The cluster is in the test's process, and time is virtual: three minutes of faults take a moment. Run it with
//
//	go test -tags synctests
func Example() {
	var t *testing.T // that of func TestShout(t *testing.T)
	testShout(t)
}

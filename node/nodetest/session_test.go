//go:build unix

package nodetest_test

import (
	"context"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/node/nodetest"
)

// A member of a group that is gone without a word keeps its partitions until its session is over. Here that is an hour,
// which takes some ten milliseconds: with one broker and nobody else there is little that happens in it.
func TestASessionOfAnHourRunsOut(t *testing.T) {
	var real time.Duration
	synctest.Test(t, func(t *testing.T) {
		const session = time.Hour
		c := nodetest.Start(t, nodetest.Brokers(1), nodetest.Setting("group.max.session.timeout.ms", "3600000"))
		createTopic(t, c, "t", 2)
		producer := c.Client(t, kgo.DefaultProduceTopic("t"))
		member := func(instance string) *kgo.Client {
			return c.Client(t, kgo.ConsumeTopics("t"), kgo.ConsumerGroup("g"), kgo.DisableAutoCommit(),
				kgo.SessionTimeout(session), kgo.HeartbeatInterval(time.Minute), kgo.RebalanceTimeout(session),
				// A member with an instance id does not say that it leaves (KIP-345), like one whose process has died.
				kgo.InstanceID(instance))
		}
		gone := member("gone")
		if err := producer.ProduceSync(t.Context(), kgo.StringRecord("before")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if n := gone.PollFetches(t.Context()).NumRecords(); n != 1 {
			t.Fatalf("%d records", n)
		}
		gone.Close()
		began, realBegan := time.Now(), clock()
		seen := member("heir").PollFetches(context.Background()).NumRecords() // nothing was committed
		if passed := time.Since(began); seen != 1 || passed < session-time.Minute || passed > session+10*time.Minute {
			t.Errorf("%d records after %s", seen, passed)
		}
		real = clock() - realBegan
	})
	t.Logf("an hour's session took %s", real)
}

// clock is the processor time of the test's process, which no bubble keeps from passing.
func clock() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

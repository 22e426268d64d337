package nodetest_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/node/nodetest"
)

// load is a producer and two members of a group that work while something is done to the cluster.
type load struct {
	*nodetest.Cluster
	producer *kgo.Client
	stop     context.CancelFunc
	all      sync.WaitGroup
	sent     atomic.Int64
	mu       sync.Mutex
	seen     map[string]int
}

func startLoad(t *testing.T, c *nodetest.Cluster) *load {
	createTopic(t, c, "t", 3)
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{Cluster: c, stop: cancel, seen: map[string]int{},
		producer: c.RecordedClient(t, kgo.DefaultProduceTopic("t"), kgo.StopProducerOnDataLossDetected())}
	l.all.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
			record := kgo.StringRecord(fmt.Sprint(l.sent.Add(1)))
			l.producer.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("a record was refused: %v", err)
				}
			})
		}
	})
	for range 2 {
		member := c.RecordedClient(t, memberOptions()...)
		l.all.Go(func() {
			for !l.complete(ctx) {
				poll, cancel := context.WithTimeout(context.Background(), time.Second)
				fetches := member.PollFetches(poll)
				cancel()
				l.mu.Lock()
				fetches.EachRecord(func(r *kgo.Record) { l.seen[string(r.Value)]++ })
				l.mu.Unlock()
			}
		})
	}
	return l
}

// memberOptions are those of a member of the group. It commits by itself where that is possible: see the page
// docs/testing-your-application.md on the build tag.
func memberOptions() []kgo.Opt {
	options := []kgo.Opt{kgo.ConsumeTopics("t"), kgo.ConsumerGroup("g")}
	if !nodetest.ChannelMutexes {
		options = append(options, kgo.DisableAutoCommit())
	}
	return options
}

// complete reports whether the members have seen everything that was sent.
func (l *load) complete(ctx context.Context) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return ctx.Err() != nil && int64(len(l.seen)) >= l.sent.Load()
}

// end stops the producer, waits until the members have caught up, and checks the history.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	if err := l.producer.Flush(context.Background()); err != nil {
		t.Error(err)
	}
	l.all.Wait()
	report := l.Check(t)
	if sent := int(l.sent.Load()); report.Records < sent || sent < 1000 {
		t.Errorf("%d records of %d are in the history", report.Records, sent)
	}
}

// A producer with acks=all loses nothing, and a group sees everything, whatever one broker at a time suffers.
func TestNothingIsLost(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault func(c *nodetest.Cluster, id int)
	}{
		{"killed", func(c *nodetest.Cluster, id int) {
			c.Kill(id)
			time.Sleep(10 * time.Second)
			c.Restart(id)
		}},
		{"without power", func(c *nodetest.Cluster, id int) {
			c.PowerOff(id)
			time.Sleep(20 * time.Second)
			c.Restart(id)
		}},
		{"stopped", func(c *nodetest.Cluster, id int) {
			c.Stop(id)
			time.Sleep(10 * time.Second)
			c.Restart(id)
		}},
		{"cut off from the others", func(c *nodetest.Cluster, id int) {
			c.Partition(id)
			time.Sleep(20 * time.Second)
			c.Heal()
		}},
		{"cut off from everybody", func(c *nodetest.Cluster, id int) {
			c.Isolate(id)
			time.Sleep(20 * time.Second)
			c.Heal()
		}},
		{"paused", func(c *nodetest.Cluster, id int) {
			c.Pause(id)
			time.Sleep(20 * time.Second)
			c.Resume(id)
		}},
		{"killed while paused", func(c *nodetest.Cluster, id int) {
			c.Pause(id)
			time.Sleep(5 * time.Second)
			c.Kill(id)
			c.Restart(id)
		}},
		{"far away", func(c *nodetest.Cluster, id int) {
			c.Delay(id, 300*time.Millisecond)
			time.Sleep(20 * time.Second)
			c.Delay(id, 0)
		}},
		{"of another time", func(c *nodetest.Cluster, id int) {
			c.ClockJump(id, -50*time.Minute) // records from the future are refused only beyond an hour
			time.Sleep(20 * time.Second)
			c.ClockJump(id, 100*time.Minute)
		}},
		{"slow to sync", func(c *nodetest.Cluster, id int) {
			c.SlowFsync(id, 200*time.Millisecond)
			time.Sleep(10 * time.Second)
			c.SlowFsync(id, 0)
		}},
		{"failing to sync", func(c *nodetest.Cluster, id int) {
			c.FailFsync(id)
			time.Sleep(10 * time.Second)
			if c.Failure(id) == nil {
				panic("the broker goes on with a disk that has failed")
			}
			c.Restart(id)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := startLoad(t, nodetest.Start(t))
				for id := range 3 {
					time.Sleep(5 * time.Second)
					test.fault(l.Cluster, id+1)
				}
				time.Sleep(5 * time.Second)
				l.end(t)
			})
		})
	}
}

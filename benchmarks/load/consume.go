package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Consume is a closed loop of consumers, each of which reads all of a topic from its beginning, and then again.
type Consume struct {
	Seeds     []string
	Topic     string
	Consumers int
	// Records is how many the topic has.
	Records     int64
	RecordBytes int
	// For is how long consumers that have read everything begin again; all read it once at least.
	For time.Duration
	// Within ends the load before that.
	Within time.Duration
}

// Consumed is what came of it, of all consumers together.
type Consumed struct {
	Records, Bytes, Requests int64
	// Missing is how many records did not come in time.
	Missing int64
	Took    time.Duration
}

const (
	fetchPartitionBytes = 4 << 20
	fetchBytes          = 32 << 20
)

// Run reads until all consumers have read all as often as they were to, or the time is over.
func (c Consume) Run(ctx context.Context) (all Consumed, err error) {
	begin := time.Now()
	timed, cancel := context.WithDeadline(ctx, begin.Add(c.Within))
	defer cancel()
	err = c.once(timed, &all)
	for all.Missing == 0 && err == nil && time.Since(begin) < c.For {
		err = c.once(timed, &all)
	}
	all.Bytes, all.Took = all.Records*int64(c.RecordBytes), time.Since(begin)
	return all, err
}

// once has all consumers read all, and adds what came to the sum.
func (c Consume) once(ctx context.Context, sum *Consumed) error {
	count := new(counter)
	clients, err := newClients(c.Consumers, c.Seeds, count, []kgo.Opt{kgo.ConsumeTopics(c.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxPartitionBytes(fetchPartitionBytes),
		kgo.FetchMaxBytes(fetchBytes)})
	defer closeAll(clients)
	if err != nil {
		return err
	}
	var all atomic.Int64
	errs := make([]error, len(clients))
	var group sync.WaitGroup
	for i, client := range clients {
		group.Go(func() {
			n, err := readAll(ctx, client, c.Records)
			all.Add(n)
			errs[i] = err
		})
	}
	group.Wait()
	n := all.Load()
	sum.Records, sum.Requests = sum.Records+n, sum.Requests+count.fetches.Load()
	sum.Missing += max(c.Records*int64(c.Consumers)-n, 0)
	return errors.Join(errs...)
}

// readAll reads n records, or what comes until the context ends.
func readAll(ctx context.Context, c *kgo.Client, n int64) (got int64, err error) {
	for got < n {
		fetches := c.PollFetches(ctx)
		if ctx.Err() != nil {
			break
		}
		if err := fetches.Err(); err != nil {
			return got, fmt.Errorf("a consumer: %w", err)
		}
		got += int64(fetches.NumRecords())
	}
	return got, nil
}

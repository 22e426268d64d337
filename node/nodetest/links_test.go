package nodetest_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/node/nodetest"
)

// A record that all replicas have to confirm takes five round trips at most, 99 times of 100, where the links between
// brokers, and to clients, are slow: the request and its answer are one, and the follower's fetch that gets the batch,
// and the one that confirms it, are up to two.
func TestAcknowledgementsOverSlowLinksTakeFiveRoundTrips(t *testing.T) {
	const (
		oneWay    = 25 * time.Millisecond
		producers = 6
		pause     = 20 * time.Millisecond
		lasts     = 45 * time.Second
	)
	synctest.Test(t, func(t *testing.T) {
		c := nodetest.Start(t, nodetest.Latency(oneWay))
		createTopic(t, c, "t", 6)
		var mu sync.Mutex
		var waits []time.Duration
		ctx, cancel := context.WithTimeout(context.Background(), lasts)
		defer cancel()
		var all sync.WaitGroup
		for p := range producers {
			client := c.Client(t, kgo.DefaultProduceTopic("t"), kgo.ProducerLinger(0))
			warm := client.ProduceSync(context.Background(), kgo.StringRecord("first"))
			if err := warm.FirstErr(); err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					began := time.Now()
					client.Produce(context.Background(), kgo.StringRecord(fmt.Sprint(p, n)), func(_ *kgo.Record, err error) {
						mu.Lock()
						defer mu.Unlock()
						if waits = append(waits, time.Since(began)); err != nil {
							t.Errorf("a record was refused: %v", err)
						}
					})
					time.Sleep(pause)
				}
				if err := client.Flush(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		slices.Sort(waits)
		half, most := waits[len(waits)/2], waits[len(waits)*99/100]
		t.Logf("of %d records the median took %v, the 99th percentile %v", len(waits), half, most)
		if most > 5*2*oneWay {
			t.Errorf("the 99th percentile is %v, and five round trips %v", most, 5*2*oneWay)
		}
	})
}

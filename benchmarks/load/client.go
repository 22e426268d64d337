package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The client is impatient where waiting is its own doing, so that what is measured is the broker.
const (
	retryAfter   = 20 * time.Millisecond
	metadataAge  = 20 * time.Millisecond
	dialTimeout  = 2 * time.Second
	retryTimeout = 60 * time.Second
)

// newClient is a franz-go client with options of its own. count, if there, counts its requests.
func newClient(seeds []string, count *counter, more ...kgo.Opt) (*kgo.Client, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(seeds...),
		kgo.RetryBackoffFn(func(int) time.Duration { return retryAfter }),
		kgo.MetadataMinAge(metadataAge),
		kgo.DialTimeout(dialTimeout),
		kgo.RetryTimeout(retryTimeout),
	}
	if count != nil {
		opts = append(opts, kgo.WithHooks(count))
	}
	c, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("the client cannot start: %w", err)
	}
	return c, nil
}

// counter counts what clients write.
type counter struct{ produces, fetches, batches atomic.Int64 }

// counts are a counter's at a moment.
type counts struct{ requests, fetches, batches int64 }

func (c *counter) now() counts { return counts{c.produces.Load(), c.fetches.Load(), c.batches.Load()} }

const (
	produceKey = 0
	fetchKey   = 1
)

// OnBrokerWrite implements kgo.HookBrokerWrite.
func (c *counter) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	switch {
	case err != nil:
	case key == produceKey:
		c.produces.Add(1)
	case key == fetchKey:
		c.fetches.Add(1)
	}
}

// OnProduceBatchWritten implements kgo.HookProduceBatchWritten.
func (c *counter) OnProduceBatchWritten(kgo.BrokerMetadata, string, int32, kgo.ProduceBatchMetrics) {
	c.batches.Add(1)
}

// CreateTopic makes a topic, which may be there already, and waits until all of its partitions have leaders.
func CreateTopic(ctx context.Context, seeds []string, name string, partitions, copies int,
	configs map[string]string) error {
	c, err := newClient(seeds, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	admin := kadm.NewClient(c)
	values := map[string]*string{}
	for k, v := range configs {
		values[k] = kadm.StringPtr(v)
	}
	for {
		_, err = admin.CreateTopic(ctx, int32(partitions), int16(copies), values, name)
		if err == nil || errors.Is(err, kerr.TopicAlreadyExists) { // made by a try whose answer was lost
			break
		}
		// A broker that has just started may not take part yet.
		if sleep(ctx, retryAfter/2) != nil {
			return fmt.Errorf("cannot create topic %s: %w", name, err)
		}
	}
	for {
		if found, err := admin.ListTopics(ctx, name); err == nil && ledBySomebody(found[name], partitions) {
			return nil
		}
		if err := sleep(ctx, retryAfter/2); err != nil {
			return fmt.Errorf("topic %s has no leaders: %w", name, err)
		}
	}
}

func ledBySomebody(t kadm.TopicDetail, partitions int) bool {
	for _, p := range t.Partitions {
		if p.Leader < 0 || p.Err != nil {
			return false
		}
	}
	return len(t.Partitions) == partitions
}

// Leader is the id of the broker that leads a partition.
func Leader(ctx context.Context, seeds []string, topic string, partition int32) (int32, error) {
	c, err := newClient(seeds, nil)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	found, err := kadm.NewClient(c).ListTopics(ctx, topic)
	if err != nil {
		return 0, err
	}
	p, ok := found[topic].Partitions[partition]
	if !ok {
		return 0, fmt.Errorf("partition %d of %s is not there", partition, topic)
	}
	return p.Leader, nil
}

// Touch produces a record to each partition of a topic, so that what a broker does only once for each is done.
func Touch(ctx context.Context, seeds []string, topic string, partitions int) error {
	c, err := newClient(seeds, nil, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer c.Close()
	records := make([]*kgo.Record, partitions)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Partition: int32(i), Value: binary.BigEndian.AppendUint64(nil, probe)}
	}
	if err := c.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("the first records of %s: %w", topic, err)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// textBytes is the size of what values are cut from.
const textBytes = 1 << 20

// text is what values are cut from: noise, or words that a codec makes about three times smaller.
func text(compressible bool) []byte {
	b := make([]byte, 0, textBytes)
	for len(b) < textBytes {
		if compressible {
			b = fmt.Appendf(b, `{"id":%d,"name":"customer-%d","amount":%d.%02d,"state":"delivered"}`,
				rand.Uint32(), rand.Uint32N(1000), rand.Uint32N(500), rand.Uint32N(100))
		} else {
			b = append(b, byte(rand.Uint32()))
		}
	}
	return b[:textBytes]
}

// Acknowledged produces a record to partition 0 with acks=all, trying again until a broker takes it.
func Acknowledged(ctx context.Context, seeds []string, topic string) error {
	c, err := newClient(seeds, nil, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		err := c.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("first")}).FirstErr()
		if err == nil {
			return nil
		}
		if sleep(ctx, retryAfter/2) != nil {
			return fmt.Errorf("no record of %s was acknowledged: %w", topic, err)
		}
	}
}

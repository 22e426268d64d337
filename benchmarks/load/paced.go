package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Paced is an open loop of one producer, with consumers that follow.
type Paced struct {
	Seeds       []string
	Topic       string
	Partitions  int
	RecordBytes int
	// Rate is how many records are due in a second, For how long.
	Rate int
	For  time.Duration
	// Consumers follow from the end of the topic, each all of it.
	Consumers int
	// Compression is a codec's name; "" stands for none.
	Compression string
}

// Answered is what came of an open loop.
type Answered struct {
	// Ack is from when a record was due to its acknowledgement, EndToEnd to its arrival at a consumer, Late to when the
	// producer got to it: what of Ack is not the broker's.
	Ack, EndToEnd, Late *Histogram
	Records, Bytes      int64
	// Requests, Batches and Fetches are how many the clients sent.
	Requests, Batches, Fetches int64
	// Missing is how many records a consumer still had not got when the loop gave up waiting.
	Missing int64
	// Gap is the longest time between two acknowledgements that followed each other.
	Gap  time.Duration
	Took time.Duration
}

const (
	// dueBytes of each value say when it was due, in nanoseconds of this process.
	dueBytes = 8
	// consumersReady is how long consumers get to find the end of the topic before the loop begins.
	consumersReady = 10 * time.Second
	// arriveWithin bounds the wait for the last records.
	arriveWithin = 15 * time.Second
)

// probe is the value of records that only show that a consumer is there.
const probe = ^uint64(0)

// pacedRun is a loop that runs.
type pacedRun struct {
	Paced
	base     time.Time // what the moments in values are counted from
	clock    machineClock
	producer *kgo.Client
	count    *counter
	result   Answered
	arrived  atomic.Int64 // at all consumers together
	ready    []atomic.Bool
	failed   atomic.Pointer[error]
	lastAck  atomic.Int64 // in nanoseconds since the loop began
	gap      atomic.Int64
}

// Run sends all records and waits for their acknowledgements and arrivals.
func (p Paced) Run(ctx context.Context) (Answered, error) {
	opts, err := Produce{Topic: p.Topic, RecordBytes: p.RecordBytes, Clients: 1, Compression: p.Compression}.options()
	if err != nil {
		return Answered{}, err
	}
	if p.RecordBytes < dueBytes {
		return Answered{}, fmt.Errorf("records of an open loop have at least %d bytes", dueBytes)
	}
	count := new(counter)
	clients, err := newClients(1, p.Seeds, count, opts)
	defer closeAll(clients)
	if err != nil {
		return Answered{}, err
	}
	r := &pacedRun{Paced: p, base: time.Now(), producer: clients[0], count: count,
		ready: make([]atomic.Bool, p.Consumers)}
	r.result.Ack, r.result.EndToEnd, r.result.Late = new(Histogram), new(Histogram), new(Histogram)
	following, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	consumers, err := newClients(p.Consumers, p.Seeds, count, []kgo.Opt{kgo.ConsumeTopics(p.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())})
	defer closeAll(consumers)
	if err != nil {
		return Answered{}, err
	}
	r.clock = newMachineClock()
	defer r.clock.release()
	for i, c := range consumers {
		group.Go(func() { r.follow(following, c, i) })
	}
	if err := r.warm(ctx); err != nil {
		return Answered{}, err
	}
	return r.loop(ctx)
}

// warm sends records that do not count until all consumers have seen one, and the producer its first acknowledgement.
func (r *pacedRun) warm(ctx context.Context) error {
	value := binary.BigEndian.AppendUint64(nil, probe)
	for begin := time.Now(); time.Since(begin) < consumersReady; {
		record := &kgo.Record{Value: value}
		if err := r.producer.ProduceSync(ctx, record).FirstErr(); err != nil {
			return fmt.Errorf("the first record: %w", err)
		}
		all := true
		for i := range r.ready {
			all = all && r.ready[i].Load()
		}
		if all {
			return nil
		}
		if err := sleep(ctx, retryAfter); err != nil {
			return err
		}
	}
	return fmt.Errorf("a consumer had got nothing after %v", consumersReady)
}

// loop sends what is due and waits for the rest.
func (r *pacedRun) loop(ctx context.Context) (Answered, error) {
	before := r.count.now()
	s := Schedule{r.Rate, int64(r.For.Seconds() * float64(r.Rate))}
	filler := text(r.Compression != "")
	r.clock.start = time.Now()
	began := r.clock.start.Sub(r.base)
	records := sync.Pool{New: func() any { return &kgo.Record{Value: make([]byte, r.RecordBytes)} }}
	s.run(r.clock, func(i int64, due time.Duration) bool {
		record := records.Get().(*kgo.Record)
		value := record.Value
		copy(value, filler[int(i*61)%(textBytes-r.RecordBytes):])
		binary.BigEndian.PutUint64(value, uint64(began+due))
		r.result.Late.Add(r.clock.now() - due)
		record.Partition = int32(i % int64(r.Partitions))
		r.producer.Produce(context.Background(), record, func(record *kgo.Record, err error) {
			r.acked(due, err)
			*record = kgo.Record{Value: record.Value}
			records.Put(record)
		})
		return ctx.Err() == nil && r.failed.Load() == nil
	})
	waiting, cancel := context.WithTimeout(context.Background(), retryTimeout)
	defer cancel()
	if err := r.producer.Flush(waiting); err != nil {
		return r.result, fmt.Errorf("waited %v for the last acknowledgements: %w", retryTimeout, err)
	}
	if err := r.failed.Load(); err != nil {
		return r.result, fmt.Errorf("the producer: %w", *err)
	}
	r.result.Took = r.clock.now()
	r.result.Records = int64(r.result.Ack.Count())
	r.result.Bytes = r.result.Records * int64(r.RecordBytes)
	r.result.Gap = time.Duration(r.gap.Load())
	want := r.result.Records * int64(r.Consumers)
	for end := time.Now().Add(arriveWithin); r.arrived.Load() < want && time.Now().Before(end); {
		if sleep(ctx, retryAfter) != nil {
			break
		}
	}
	r.result.Missing = want - r.arrived.Load()
	after := r.count.now()
	r.result.Requests, r.result.Batches = after.requests-before.requests, after.batches-before.batches
	r.result.Fetches = after.fetches - before.fetches
	return r.result, ctx.Err()
}

// acked notes an acknowledgement. The client calls it from one goroutine.
func (r *pacedRun) acked(due time.Duration, err error) {
	if err != nil {
		r.failed.Store(&err)
		return
	}
	now := r.clock.now()
	r.result.Ack.Add(now - due)
	if last := r.lastAck.Swap(int64(now)); int64(now)-last > r.gap.Load() {
		r.gap.Store(int64(now) - last)
	}
}

// follow reads until the context ends.
func (r *pacedRun) follow(ctx context.Context, c *kgo.Client, number int) {
	for ctx.Err() == nil {
		fetches := c.PollFetches(ctx)
		now := time.Since(r.base)
		fetches.EachRecord(func(record *kgo.Record) {
			due := binary.BigEndian.Uint64(record.Value)
			if due == probe {
				r.ready[number].Store(true)
				return
			}
			r.result.EndToEnd.Add(now - time.Duration(due))
			r.arrived.Add(1)
		})
	}
}

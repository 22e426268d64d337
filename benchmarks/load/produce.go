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

const (
	// bufferedBytes bounds what the producers of one load hold back together.
	bufferedBytes = 64 << 20
	// wholeBatch is the client's largest batch where nothing else is said, just below max.message.bytes' default.
	wholeBatch = 1_000_000
	// recordOverhead is what a record takes in a batch beside its value, at most; batchOverhead what a batch takes.
	recordOverhead = 16
	batchOverhead  = 61
	// leastBatch is the smallest bound of a batch that the client takes.
	leastBatch = 512
)

// Produce is a closed loop of producers.
type Produce struct {
	Seeds      []string
	Topic      string
	Partitions int
	// RecordBytes is the size of a value.
	RecordBytes int
	// BatchBytes bounds a batch; 0 stands for the largest that Kafka takes by default, 1 for one record a batch,
	// or for as many as 512 bytes hold.
	BatchBytes int
	// Clients is how many producers there are, each with a connection of its own to each broker.
	Clients int
	// OneAck asks for acks=1, which producers cannot combine with idempotence. Otherwise it is acks=all.
	OneAck bool
	// Compression is a codec's name; "" stands for none.
	Compression string
	// For and MostBytes end the load, whichever comes first.
	For       time.Duration
	MostBytes int64
}

// Produced is what came of a load of producers. The last few requests and batches may be missing from their counts.
type Produced struct {
	Records, Bytes, Requests, Batches int64
	Took                              time.Duration
}

// batch is the bound of a batch in bytes.
func (p Produce) batch() int {
	switch p.BatchBytes {
	case 0:
		return wholeBatch
	case 1:
		return max(batchOverhead+recordOverhead+p.RecordBytes, leastBatch)
	}
	return p.BatchBytes
}

func codec(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "", "none":
		return kgo.NoCompression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "snappy":
		return kgo.SnappyCompression(), nil
	case "gzip":
		return kgo.GzipCompression(), nil
	}
	return kgo.NoCompression(), fmt.Errorf("%q is no codec: none, gzip, snappy, lz4 or zstd", name)
}

func (p Produce) options() ([]kgo.Opt, error) {
	c, err := codec(p.Compression)
	if err != nil {
		return nil, err
	}
	most := max(bufferedBytes/max(p.Clients, 1)/(p.RecordBytes+recordOverhead), 16)
	opts := []kgo.Opt{kgo.DefaultProduceTopic(p.Topic), kgo.ProducerBatchCompression(c), kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(int32(p.batch())), kgo.MaxBufferedRecords(most),
		kgo.RecordPartitioner(kgo.ManualPartitioner())}
	if p.OneAck {
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite(),
			kgo.MaxProduceRequestsInflightPerBroker(5))
	}
	return opts, nil
}

// Run produces until the load's end and waits for all acknowledgements.
func (p Produce) Run(ctx context.Context) (Produced, error) {
	opts, err := p.options()
	if err != nil {
		return Produced{}, err
	}
	count := new(counter)
	clients, err := newClients(p.Clients, p.Seeds, count, opts)
	defer closeAll(clients)
	if err != nil {
		return Produced{}, err
	}
	values := text(p.Compression != "")
	var acked, sent atomic.Int64
	begin := time.Now()
	timed, cancel := context.WithDeadline(ctx, begin.Add(p.For))
	defer cancel()
	errs := make([]error, len(clients))
	var group sync.WaitGroup
	for i, c := range clients {
		group.Go(func() { errs[i] = p.one(timed, c, i, values, &acked, &sent) })
	}
	group.Wait()
	took := time.Since(begin)
	n := acked.Load()
	return Produced{n, n * int64(p.RecordBytes), count.produces.Load(), count.batches.Load(), took}, errors.Join(errs...)
}

func newClients(n int, seeds []string, count *counter, opts []kgo.Opt) (clients []*kgo.Client, err error) {
	for range n {
		c, err := newClient(seeds, count, opts...)
		if err != nil {
			return clients, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}

func closeAll(clients []*kgo.Client) {
	for _, c := range clients {
		c.Close()
	}
}

// one is what a single producer does: it fills its partitions by turns, a batch each.
func (p Produce) one(ctx context.Context, c *kgo.Client, number int, values []byte, acked, sent *atomic.Int64) error {
	var failed atomic.Pointer[error]
	pool := sync.Pool{New: func() any { return new(kgo.Record) }}
	done := func(r *kgo.Record, err error) {
		if err != nil {
			failed.Store(&err)
			return
		}
		acked.Add(1)
		*r = kgo.Record{}
		pool.Put(r)
	}
	mine := share(p.Partitions, p.Clients, number)
	perBatch := max((p.batch()-batchOverhead)/(p.RecordBytes+recordOverhead), 1)
	for i := 0; ctx.Err() == nil && failed.Load() == nil; i++ {
		if sent.Add(int64(p.RecordBytes)) > p.MostBytes {
			break
		}
		r := pool.Get().(*kgo.Record)
		at := i * 61 % (textBytes - p.RecordBytes)
		r.Value, r.Partition = values[at:at+p.RecordBytes], mine[i/perBatch%len(mine)]
		c.Produce(context.Background(), r, done)
	}
	flush, cancel := context.WithTimeout(context.Background(), retryTimeout)
	defer cancel()
	if err := c.Flush(flush); err != nil {
		return fmt.Errorf("producer %d waited %v for its last acknowledgements: %w", number, retryTimeout, err)
	}
	if err := failed.Load(); err != nil {
		return fmt.Errorf("producer %d: %w", number, *err)
	}
	return nil
}

// share is what partitions a producer fills: each has one producer at least, and no producer has none.
func share(partitions, clients, number int) (mine []int32) {
	for p := number % partitions; p < partitions; p += clients {
		mine = append(mine, int32(p))
	}
	return mine
}

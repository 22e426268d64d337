package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/linearizability"
)

// producerOptions make an idempotent producer that says so if its sequence breaks, instead of beginning anew.
func producerOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.StopProducerOnDataLossDetected(), kgo.MaxBufferedRecords(bufferMost),
		kgo.ProduceRequestTimeout(3 * time.Second), kgo.ProducerLinger(5 * time.Millisecond),
	}
}

// flushWithin is how long what was sent may take to be answered once there are no faults any more.
const flushWithin = 60 * time.Second

// produce sends numbered records, at a rate, to all partitions in turn, until it is told to stop; then it waits for the
// answers.
func (l *load) produce(process int32, rate int) {
	client := l.client(producerOptions()...)
	defer client.Close()
	const every = 10 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	sent, owed := 0, 0.0
	for l.stopped.Err() == nil {
		select {
		case <-tick.C:
		case <-l.stopped.Done():
		}
		owed = min(owed+float64(rate)*every.Seconds(), float64(rate)) // a second's worth is caught up with, not more
		for ; owed >= 1 && client.BufferedProduceRecords() < bufferMost/2; owed-- {
			l.send(client, process, ledger, int32(sent%partitions), fmt.Sprintf("%d-%d", process, sent))
			sent++
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
	defer cancel()
	if client.Flush(ctx) != nil {
		l.complain("producer %d: %d records were not answered within %s after the last fault", process,
			client.BufferedProduceRecords(), flushWithin)
	}
}

// send sends one record and records it.
func (l *load) send(client *kgo.Client, process int32, topic string, partition int32, value string) {
	id := l.begin(linearizability.Send, process, func(op *linearizability.Op) {
		op.Partition = linearizability.Partition{Topic: topic, Index: partition}
		op.Values, op.Idempotent = []string{value}, true
	})
	sent := time.Now()
	record := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}
	client.Produce(context.Background(), record, func(r *kgo.Record, err error) {
		l.end(id, err, func(op *linearizability.Op) { op.Offset = r.Offset })
		if topic == ledger {
			l.outages.add(time.Since(sent), sent.Sub(l.began))
			l.waits.add(time.Since(sent))
		}
		if err == nil {
			l.acked.Add(1)
			return
		}
		l.unknown.Add(1)
		if topic == ledger && !errors.Is(err, kgo.ErrClientClosed) {
			l.complain("producer %d was refused a record for %s-%d: %v", process, topic, partition, err)
		}
	})
}

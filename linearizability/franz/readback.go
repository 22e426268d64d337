package franz

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/linearizability"
)

// where is a partition to be read.
type where struct {
	topic string
	index int32
}

// ReadBack reads everything in the topics that clients have produced to, and records it as what is there in the end,
// when all faults are over and all clients have come to theirs. Without it nobody knows whether a record that no
// consumer saw is lost. The options are those that a client of the cluster needs.
func (r *Recorder) ReadBack(ctx context.Context, options ...kgo.Opt) error {
	r.mu.Lock()
	topics := slices.Sorted(maps.Keys(r.produced))
	r.mu.Unlock()
	if len(topics) == 0 {
		return nil
	}
	ends, err := endsOf(ctx, topics, options)
	if err != nil {
		return fmt.Errorf("the topics' ends are not known: %w", err)
	}
	from := map[string]map[int32]kgo.Offset{}
	for at := range ends {
		if from[at.topic] == nil {
			from[at.topic] = map[int32]kgo.Offset{}
		}
		from[at.topic][at.index] = kgo.NewOffset().AtStart()
	}
	if len(from) == 0 {
		return nil
	}
	client, err := kgo.NewClient(append(slices.Clone(options), kgo.ConsumePartitions(from), kgo.KeepControlRecords())...)
	if err != nil {
		return err
	}
	defer client.Close()
	return r.readTo(ctx, client, ends)
}

// endsOf asks for the ends of the partitions that have records.
func endsOf(ctx context.Context, topics []string, options []kgo.Opt) (map[where]int64, error) {
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	listed, err := kadm.NewClient(client).ListEndOffsets(ctx, topics...)
	if err == nil {
		err = listed.Error()
	}
	ends := map[where]int64{}
	listed.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			ends[where{o.Topic, o.Partition}] = o.Offset
		}
	})
	return ends, err
}

// readTo polls until every partition was read to its end.
func (r *Recorder) readTo(ctx context.Context, client *kgo.Client, ends map[where]int64) error {
	process := r.last.Add(1)
	for left := maps.Clone(ends); len(left) > 0; {
		op := linearizability.NewOp(linearizability.Poll, process, r.now())
		op.Final = true
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("%d partitions could not be read to their end: %w", len(left), ctx.Err())
		}
		fetches.EachRecord(func(record *kgo.Record) {
			if !record.Attrs.IsControl() {
				appendRead(&op, record)
			}
			// The end may be that of a transaction's marker.
			if at := (where{record.Topic, record.Partition}); record.Offset+1 >= ends[at] {
				delete(left, at)
			}
		})
		for i := range op.Reads {
			read := &op.Reads[i]
			read.Next = read.Offsets[len(read.Offsets)-1] + 1
			read.HighWatermark = ends[where{read.Partition.Topic, read.Partition.Index}]
		}
		if len(op.Reads) > 0 {
			r.shared.Add(op.Done(r.now(), linearizability.OK, ""))
		}
	}
	return nil
}

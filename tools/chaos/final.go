package chaos

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/linearizability"
)

// readTo polls until every partition was read to its end.
func (l *load) readTo(ctx context.Context, reader *kgo.Client, left map[where]int64) error {
	process := l.process.Add(1)
	ends := map[where]int64{}
	for at, end := range left {
		ends[at] = end
	}
	for len(left) > 0 {
		op := linearizability.NewOp(linearizability.Poll, process, l.now())
		op.Final = true
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("%d partitions could not be read to their end: %v", len(left), fetches.Errors())
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if len(p.Records) == 0 {
				return
			}
			at := where{p.Topic, p.Partition}
			read := linearizability.NewRead(linearizability.Partition{Topic: p.Topic, Index: p.Partition}, nil, nil)
			for _, r := range p.Records {
				read.Offsets, read.Values = append(read.Offsets, r.Offset), append(read.Values, string(r.Value))
			}
			read.Next, read.HighWatermark = p.Records[len(p.Records)-1].Offset+1, ends[at]
			if read.Next >= ends[at] {
				delete(left, at)
			}
			op.Reads = append(op.Reads, read)
		})
		if len(op.Reads) > 0 {
			l.recorder.Add(op.Done(l.now(), linearizability.OK, ""))
		}
	}
	return nil
}

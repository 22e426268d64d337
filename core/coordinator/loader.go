package coordinator

import (
	"fmt"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// Loader replays a partition's log into a fresh machine. It runs as a job, outside the shard, over batches that the job
// reads from the log start offset to the log end offset; nothing else may touch the machine until FinishLoad.
//
// Records are applied one by one in the order of the log. Nothing is expired and nothing is decided meanwhile: a record
// that is to be removed and then comes again, in whatever batches, ends up as the log has it (KAFKA-5600, KAFKA-4704).
type Loader[O Op] struct {
	machine Machine[O]
	codecs  *record.Codecs
	end     core.Offset
}

// NewLoader returns a loader into machine, which must be fresh, for a log that starts at start.
func NewLoader[O Op](machine Machine[O], start core.Offset) *Loader[O] {
	return &Loader[O]{machine: machine, codecs: record.NewCodecs(0), end: start}
}

// LoadBatch replays one batch, which must have passed the log's own checks. The bytes are borrowed. A compacted log has
// gaps between batches and in them.
func (l *Loader[O]) LoadBatch(batch record.View) error {
	// The first batch may begin below the log start offset, in records that were deleted; what they say is still true.
	if batch.LastOffset() < l.end {
		return fmt.Errorf("coordinator: batch at %d comes after offset %d", batch.BaseOffset(), l.end-1)
	}
	// Control batches end transactions; they will be replayed when machines take part in transactions.
	if !batch.IsControl() {
		if err := l.replay(batch); err != nil {
			return err
		}
	}
	l.end = batch.NextOffset()
	return nil
}

func (l *Loader[O]) replay(batch record.View) error {
	producer := core.NoProducerID
	if batch.IsTransactional() {
		producer = batch.ProducerID()
	}
	it := record.Records(batch, l.codecs)
	for it.Next() {
		e := Entry{Offset: it.Record.Offset, ProducerID: producer, Key: it.Record.Key, Value: it.Record.Value}
		if err := l.machine.Replay(e); err != nil {
			return err
		}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("coordinator: batch at %d: %w", batch.BaseOffset(), err)
	}
	return nil
}

// End returns the offset after the last batch.
func (l *Loader[O]) End() core.Offset { return l.end }

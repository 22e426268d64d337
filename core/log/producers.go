package log

import (
	"math"
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// ProducerWindow is how many batches of a producer are remembered, so that any of them is recognised when sent again
// (KIP-98; Kafka: ProducerStateEntry.NUM_BATCHES_TO_RETAIN). Clients keep at most five requests in flight.
const ProducerWindow = 5

// noCoordinatorEpoch stands where no transaction marker was seen.
const noCoordinatorEpoch int32 = -1

// ProducerBatch is what is remembered of one batch.
type ProducerBatch struct {
	LastSequence core.Sequence
	LastOffset   core.Offset
	OffsetDelta  int32
	Timestamp    core.Timestamp
}

// FirstSequence is the sequence number of the batch's first record.
func (b ProducerBatch) FirstSequence() core.Sequence {
	first := int64(b.LastSequence) - int64(b.OffsetDelta)
	if first < 0 {
		first += math.MaxInt32 + 1
	}
	return core.Sequence(first)
}

// FirstOffset is the offset of the batch's first record.
func (b ProducerBatch) FirstOffset() core.Offset { return b.LastOffset - core.Offset(b.OffsetDelta) }

// Producer is the state of one producer in one log.
type Producer struct {
	ID               core.ProducerID
	Epoch            core.ProducerEpoch
	CoordinatorEpoch int32
	LastTimestamp    core.Timestamp
	TxnStart         core.Offset // first offset of the open transaction, or NoOffset

	count   int
	batches [ProducerWindow]ProducerBatch // oldest first
}

// Batches returns the remembered batches, oldest first. The slice belongs to the producer.
func (p *Producer) Batches() []ProducerBatch { return p.batches[:p.count] }

func (p *Producer) lastSequence() core.Sequence {
	if p.count == 0 {
		return core.NoSequence
	}
	return p.batches[p.count-1].LastSequence
}

func (p *Producer) add(epoch core.ProducerEpoch, b ProducerBatch) {
	p.moveTo(epoch)
	if p.count == ProducerWindow {
		copy(p.batches[:], p.batches[1:])
		p.count--
	}
	p.batches[p.count] = b
	p.count++
	p.LastTimestamp = b.Timestamp
}

func (p *Producer) moveTo(epoch core.ProducerEpoch) {
	if p.Epoch != epoch {
		p.Epoch, p.count, p.batches = epoch, 0, [ProducerWindow]ProducerBatch{}
	}
}

// Verdict is what [Producers.Check] says of a batch.
type Verdict struct {
	Code core.ErrorCode
	// Duplicate says that the batch is in the log already, and is to be answered with where it is.
	Duplicate     bool
	BaseOffset    core.Offset
	LastOffset    core.Offset
	BaseTimestamp core.Timestamp // the timestamp that was answered the first time
}

// Producers is the state of the idempotent and transactional producers of one log, a function of the log's batches up
// to End.
type Producers struct {
	end  core.Offset
	byID map[core.ProducerID]*Producer
}

// NewProducers returns the state of a log without batches before end.
func NewProducers(end core.Offset) *Producers {
	return &Producers{end: end, byID: make(map[core.ProducerID]*Producer)}
}

// End is the offset up to which batches have been applied.
func (s *Producers) End() core.Offset { return s.end }

// Len is the number of producers.
func (s *Producers) Len() int { return len(s.byID) }

// Get returns a producer's state, or nil. It belongs to s.
func (s *Producers) Get(id core.ProducerID) *Producer { return s.byID[id] }

// All returns the producers in the order of their ids.
func (s *Producers) All() []*Producer {
	all := make([]*Producer, 0, len(s.byID))
	//core:unordered sorted below
	for _, p := range s.byID {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *Producer) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return all
}

// Check decides whether a batch from a client may be appended (Kafka: ProducerAppendInfo, UnifiedLog.
// analyzeAndValidateProducerState). Since Kafka 2.5 a producer that is not known may begin with any sequence number, so
// UNKNOWN_PRODUCER_ID is not answered any more.
func (s *Producers) Check(v record.View) Verdict {
	if !v.HasProducerID() {
		return Verdict{}
	}
	p := s.byID[v.ProducerID()]
	if p == nil {
		return Verdict{}
	}
	epoch, first := v.ProducerEpoch(), v.BaseSequence()
	if epoch == p.Epoch {
		for _, b := range p.Batches() {
			if b.FirstSequence() == first && b.LastSequence == v.LastSequence() {
				return Verdict{Duplicate: true, BaseOffset: b.FirstOffset(), LastOffset: b.LastOffset,
					BaseTimestamp: b.Timestamp}
			}
		}
	}
	switch {
	case epoch < p.Epoch:
		return Verdict{Code: core.InvalidProducerEpoch}
	case v.IsControl():
		return Verdict{}
	case epoch > p.Epoch && first != 0 && p.Epoch != core.NoProducerEpoch:
		return Verdict{Code: core.OutOfOrderSequenceNumber}
	case epoch == p.Epoch && !follows(p.lastSequence(), first):
		return Verdict{Code: core.OutOfOrderSequenceNumber}
	case p.TxnStart != core.NoOffset && !v.IsTransactional():
		return Verdict{Code: core.InvalidTxnState}
	}
	return Verdict{}
}

// follows reports whether next comes right after last; after the largest sequence number comes 0.
func follows(last, next core.Sequence) bool {
	return int64(next) == int64(last)+1 || next == 0 && last == math.MaxInt32
}

// Apply takes a batch that is in the log, with its offsets. Batches come in the order of the log. Control batches need
// their whole bytes.
func (s *Producers) Apply(v record.View) {
	if v.HasProducerID() {
		p := s.byID[v.ProducerID()]
		if p == nil {
			p = &Producer{ID: v.ProducerID(), Epoch: core.NoProducerEpoch, CoordinatorEpoch: noCoordinatorEpoch,
				LastTimestamp: core.NoTimestamp, TxnStart: core.NoOffset}
			s.byID[p.ID] = p
		}
		if v.IsControl() {
			p.mark(v)
		} else {
			p.add(v.ProducerEpoch(), ProducerBatch{LastSequence: v.LastSequence(), LastOffset: v.LastOffset(),
				OffsetDelta: v.LastOffsetDelta(), Timestamp: v.MaxTimestamp()})
			if v.IsTransactional() && p.TxnStart == core.NoOffset {
				p.TxnStart = v.BaseOffset()
			}
		}
	}
	s.end = v.NextOffset()
}

// mark applies a transaction marker. One without a readable record was emptied by the cleaner, together with the
// transaction.
func (p *Producer) mark(v record.View) {
	it := record.Records(v, nil)
	if !it.Next() {
		return
	}
	p.moveTo(v.ProducerEpoch())
	if m, ok := record.ParseEndTxn(it.Record.Value); ok {
		p.CoordinatorEpoch = m.CoordinatorEpoch
	}
	p.TxnStart = core.NoOffset
	p.LastTimestamp = it.Record.Timestamp
}

// FirstUnstable is the first offset of the oldest open transaction, or end if there is none.
func (s *Producers) FirstUnstable(end core.Offset) core.Offset {
	//core:unordered a minimum does not depend on the order
	for _, p := range s.byID {
		if p.TxnStart != core.NoOffset {
			end = min(end, p.TxnStart)
		}
	}
	return end
}

// Expire forgets producers that were idle for longer than expiry and have no open transaction. It returns how many.
func (s *Producers) Expire(now core.Timestamp, expiryMs int64) int {
	n := 0
	//core:unordered what is deleted does not depend on the order
	for id, p := range s.byID {
		if p.TxnStart == core.NoOffset && int64(now-p.LastTimestamp) >= expiryMs {
			delete(s.byID, id)
			n++
		}
	}
	return n
}

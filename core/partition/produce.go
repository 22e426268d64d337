package partition

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// produce appends the items of an operation, each to its partition.
func (s *Set) produce(now core.Instant, op *ProduceOp, out *core.Outbox) {
	op.deadline = now.Mono + waits(op.Timeout)
	op.open = len(op.Items) + 1 // one more, so that it is not answered while this loop runs
	op.writing = 1
	for i := range op.Items {
		it := &op.Items[i]
		r := s.byID[it.ID]
		if code := s.refuseProduce(r, op.Acks, it); code != core.NoError {
			noteRefused(r, code, out)
			op.finish(i, code, out)
			continue
		}
		s.append(now, r, op, i, out)
	}
	if op.close(out); op.open > 0 {
		op.wrote(out)
	}
}

// refuseProduce finds what is against taking a batch.
func (s *Set) refuseProduce(r *Replica, acks Acks, it *ProduceItem) core.ErrorCode {
	switch {
	case r == nil:
		return core.UnknownTopicOrPartition
	case s.closing:
		return core.NotLeaderOrFollower
	case !r.Online():
		return core.KafkaStorageError
	case !r.Leading():
		return core.NotLeaderOrFollower
	case r.log.Truncating():
		return core.NotLeaderOrFollower // as a follower it was being cut; that is done in a moment
	case acks == AcksAll && r.underMinISR():
		return core.NotEnoughReplicas
	case int64(len(it.Batch)) > r.log.Settings().SegmentBytes:
		return core.RecordListTooLarge
	}
	return core.NoError
}

// append gives an item its place in the log. A batch that the log has already is answered with the place it got the
// first time (KIP-98), and under the same conditions: with acks=all, not before it is committed.
func (s *Set) append(now core.Instant, r *Replica, op *ProduceOp, i int, out *core.Outbox) {
	it := &op.Items[i]
	it.LeaderEpoch, it.LogStart = r.leaderEpoch, r.log.LogStartOffset()
	verdict := r.log.Producers().Check(it.Batch)
	if it.Batch.HasProducerID() {
		noteProducer(r, it.Batch, &verdict, out)
	}
	switch {
	case verdict.Code != core.NoError:
		s.refuseByState(now, r, op, i, verdict.Code, out)
		return
	case verdict.Duplicate:
		it.BaseOffset, it.LastOffset = verdict.BaseOffset, verdict.LastOffset
		if it.LogAppendTime != core.NoTimestamp {
			it.LogAppendTime = verdict.BaseTimestamp
		}
	default:
		it.BaseOffset, it.LastOffset = r.log.Append(now, it.Batch, r.leaderEpoch, out)
		r.writing++
		if !r.settings.WriteCaching {
			r.log.Sync(out)
		}
	}
	if op.Acks == AcksAll {
		r.deadline = min(r.deadline, op.deadline)
	}
	op.writing++
	r.waits = append(r.waits, wait{op: op, item: i, end: it.LastOffset + 1})
	s.touch(r)
	if verdict.Duplicate {
		s.advance(now, r, out)
	}
}

// refuseByState refuses a batch because of what this leader knows of its producer. Clients take most of these codes for
// fatal, and a leader that was deposed would say so of batches that follow on what its successor has: they wait for a
// confirmation of the leadership. Nothing is answered to acks=0.
func (s *Set) refuseByState(now core.Instant, r *Replica, op *ProduceOp, i int, code core.ErrorCode,
	out *core.Outbox) {
	if op.Acks == AcksNone {
		op.finish(i, code, out)
		return
	}
	s.Confirm(now, r, out, func(_ core.Instant, confirmed bool, out *core.Outbox) {
		if !confirmed {
			code = core.NotLeaderOrFollower
		}
		op.finish(i, code, out)
	})
}

// noteRefused says why a batch was refused.
func noteRefused(r *Replica, code core.ErrorCode, out *core.Outbox) {
	switch {
	case code == core.NotLeaderOrFollower && !r.Leading():
		out.Sometimes(probe.ProduceRefusedByFollower)
	case code == core.NotLeaderOrFollower && r.Online() && r.log.Truncating():
		out.Sometimes(probe.ProduceRefusedWhileCut)
	case code == core.NotEnoughReplicas:
		out.Sometimes(probe.ProduceUnderMinISR)
	case code == core.RecordListTooLarge:
		out.Sometimes(probe.BatchTooLarge)
	}
}

// noteProducer says what is rare about a batch of an idempotent producer.
func noteProducer(r *Replica, v record.View, verdict *log.Verdict, out *core.Outbox) {
	switch {
	case verdict.Code == core.OutOfOrderSequenceNumber:
		out.Sometimes(probe.SequenceRefused)
	case verdict.Code == core.InvalidProducerEpoch:
		out.Sometimes(probe.ProducerFenced)
	case verdict.Code != core.NoError:
	case verdict.Duplicate:
		out.Sometimes(probe.BatchSentAgain)
		if verdict.LastOffset >= min(r.highWatermark, r.log.WrittenOffset()) {
			out.Sometimes(probe.DuplicateInFlight)
		}
	case v.LastSequence() < v.BaseSequence():
		out.Sometimes(probe.SequenceWrapped)
	case v.BaseSequence() == 0: // as at the begin of an epoch; few batches are worth looking the producer up again
		noteFirst(r.log.Producers().Get(v.ProducerID()), v, out)
	}
}

// noteFirst says what is rare about a batch that begins with sequence number 0.
func noteFirst(p *log.Producer, v record.View, out *core.Outbox) {
	switch {
	case p == nil:
	case v.ProducerEpoch() > p.Epoch:
		out.Sometimes(probe.ProducerEpochRaised)
	case v.ProducerEpoch() == p.Epoch && len(p.Batches()) > 0:
		out.Sometimes(probe.SequenceWrapped)
	}
}

// advance moves on everything that a replica's progress allows.
func (s *Set) advance(now core.Instant, r *Replica, out *core.Outbox) {
	if r.log == nil || r.log.Failed() != nil {
		return
	}
	before := r.written
	for ; r.written < len(r.waits) && r.waits[r.written].end <= r.log.WrittenOffset(); r.written++ {
		if w := &r.waits[r.written]; w.op.Acks != AcksAll || w.code != core.NoError {
			w.finish(w.code, out)
		}
	}
	moved, written := s.commit(now, r), r.log.WrittenOffset()
	if moved {
		s.Changed = append(s.Changed, r)
		s.wake(now, &r.readers, r, out)
	}
	if moved || written != r.pulled {
		if r.pulled = written; !r.Leading() {
			s.wake(now, &r.readers, r, out)
		}
		s.wake(now, &r.pullers, r, out)
	}
	for ; r.head < r.written; r.head++ {
		if w := &r.waits[r.head]; w.op != nil {
			if w.end > r.highWatermark {
				break
			}
			w.finish(core.NoError, out)
		}
	}
	for i := max(before, r.head); i < r.written; i++ {
		if op := r.waits[i].op; op != nil {
			op.wrote(out)
		}
	}
	if r.head == len(r.waits) {
		r.waits, r.head, r.written, r.deadline = r.waits[:0], 0, 0, core.Never
	} else if r.head > compactWaits && r.head > len(r.waits)/2 {
		n := copy(r.waits, r.waits[r.head:])
		clear(r.waits[n:])
		r.waits, r.written, r.head = r.waits[:n], r.written-r.head, 0
	}
}

// compactWaits is how many answered waits at the front of a queue are worth freeing.
const compactWaits = 1024

// expireWaits answers REQUEST_TIMED_OUT to produce requests that have waited long enough. The records stay: they may
// be committed yet, which is why clients must take this code for an unknown outcome. What the disk has not taken yet
// waits on, because the disk still owns its bytes.
func (s *Set) expireWaits(now core.Instant, r *Replica, out *core.Outbox) {
	r.deadline = core.Never
	for i := r.head; i < len(r.waits); i++ {
		w := &r.waits[i]
		switch {
		case w.op == nil || w.op.Acks != AcksAll:
		case i < r.written && now.Reached(w.op.deadline):
			out.Sometimes(probe.ProduceTimedOut)
			w.finish(core.RequestTimedOut, out)
		default:
			r.deadline = min(r.deadline, max(w.op.deadline, now.Mono+expiryStep))
		}
	}
}

// expiryStep is how soon an expired request that cannot be answered yet is looked at again.
const expiryStep = 10 * time.Millisecond

// failWaits answers everything that waits for a replica with code.
func (s *Set) failWaits(r *Replica, code core.ErrorCode, out *core.Outbox) {
	for i := r.head; i < len(r.waits); i++ {
		if w := &r.waits[i]; w.op != nil {
			w.finish(code, out)
		}
	}
	r.waits, r.head, r.written, r.deadline = r.waits[:0], 0, 0, core.Never
}

// finish answers a wait and frees its place.
func (w *wait) finish(code core.ErrorCode, out *core.Outbox) {
	w.op.finish(w.item, code, out)
	w.op = nil
}

// finish gives an item its outcome, and sends the operation back with the last one.
func (op *ProduceOp) finish(i int, code core.ErrorCode, out *core.Outbox) {
	it := &op.Items[i]
	it.Code = code
	if code != core.NoError {
		it.BaseOffset, it.LogAppendTime = core.NoOffset, core.NoTimestamp
	}
	op.close(out)
}

// wrote notes that one item more is written while its outcome waits for something else, and tells the session of the
// last one. Where items of one operation wait for different things, the session may not be told before all is over.
func (op *ProduceOp) wrote(out *core.Outbox) {
	if op.writing--; op.writing > 0 || !op.Early {
		return
	}
	for i := range op.Items {
		op.Items[i].Batch = nil
	}
	op.Taken, op.taken.Call = true, op.Call
	out.Send(op.Reply, &op.taken)
}

func (op *ProduceOp) close(out *core.Outbox) {
	if op.open <= 0 {
		panic("partition: a produce operation was answered too often")
	}
	if op.open--; op.open == 0 {
		out.Send(op.Reply, op)
	}
}

// AppendInternal appends a batch that the broker writes itself, for a coordinator. The bytes are the disk's from now
// on.
func (s *Set) AppendInternal(now core.Instant, r *Replica, v record.View, out *core.Outbox) (base, last core.Offset,
	code core.ErrorCode) {
	switch {
	case s.byID[r.id] != r || s.closing || !r.Leading():
		return 0, 0, core.NotLeaderOrFollower
	case !r.Online():
		return 0, 0, core.KafkaStorageError
	case r.log.Truncating():
		return 0, 0, core.NotLeaderOrFollower
	case r.underMinISR():
		return 0, 0, core.NotEnoughReplicas
	case int64(len(v)) > min(r.log.Settings().SegmentBytes, int64(r.settings.MaxMessageBytes)):
		return 0, 0, core.MessageTooLarge
	}
	base, last = r.log.Append(now, v, r.leaderEpoch, out)
	r.writing++
	r.log.Sync(out)
	s.touch(r)
	return base, last, core.NoError
}

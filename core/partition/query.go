package partition

import (
	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/probe"
)

// query answers the items of an operation, at once or after jobs.
func (s *Set) query(now core.Instant, op *QueryOp, out *core.Outbox) {
	if op.All {
		s.listAll(op)
		out.Send(op.Reply, op)
		return
	}
	op.open = 1
	for i := range op.Items {
		it := &op.Items[i]
		r := s.byID[it.ID]
		switch {
		case r == nil:
			it.Code = core.UnknownTopicOrPartition
		case !r.Online():
			it.Code = core.KafkaStorageError
		case !r.Leading() && op.Kind != QueryLogDirectory && op.Kind != QueryProducers:
			it.Code = core.NotLeaderOrFollower
		default:
			if it.Code = r.fence(it.LeaderEpoch); it.Code == core.NoError {
				s.ask(now, r, op, i, out)
			}
		}
	}
	if len(op.deleted) > 0 {
		s.awaitDeletion(now, op, out)
		return
	}
	op.close(out)
}

func (op *QueryOp) close(out *core.Outbox) {
	if op.open--; op.open == 0 {
		out.Send(op.Reply, op)
	}
}

func (s *Set) ask(now core.Instant, r *Replica, op *QueryOp, i int, out *core.Outbox) {
	it := &op.Items[i]
	switch op.Kind {
	case QueryOffset:
		s.askOffset(r, op, i, out)
	case QueryEpochEnd:
		it.Epoch, it.Offset = r.log.Epochs().EndOffsetFor(it.Epoch, r.log.LogEndOffset())
	case QueryDelete:
		s.deleteRecords(now, r, op, i, out)
	case QueryProducers:
		it.Producers = r.producers()
	case QueryLogDirectory:
		it.Size, it.Dir = r.log.Size(), r.dir
	default:
		panic("partition: unknown query")
	}
}

// askOffset answers ListOffsets (Kafka: Partition.fetchOffsetForTimestamp).
func (s *Set) askOffset(r *Replica, op *QueryOp, i int, out *core.Outbox) {
	it := &op.Items[i]
	at := func(offset core.Offset) {
		it.Offset, it.Timestamp, it.Epoch = offset, core.NoTimestamp, r.log.Epochs().EpochAt(offset)
	}
	none := func() { it.Offset, it.Timestamp, it.Epoch = core.NoOffset, core.NoTimestamp, core.NoLeaderEpoch }
	switch it.Timestamp {
	case LatestTimestamp:
		if r.lead != nil && r.highWatermark < r.lead.epochStart {
			out.Sometimes(probe.HighWatermarkUnknown)
			it.Code = core.OffsetNotAvailable // it may be behind what was committed before (KIP-207)
			return
		}
		at(r.highWatermark)
		it.Epoch = r.leaderEpoch
	case EarliestTimestamp, EarliestLocalTimestamp:
		at(r.log.LogStartOffset())
	case LatestTieredTimestamp, EarliestPendingTimestamp:
		none() // nothing is tiered
	default:
		if it.Timestamp < 0 && it.Timestamp != MaxTimestamp {
			it.Code = core.UnsupportedVersion
			return
		}
		job := r.log.ByTimestamp(it.Timestamp, r.highWatermark)
		if job == nil {
			none()
			return
		}
		op.open++
		s.asked[job] = asking{op, i}
		out.Run(job)
	}
}

// timestampFound takes back a job that looked for a timestamp.
func (s *Set) timestampFound(now core.Instant, j *log.TimestampJob, out *core.Outbox) {
	a, ok := s.asked[j]
	if !ok {
		panic("partition: a timestamp job that nobody waits for")
	}
	delete(s.asked, j)
	it := &a.op.Items[a.item]
	r := s.bySlot[j.Log]
	r.log.TimestampDone(j)
	s.touch(r) // a deleted file that was being read may go now
	switch {
	case r.removed:
		it.Code = core.UnknownTopicOrPartition
		s.depart(now, r, out)
	case j.Err != nil:
		it.Code = core.KafkaStorageError
	case j.Found:
		it.Offset, it.Timestamp, it.Epoch = j.Offset, j.Timestamp, j.Epoch
	default:
		it.Offset, it.Timestamp, it.Epoch = core.NoOffset, core.NoTimestamp, core.NoLeaderEpoch
	}
	a.op.close(out)
}

func (s *Set) listAll(op *QueryOp) {
	for _, r := range s.ordered {
		if r.Online() {
			op.Items = append(op.Items, QueryItem{ID: r.id, Size: r.log.Size(), Dir: r.dir})
		}
	}
}

// producers describes the producers that the log remembers, in the order of their ids.
func (r *Replica) producers() []Producer {
	var list []Producer
	for _, p := range r.log.Producers().All() {
		d := Producer{ID: p.ID, Epoch: p.Epoch, LastSequence: core.NoSequence, LastTimestamp: p.LastTimestamp,
			TxnStart: p.TxnStart, Coordinator: p.CoordinatorEpoch}
		if b := p.Batches(); len(b) > 0 {
			d.LastSequence = b[len(b)-1].LastSequence
		}
		list = append(list, d)
	}
	return list
}

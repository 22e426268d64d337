package partition

import (
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/probe"
)

// fetch reads the items of an operation from memory's knowledge of the logs, or by jobs where that does not reach, and
// answers or parks when all are read.
func (s *Set) fetch(now core.Instant, op *FetchOp, out *core.Outbox) {
	op.Bytes, op.canceled = 0, false
	op.planning = 1
	for i := range op.Items {
		s.read(now, op, i, out)
	}
	op.noted = true
	s.planned(now, op, out)
}

// read plans one item.
func (s *Set) read(now core.Instant, op *FetchOp, i int, out *core.Outbox) {
	it := &op.Items[i]
	it.File, it.Pos, it.Len, it.DivergingEpoch, it.Preferred = 0, 0, 0, core.NoLeaderEpoch, core.NoBroker
	r := s.byID[it.ID]
	if it.Code = s.refuseFetch(r, op, it); it.Code != core.NoError {
		return
	}
	if !r.Leading() {
		out.Sometimes(probe.ReadFromFollower)
	}
	if it.LogStart = r.log.LogStartOffset(); op.Follower {
		it.LogStart = r.log.Start()
	}
	diverges, from := r.diverges(op, it), it.Offset
	if op.Follower && !diverges {
		if !op.noted {
			s.noteFollower(now, r, op, it, out)
		}
		from = max(from, it.LogStart)
		if from > it.Offset && it.LogStart == r.log.LogEndOffset() {
			it.Code = core.OffsetOutOfRange
		}
	}
	it.HighWatermark, it.LastStableOffset, it.limit = r.highWatermark, r.highWatermark, r.limit(op)
	if diverges || it.Code != core.NoError {
		out.Sometimes(probe.ReaderDiverged)
		s.doubtRange(now, r, op, i, out)
		return
	}
	if op.Nearest && !op.Follower {
		if it.Preferred = s.PreferredReadReplica(r, op.Rack, it.Offset); it.Preferred != core.NoBroker {
			out.Sometimes(probe.SentToNearest)
			return // the consumer reads there
		}
	}
	room := min(it.MaxBytes, op.MaxBytes-op.Bytes)
	rng, job, code := r.log.Plan(from, room, it.limit, op.Bytes == 0)
	s.take(now, r, op, i, rng, job, code, out)
}

// limit is the offset below which a reader may read: a consumer what is committed, a replica what is written. A
// follower may know that records are committed before it has written them itself.
func (r *Replica) limit(op *FetchOp) core.Offset {
	if op.Follower {
		return r.log.WrittenOffset()
	}
	return min(r.highWatermark, r.log.WrittenOffset())
}

// refuseFetch finds what is against reading an item.
func (s *Set) refuseFetch(r *Replica, op *FetchOp, it *FetchItem) core.ErrorCode {
	switch {
	case r == nil:
		return core.UnknownTopicOrPartition
	case !r.Online():
		return core.KafkaStorageError
	case !r.Leading() && (op.Follower || !op.AnyReplica || r.role != follows):
		return core.NotLeaderOrFollower
	}
	if code := r.fence(it.LeaderEpoch); code != core.NoError {
		s.noteFenced(code)
		return code
	}
	if op.Follower {
		code := s.refuseFollower(r, op)
		if p := s.peer(op.Replica); code != core.NoError && p != nil && op.ReplicaEpoch >= 0 && op.ReplicaEpoch < p.Epoch {
			s.Reached.Add(probe.OldReplicaRefused)
		}
		return code
	}
	return core.NoError
}

func (s *Set) noteFenced(code core.ErrorCode) {
	if code == core.FencedLeaderEpoch {
		s.Reached.Add(probe.FetchFenced)
	} else {
		s.Reached.Add(probe.FetchAhead)
	}
}

// diverges tells a reader whose last epoch ended earlier in this log where its own log stops agreeing (KIP-595).
// A replica is told so, too, if its log is longer or has an epoch of which this log has never heard, for it must
// follow; and if its last batch is of a later epoch than the batch in that place here. Epochs do not go back in a log,
// so that only damage makes such a replica: no checksum covers a batch's epoch. It could take nothing that comes next.
func (r *Replica) diverges(op *FetchOp, it *FetchItem) bool {
	epoch, end := core.NoLeaderEpoch, r.log.LogEndOffset()
	if it.LastFetchedEpoch >= 0 {
		epoch, end = r.log.Epochs().EndOffsetFor(it.LastFetchedEpoch, end)
	}
	latest, place := r.log.Epochs().Latest(), core.NoLeaderEpoch
	if op.Follower && it.Offset > r.log.LogStartOffset() {
		place = r.log.Epochs().EpochAt(it.Offset - 1)
	}
	switch {
	case op.Follower && latest >= 0 && (it.Offset > r.log.LogEndOffset() || it.LastFetchedEpoch > latest):
		it.DivergingEpoch, it.DivergingEnd = latest, r.log.LogEndOffset()
	case it.LastFetchedEpoch < 0:
		return false
	case epoch == core.NoLeaderEpoch:
		it.Code = core.OffsetOutOfRange // as Kafka says to an epoch that this log has never heard of
	case place >= 0 && place < it.LastFetchedEpoch:
		it.DivergingEpoch, it.DivergingEnd = r.log.Epochs().EndOffsetFor(place, r.log.LogEndOffset())
	case epoch == it.LastFetchedEpoch && end >= it.Offset:
		return false
	default:
		it.DivergingEpoch, it.DivergingEnd = epoch, end
	}
	return true
}

// take notes what planning an item came to: a range, a refusal, or a job that has to run first.
func (s *Set) take(now core.Instant, r *Replica, op *FetchOp, i int, rng log.Range, job *log.LocateJob,
	code core.ErrorCode, out *core.Outbox) {
	it := &op.Items[i]
	it.Code = code
	if code == core.OffsetOutOfRange {
		out.Sometimes(probe.FetchOutOfRange)
		s.doubtRange(now, r, op, i, out)
		return
	}
	if job != nil {
		out.Sometimes(probe.FetchNeedsFile)
		op.planning++
		s.located[job] = reading{op, i}
		out.Run(job)
		return
	}
	it.File, it.Pos, it.Len = rng.File, rng.Pos, rng.Len
	op.Bytes += int(rng.Len)
	if rng.Len > 0 {
		r.lentUntil = now.Mono + answerGrace
	}
}

// doubtRange has a consumer that asks for what this leader does not have yet, or for an epoch that it has never heard
// of, wait for a confirmation of the leadership: its successor may have them. A consumer that is told
// OFFSET_OUT_OF_RANGE begins anew at one of the ends, and reads everything again, or passes over what came meanwhile.
// Those that know leader epochs (KIP-320) are mostly fenced before.
func (s *Set) doubtRange(now core.Instant, r *Replica, op *FetchOp, i int, out *core.Outbox) {
	it := &op.Items[i]
	if it.Code != core.OffsetOutOfRange || op.Follower || r.lead == nil || it.Offset < r.log.LogStartOffset() {
		return
	}
	op.planning++
	s.Confirm(now, r, out, func(now core.Instant, confirmed bool, out *core.Outbox) {
		if !confirmed {
			it.Code = core.NotLeaderOrFollower
		}
		s.planned(now, op, out)
	})
}

// locatedJob takes back a job that looked for a range in a file.
func (s *Set) locatedJob(now core.Instant, j *log.LocateJob, out *core.Outbox) {
	rd, ok := s.located[j]
	if !ok {
		panic("partition: a locate job that nobody waits for")
	}
	delete(s.located, j)
	it := &rd.op.Items[rd.item]
	r := s.bySlot[j.Log]
	switch {
	case r.removed:
		r.log.Unpin(j.File)
		it.Code = core.UnknownTopicOrPartition
		s.depart(now, r, out)
	default:
		rng, again, code := r.log.Located(j)
		s.touch(r) // a deleted file that was being read may go now
		if log.Damaged(j.Err) {
			out.Sometimes(probe.FetchMetDamage)
			s.distrust(now, r, j.Err, out)
			// CORRUPT_MESSAGE ends Kafka's consumers. Where the replica drops out they find the record with another one, to
			// which this code sends them (Kafka: FetchCollector.handleInitializeErrors).
			if code == core.CorruptMessage && r.suspicion != nil {
				code = core.KafkaStorageError
			}
		}
		if refused := s.refuseFetch(r, rd.op, it); refused != core.NoError && code == core.NoError && again == nil {
			out.Sometimes(probe.FetchOvertaken)
			rng, code = log.Range{}, refused // another leadership meanwhile
		}
		s.take(now, r, rd.op, rd.item, rng, again, code, out)
		if r.log.Failed() != nil {
			s.settle(now, r, out)
		}
	}
	s.planned(now, rd.op, out)
}

// planned ends one of the plans of an operation; with the last one it is answered, or parked until there is more.
func (s *Set) planned(now core.Instant, op *FetchOp, out *core.Outbox) {
	if op.planning--; op.planning > 0 {
		return
	}
	if op.Bytes >= op.MinBytes || op.canceled || now.Reached(op.Deadline) || op.settled() {
		out.Send(op.Reply, op)
		return
	}
	op.parked = true
	out.Sometimes(probe.FetchParked)
	s.reads = append(s.reads, op)
	s.readDue = min(s.readDue, op.Deadline)
	for i := range op.Items {
		r := s.byID[op.Items[i].ID]
		if r == nil {
			continue
		}
		// What was committed while a job ran has woken nobody: look again instead of sleeping over it.
		if op.Items[i].Code == core.NoError && r.Online() && r.limit(op) != op.Items[i].limit {
			s.refetch(now, op, out)
			return
		}
		list := &r.readers
		if op.Follower {
			list = &r.pullers
		}
		if len(*list) == 0 || (*list)[len(*list)-1] != op {
			*list = append(*list, op)
		}
	}
}

// settled reports whether an item has news that do not wait for bytes.
func (op *FetchOp) settled() bool {
	for i := range op.Items {
		if op.Items[i].Urgent(op.Follower) {
			return true
		}
	}
	return len(op.Items) == 0
}

// Urgent reports whether the outcome has news that do not wait for bytes.
func (it *FetchItem) Urgent(follower bool) bool {
	if it.Code != core.NoError || it.DivergingEpoch != core.NoLeaderEpoch || it.Preferred != core.NoBroker {
		return true
	}
	return follower && (it.ReplicaHighWatermark < min(it.HighWatermark, it.Offset) ||
		max(it.ReplicaLogStart, it.ToldLogStart) < it.LogStart)
}

// wake looks again at the operations of a list that wait for a replica, because there is more to read or to know.
func (s *Set) wake(now core.Instant, list *[]*FetchOp, r *Replica, out *core.Outbox) {
	if len(*list) == 0 {
		return
	}
	woken := *list
	*list = r.woken[:0]
	for _, op := range woken {
		s.refetch(now, op, out)
	}
	clear(woken)
	r.woken = woken[:0]
}

// wakeAll answers the operations that wait for a replica, because it will never have more, or not for them.
func (s *Set) wakeAll(now core.Instant, r *Replica, out *core.Outbox) {
	s.settleDeletions(now, out)
	s.answerPullers(now, r, out)
	woken := r.readers
	r.readers = nil
	for _, op := range woken {
		op.Deadline = now.Mono
		s.refetch(now, op, out)
	}
}

// answerPullers answers the other replicas that wait, with what there is.
func (s *Set) answerPullers(now core.Instant, r *Replica, out *core.Outbox) {
	woken := r.pullers
	r.pullers = nil
	for _, op := range woken {
		op.Deadline = now.Mono
		s.refetch(now, op, out)
	}
}

func (s *Set) refetch(now core.Instant, op *FetchOp, out *core.Outbox) {
	s.unparkRead(op)
	s.fetch(now, op, out)
}

// unparkRead takes an operation off all lists.
func (s *Set) unparkRead(op *FetchOp) {
	op.parked = false
	s.reads = without(s.reads, op)
	for i := range op.Items {
		if r := s.byID[op.Items[i].ID]; r != nil {
			r.readers, r.pullers = without(r.readers, op), without(r.pullers, op)
		}
	}
}

func without(list []*FetchOp, op *FetchOp) []*FetchOp {
	if i := slices.Index(list, op); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}

// cancel gives an operation back at once if it is parked, or as soon as its jobs are done. One that was answered
// already, or waits for a log to open, is left alone.
func (s *Set) cancel(now core.Instant, op *FetchOp, out *core.Outbox) {
	switch {
	case op.parked:
		out.Sometimes(probe.FetchCancelled)
		op.Deadline = now.Mono
		s.refetch(now, op, out)
	case op.planning > 0:
		op.canceled = true
	}
}

// expireReads answers the operations whose wait is over with what there is.
func (s *Set) expireReads(now core.Instant, out *core.Outbox) {
	for i := 0; i < len(s.reads); {
		if op := s.reads[i]; now.Reached(op.Deadline) {
			out.Sometimes(probe.FetchTimedOut)
			s.refetch(now, op, out)
		} else {
			i++
		}
	}
	s.readDue = core.Never
	for _, op := range s.reads {
		s.readDue = min(s.readDue, op.Deadline)
	}
}

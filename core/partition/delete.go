package partition

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// unnamedWait is how long an operation may wait whose client names no time. What Kafka answers from memory waits for
// the disk here: "at once" would be never.
const unnamedWait = time.Second

// waits is how long an operation may wait whose client has named a time.
func waits(named time.Duration) time.Duration {
	if named == 0 {
		return unnamedWait
	}
	return named
}

// deletion is a DeleteRecords under way: the log start offsets of the leaders are raised, and the operation waits until
// they have reached every replica that may lead next (Kafka: DelayedDeleteRecords). Answered earlier, the next leader
// would show the deleted records again.
type deletion struct {
	op       *QueryOp
	deadline time.Duration
	left     []deleted
}

// deleted is an item that waits: the leadership it was asked of, and the offset below which all must be deleted.
type deleted struct {
	item  int
	epoch core.LeaderEpoch
	to    core.Offset
}

// deleteRecords raises the log start offset (KIP-107). Readers are told of it, and the low watermark counts it, when
// control has written the checkpoint that makes it survive a crash; Kafka answers before, and may show deleted records
// again.
func (s *Set) deleteRecords(now core.Instant, r *Replica, op *QueryOp, i int, out *core.Outbox) {
	it := &op.Items[i]
	to := it.Offset
	if to == -1 {
		to = r.highWatermark
	}
	switch {
	case s.closing:
		it.Code = core.NotLeaderOrFollower // no checkpoint will follow
	case !r.settings.CleanupDelete && r.settings.CleanupCompact:
		it.Code = core.PolicyViolation
	case to < 0 || to > r.highWatermark:
		it.Code = core.OffsetOutOfRange
	default:
		s.waiting.raised = r.log.DeleteRecords(to, out) || s.waiting.raised
		op.deleted = append(op.deleted, deleted{item: i, epoch: r.leaderEpoch, to: to})
		s.Changed = append(s.Changed, r)
		s.answerPullers(now, r, out) // they hear of it now, and not when their wait is over
	}
}

// awaitDeletion lets an operation wait whose items have raised log start offsets.
func (s *Set) awaitDeletion(now core.Instant, op *QueryOp, out *core.Outbox) {
	d := &deletion{op: op, deadline: now.Mono + waits(op.Timeout), left: op.deleted}
	op.deleted = nil
	s.deletions = append(s.deletions, d)
	s.due = min(s.due, d.deadline)
	s.settleDeletions(now, out)
}

// settleDeletions answers the operations that have waited long enough, or have nothing left to wait for.
func (s *Set) settleDeletions(now core.Instant, out *core.Outbox) {
	if len(s.deletions) == 0 {
		return
	}
	kept := s.deletions[:0]
	for _, d := range s.deletions {
		d.left = slices.DeleteFunc(d.left, func(x deleted) bool { return s.settleDeleted(now, d, x, out) })
		if len(d.left) == 0 {
			d.op.close(out)
			continue
		}
		out.Sometimes(probe.DeletionAwaitsReplicas)
		kept = append(kept, d)
		s.due = min(s.due, d.deadline)
	}
	clear(s.deletions[len(kept):])
	s.deletions = kept
}

// settleDeleted decides one item, if it can be decided.
func (s *Set) settleDeleted(now core.Instant, d *deletion, x deleted, out *core.Outbox) bool {
	it := &d.op.Items[x.item]
	r := s.byID[it.ID]
	switch {
	case r == nil:
		it.Code = core.UnknownTopicOrPartition
	case !r.Online():
		it.Code = core.KafkaStorageError
	case !r.Leading() || r.leaderEpoch != x.epoch:
		out.Sometimes(probe.DeletionDeposed)
		it.Code = core.NotLeaderOrFollower
	default:
		low := s.lowWatermark(r)
		if low < x.to {
			if !now.Reached(d.deadline) {
				return false
			}
			out.Sometimes(probe.DeletionTimedOut)
			it.Code = core.RequestTimedOut
		}
		if it.Offset = low; r.lead != nil && it.Code == core.NoError {
			r.lead.floor = max(r.lead.floor, low)
		}
	}
	return true
}

// lowWatermark is the offset below which records are deleted everywhere that counts (Kafka:
// Partition.lowWatermarkIfLeader): on this disk, on those of the replicas that are alive, and on those that the
// controller could make the leader. A replica that is neither is told before it comes to be one. Kafka does not count
// eligible replicas that are away, which then show the deleted records when they lead.
func (s *Set) lowWatermark(r *Replica) core.Offset {
	low := r.log.LogStartOffset()
	if r.lead == nil {
		return low
	}
	for i := range r.lead.followers {
		f := &r.lead.followers[i]
		if f.start < low && (f.maximal || s.peer(f.id) != nil || slices.Contains(r.lead.elr, f.id)) {
			low = f.start
		}
	}
	return low
}

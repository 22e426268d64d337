package partition

import "ottla.dev/core"

// Checkpoint is what waits for a round of the offset checkpoints that names the replicas of now: answers to
// DeleteRecords, whose new log start offsets must survive a crash; truncations, because the old recovery point would
// vouch for what is written after them; and the folders of deleted partitions, which must not go before their offsets,
// or a new partition of the same name would take them for its own. What is written are the [Replica.Points] of now.
type Checkpoint struct {
	deletes     []*QueryOp
	replicas    []*Replica
	truncations []*truncation
}

// WantsCheckpoint reports whether anything waits for a checkpoint taken from now on.
func (s *Set) WantsCheckpoint() bool {
	return len(s.waiting.deletes)+len(s.waiting.replicas)+len(s.waiting.truncations) > 0
}

// TakeCheckpoint hands over what waits for a checkpoint taken now. The owner gives it back to Checkpointed when it is
// written.
func (s *Set) TakeCheckpoint() Checkpoint {
	taken := s.waiting
	s.waiting = Checkpoint{}
	return taken
}

// Checkpointed lets go on what waited for a checkpoint that is durable now.
func (s *Set) Checkpointed(now core.Instant, c Checkpoint, out *core.Outbox) {
	for _, op := range c.deletes {
		op.close(out)
	}
	for _, t := range c.truncations {
		s.cut(now, t, out)
	}
	for _, r := range c.replicas {
		r.forgotten = true
		if s.bySlot[r.slot] == r {
			s.depart(now, r, out)
		}
	}
}

package partition

import "ottla.dev/core"

// Checkpoint is what waits for a round of the offset checkpoints that names the replicas of now: log start offsets
// that were raised, which must survive a crash before anybody hears of them and before any file goes; truncations,
// because the old recovery point would vouch for what is written after them; and the folders of deleted partitions,
// which must not go before their offsets, or a new partition of the same name would take them for its own. What is
// written are the [Replica.Points] of now.
type Checkpoint struct {
	replicas    []*Replica
	truncations []*truncation
	resyncs     []*Replica // damaged logs that are to be opened anew
	starts      []savedStart
	raised      bool // the start of a log was raised, and its readers wait to be told
}

// savedStart is a log start offset that readers may be told once it is in the checkpoint.
type savedStart struct {
	replica *Replica
	offset  core.Offset
}

// WantsCheckpoint reports whether anything waits for a checkpoint taken from now on.
func (s *Set) WantsCheckpoint() bool {
	return s.waiting.raised || len(s.waiting.replicas)+len(s.waiting.truncations)+len(s.waiting.resyncs) > 0
}

// TakeCheckpoint hands over what waits for a checkpoint taken now. The owner gives it back to Checkpointed when it is
// written.
func (s *Set) TakeCheckpoint() Checkpoint {
	taken := s.waiting
	s.waiting = Checkpoint{}
	for _, r := range s.ordered {
		if !r.Online() || r.log.Start() <= r.log.LogStartOffset() {
			continue
		}
		_, start, _ := r.Points() // may be lower, if the log is about to begin anew
		taken.starts = append(taken.starts, savedStart{r, min(start, r.log.Start())})
	}
	return taken
}

// Checkpointed lets go on what waited for a checkpoint that is durable now.
func (s *Set) Checkpointed(now core.Instant, c Checkpoint, out *core.Outbox) {
	for _, saved := range c.starts {
		if saved.replica.Online() {
			saved.replica.log.StartSaved(now, saved.offset, out)
			s.pursue(now, saved.replica, out) // the leader is told next
			s.touch(saved.replica)            // the files of what was deleted go after their delay
		}
	}
	if !s.saved {
		s.saved = true
		for _, r := range s.ordered {
			s.regain(r)
		}
	}
	s.settleDeletions(now, out)
	for _, t := range c.truncations {
		s.cut(now, t, out)
	}
	for _, r := range c.resyncs {
		r.unneeded = true
		s.reopen(now, r, out)
		s.touch(r)
	}
	for _, r := range c.replicas {
		r.forgotten = true
		if s.bySlot[r.slot] == r {
			s.depart(now, r, out)
		}
	}
}

package partition

import "ottla.dev/core"

// maxParked bounds the operations of a shard that wait for logs to open. A connection has at most a few under way.
const maxParked = 1 << 16

// blocked reports whether an operation must wait: for a log that is being opened, or, so that the batches of a producer
// stay in the order in which it sent them, behind a produce operation that waits and names the same partition.
func (s *Set) blocked(m core.Message) bool {
	switch op := m.(type) {
	case *ProduceOp:
		for i := range op.Items {
			if r := s.byID[op.Items[i].ID]; r != nil && (r.awaited() || r.behind > 0) {
				return true
			}
		}
	case *FetchOp:
		for i := range op.Items {
			if r := s.byID[op.Items[i].ID]; r != nil && r.awaited() {
				return true
			}
		}
	case *QueryOp:
		for i := range op.Items {
			if r := s.byID[op.Items[i].ID]; r != nil && r.awaited() {
				return true
			}
		}
	}
	return false
}

// awaited reports whether operations wait for the replica's log to open. They do not wait for one that was damaged.
func (r *Replica) awaited() bool { return r.opening != nil && !r.reopening }

// park keeps an operation that is blocked, or refuses it if too many wait.
func (s *Set) park(m core.Message, out *core.Outbox) {
	if len(s.parked) == maxParked {
		refuseAll(m, core.NotLeaderOrFollower, out)
		return
	}
	s.parked = append(s.parked, m)
	s.queueBehind(m, 1)
}

// queueBehind makes later produce operations wait behind m, or with -1 no longer.
func (s *Set) queueBehind(m core.Message, count int) {
	op, ok := m.(*ProduceOp)
	if !ok {
		return
	}
	for i := range op.Items {
		if r := s.byID[op.Items[i].ID]; r != nil {
			r.behind += count
		}
	}
}

// unpark works the operations that waited, in the order in which they came; some may have to wait on.
func (s *Set) unpark(now core.Instant, out *core.Outbox) {
	waiting := s.parked
	s.parked = nil
	for _, m := range waiting {
		s.queueBehind(m, -1)
	}
	for _, m := range waiting {
		s.Work(now, m, out)
	}
}

// refuseAll answers an operation with one code for all of its items.
func refuseAll(m core.Message, code core.ErrorCode, out *core.Outbox) {
	switch op := m.(type) {
	case *ProduceOp:
		op.open = len(op.Items)
		for i := range op.Items {
			op.finish(i, code, out)
		}
	case *FetchOp:
		for i := range op.Items {
			op.Items[i].Code = code
		}
		out.Send(op.Reply, op)
	case *QueryOp:
		for i := range op.Items {
			op.Items[i].Code = code
		}
		out.Send(op.Reply, op)
	}
}

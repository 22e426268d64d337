package partition

import (
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// retainedTogether is for how many logs retention is looked at in a step. With ten thousand of them others would wait
// for ten milliseconds and more; it is so few that simulated brokers, which have dozens, need several steps as well.
const retainedTogether = 4

// Retain removes the segments that retention no longer keeps from the next logs, and reports whether there are others,
// which are the next call's. A log that comes meanwhile is among them.
func (s *Set) Retain(now core.Instant, out *core.Outbox) (more bool) {
	from := s.retained
	some := slices.Clone(s.ordered[from:min(from+retainedTogether, len(s.ordered))])
	s.retained += len(some)
	for _, r := range some {
		s.retain(now, r, out)
	}
	if more = s.retained < len(s.ordered); !more {
		s.retained = 0
	}
	return more
}

func (s *Set) retain(now core.Instant, r *Replica, out *core.Outbox) {
	if !r.Online() || r.trunc != nil && r.trunc.stage != cutting {
		return
	}
	if r.log.Producers().Expire(now.Wall, s.ProducerExpiryMs) > 0 {
		out.Sometimes(probe.ProducersExpired)
	}
	s.waiting.raised = r.log.Retain(now, r.highWatermark, out) || s.waiting.raised
	s.settle(now, r, out)
}

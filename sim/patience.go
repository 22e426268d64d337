package sim

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/sim/check"
)

const (
	// healFor is how long after the faults everything may take to come to its end, and healLonger how long if replicas
	// get on that have much to copy: with segments of a few hundred bytes, and a network that is slow by itself, a
	// follower gets one of them in a tenth of a second.
	healFor    = 5 * time.Minute
	healLonger = 30 * time.Minute
	// lookAgain is how often somebody looks whether they do.
	lookAgain = time.Minute
)

// patience is what is known of how the world comes to its end.
type patience struct {
	at      time.Duration // of the next look
	copied  core.Offset   // by all followers when somebody looked last
	getting bool          // more than the time before
}

// exhausted reports that the end should have come.
func (w *World) exhausted() {
	if !w.healed || w.now < w.patience.at {
		return
	}
	p := &w.patience
	p.at = w.now + lookAgain
	copied := w.copied()
	p.copied, p.getting = copied, copied > p.copied
	if over := w.now - w.plan.Duration; over > healFor && (over > healLonger || !p.getting) {
		w.fail(check.Liveness, "stuck", w.stuck())
	}
}

// copied adds up what the followers of a cluster have.
func (w *World) copied() core.Offset {
	sum := core.Offset(0)
	for _, n := range w.nodes {
		if w.net == nil || !n.alive() || n.proc.see == nil {
			continue
		}
		for _, r := range n.proc.see.Inspect().Replicas {
			if r.Online() && !r.Leading() {
				sum += r.Log().SyncedOffset()
			}
		}
	}
	return sum
}

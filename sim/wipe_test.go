package sim

import (
	"testing"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/sim/fault"
)

// calm is a world of three brokers and a machine that votes, in which nothing goes wrong by itself.
func calm(t *testing.T) *World {
	t.Helper()
	return New(readPlan(t, "testdata/calm.plan"), nil)
}

// until runs the world until something holds.
func (w *World) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := w.now + 30*time.Second; !holds(); w.Next() {
		if w.failure != nil || w.now > end {
			t.Fatalf("%v: not until %v: %s", w.failure, w.now, what)
		}
	}
}

// committed is what the controller's machine knows.
func (w *World) committed() *metadata.Image {
	if p, ok := w.nodes[3].quorum(); ok {
		return p.Image
	}
	return nil
}

// The disk of a machine is lost, in a world, only when nothing is lost with it. Each of these worlds came to partitions
// that nobody may lead.
func TestADiskIsLostOnlyWhenAllThatItHasIsElsewhere(t *testing.T) {
	const victim = 1
	id := core.BrokerID(victim + 1)
	settled := func(t *testing.T) (*World, *node) {
		w := calm(t)
		w.until(t, "at rest", func() bool { return w.now > 4*time.Second && w.observer.settled() })
		return w, w.nodes[victim]
	}
	fenced := func(w *World) bool { return w.committed().Broker(id).Fenced }

	t.Run("not before the controller knows that the broker is gone", func(t *testing.T) {
		w, n := settled(t)
		n.stop(fault.Kill)
		w.until(t, "fenced", func() bool { return fenced(w) })
		n.restart(0)
		w.until(t, "at rest", func() bool { return !fenced(w) && w.observer.settled() })
		// Now it leads nothing.
		n.stop(fault.Kill)
		w.until(t, "stopped", func() bool { return !n.alive() })
		w.until(t, "fenced", func() bool {
			// Until then a new topic may be placed on the disk.
			if !fenced(w) && n.mayWipe() == "" {
				t.Fatal("the disk may be lost while the broker counts as alive")
			}
			return fenced(w)
		})
		w.until(t, "allowed", func() bool { return n.mayWipe() == "" })
	})
	t.Run("not by what a controller knows that has just been elected", func(t *testing.T) {
		w, n := settled(t)
		for _, o := range w.nodes {
			o.stop(fault.Crash)
		}
		w.until(t, "stopped", func() bool { return !w.nodes[3].alive() && !n.alive() })
		w.nodes[3].restart(0)
		w.until(t, "fenced", func() bool {
			why := n.mayWipe()
			if why == "" {
				t.Fatal("the disk may be lost although nobody else is there")
			}
			p, ok := w.nodes[3].quorum()
			return ok && p.Controller && fenced(w)
		})
	})
	t.Run("not while the leader has not told the controller of its crash", func(t *testing.T) {
		w, n := settled(t)
		n.stop(fault.Kill)
		w.until(t, "allowed", func() bool { return !n.alive() && n.mayWipe() == "" })
		w.nodes[0].stop(fault.Crash)
		w.nodes[2].stop(fault.Crash)
		w.until(t, "stopped", func() bool { return !w.nodes[0].alive() && !w.nodes[2].alive() })
		w.nodes[0].restart(0)
		w.nodes[2].restart(0)
		w.until(t, "led again", func() bool {
			serving := false
			for _, o := range []*node{w.nodes[0], w.nodes[2]} {
				serving = serving || o.alive() && o.proc.see.InspectControl().Serving
			}
			if !serving && n.mayWipe() == "" {
				t.Fatal("the disk may be lost while nobody leads")
			}
			return serving && n.mayWipe() == ""
		})
	})
}

package rafttest

import (
	"slices"
	"testing"
	"time"
)

// started returns a world whose quorum has settled.
func started(t *testing.T, o Options) *World {
	t.Helper()
	w := New(o)
	for _, n := range w.Nodes {
		n.Start()
	}
	if !w.Until(5*time.Second, w.Settled) {
		t.Fatal("not settled after the start\n" + w.Describe() + w.Fault())
	}
	return w
}

func sound(t *testing.T, w *World) {
	t.Helper()
	if len(w.Broken) > 0 {
		t.Fatal(w.Fault())
	}
}

// Three voters have another leader that may decide within one second of a leader's silent death.
func TestElectionsSettleWithinOneSecond(t *testing.T) {
	var took []time.Duration
	for seed := range uint64(60) {
		w := started(t, Options{Seed: seed, Nodes: 3, NetMin: time.Millisecond, NetMax: 10 * time.Millisecond,
			DiskMin: time.Millisecond, DiskMax: 15 * time.Millisecond})
		w.Run(time.Duration(seed) * 17 * time.Millisecond)
		old := w.Active()
		w.Isolate(old.ID, true) // as if it had lost its power: not even a connection is refused
		died := w.Now
		ok := w.Until(5*time.Second, func() bool { n := w.Active(); return n != nil && n != old })
		sound(t, w)
		if !ok {
			t.Fatalf("seed %d: no leader", seed)
		}
		took = append(took, w.Now-died)
	}
	slices.Sort(took)
	t.Logf("median %v, 90 %% %v, worst %v", took[len(took)/2], took[len(took)*9/10], took[len(took)-1])
	if worst := took[len(took)-1]; worst > time.Second {
		t.Errorf("worst %v", worst)
	}
}

// A leader that resigns has a successor at once (KIP-595, EndQuorumEpoch).
func TestResignationIsFollowedAtOnce(t *testing.T) {
	for seed := range uint64(20) {
		w := started(t, Options{Seed: seed, Nodes: 3})
		old := w.Active()
		epoch := old.Q.Epoch()
		old.Resign()
		at := w.Now
		if !w.Until(time.Second, func() bool { n := w.Active(); return n != nil && n.Q.Epoch() > epoch }) {
			t.Fatal("no successor\n" + w.Fault())
		}
		if w.Now-at > 200*time.Millisecond {
			t.Errorf("seed %d: took %v", seed, w.Now-at)
		}
		sound(t, w)
	}
}

// A leader whose address refuses connections has ended; nobody waits for its silence to grow long.
func TestARefusedConnectionToTheLeaderBringsAnElectionForward(t *testing.T) {
	var took []time.Duration
	for seed := range uint64(40) {
		w := started(t, Options{Seed: seed, Nodes: 4, Voters: 3})
		w.Run(time.Duration(seed) * 17 * time.Millisecond)
		old := w.Active()
		old.Crash(false)
		died := w.Now
		if !w.Until(5*time.Second, func() bool { return w.Active() != nil }) {
			t.Fatalf("seed %d: no leader", seed)
		}
		took = append(took, w.Now-died)
		// The observer finds the new leader without waiting for the old one either.
		observer := w.Nodes[3]
		if !w.Until(time.Second, func() bool { return observer.Q.Leader() == w.Active().Key.ID }) {
			t.Errorf("seed %d: the observer still follows %d", seed, observer.Q.Leader())
		}
		sound(t, w)
	}
	slices.Sort(took)
	t.Logf("median %v, worst %v", took[len(took)/2], took[len(took)-1])
	if worst := took[len(took)-1]; worst > 500*time.Millisecond {
		t.Errorf("worst %v", worst)
	}
}

// A refusal that is not the leader's own, on one way only, deposes nobody.
func TestARefusalByAFirewallDeposesNobody(t *testing.T) {
	w := started(t, Options{Seed: 3, Nodes: 3, Rejects: true})
	leader := w.Active()
	epoch := leader.Q.Epoch()
	for _, n := range w.Nodes {
		if n != leader {
			w.Cut(n.ID, leader.ID, true)
			break
		}
	}
	w.Run(10 * time.Second)
	if n := w.Active(); n != leader || n.Q.Epoch() != epoch {
		t.Error("another leader: " + w.Describe())
	}
	sound(t, w)
}

// A quorum over a continent, and one around the world: it elects, nobody is deposed without a reason, and a silent
// leader is still replaced.
func TestElectionsEndWhereRoundTripsAreLong(t *testing.T) {
	for _, oneWay := range []time.Duration{40, 120, 150} {
		oneWay *= time.Millisecond
		for seed := range uint64(20) {
			w := New(Options{Seed: seed, Nodes: 3, NetMin: oneWay, NetMax: oneWay + oneWay/10, DiskMin: time.Millisecond,
				DiskMax: 15 * time.Millisecond})
			for _, n := range w.Nodes {
				n.Start()
			}
			if !w.Until(20*time.Second, w.Settled) {
				t.Fatalf("%v, seed %d: no leader\n%s", oneWay, seed, w.Describe())
			}
			w.Run(5 * time.Second)
			old := w.Active()
			if old == nil {
				t.Fatalf("%v, seed %d: no leader after a while", oneWay, seed)
			}
			epoch := old.Q.Epoch()
			w.Run(20 * time.Second)
			if n := w.Active(); n != old || n.Q.Epoch() != epoch {
				t.Errorf("%v, seed %d: a healthy leader was deposed", oneWay, seed)
			}
			w.Isolate(old.ID, true)
			if !w.Until(20*time.Second, func() bool { n := w.Active(); return n != nil && n != old }) {
				t.Fatalf("%v, seed %d: no other leader", oneWay, seed)
			}
			sound(t, w)
		}
	}
}

package rafttest

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/raft"
)

// A node that has forgotten its votes waits until all other voters have told their epochs, however long that is. What
// it reads meanwhile does not count.
func TestForgottenVotesAreAskedFor(t *testing.T) {
	w := started(t, Options{Seed: 41, Nodes: 3})
	l := w.Active()
	n, away := others(w, l)[0], others(w, l)[1]
	away.Crash(false)
	n.Forget()
	n.Start()
	l.Propose("in vain")
	mark, end, steps := l.Q.HighWatermark(), w.Now+5*time.Second, 0
	for ; w.Now < end && steps < 100_000 && w.Step(); steps++ {
	}
	if w.Now < end {
		t.Fatalf("after %d steps it is %v: %s", steps, w.Now, w.Describe())
	}
	if !n.Q.Recalling() || l.Q.HighWatermark() != mark || n.Q.LogEndOffset() <= mark {
		t.Errorf("with a voter that is away:\n%s", w.Describe())
	}
	away.Start()
	if !w.Until(5*time.Second, func() bool { return !n.Q.Recalling() }) || !w.Until(5*time.Second, w.Settled) {
		t.Errorf("not settled:\n%s", w.Describe())
	}
	sound(t, w)
}

// The voters that a node finds in its configuration may not be those that the log says: one that it learns of there is
// asked, too, and nothing is committed with the node's help before it has answered.
func TestForgottenVotesAreAskedForWhereVotersHaveChanged(t *testing.T) {
	w := started(t, Options{Seed: 42, Nodes: 4, Voters: 3, Directories: true})
	l := w.Active()
	l.Q.Upgrade(w.instant(), 1, false, &l.out)
	l.effects()
	if !w.Until(5*time.Second, w.Settled) {
		t.Fatal("not settled")
	}
	added := w.Nodes[3]
	if code := codeOf(ask[kmsg.Response](t, w, l, addVoter(added))); code != core.NoError {
		t.Fatalf("add: %v", code)
	}
	if !w.Until(5*time.Second, w.Settled) {
		t.Fatal("not settled")
	}
	n, away := others(w, l)[0], others(w, l)[1]
	n.Forget()
	w.Cut(n.ID, added.ID, true)
	n.Start()
	w.Run(3 * time.Second)
	away.Crash(false)
	l.Propose("in vain")
	mark, end := l.Q.HighWatermark(), l.Q.LogEndOffset()
	w.Run(3 * time.Second)
	if !n.Q.Recalling() || n.Q.LogEndOffset() != end || l.Q.HighWatermark() != mark {
		t.Errorf("committed up to %d, with %d:\n%s", mark, end, w.Describe())
	}
	w.Cut(n.ID, added.ID, false)
	away.Start()
	if !w.Until(5*time.Second, func() bool { return !n.Q.Recalling() }) || !w.Until(5*time.Second, w.Settled) {
		t.Errorf("not settled:\n%s", w.Describe())
	}
	sound(t, w)
}

// A voter that was removed, and is gone for good, keeps nobody waiting who still has it in its configuration.
func TestForgottenVotesAreNotAskedForOfThoseWhoWereRemoved(t *testing.T) {
	w := started(t, Options{Seed: 44, Nodes: 4, Voters: 3, Directories: true})
	l := w.Active()
	l.Q.Upgrade(w.instant(), 1, false, &l.out)
	l.effects()
	if !w.Until(5*time.Second, w.Settled) {
		t.Fatal("not settled")
	}
	n, gone := others(w, l)[0], others(w, l)[1]
	for _, req := range []kmsg.Request{addVoter(w.Nodes[3]), removeVoter(gone)} {
		if code := codeOf(ask[kmsg.Response](t, w, l, req)); code != core.NoError {
			t.Fatalf("%T: %v", req, code)
		}
	}
	gone.Crash(true)
	n.Forget()
	n.Start()
	if !w.Until(5*time.Second, func() bool { return !n.Q.Recalling() }) {
		t.Errorf("not recalled:\n%s", w.Describe())
	}
	sound(t, w)
}

// In the epoch after the largest that it was told of the node may have voted for itself, and its request may arrive
// yet: it does not vote there again.
func TestTheEpochOfAForgottenCampaignIsLeftOut(t *testing.T) {
	w := started(t, Options{Seed: 43, Nodes: 3})
	l := w.Active()
	n, other := others(w, l)[0], others(w, l)[1]
	n.Forget()
	n.Start()
	if !w.Until(5*time.Second, func() bool { return !n.Q.Recalling() }) {
		t.Fatalf("not recalled:\n%s", w.Describe())
	}
	told := n.Q.Epoch()
	for _, x := range others(w, n) {
		x.Crash(false)
	}
	for i, want := range []bool{false, true} {
		epoch := told + 1 + core.LeaderEpoch(i)
		req := voteRequest(other, epoch, 1000, told, false)
		resp := ask[*kmsg.VoteResponse](t, w, n, req)
		if got := resp.Topics[0].Partitions[0].VoteGranted; got != want {
			t.Errorf("a vote in epoch %d, having been told of %d: %v", epoch, told, got)
		}
	}
}

// A snapshot of the leader's epoch is not all that the leader has committed in it: with the node's help, perhaps, which
// therefore does not vote before it has the rest.
func TestASnapshotIsNotAllThatWasCommitted(t *testing.T) {
	o := Options{Seed: 18, Nodes: 3, LogBytes: 1000, Settings: raft.DefaultSettings()}
	o.Settings.LogBytes, o.Settings.SnapshotBytes = 1500, 64
	w := started(t, o)
	l := w.Active()
	n := others(w, l)[0]
	propose := func() {
		for range 12 {
			l.Propose("some record or other")
			w.Run(30 * time.Millisecond)
		}
	}
	for range 4 {
		propose()
		l.Snapshot()
		w.Run(100 * time.Millisecond)
	}
	propose()
	mark := l.Q.HighWatermark()
	n.Forget()
	n.Start()
	if !w.Until(5*time.Second, func() bool { return !n.Q.Recalling() }) {
		t.Fatalf("not recalled:\n%s", w.Describe())
	}
	if n.Q.Log().LogStartOffset() == 0 {
		t.Fatal("it has fetched no snapshot")
	}
	if end := n.Q.Log().SyncedOffset(); end < mark {
		t.Errorf("it votes again with everything up to %d, and up to %d was committed with its help", end, mark)
	}
	sound(t, w)
}

// A node that is told to distrust what it has, because a crash has brought the mark of an old damage back, may have
// voted since. It starts all the same, and stays bound by the vote.
func TestWhoIsDistrustedAgainKeepsItsVote(t *testing.T) {
	w := started(t, Options{Seed: 43, Nodes: 3})
	l := w.Active()
	epoch := l.Q.State().Epoch
	l.Crash(false)
	l.forgetful = true
	l.Start()
	if s := l.Q.State(); l.Q.Role() != raft.Voted || s.Epoch != epoch || s.Voted != l.Key.ID || !l.Q.Recalling() {
		t.Errorf("it starts as %v with %+v", l.Q.Role(), s)
	}
	if !w.Until(5*time.Second, func() bool { return !l.Q.Recalling() }) || !w.Until(5*time.Second, w.Settled) {
		t.Errorf("not settled:\n%s", w.Describe())
	}
	sound(t, w)
}

package rafttest

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/raft"
)

// A node that has forgotten its votes waits until all other voters have told their epochs, however long that is, and
// does nothing meanwhile but ask.
func TestForgottenVotesAreAskedFor(t *testing.T) {
	w := started(t, Options{Seed: 41, Nodes: 3})
	l := w.Active()
	n, away := others(w, l)[0], others(w, l)[1]
	away.Crash(false)
	n.Forget()
	n.Start()
	mark, end, steps := l.Q.HighWatermark(), w.Now+5*time.Second, 0
	for ; w.Now < end && steps < 100_000 && w.Step(); steps++ {
	}
	if w.Now < end {
		t.Fatalf("after %d steps it is %v: %s", steps, w.Now, w.Describe())
	}
	if !n.Q.Recalling() || l.Q.HighWatermark() != mark || n.Q.LogEndOffset() > 0 {
		t.Errorf("with a voter that is away:\n%s", w.Describe())
	}
	away.Start()
	if !w.Until(5*time.Second, func() bool { return !n.Q.Recalling() }) || !w.Until(5*time.Second, w.Settled) {
		t.Errorf("not settled:\n%s", w.Describe())
	}
	sound(t, w)
}

// The voters that a node finds in its configuration may not be those that the log says: one that it learns of there is
// asked, too, before anything is confirmed that this voter may know otherwise.
func TestForgottenVotesAreAskedForWhereVotersHaveChanged(t *testing.T) {
	w := started(t, Options{Seed: 42, Nodes: 4, Voters: 3, Directories: true})
	l := w.Active()
	l.Q.Upgrade(w.instant(), 1, false, &l.out)
	l.effects()
	if !w.Until(5*time.Second, w.Settled) {
		t.Fatal("not settled")
	}
	added := w.Nodes[3]
	changed := l.Q.LogEndOffset()
	if code := codeOf(ask[kmsg.Response](t, w, l, addVoter(added))); code != core.NoError {
		t.Fatalf("add: %v", code)
	}
	l.Propose("later")
	if !w.Until(5*time.Second, w.Settled) {
		t.Fatal("not settled")
	}
	n := others(w, l)[0]
	n.Forget()
	w.Cut(n.ID, added.ID, true)
	n.Start()
	w.Run(3 * time.Second)
	confirmed := core.NoOffset
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Version = req.MaxVersion()
	req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: raft.Topic,
		Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	for _, v := range ask[*kmsg.DescribeQuorumResponse](t, w, l, req).Topics[0].Partitions[0].CurrentVoters {
		if v.ReplicaID == int32(n.ID) {
			confirmed = core.Offset(v.LogEndOffset)
		}
	}
	if !n.Q.Recalling() || confirmed > changed {
		t.Errorf("confirmed up to %d, voters changed at %d:\n%s", confirmed, changed, w.Describe())
	}
	w.Cut(n.ID, added.ID, false)
	if !w.Until(5*time.Second, func() bool { return !n.Q.Recalling() }) || !w.Until(5*time.Second, w.Settled) {
		t.Errorf("not settled:\n%s", w.Describe())
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

package rafttest

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/raft"
)

// ask gives a client's request to a node and waits for the answer.
func ask[R kmsg.Response](t *testing.T, w *World, n *Node, req kmsg.Request) R {
	t.Helper()
	token := w.Ask(n, req)
	w.Until(40*time.Second, func() bool { return w.Reply(token) != nil })
	sound(t, w)
	resp, ok := w.Reply(token).(R)
	if !ok {
		t.Fatalf("no answer to %T", req)
	}
	return resp
}

func others(w *World, n *Node) []*Node {
	return slices.DeleteFunc(slices.Clone(w.Nodes), func(x *Node) bool { return x == n })
}

// alone isolates every node, so that only the test talks to them.
func alone(w *World) {
	for _, n := range w.Nodes {
		w.Isolate(n.ID, true)
	}
}

func voteRequest(candidate *Node, epoch core.LeaderEpoch, end core.Offset, last core.LeaderEpoch,
	pre bool) *kmsg.VoteRequest {
	req := kmsg.NewPtrVoteRequest()
	req.Version, req.VoterID = 2, -1
	p := kmsg.NewVoteRequestTopicPartition()
	p.CandidateID, p.CandidateDirectoryID = int32(candidate.ID), candidate.Key.Directory
	p.CandidateEpoch, p.LastOffset, p.LastOffsetEpoch, p.PreVote = int32(epoch), int64(end), int32(last), pre
	req.Topics = []kmsg.VoteRequestTopic{{Topic: raft.Topic, Partitions: []kmsg.VoteRequestTopicPartition{p}}}
	return req
}

func granted(t *testing.T, w *World, n *Node, req *kmsg.VoteRequest) bool {
	t.Helper()
	return ask[*kmsg.VoteResponse](t, w, n, req).Topics[0].Partitions[0].VoteGranted
}

// Raft, sections 5.2 and 5.4.1: one vote an epoch, the same when asked again, and only for a log with a later last
// epoch, or the same and no shorter.
func TestVotesGoToOneUpToDateLog(t *testing.T) {
	w := started(t, Options{Seed: 1, Nodes: 3})
	w.Active().Propose("a", "b", "c")
	w.Until(time.Second, w.Settled)
	l := w.Active()
	voter, x, y := others(w, l)[0], others(w, l)[1], l
	alone(w)
	end, epoch := voter.Q.LogEndOffset(), voter.Q.Epoch()
	if granted(t, w, voter, voteRequest(x, epoch+1, end+10, epoch-1, false)) {
		t.Error("a vote for a longer log of an older epoch")
	}
	if granted(t, w, voter, voteRequest(x, epoch+2, end-1, epoch, false)) {
		t.Error("a vote for a shorter log")
	}
	if !granted(t, w, voter, voteRequest(x, epoch+3, end, epoch, false)) {
		t.Error("no vote for an equal log")
	}
	if granted(t, w, voter, voteRequest(y, epoch+3, end+9, epoch, false)) {
		t.Error("a second vote in one epoch")
	}
	if !granted(t, w, voter, voteRequest(x, epoch+3, end, epoch, false)) {
		t.Error("the vote is denied when asked again")
	}
	if !granted(t, w, voter, voteRequest(y, epoch+4, end-1, epoch+1, false)) {
		t.Error("no vote for a shorter log of a later epoch")
	}
	if granted(t, w, voter, voteRequest(x, epoch+1, end, epoch, false)) {
		t.Error("a vote in a past epoch")
	}
	// The vote outlives prospective rounds in its epoch, and a restart.
	w.Until(5*time.Second, func() bool { return voter.Q.Role() == raft.Prospective && voter.Q.Epoch() == epoch+4 })
	if granted(t, w, voter, voteRequest(x, epoch+4, end+9, epoch+1, false)) {
		t.Error("a second vote in one epoch by a prospective node")
	}
	voter.Crash(true)
	voter.Start()
	if granted(t, w, voter, voteRequest(x, voter.Q.Epoch(), end+9, epoch+1, false)) {
		t.Error("a second vote in one epoch after a restart")
	}
}

// KIP-996: a pre-vote is denied by the leader and by whoever hears it, and changes nothing at anybody.
func TestPreVotesAreDeniedWhileTheLeaderIsHeard(t *testing.T) {
	w := started(t, Options{Seed: 2, Nodes: 3})
	l := w.Active()
	f, x := others(w, l)[0], others(w, l)[1]
	end, epoch := f.Q.LogEndOffset(), f.Q.Epoch()
	for _, n := range []*Node{l, f} {
		if granted(t, w, n, voteRequest(x, epoch, end+5, epoch, true)) {
			t.Errorf("node %d, %v, grants a pre-vote", n.ID, n.Q.Role())
		}
	}
	alone(w)
	w.Run(w.Settings.FetchTimeout)
	before := f.Q.State()
	if !granted(t, w, f, voteRequest(x, epoch, end, epoch, true)) {
		t.Error("no pre-vote although the leader is silent")
	}
	if granted(t, w, f, voteRequest(x, epoch, end-1, epoch, true)) {
		t.Error("a pre-vote for a shorter log")
	}
	if s := f.Q.State(); s.Epoch != before.Epoch || s.Voted != before.Voted || f.Q.Epoch() != epoch {
		t.Errorf("a pre-vote changed %+v to %+v", before, s)
	}
	if granted(t, w, l, voteRequest(x, epoch, end+5, epoch, true)) {
		t.Error("a leader that has not resigned grants a pre-vote")
	}
}

// KIP-996: voters that lose and find the leader, or only one other voter, do not raise the epoch.
func TestPartitionedVotersDoNotDisturb(t *testing.T) {
	for seed := range uint64(6) {
		w := started(t, Options{Seed: seed, Nodes: 3})
		l := w.Active()
		f := others(w, l)[0]
		epoch := l.Q.Epoch()
		for i := range 10 {
			switch i % 3 {
			case 0:
				w.Isolate(f.ID, true)
			case 1:
				w.Cut(l.ID, f.ID, true)
			case 2:
				w.Cut(f.ID, l.ID, true)
			}
			w.Run(1700 * time.Millisecond)
			w.Isolate(f.ID, false)
			w.Run(300 * time.Millisecond)
			l.Propose("still here")
		}
		if w.Active() != l || l.Q.Epoch() != epoch {
			t.Errorf("seed %d: leader %d in epoch %d became %s", seed, l.ID, epoch, w.Describe())
		}
		if !w.Until(time.Second, w.Settled) {
			t.Error("not settled\n" + w.Describe())
		}
		sound(t, w)
	}
}

// KAFKA-15489: a leader that hears of no majority for one and a half fetch timeouts resigns, even if it is heard.
// KAFKA-16144: a sole voter never does.
func TestLeaderResignsWithoutAMajority(t *testing.T) {
	w := started(t, Options{Seed: 3, Nodes: 3})
	l := w.Active()
	for _, n := range others(w, l) {
		w.Cut(n.ID, l.ID, true)
	}
	at := w.Now
	if !w.Until(10*time.Second, func() bool { return l.Q.Role() != raft.Leader }) {
		t.Fatal("never resigned")
	}
	if took := w.Now - at; took > w.Settings.FetchTimeout*3/2+50*time.Millisecond {
		t.Errorf("resigned after %v", took)
	}
	sole := started(t, Options{Seed: 3, Nodes: 2, Voters: 1})
	l = sole.Active()
	alone(sole)
	sole.Run(20 * time.Second)
	if !l.Q.Active() {
		t.Error("a sole voter resigned")
	}
}

func fetchRequest(n *Node, epoch core.LeaderEpoch, from core.Offset, last core.LeaderEpoch) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version = 18
	req.ReplicaState.ID = int32(n.ID)
	req.MaxBytes = 1 << 20
	p := kmsg.NewFetchRequestTopicPartition()
	p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch = int32(epoch), int64(from), int32(last)
	p.PartitionMaxBytes, p.ReplicaDirectoryID = 1<<20, n.Key.Directory
	t := kmsg.NewFetchRequestTopic()
	t.TopicID, t.Partitions = core.MetadataTopicID(), []kmsg.FetchRequestTopicPartition{p}
	req.Topics = []kmsg.FetchRequestTopic{t}
	return req
}

// KIP-595, Fetch: fenced by epoch, answered by the leader alone, told where logs diverge.
func TestFetchIsFencedAndToldOfDivergence(t *testing.T) {
	w := started(t, Options{Seed: 4, Nodes: 3})
	w.Active().Resign()
	w.Until(2*time.Second, w.Settled)
	l := w.Active()
	l.Propose("a")
	w.Until(time.Second, w.Settled)
	f := others(w, l)[0]
	epoch, end := l.Q.Epoch(), l.Q.LogEndOffset()
	second := l.Q.Log().Epochs().All()[1].Start
	alone(w)
	for _, c := range []struct {
		at        *Node
		epoch     core.LeaderEpoch
		from      core.Offset
		last      core.LeaderEpoch
		code      core.ErrorCode
		diverging core.Offset
	}{
		{l, epoch - 1, end, epoch - 1, core.FencedLeaderEpoch, -1},
		{l, epoch + 1, end, epoch, core.UnknownLeaderEpoch, -1},
		{f, epoch, end, epoch, core.NotLeaderOrFollower, -1},
		{l, epoch, end, epoch, core.NoError, -1},
		{l, epoch, end + 1, epoch, core.NoError, end},
		{l, epoch, end + 5, epoch - 1, core.NoError, l.Q.Log().Epochs().All()[1].Start},
		{l, epoch, second, epoch - 1, core.NoError, -1},
		{l, epoch, second, epoch, core.NoError, second}, // the epoch of the last record is damaged
	} {
		p := &ask[*kmsg.FetchResponse](t, w, c.at, fetchRequest(f, c.epoch, c.from, c.last)).Topics[0].Partitions[0]
		if core.ErrorCode(p.ErrorCode) != c.code || p.DivergingEpoch.EndOffset != int64(c.diverging) {
			t.Errorf("fetch of %d@%d in epoch %d: %v, diverging at %d, want %v, %d", c.from, c.last, c.epoch,
				core.ErrorCode(p.ErrorCode), p.DivergingEpoch.EndOffset, c.code, c.diverging)
		}
	}
	req := fetchRequest(f, epoch, end, epoch)
	other := "another"
	req.ClusterID = &other
	if r := ask[*kmsg.FetchResponse](t, w, l, req); core.ErrorCode(r.ErrorCode) != core.InconsistentClusterID {
		t.Errorf("a fetch for another cluster: %v", r.ErrorCode)
	}
}

// KIP-279: an epoch that the leader never heard of is answered by the end of the largest one before it.
func TestUnknownEpochsDivergeWhereTheLastKnownOneEnds(t *testing.T) {
	w := started(t, Options{Seed: 4, Nodes: 3})
	for _, n := range w.Nodes {
		w.Ask(n, voteRequest(n, 10, 0, 0, false)) // nobody can win with an empty log, but the epoch is taken
	}
	if !w.Until(5*time.Second, w.Settled) || w.Active().Q.Epoch() <= 10 {
		t.Fatal("not settled\n" + w.Describe())
	}
	l := w.Active()
	f := others(w, l)[0]
	first := l.Q.Log().Epochs().All()[1].Start
	alone(w)
	p := &ask[*kmsg.FetchResponse](t, w, l, fetchRequest(f, l.Q.Epoch(), first+1, 5)).Topics[0].Partitions[0]
	if p.DivergingEpoch.Epoch != 1 || p.DivergingEpoch.EndOffset != int64(first) || len(p.RecordBatches) > 0 {
		t.Errorf("epoch 5 diverges at %d@%d, want %d@1", p.DivergingEpoch.EndOffset, p.DivergingEpoch.Epoch, first)
	}
}

// KAFKA-12460: no leader's word makes a node cut what is committed; it stops instead.
func TestNothingBelowTheHighWatermarkIsCut(t *testing.T) {
	w := started(t, Options{Seed: 5, Nodes: 3})
	l := w.Active()
	l.Propose("a", "b")
	w.Until(time.Second, w.Settled)
	f := others(w, l)[0]
	end := f.Q.LogEndOffset()
	w.Tamper = func(to *Node, resp kmsg.Response) {
		if r, ok := resp.(*kmsg.FetchResponse); ok && to == f {
			r.Topics[0].Partitions[0].DivergingEpoch.Epoch, r.Topics[0].Partitions[0].DivergingEpoch.EndOffset = 1, 1
		}
	}
	w.Until(2*time.Second, func() bool { return false })
	if f.Q.Failed() == nil || f.Q.LogEndOffset() != end {
		t.Errorf("failed: %v, log end offset %d, was %d", f.Q.Failed(), f.Q.LogEndOffset(), end)
	}
}

// Raft, section 5.4.2 (figure 8): a leader commits nothing of earlier epochs before a record of its own.
func TestOldRecordsAreCommittedByOneOfTheLeadersEpoch(t *testing.T) {
	w := started(t, Options{Seed: 6, Nodes: 3})
	old := w.Active()
	for _, n := range others(w, old) {
		w.Cut(n.ID, old.ID, true) // they get batches, and cannot say so
	}
	old.Propose("x")
	mark := old.Q.HighWatermark()
	w.Run(2 * w.Settings.FetchTimeout)
	w.Heal()
	var l *Node
	if !w.Until(5*time.Second, func() bool { l = w.Leader(); return l != nil && l.Q.Epoch() > 1 }) {
		t.Fatal("no other leader")
	}
	// The harness checks with every step that the high watermark rises over a record of the leader's epoch alone (S6).
	if !w.Until(5*time.Second, w.Settled) || l.Q.HighWatermark() <= mark {
		t.Error("not settled\n" + w.Describe())
	}
	sound(t, w)
}

// Observers replicate and do not count (KIP-595).
func TestObserversDoNotCount(t *testing.T) {
	w := started(t, Options{Seed: 7, Nodes: 5, Voters: 3})
	l := w.Active()
	for _, n := range w.Nodes[:3] {
		if n != l {
			w.Isolate(n.ID, true)
		}
	}
	l.Propose("x")
	w.Run(time.Second)
	if l.Q.HighWatermark() == l.Q.LogEndOffset() {
		t.Error("committed without a majority of the voters")
	}
	for _, n := range w.Nodes[3:] {
		if n.Q.LogEndOffset() != l.Q.LogEndOffset() || !n.Q.Observer() {
			t.Errorf("node %d: %s", n.ID, n.Describe())
		}
	}
	w.Run(30 * time.Second)
	for _, n := range w.Nodes[3:] {
		if n.Q.Role() != raft.Unattached && n.Q.Role() != raft.Follower {
			t.Errorf("an observer became %v", n.Q.Role())
		}
	}
	sound(t, w)
}

// DescribeQuorum tells of voters and observers (KIP-642).
func TestDescribeQuorum(t *testing.T) {
	w := started(t, Options{Seed: 8, Nodes: 4, Voters: 3, Dynamic: true})
	w.Run(time.Second)
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Version = 2
	req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: raft.Topic,
		Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	l := w.Active()
	p := &ask[*kmsg.DescribeQuorumResponse](t, w, l, req).Topics[0].Partitions[0]
	if len(p.CurrentVoters) != 3 || len(p.Observers) != 1 || p.Observers[0].ReplicaID != 4 || p.LeaderID != int32(l.ID) ||
		p.HighWatermark != int64(l.Q.HighWatermark()) {
		t.Errorf("%+v", p)
	}
	for _, v := range p.CurrentVoters {
		if v.LogEndOffset != int64(l.Q.LogEndOffset()) || v.LastCaughtUpTimestamp <= 0 {
			t.Errorf("voter %+v", v)
		}
	}
	r := ask[*kmsg.DescribeQuorumResponse](t, w, others(w, l)[0], req)
	if core.ErrorCode(r.ErrorCode) != core.NotLeaderOrFollower {
		t.Errorf("a follower answers %v", r.ErrorCode)
	}
}

// Disks that are slower than suspicion make a quorum slow, and depose nobody.
func TestSlowDisksDeposeNobody(t *testing.T) {
	w := started(t, Options{Seed: 10, Nodes: 3})
	l := w.Active()
	epoch := l.Q.Epoch()
	w.DiskMin, w.DiskMax = 300*time.Millisecond, 1200*time.Millisecond
	for range 50 {
		l.Propose("x")
		w.Run(300 * time.Millisecond)
		if w.Active() != l || l.Q.Epoch() != epoch {
			t.Fatal("another leader\n" + w.Describe())
		}
	}
	w.DiskMin, w.DiskMax = time.Millisecond, time.Millisecond
	if !w.Until(3*time.Second, w.Settled) {
		t.Error("not settled\n" + w.Describe())
	}
	sound(t, w)
}

// S21: an idle quorum, and one with a voter that is gone, does little: no timer fires without end.
func TestAnIdleQuorumIsQuiet(t *testing.T) {
	for _, gone := range []int{0, 1} {
		w := started(t, Options{Seed: 9, Nodes: 4, Voters: 3})
		if gone > 0 {
			others(w, w.Active())[0].Crash(false)
		}
		before := w.seq
		w.Run(10 * time.Second)
		if each := (w.seq - before) / 10; each > 150 {
			t.Errorf("with %d voters gone: %d events a second", gone, each)
		}
		sound(t, w)
	}
	w := started(t, Options{Seed: 9, Nodes: 3})
	w.Nodes[0].Crash(false)
	w.Nodes[1].Crash(false)
	before := w.seq
	w.Run(10 * time.Second)
	if each := (w.seq - before) / 10; each > 300 {
		t.Errorf("one voter of three: %d events a second", each)
	}
}

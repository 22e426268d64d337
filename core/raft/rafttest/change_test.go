package rafttest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/raft"
)

func codeOf(resp kmsg.Response) core.ErrorCode {
	switch r := resp.(type) {
	case *kmsg.AddRaftVoterResponse:
		return core.ErrorCode(r.ErrorCode)
	case *kmsg.RemoveRaftVoterResponse:
		return core.ErrorCode(r.ErrorCode)
	case *kmsg.UpdateRaftVoterResponse:
		return core.ErrorCode(r.ErrorCode)
	}
	return core.UnknownServerError
}

// KIP-853: what is against a change of voters.
func TestChangesOfVotersAreRefused(t *testing.T) {
	w := started(t, Options{Seed: 11, Nodes: 4, Voters: 3, Dynamic: true})
	l := w.Active()
	spare, other := w.Nodes[3], others(w, l)[0]
	stranger := &Node{ID: 9, Key: raft.Key{ID: 9, Directory: core.UUID{9}}}
	wiped := &Node{ID: other.ID, Key: raft.Key{ID: other.Key.ID, Directory: core.UUID{8}}}
	wrong := addVoter(spare).(*kmsg.AddRaftVoterRequest)
	name := "another"
	wrong.ClusterID = &name
	bare := addVoter(spare).(*kmsg.AddRaftVoterRequest)
	bare.Listeners = nil
	for _, c := range []struct {
		what string
		at   *Node
		req  kmsg.Request
		code core.ErrorCode
	}{
		{"at a follower", other, addVoter(spare), core.NotLeaderOrFollower},
		{"for another cluster", l, wrong, core.InconsistentClusterID},
		{"without listeners", l, bare, core.InvalidRequest},
		{"of a voter there is", l, addVoter(other), 126},
		{"of the id of a voter", l, addVoter(wiped), 126},
		{"removal of no voter", l, removeVoter(spare), 127},
		{"removal of another directory", l, removeVoter(wiped), 127},
		{"of a node that never fetches", l, addVoter(stranger), core.RequestTimedOut},
	} {
		if code := codeOf(ask[kmsg.Response](t, w, c.at, c.req)); code != c.code {
			t.Errorf("change %s: %v, want %v", c.what, code, c.code)
		}
	}
	static := started(t, Options{Seed: 11, Nodes: 3})
	code := codeOf(ask[kmsg.Response](t, static, static.Active(), removeVoter(static.Nodes[0])))
	if code != core.UnsupportedVersion {
		t.Errorf("change of fixed voters: %v", code)
	}
	sole := started(t, Options{Seed: 11, Nodes: 1, Dynamic: true})
	code = codeOf(ask[kmsg.Response](t, sole, sole.Active(), removeVoter(sole.Nodes[0])))
	if code != core.InvalidRequest {
		t.Errorf("removal of the last voter: %v", code)
	}
}

// Raft, section 4.1: one change at a time, and none before the leader has committed a record of its epoch (Ongaro,
// raft-dev 2015).
func TestChangesWaitForEachOtherAndForTheLeader(t *testing.T) {
	w := started(t, Options{Seed: 12, Nodes: 4, Dynamic: true})
	l := w.Active()
	a, b := others(w, l)[0], others(w, l)[1]
	for _, n := range others(w, l) {
		w.Cut(n.ID, l.ID, true)
	}
	w.Ask(l, removeVoter(a))
	if len(l.Q.Voters()) != 3 {
		t.Fatal("a change is in force once it is in the log")
	}
	asked := w.Now
	code := codeOf(ask[kmsg.Response](t, w, l, removeVoter(b)))
	if code != core.RequestTimedOut || w.Now > asked+time.Millisecond || len(l.Q.Voters()) != 3 {
		t.Errorf("a second change before the first is committed: %v after %v, voters %v", code, w.Now-asked,
			ids(l.Q.Voters()))
	}
	if code, _ := l.Q.Upgrade(w.instant(), 2, false, &l.out); code != core.RequestTimedOut {
		t.Errorf("an upgrade meanwhile: %v", code)
	}
	// The next leader finds the change in its log, or not, and must not make another before it has committed.
	w = started(t, Options{Seed: 13, Nodes: 4, Dynamic: true})
	l = w.Active()
	l.Resign()
	var next *Node
	w.Until(2*time.Second, func() bool { next = w.Leader(); return next != nil && next != l })
	if next.Q.Active() {
		t.Fatal("active at once")
	}
	if code := codeOf(ask[kmsg.Response](t, w, next, removeVoter(others(w, next)[0]))); code != core.RequestTimedOut {
		t.Errorf("a change before a record of the leader's epoch is committed: %v", code)
	}
	sound(t, w)
}

// KIP-853: a change that is truncated is out of force again.
func TestTruncatedChangesAreUndone(t *testing.T) {
	w := started(t, Options{Seed: 14, Nodes: 3, Dynamic: true})
	l := w.Active()
	w.Isolate(l.ID, true)
	w.Ask(l, removeVoter(others(w, l)[0]))
	if len(l.Q.Voters()) != 2 {
		t.Fatal("not in force")
	}
	if !w.Until(5*time.Second, func() bool { n := w.Active(); return n != nil && n != l }) {
		t.Fatal("no other leader")
	}
	w.Active().Propose("x")
	w.Heal()
	if !w.Until(5*time.Second, w.Settled) || len(l.Q.Voters()) != 3 {
		t.Errorf("voters %v\n%s", ids(l.Q.Voters()), w.Describe())
	}
	sound(t, w)
}

// KIP-853: a leader that removes itself leads until that is committed, by the others, and resigns then.
func TestRemovedLeaderLeadsUntilItsRemovalIsCommitted(t *testing.T) {
	w := started(t, Options{Seed: 15, Nodes: 3, Dynamic: true})
	l := w.Active()
	rest := others(w, l)
	rest[0].Crash(false)
	rest[1].Crash(false)
	token := w.Ask(l, removeVoter(l))
	w.Run(100 * time.Millisecond)
	if l.Q.Role() != raft.Leader || w.Reply(token) != nil || !l.Q.Observer() {
		t.Fatalf("before the commit: %s", l.Describe())
	}
	rest[0].Start()
	w.Run(500 * time.Millisecond)
	if l.Q.Role() != raft.Leader || rest[0].Q.LogEndOffset() != l.Q.LogEndOffset() || w.Reply(token) != nil {
		t.Fatalf("one of two voters has it: %s", w.Describe())
	}
	rest[1].Start()
	if !w.Until(3*time.Second, w.Settled) || w.Active() == l || w.Reply(token) == nil || codeOf(w.Reply(token)) != 0 {
		t.Errorf("after the commit:\n%s", w.Describe())
	}
	sound(t, w)
}

// KIP-853: a new node observes first, with the voters it learns from the log, and is added when it has caught up; a
// node that comes back with an empty disk is another replica, and no voter.
func TestVotersAreAddedAndWipedOnesReplaced(t *testing.T) {
	w := started(t, Options{Seed: 16, Nodes: 4, Voters: 3, Dynamic: true})
	spare := w.Nodes[3]
	if !slices.Equal(ids(spare.Q.Voters()), []core.BrokerID{1, 2, 3}) {
		t.Fatalf("an observer without a bootstrap checkpoint knows the voters %v", ids(spare.Q.Voters()))
	}
	if code := codeOf(ask[kmsg.Response](t, w, w.Active(), addVoter(spare))); code != core.NoError {
		t.Fatalf("add: %v", code)
	}
	if spare.Q.Observer() {
		w.Until(time.Second, func() bool { return !spare.Q.Observer() })
	}
	l := w.Active()
	n := others(w, l)[0]
	n.Crash(true)
	n.Disk = logtest.NewDisk()
	must(n.Disk.Mkdir(parent))
	n.Disk.SyncAll()
	old := n.Key
	n.Key.Directory = core.UUID{99, byte(n.ID)}
	n.track = tracked{}
	n.Start()
	w.Run(2 * time.Second)
	if !n.Q.Observer() {
		t.Error("a replica with another directory is a voter")
	}
	removed := &Node{ID: n.ID, Key: old}
	if code := codeOf(ask[kmsg.Response](t, w, w.Active(), removeVoter(removed))); code != core.NoError {
		t.Fatalf("remove: %v", code)
	}
	if code := codeOf(ask[kmsg.Response](t, w, w.Active(), addVoter(n))); code != core.NoError {
		t.Fatalf("add again: %v", code)
	}
	if !w.Until(3*time.Second, w.Settled) || n.Q.Observer() || len(w.Active().Q.Voters()) != 4 {
		t.Errorf("not settled\n%s", w.Describe())
	}
	sound(t, w)
}

// KIP-853, UpdateRaftVoter: a voter whose listeners changed has the voters record corrected.
func TestVotersCorrectTheirListeners(t *testing.T) {
	w := started(t, Options{Seed: 17, Nodes: 3, Dynamic: true})
	n := others(w, w.Active())[0]
	n.Crash(false)
	n.host = "elsewhere"
	n.Start()
	host := func(at *Node) string { return at.Q.Voters()[n.ID-1].Endpoints[0].Host }
	told := func() bool { return host(w.Nodes[0]) == "elsewhere" && host(w.Nodes[2]) == "elsewhere" }
	if !w.Until(5*time.Second, told) {
		t.Errorf("the voters record says %q", host(w.Active()))
	}
	sound(t, w)
}

// KIP-630: a follower behind the leader's log start loads a snapshot, whatever it had, and whenever it crashes over
// that.
func TestSnapshotsReplaceLogsThatAreBehind(t *testing.T) {
	installed := 0
	for at := 0; at < 60; at++ {
		o := Options{Seed: 18, Nodes: 3, Dynamic: at%2 == 0, LogBytes: 1000}
		o.Settings = raft.DefaultSettings()
		o.Settings.LogBytes, o.Settings.SnapshotBytes = 1500, 64
		w := started(t, o)
		l := w.Active()
		f := others(w, l)[0]
		w.Isolate(f.ID, true)
		for range 4 {
			for range 12 {
				l.Propose("some record or other")
				w.Run(30 * time.Millisecond)
			}
			l.Snapshot()
			w.Run(100 * time.Millisecond)
		}
		if l.Q.Log().LogStartOffset() <= f.Q.LogEndOffset() {
			t.Fatalf("the log still starts at %d", l.Q.Log().LogStartOffset())
		}
		w.Isolate(f.ID, false)
		if at > 0 {
			f.Disk.CrashAt = f.Disk.Ops + at
		}
		w.Until(3*time.Second, func() bool { return f.Q == nil })
		if f.Q == nil {
			f.Start()
		} else if f.Disk.CrashAt > 0 {
			f.Disk.CrashAt = 0
		}
		if !w.Until(8*time.Second, w.Settled) {
			t.Fatalf("crash at %d: not settled\n%s%s", at, w.Describe(), w.Fault())
		}
		if f.Q.Log().LogStartOffset() > 0 && w.probes["a snapshot is loaded"] > 0 {
			installed++
		}
		sound(t, w)
	}
	if installed < 20 {
		t.Errorf("only %d snapshots were loaded", installed)
	}
}

// A node that is stopped while a snapshot takes the place of its log closes the new one, or its stop would have no end.
func TestALogThatIsBeingReplacedIsClosed(t *testing.T) {
	o := Options{Seed: 18, Nodes: 3, LogBytes: 1000, Settings: raft.DefaultSettings()}
	o.Settings.LogBytes, o.Settings.SnapshotBytes = 1500, 64
	w := started(t, o)
	l := w.Active()
	f := others(w, l)[0]
	w.Isolate(f.ID, true)
	for range 4 {
		for range 12 {
			l.Propose("some record or other")
			w.Run(30 * time.Millisecond)
		}
		l.Snapshot()
		w.Run(100 * time.Millisecond)
	}
	old := f.Q.Log()
	w.Isolate(f.ID, false)
	if !w.Until(3*time.Second, func() bool { return old.Failed() != nil }) || f.Q.Log() != old {
		t.Fatal("the log is not being replaced")
	}
	f.Q.Close(&f.out)
	f.effects()
	if !w.Until(time.Second, func() bool { return f.Q.Log().Closed() }) || f.Q.Log() == old {
		t.Error("the log is not closed")
	}
	sound(t, w)
}

// A log that is longer than the snapshot, of a leader that was overruled, goes too (Kafka: KafkaMetadataLog.
// truncateToLatestSnapshot): its records below the snapshot's end are not those that were committed.
func TestSnapshotsReplaceLongerLogsOfAnOlderEpoch(t *testing.T) {
	for at := range 40 {
		o := Options{Seed: uint64(at), Nodes: 3, LogBytes: 1000, Settings: raft.DefaultSettings()}
		o.Settings.LogBytes, o.Settings.SnapshotBytes = 1200, 100
		w := started(t, o)
		old := w.Active()
		w.Isolate(old.ID, true)
		for range 60 {
			old.Propose("never to be committed")
		}
		if !w.Until(3*time.Second, func() bool { n := w.Active(); return n != nil && n != old }) {
			t.Fatal("no other leader")
		}
		l := w.Active()
		for range 3 {
			for range 8 {
				l.Propose("another history")
				w.Run(20 * time.Millisecond)
			}
			l.Snapshot()
			w.Run(100 * time.Millisecond)
		}
		if start := l.Q.Log().LogStartOffset(); start < 3 || l.Q.LogEndOffset() >= old.Q.LogEndOffset() {
			t.Fatalf("not what is to be tested: %s", w.Describe())
		}
		w.Isolate(old.ID, false)
		if at > 0 {
			old.Disk.CrashAt = old.Disk.Ops + at
		}
		w.Until(2*time.Second, func() bool { return old.Q == nil })
		old.Disk.CrashAt = 0
		old.Start()
		if !w.Until(8*time.Second, w.Settled) {
			t.Fatalf("crash at %d: not settled\n%s%s", at, w.Describe(), w.Fault())
		}
		w.Active().Propose("after")
		w.Until(time.Second, w.Settled)
		old.remember()
		sound(t, w)
	}
}

// KAFKA-15312: a snapshot has its name only when it is whole on disk; a crash at any operation leaves all or nothing
// of it.
func TestSnapshotJobsSurviveCrashes(t *testing.T) {
	id := raft.SnapshotID{End: 7, Epoch: 2}
	for at := 1; ; at++ {
		disk := logtest.NewDisk()
		must(disk.Mkdir(Dir))
		disk.SyncAll()
		disk.CrashAt = disk.Ops + at
		job := &raft.SnapshotJob{Dir: Dir, ID: id, Records: func(yield func([]byte) bool) { yield([]byte("1 2")) }}
		job.Run(disk)
		done := job.Err == nil
		for seed := range uint64(20) {
			c := disk.Clone()
			rng := core.NewPRNG(seed)
			c.Crash(&rng)
			_, err := readState(c, id)
			if err != nil && (done || !errors.Is(err, core.ErrNotExist)) {
				t.Fatalf("crash at %d, done %v: %v", at, done, err)
			}
		}
		if done {
			return
		}
	}
}

// Voters of configuration go into the log with the directories that they fetch for, and then change like others.
func TestUpgradePutsFixedVotersIntoTheLog(t *testing.T) {
	w := New(Options{Seed: 19, Nodes: 4, Voters: 3, Directories: true})
	for _, n := range w.Nodes[:2] {
		n.Start()
	}
	upgrade := func(level int16, validate bool) core.ErrorCode {
		l := w.Active()
		code, _ := l.Q.Upgrade(w.instant(), level, validate, &l.out)
		l.effects()
		return code
	}
	if !w.Until(5*time.Second, func() bool { return w.Active() != nil }) {
		t.Fatal("no leader")
	}
	if code := upgrade(1, false); code != core.InvalidUpdateVersion {
		t.Errorf("with a voter that nobody knows the directory of: %v", code)
	}
	w.Nodes[2].Start()
	w.Nodes[3].Start()
	if !w.Until(5*time.Second, w.Settled) {
		t.Fatal("not settled")
	}
	l := w.Active()
	for _, c := range []struct {
		level    int16
		validate bool
		want     core.ErrorCode
	}{{2, false, core.InvalidUpdateVersion}, {0, false, core.NoError}, {1, true, core.NoError}} {
		if code := upgrade(c.level, c.validate); code != c.want || l.Q.Version() != 0 {
			t.Errorf("level %d: %v, version %d", c.level, code, l.Q.Version())
		}
	}
	if code := upgrade(1, false); code != core.NoError || l.Q.Version() != 1 {
		t.Fatalf("%v, version %d", code, l.Q.Version())
	}
	if code := codeOf(ask[kmsg.Response](t, w, l, addVoter(w.Nodes[3]))); code != core.RequestTimedOut {
		t.Errorf("a change before the upgrade is committed: %v", code)
	}
	if !w.Until(5*time.Second, w.Settled) {
		t.Fatal("not settled")
	}
	if code := upgrade(0, false); code != core.InvalidUpdateVersion {
		t.Errorf("the way back: %v", code)
	}
	if code := codeOf(ask[kmsg.Response](t, w, l, addVoter(w.Nodes[3]))); code != core.NoError {
		t.Errorf("a change after it: %v", code)
	}
	for _, n := range w.Nodes {
		n.Crash(true)
	}
	for _, n := range w.Nodes {
		n.Start()
	}
	if !w.Until(5*time.Second, w.Settled) {
		t.Fatal("not settled after the restart")
	}
	for _, n := range w.Nodes {
		if !n.Q.Voters().Has(n.Key) || n.Q.Voters().Has(raft.Key{ID: n.Key.ID, Directory: core.UUID{9}}) ||
			len(n.Q.Voters()) != 4 || n.Q.State().Version != 1 {
			t.Errorf("node %d: voters %v, state %+v", n.ID, n.Q.Voters(), n.Q.State())
		}
	}
	sound(t, w)
}

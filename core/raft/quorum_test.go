package raft

import (
	"strings"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/record"
)

const testDir = "/data/__cluster_metadata-0"

// node is a quorum of one on a disk that does nothing before it is told to.
type node struct {
	t      *testing.T
	disk   *logtest.Disk
	driver *logtest.Driver
	files  log.FileIDs
	out    core.Outbox
	now    core.Instant
	*Quorum
}

// start begins a process on a disk.
func start(t *testing.T, disk *logtest.Disk) *node {
	t.Helper()
	n := &node{t: t, disk: disk, driver: logtest.NewDriver(disk), now: core.Instant{Wall: 1000}}
	if disk.Ops == 0 {
		if err := disk.Mkdir("/data"); err != nil {
			t.Fatal(err)
		}
		disk.SyncAll()
	}
	job := &log.OpenJob{Log: 1, Parent: "/data", Dir: testDir, Topic: core.MetadataTopicID(),
		Settings: log.DefaultSettings()}
	job.Run(disk)
	if job.Err != nil {
		t.Fatal(job.Err)
	}
	state := ElectionState{Leader: core.NoBroker, Voted: core.NoBroker}
	if b := disk.Bytes(testDir + "/" + StateFile); b != nil {
		var err error
		if state, err = DecodeState(b); err != nil {
			t.Fatal(err)
		}
	}
	n.Quorum = New(3, "cluster", state, log.New(n.now, 1, &n.files, job, &n.out))
	n.effects()
	return n
}

func (n *node) effects() { n.driver.Execute(&n.out) }

// jobs runs the jobs that were asked for.
func (n *node) jobs() {
	for len(n.driver.Jobs) > 0 {
		j := n.driver.Jobs[0]
		n.driver.Jobs = n.driver.Jobs[1:]
		j.Run(n.disk)
		if !n.JobDone(n.now, j, &n.out) {
			n.t.Fatal("a job came back that the quorum does not know")
		}
		n.effects()
	}
}

// deliver completes operations of the disk until there are none or one is not of a kind.
func (n *node) deliver(kinds ...core.InputKind) {
	for n.driver.Pending() > 0 {
		in := n.driver.Take(0)
		switch in.Kind {
		case core.InputMapped, core.InputFailed:
			n.Mapped(in)
		default:
			n.Completed(in)
		}
		n.effects()
		if len(kinds) > 0 && in.Kind == kinds[0] {
			return
		}
	}
}

func (n *node) elect() {
	n.Campaign(&n.out)
	n.effects()
	n.jobs()
	n.deliver()
	n.jobs()
	if !n.Active() {
		n.t.Fatal("no leader")
	}
}

func TestElectionCountsOnlyWhatIsSynced(t *testing.T) {
	n := start(t, logtest.NewDisk())
	n.deliver()
	if n.Role() != Unattached || n.Epoch() != 0 {
		t.Fatalf("a new node is %v in epoch %d", n.Role(), n.Epoch())
	}
	n.Campaign(&n.out)
	n.effects()
	if n.Role() != Voted || n.LogEndOffset() != 0 {
		t.Fatalf("before quorum-state is synced the vote counts: %v", n.Role())
	}
	n.jobs()
	if n.Role() != Leader || n.LogEndOffset() != 1 || n.Active() {
		t.Fatalf("with its vote on disk: %v, end %d, active %v", n.Role(), n.LogEndOffset(), n.Active())
	}
	n.deliver(core.InputWritten)
	if n.Active() || n.HighWatermark() != 0 {
		t.Fatal("active although LEADER_CHANGE is only written")
	}
	n.deliver(core.InputSynced)
	if !n.Active() || n.HighWatermark() != 1 {
		t.Fatalf("LEADER_CHANGE is synced: active %v, high watermark %d", n.Active(), n.HighWatermark())
	}
}

func TestLeaderChangeNamesLeaderAndVoters(t *testing.T) {
	n := start(t, logtest.NewDisk())
	n.deliver()
	n.elect()
	v := record.View(n.disk.Bytes(testDir + "/00000000000000000000.log"))
	it := record.Records(v, nil)
	if !v.IsControl() || v.LeaderEpoch() != 1 || !it.Next() {
		t.Fatal("the first batch of a leadership is a control batch of its epoch")
	}
	change, ok := record.ParseLeaderChange(it.Record.Value)
	if !ok || change.Leader != 3 || len(change.Voters) != 1 || change.Voters[0].ID != 3 {
		t.Fatalf("leader change %+v", change)
	}
}

func TestProposalsAreCommittedBySync(t *testing.T) {
	n := start(t, logtest.NewDisk())
	n.deliver()
	n.elect()
	last := n.Propose(n.now, [][]byte{{1}, {2}}, &n.out)
	if last != 2 {
		t.Fatalf("last offset %d", last)
	}
	n.effects()
	n.deliver(core.InputWritten)
	if n.HighWatermark() != 1 {
		t.Fatal("committed although it is only written")
	}
	n.deliver(core.InputSynced)
	if n.HighWatermark() != 3 {
		t.Fatalf("high watermark %d", n.HighWatermark())
	}
}

func TestRestartTakesAHigherEpoch(t *testing.T) {
	disk := logtest.NewDisk()
	for epoch := core.LeaderEpoch(1); epoch < 4; epoch++ {
		n := start(t, disk)
		n.deliver()
		n.elect()
		if n.Epoch() != epoch {
			t.Fatalf("epoch %d, want %d", n.Epoch(), epoch)
		}
	}
	// A crash at any operation of the next election never lets an epoch be used twice.
	for at := 1; ; at++ {
		copied := disk.Clone()
		n := start(t, copied)
		n.deliver()
		copied.CrashAt = copied.Ops + at
		n.Campaign(&n.out)
		n.effects()
		n.jobs()
		led := n.Role() == Leader
		crashed := copied.Ops >= copied.CrashAt
		rng := core.NewPRNG(uint64(at))
		copied.Crash(&rng)
		next := start(t, copied)
		next.deliver()
		next.elect()
		if led && next.Epoch() <= n.Epoch() {
			t.Fatalf("crash at %d: epoch %d after leading %d", at, next.Epoch(), n.Epoch())
		}
		if !crashed {
			break
		}
	}
}

// The epoch is never below what the log has, even if an older quorum-state was put back.
func TestEpochFollowsTheLog(t *testing.T) {
	disk := logtest.NewDisk()
	for range 3 {
		n := start(t, disk)
		n.deliver()
		n.elect()
	}
	old := ElectionState{ClusterID: "cluster", Epoch: 1, Leader: core.NoBroker, Voted: 3}
	disk.Put(testDir+"/"+StateFile, old.Encode(), true)
	n := start(t, disk)
	n.deliver()
	n.elect()
	if n.Epoch() != 4 {
		t.Fatalf("epoch %d", n.Epoch())
	}
}

func TestFailedDiskFailsTheQuorum(t *testing.T) {
	for _, broken := range []string{"create", "rename", "syncdir", "write", "sync"} {
		t.Run(broken, func(t *testing.T) {
			n := start(t, logtest.NewDisk())
			n.deliver()
			n.disk.Fault = func(op, _ string) error {
				if op == broken {
					return logtest.ErrIO
				}
				return nil
			}
			n.Campaign(&n.out)
			n.effects()
			n.jobs()
			n.deliver()
			if n.Failed() == nil || n.Active() {
				t.Fatalf("failed %v, active %v", n.Failed(), n.Active())
			}
		})
	}
}

func TestFailedSyncOfAProposal(t *testing.T) {
	n := start(t, logtest.NewDisk())
	n.deliver()
	n.elect()
	n.disk.Fault = func(op, _ string) error {
		if op == "sync" {
			return logtest.ErrIO
		}
		return nil
	}
	n.Propose(n.now, [][]byte{{1}}, &n.out)
	n.effects()
	n.deliver()
	if n.Failed() == nil || n.HighWatermark() != 1 {
		t.Fatalf("failed %v, high watermark %d", n.Failed(), n.HighWatermark())
	}
}

func TestBrokenUsesPanic(t *testing.T) {
	n := start(t, logtest.NewDisk())
	n.deliver()
	panics(t, "a proposal to", func() { n.Propose(n.now, [][]byte{{1}}, &n.out) })
	n.elect()
	panics(t, "campaign of a node that is leader", func() { n.Campaign(&n.out) })
}

func panics(t *testing.T, with string, f func()) {
	t.Helper()
	defer func() {
		if s, ok := recover().(string); !ok || !strings.Contains(s, with) {
			t.Errorf("panic %q, want %q", s, with)
		}
	}()
	f()
}

// quorumState is what Kafka's QuorumStateDataJsonConverter and FileQuorumStateStore write for a static quorum.
const quorumState = `{"clusterId":"MkU3OEVBNTcwNTJENDM2Qg","leaderId":-1,"leaderEpoch":17,"votedId":3,` +
	`"appliedOffset":0,"currentVoters":[{"voterId":3}],"data_version":0,"crc32c":2470240845}`

func TestQuorumStateIsKafkas(t *testing.T) {
	s := ElectionState{ClusterID: "MkU3OEVBNTcwNTJENDM2Qg", Leader: core.NoBroker, Epoch: 17, Voted: 3,
		Voters: []core.BrokerID{3}}
	if got := string(s.Encode()); got != quorumState {
		t.Errorf("encoded %s\nwant    %s", got, quorumState)
	}
	back, err := DecodeState([]byte(quorumState))
	if err != nil || back.ClusterID != s.ClusterID || back.Epoch != 17 || back.Voted != 3 || back.Leader != -1 ||
		len(back.Voters) != 1 || back.Voters[0] != 3 {
		t.Errorf("decoded %+v, %v", back, err)
	}
	for _, bad := range []string{"", "{", `{"data_version":2}`, `{"leaderEpoch":-1,"data_version":0}`, `[]`,
		`{"leaderEpoch":"x"}`} {
		if _, err := DecodeState([]byte(bad)); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func FuzzDecodeState(f *testing.F) {
	f.Add([]byte(quorumState))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeState(b)
		if err != nil {
			return
		}
		back, err := DecodeState(s.Encode())
		if err != nil || back.Epoch != s.Epoch || back.Voted != s.Voted || back.Leader != s.Leader {
			t.Errorf("%+v became %+v, %v", s, back, err)
		}
	})
}

// A crash between the end of a recall and the removal of its marker has the next start begin another one, of a node
// that has voted by then. It stays bound by that vote.
func TestANodeThatHasVotedMayForgetAgain(t *testing.T) {
	n := start(t, logtest.NewDisk())
	n.deliver()
	n.state.Epoch, n.state.Voted = 5, 2
	n.resume(n.now)
	n.Distrust()
	if !n.Recalling() || n.Role() != Voted || n.state.Voted != 2 || n.Epoch() != 5 {
		t.Errorf("recalling %v, %v in epoch %d with a vote for %d", n.Recalling(), n.Role(), n.Epoch(), n.state.Voted)
	}
}

// Whatever bit of the file is wrong, it is not believed: also where the checksum's own name is hit, and another bit.
func TestAnElectionStateIsRightOrRefused(t *testing.T) {
	for _, s := range []ElectionState{
		{Epoch: 17, Voted: 2, Leader: core.NoBroker, ClusterID: "c", Voters: []core.BrokerID{1, 2}},
		{Version: 1, Epoch: 17, Voted: 2, VotedDirectory: core.UUID{3}, Leader: core.NoBroker},
	} {
		text := string(s.Encode())
		name := strings.Index(text, "crc32c")
		for at := range len(text) {
			for bit := range 8 {
				for _, second := range []int{-1, name, name + 5} {
					b := []byte(text)
					if b[at] ^= 1 << bit; second >= 0 && second != at {
						b[second] ^= 1
					}
					if back, err := DecodeState(b); err == nil {
						t.Fatalf("%s is believed: %+v", b, back)
					}
				}
			}
		}
	}
}

package check

import (
	"slices"
	"strings"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/partition"
	"ottla.dev/core/raft"
)

// Damage may take records that were committed, if the controller hears of it.
func TestDamageIsNotSilent(t *testing.T) {
	for _, c := range []struct {
		name  string
		end   core.Offset
		start core.Offset
		life  int
		told  bool
		want  []string
	}{
		{"all is there", 8, 0, 2, false, nil},
		{"what is gone was not committed", 9, 0, 2, false, nil},
		{"it ends too early", 7, 0, 2, false, []string{"silent-damage"}},
		{"the controller knows", 7, 0, 2, true, nil},
		{"it begins anew behind all of it", 7, 8, 2, false, nil},
		{"the process is that of before", 7, 0, 1, false, nil},
		{"it begins later than before", 9, 2, 2, false, []string{"silent-damage"}},
		{"it begins where it was about to", 9, 1, 2, false, nil},
	} {
		x := newTheatre()
		d := &damage{vouched: map[core.TopicIDPartition]vouched{partitionID: {end: 8, begin: 1, life: 1}}}
		if c.told {
			delete(d.vouched, partitionID)
		}
		x.brokers[0].damage = d
		was, s := x.now[0], x.now[0]
		s.End, s.Start, s.Life = c.end, c.start, c.life
		x.watchSilence(&was, &s, new(partition.Replica))
		if !slices.Equal(x.failed, c.want) {
			t.Errorf("%s: %v, want %v", c.name, x.failed, c.want)
		}
	}
}

// Retention goes on in a process below which files are damaged, and after the first look at one that began later.
func TestALogMayBeginLaterInService(t *testing.T) {
	for _, life := range []int{1, 2} {
		x := newTheatre()
		x.brokers[0].damage = &damage{vouched: map[core.TopicIDPartition]vouched{partitionID: {end: 8, begin: 1, life: 1}}}
		s := x.now[0]
		for i, start := range []core.Offset{1, 2, 3} {
			if s.Start, s.End, s.Life = start, 9, life+i; life == 1 {
				s.Start++
			}
			x.watchSilence(&Sighting{}, &s, new(partition.Replica))
		}
		if len(x.failed) > 0 {
			t.Errorf("from life %d on: %v", life, x.failed)
		}
	}
}

// A voter that has lost what it had promised knows it, asks all others first, and has everything back when it votes.
func TestNoVoteIsForgottenUnnoticed(t *testing.T) {
	forgotten := []string{"forgotten"}
	for _, c := range []struct {
		name   string
		before bool // it was seen to know that it has forgotten
		change func(s *QuorumSighting)
		want   []string
	}{
		{"all is there", false, func(*QuorumSighting) {}, nil},
		{"its epoch is gone", false, func(s *QuorumSighting) { s.Saved.Epoch = 0 }, forgotten},
		{"its vote is gone", false, func(s *QuorumSighting) { s.Saved.Voted = core.NoBroker }, forgotten},
		{"it has gone on", false, func(s *QuorumSighting) { s.Saved = raft.ElectionState{Epoch: 2, Voted: 2} }, nil},
		{"its metadata are gone", false, func(s *QuorumSighting) { s.End = 5 }, forgotten},
		{"only what nobody vouched for is", false, func(s *QuorumSighting) { s.End, s.Synced = 7, 7 }, nil},
		{"it knows, and waits for all", false, func(s *QuorumSighting) {
			s.Recalling, s.Forgetful, s.Asked, s.Saved.Epoch, s.End = true, true, []core.BrokerID{2}, 0, 0
		}, nil},
		{"it does not wait", false, func(s *QuorumSighting) { s.Recalling, s.Asked = true, []core.BrokerID{2} }, forgotten},
		{"it has asked all", false, func(s *QuorumSighting) { s.Recalling, s.Asked = true, []core.BrokerID{2, 3} }, nil},
		{"it votes again too early", true, func(s *QuorumSighting) { s.Synced = 8 }, forgotten},
		{"it votes again", true, func(s *QuorumSighting) { s.Synced = 9 }, nil},
	} {
		x := newTheatre()
		s := x.quorum[0]
		d := &damage{life: s.Life, promise: &promise{saved: s.Saved, vouched: 7, had: 9, forgotten: c.before}}
		x.brokers[0].damage = d
		s.Life++
		c.change(&s)
		x.watchForgotten(&x.brokers[0], &s)
		if !slices.Equal(x.failed, c.want) {
			t.Errorf("%s: %v, want %v", c.name, x.failed, c.want)
		}
	}
}

// What looks like a machine that has never promised anything is not expected to know that it has; anything that is left
// of it is enough to know.
func TestAMachineMayLookLikeANewOne(t *testing.T) {
	dir := newTheatre().ledger.plan.DirNames()[0]
	for _, c := range []struct {
		left string // a file, of those that a start goes by
		text string
		want bool
	}{
		{"", "", true},
		{"/" + raft.Topic + "-0/" + log.EpochCheckpointName, "0\n0\n", true},
		{"/" + raft.Topic + "-0/" + log.EpochCheckpointName, "0\n1\n1 0\n", false},
		{"/" + raft.Topic + "-0/" + raft.StateFile, "", false},
		{"/" + raft.Topic + "-0/00000000000000000000.log", "", false},
		{"/t0-0/partition.metadata", "", false},
	} {
		x := newTheatre()
		x.brokers[0].damage = &damage{promise: &promise{}}
		if c.left != "" {
			fs := x.disks[0].FS(nil)
			if err := fs.Mkdir(dir + c.left[:strings.LastIndexByte(c.left, '/')]); err != nil {
				t.Fatal(err)
			}
			f, err := fs.Create(dir + c.left)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.WriteAt([]byte(c.text), 0); err != nil {
				t.Fatal(err)
			}
		}
		x.Damaged(0)
		if got := x.brokers[0].damage.promise == nil; got != c.want {
			t.Errorf("%q is left: like new %v", c.left, got)
		}
	}
}

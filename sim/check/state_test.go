package check

import (
	"slices"
	"testing"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
	"ottla.dev/sim/disk"
)

// inEpoch makes the committed metadata say that broker 1 leads in leader epoch 2, in a partition epoch.
func (x *theatre) inEpoch(t *testing.T, epoch core.PartitionEpoch) {
	t.Helper()
	image, err := metadata.NewImage("c").Apply(core.Offset(epoch), 1,
		&metadata.TopicRecord{Name: "t0", ID: partitionID.Topic},
		&metadata.PartitionRecord{Topic: partitionID.Topic, Replicas: []core.BrokerID{1, 2, 3},
			Directories: make([]core.UUID, 3), ISR: []core.BrokerID{1, 2}, Leader: 1, LeaderEpoch: 2, PartitionEpoch: epoch})
	if err != nil {
		t.Fatal(err)
	}
	x.images.latest = image
}

// judged is a step of a leader as the checks of proposals and questions see it.
func (x *theatre) judged(change func(s *Sighting)) {
	seen := x.replicas[replicaKey{0, partitionID}]
	was := seen.Sighting
	change(&x.now[0])
	s := x.now[0]
	x.watchMajority(seen, &was, &s)
	x.watchGivenUp(&was, &s)
	x.watchProposed(&was, &s)
	seen.Sighting = s
}

func TestLeadersGiveNothingUpThatMayBeTaken(t *testing.T) {
	pending := &partition.Proposal{LeaderEpoch: 2, PartitionEpoch: 4, ISR: []core.BrokerID{1, 2, 3}}
	for _, c := range []struct {
		name  string
		epoch core.PartitionEpoch
		want  string
	}{
		{"the partition is as it was", 4, "isr"},
		{"the partition has another epoch", 5, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTheatre()
			x.inEpoch(t, 4)
			x.lead(0, 2, same)
			x.judged(func(s *Sighting) { s.Lead.Pending = pending })
			x.inEpoch(t, c.epoch)
			x.judged(func(s *Sighting) { s.Lead.Pending = nil })
			x.expect(t, c.want)
		})
	}
}

func TestWhoJoinsTheISRHasDeletedWhatIsDeleted(t *testing.T) {
	for told, want := range map[core.Offset]string{4: "isr", 5: ""} {
		x := newTheatre()
		x.lead(0, 2, func(s *Sighting) { s.Lead.ISR = []core.BrokerID{1, 2} })
		x.ledger.Partition(core.TopicPartition{Topic: "t0"}).gone = 5
		x.replicas[replicaKey{2, partitionID}].Told = told
		x.judged(func(s *Sighting) { s.Lead.Pending = &partition.Proposal{ISR: []core.BrokerID{1, 2, 3}} })
		x.expect(t, want)
	}
}

func TestAControllerAsksAMajorityBeforeItConfirms(t *testing.T) {
	for _, c := range []struct {
		name      string
		committed core.Offset // meanwhile
		voters    int
		want      string
	}{
		{"nothing was committed", 0, 3, "confirmed"},
		{"a record was", 1, 3, ""},
		{"there is nobody to ask", 0, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTheatre()
			x.brokers[1].quorum.Leading, x.brokers[1].quorum.Voters = true, x.quorum[1].Voters[:c.voters]
			x.lead(0, 2, same)
			x.judged(func(s *Sighting) { s.Lead.Doubted = 2 })
			before, _ := x.confirmations()
			x.quorum0(c.committed)
			x.judged(func(s *Sighting) { s.Lead.Confirmed = 1 })
			if after, ok := x.confirmations(); !ok || after == before {
				t.Error("nobody has counted that it was confirmed")
			}
			x.expect(t, c.want)
		})
	}
}

func (x *theatre) quorum0(more core.Offset) { x.Cluster.quorum.end += more }

func (x *theatre) confirmations() (uint64, bool) {
	x.brokers[0].shards = [][]seenSlot{{{seen: x.replicas[replicaKey{0, partitionID}]}}}
	return x.Confirmations(0, core.TopicPartition{Topic: "t0"})
}

func TestFollowersTakeWhatTheirLeaderHas(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(s *Sighting)
		want string
	}{
		{"its record", func(s *Sighting) { s.Epochs, s.End = epochs(1, 0, 2, 10), 11 }, ""},
		{"more than it has", func(s *Sighting) { s.Epochs, s.End = epochs(1, 0, 2, 10), 13 }, "replicas-differ"},
		{"what it has not any more", func(s *Sighting) { s.End = 11 }, "replicas-differ"},
		{"behind another record than it has", func(s *Sighting) { s.Epochs, s.End = epochs(0, 0, 2, 10), 11 },
			"replicas-differ"},
		{"in an epoch without a leader", func(s *Sighting) { s.Epoch, s.End = 3, 11 }, "replicas-differ"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTheatre()
			x.lead(0, 2, func(s *Sighting) { s.End = 12 })
			s := x.now[1]
			s.Epoch = 2
			c.do(&s)
			was := x.now[1]
			was.Epoch = s.Epoch
			x.watchAppended(&was, &s)
			x.expect(t, c.want)

			x = newTheatre()
			x.leadQuorum(0, 2, func(s *QuorumSighting) { s.End = 12 })
			q := QuorumSighting{Node: 1, Life: 1, Epoch: s.Epoch, Epochs: s.Epochs, End: s.End}
			before := q
			before.End = 10
			x.watchFetched(&before, &q)
			x.expect(t, c.want)
		})
	}
}

func TestVotersHaveNothingThatTheirCandidateLacks(t *testing.T) {
	for _, c := range []struct {
		end    core.Offset
		epochs []int64
		want   string
	}{
		{10, []int64{1, 0}, ""}, {9, []int64{1, 0}, "vote"}, {9, []int64{1, 0, 2, 8}, ""}, {11, []int64{0, 0}, "vote"},
	} {
		x := newTheatre()
		y := &x.brokers[1].quorum
		y.Role, y.Epoch, y.End, y.Epochs = raft.Candidate, 3, c.end, epochs(c.epochs...)
		s := x.quorum[0]
		s.Epoch, s.Saved = 3, raft.ElectionState{Epoch: 3, Voted: 2}
		x.watchGranted(&x.quorum[0], &s)
		x.expect(t, c.want)
	}
}

func TestProposalsAreNotRefusedWithoutEnd(t *testing.T) {
	x := newTheatre()
	at := x.committed.of(partitionID)
	p := &metadata.Partition{Leader: 1, ISR: []core.BrokerID{1}}
	for n := range 2*mostRenewals + 2 {
		next := *p
		if next.PartitionEpoch++; n == mostRenewals { // something has changed
			next.ISR = []core.BrokerID{1, 2}
		}
		x.watchRenewals(at, "t0-0", p, &next)
		p = &next
	}
	x.expect(t, "busy")
	if len(x.failed) != 1 {
		t.Errorf("%v", x.failed)
	}
}

func TestWhoIsAlwaysBehindHasNotCaughtUp(t *testing.T) {
	for ago, want := range map[time.Duration]string{time.Second: "keeping-up", 3 * time.Second: ""} {
		x := newTheatre()
		x.lead(0, 2, func(s *Sighting) { s.End = 30 })
		seen := x.replicas[replicaKey{0, partitionID}]
		seen.keeping = &keeping{grown: []endAt{{7 * time.Second, 10}, {8 * time.Second, 20}, {9 * time.Second, 30}}}
		x.Followers = func(int, int, *partition.Replica) []partition.FollowerSeen {
			return []partition.FollowerSeen{{ID: 2, End: 10, CaughtUp: ago}}
		}
		x.knows(10*time.Second, 5*time.Second, seen, 0, nil)
		x.expect(t, want)
	}
}

func TestMembersHearOfGenerations(t *testing.T) {
	for _, c := range []struct {
		broker int
		group  string
		want   string
	}{{0, "g", "stale-generation"}, {1, "g", ""}, {0, "h", ""}} {
		x := newTheatre()
		x.ledger.Told(c.broker, c.group, 5)
		x.ledger.Stale("Heartbeat", "g", 4, x.ledger.ToldBy(0, "g"))
		x.expect(t, c.want)
	}
}

func TestWhoHasForgottenSaysSoOnItsDisk(t *testing.T) {
	const folder = "/" + raft.Topic + "-0"
	for _, c := range []struct {
		name   string
		marked bool
		spoil  func([]byte) []byte
		want   string
	}{
		{"it is marked", true, slices.Clone[[]byte], ""},
		{"it is not", false, slices.Clone[[]byte], "forgotten"},
		{"its snapshot is damaged", true, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, "forgotten"},
		{"its snapshot is cut short", true, func(b []byte) []byte { return b[:len(b)-1] }, "forgotten"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTheatre()
			dir, fs := x.ledger.plan.DirNames()[0], marked(t, x)
			if err := fs.Mkdir(dir + folder); err != nil {
				t.Fatal(err)
			}
			var b record.Builder
			b.Start(nil, 0)
			b.AppendSnapshotHeader(1, 1)
			_, v := b.Finish()
			put(t, fs, dir+folder+"/"+raft.SnapshotID{End: 7, Epoch: 1}.Name()+raft.CheckpointSuffix, c.spoil(slices.Clone(v)))
			if c.marked {
				put(t, fs, dir+forgottenMarker, []byte("gone\n"))
			}
			x.watchRecalled(&x.brokers[0], &QuorumSighting{Life: 2, Recalling: true})
			x.expect(t, c.want)
		})
	}
}

func put(t *testing.T, fs core.FS, path string, data []byte) {
	t.Helper()
	f, err := fs.Create(path)
	if err == nil {
		err = f.WriteAt(data, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

func TestWhoHasForgottenGetsBackWhatWasCommitted(t *testing.T) {
	for synced, want := range map[core.Offset]string{9: "forgotten", 10: ""} {
		x := newTheatre()
		b := &x.brokers[0]
		x.Cluster.quorum.end = 10
		put(t, marked(t, x), x.ledger.plan.DirNames()[0]+forgottenMarker, []byte("gone\n"))
		s := QuorumSighting{Life: 2, Recalling: true}
		x.watchRecalled(b, &s)
		b.quorum = s
		x.Cluster.quorum.end = 12
		x.watchRecalled(b, &s)
		s.Recalling, s.Synced = false, synced
		x.watchRecalled(b, &s)
		x.expect(t, want)
	}
}

// marked gives the first broker a disk with an empty log directory.
func marked(t *testing.T, x *theatre) core.FS {
	t.Helper()
	x.disks[0] = disk.New(core.NewPRNG(1))
	fs := x.disks[0].FS(nil)
	if err := fs.Mkdir(x.ledger.plan.DirNames()[0]); err != nil {
		t.Fatal(err)
	}
	return fs
}

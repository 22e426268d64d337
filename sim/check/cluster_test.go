package check

import (
	"slices"
	"testing"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
	"ottla.dev/sim/disk"
	"ottla.dev/sim/fault"
)

// theatre is a judge of three brokers, whose sightings are made up. Everything is of one partition.
type theatre struct {
	*Cluster
	failed []string
	now    [3]Sighting
	quorum [3]QuorumSighting
}

var partitionID = core.TopicIDPartition{Topic: core.UUID{1}}

func newTheatre() *theatre {
	x := &theatre{}
	fail := func(_ Class, check, _ string) { x.failed = append(x.failed, check) }
	plan := &fault.Plan{Topics: []fault.Topic{{Name: "t0", Partitions: 1, Retained: true}}}
	disks := []*disk.Disk{disk.New(core.NewPRNG(1)), disk.New(core.NewPRNG(2)), disk.New(core.NewPRNG(3))}
	x.Cluster = NewCluster(disks, NewLedger(plan, fail), fail)
	for node := range x.now {
		x.now[node] = Sighting{Node: node, Life: 1, ID: partitionID, Name: core.TopicPartition{Topic: "t0"}, Epoch: 1,
			Epochs: epochs(1, 0), End: 10, Written: 10, Synced: 10}
		x.quorum[node] = QuorumSighting{Node: node, Life: 1, Epoch: 1, Epochs: epochs(1, 0), End: 10, Written: 10, Synced: 10,
			Saved: raft.ElectionState{Epoch: 1, Voted: 1}, Voters: []core.BrokerID{1, 2, 3}}
		x.brokers[node].life = 1
		x.see(node, func(*Sighting) {})
		x.seeQuorum(node, func(*QuorumSighting) {})
	}
	return x
}

// epochs makes an epoch cache of pairs: epoch, start.
func epochs(pairs ...int64) *log.Epochs {
	e := &log.Epochs{}
	for i := 0; i < len(pairs); i += 2 {
		e.Assign(core.LeaderEpoch(pairs[i]), core.Offset(pairs[i+1]))
	}
	return e
}

// see changes a replica and has it judged.
func (x *theatre) see(node int, change func(s *Sighting)) {
	key := replicaKey{node, partitionID}
	if x.replicas[key] == nil {
		x.replicas[key] = &seenReplica{}
	}
	seen := x.replicas[key]
	change(&x.now[node])
	s := x.now[node]
	was := seen.past(&s)
	x.watchEpoch(&was, &s)
	x.leaders.partition(x.Cluster, &s)
	x.watchRecovered(&was, &s)
	x.watchTruncation(&was, &s)
	x.watchWatermark(&was, &s)
	x.watchLogStart(&was, &s)
	x.watchCommitted(&was, &s)
	seen.Sighting = s
}

func (x *theatre) seeQuorum(node int, change func(s *QuorumSighting)) {
	b := &x.brokers[node]
	change(&x.quorum[node])
	was, s := b.quorum, x.quorum[node]
	x.watchQuorumEpoch(&was, &s)
	x.watchVote(&was, &s)
	x.leaders.quorum(x.Cluster, &s)
	x.watchQuorumWatermark(&was, &s)
	x.watchQuorumLog(&was, &s)
	b.quorum = s
}

// lead makes a broker the leader of an epoch, with all three in sync.
func (x *theatre) lead(node int, epoch core.LeaderEpoch, change func(s *Sighting)) {
	x.committed.of(partitionID).newest = epoch
	x.see(node, func(s *Sighting) {
		s.Leading, s.Appointed, s.Epoch = true, true, epoch
		e := s.Epochs.Clone()
		e.Assign(epoch, s.End)
		s.Epochs = &e
		s.Lead = partition.Leading{MinISR: 2, ISR: []core.BrokerID{1, 2, 3}}
		change(s)
	})
}

func (x *theatre) leadQuorum(node int, epoch core.LeaderEpoch, change func(s *QuorumSighting)) {
	for voter := range x.quorum {
		x.seeQuorum(voter, func(s *QuorumSighting) {
			s.Epoch, s.Leading = max(s.Epoch, epoch), false
			s.Saved = raft.ElectionState{Epoch: epoch, Voted: core.BrokerID(node + 1)}
		})
	}
	x.seeQuorum(node, func(s *QuorumSighting) {
		e := s.Epochs.Clone()
		e.Assign(epoch, s.End)
		s.Leading, s.Epochs, s.End, s.Written = true, &e, s.End+1, s.Written+1
		change(s)
	})
}

func same(*Sighting)             {}
func sameQuorum(*QuorumSighting) {}

// commit moves the leader's high watermark.
func (x *theatre) commit(node int, to core.Offset) {
	x.see(node, func(s *Sighting) { s.HighWatermark = to })
}

func TestReplicasAreJudged(t *testing.T) {
	for _, c := range []struct {
		name string
		want string // the check that fails, "" for none
		do   func(x *theatre)
	}{
		{"a quiet life is fine", "", func(x *theatre) {
			x.lead(0, 2, same)
			x.commit(0, 10)
			x.see(1, func(s *Sighting) { s.HighWatermark = 10 })
			x.lead(1, 3, same)
			x.commit(1, 10)
		}},
		{"S1: an epoch has one leader", "two-leaders", func(x *theatre) {
			x.lead(0, 2, same)
			x.lead(1, 2, same)
		}},
		{"S5: a leader has everything that was committed", "committed", func(x *theatre) {
			x.lead(0, 2, same)
			x.commit(0, 10)
			x.lead(1, 3, func(s *Sighting) { s.End, s.Written, s.Synced = 9, 9, 9 })
		}},
		{"S5: and not other records there", "committed", func(x *theatre) {
			x.lead(0, 3, same)
			x.commit(0, 10)
			x.lead(1, 4, func(s *Sighting) { s.Epochs = epochs(1, 0, 2, 5, 4, 10) })
		}},
		{"S5: unless the election was unclean, and the metadata say so", "", func(x *theatre) {
			x.lead(0, 2, same)
			x.commit(0, 10)
			x.committed.of(partitionID).unclean, x.committed.of(partitionID).lossy = 3, true
			x.lead(1, 3, func(s *Sighting) { s.End, s.Written, s.Synced = 9, 9, 9 })
		}},
		{"S5: one that was deposed may lack it", "", func(x *theatre) {
			x.lead(0, 2, same)
			x.commit(0, 10)
			x.committed.of(partitionID).newest = 4
			x.see(1, func(s *Sighting) { s.Leading, s.Epoch, s.End, s.Written, s.Synced = true, 3, 9, 9, 9 })
		}},
		{"S5: nothing is committed below min.insync.replicas", "min-isr", func(x *theatre) {
			x.lead(0, 2, func(s *Sighting) { s.Lead.ISR = []core.BrokerID{1} })
			x.commit(0, 10)
		}},
		{"S5: news may lower min.insync.replicas and then take a replica from the ISR", "", func(x *theatre) {
			x.lead(0, 2, func(s *Sighting) { s.Lead = partition.Leading{MinISR: 3, ISR: []core.BrokerID{1, 2}} })
			x.see(0, func(s *Sighting) {
				s.Lead, s.HighWatermark = partition.Leading{MinISR: 2, ISR: []core.BrokerID{1}}, 10
			})
		}},
		{"S5: which is no excuse for what comes next", "min-isr", func(x *theatre) {
			x.lead(0, 2, func(s *Sighting) { s.Lead = partition.Leading{MinISR: 3, ISR: []core.BrokerID{1, 2}} })
			x.see(0, func(s *Sighting) {
				s.Lead, s.HighWatermark = partition.Leading{MinISR: 2, ISR: []core.BrokerID{1}}, 9
			})
			x.commit(0, 10)
		}},
		{"S5: nor is an ISR that was too small before", "min-isr", func(x *theatre) {
			x.lead(0, 2, func(s *Sighting) { s.Lead = partition.Leading{MinISR: 3, ISR: []core.BrokerID{1, 2}} })
			x.see(0, func(s *Sighting) {
				s.Lead, s.HighWatermark = partition.Leading{MinISR: 3, ISR: []core.BrokerID{1}}, 10
			})
		}},
		{"S5: nor the ISR of another epoch", "min-isr", func(x *theatre) {
			x.lead(0, 2, same)
			x.lead(0, 3, func(s *Sighting) { s.Lead.ISR, s.HighWatermark = []core.BrokerID{1}, 10 })
		}},
		{"S6: a high watermark does not go back", "high-watermark", func(x *theatre) {
			x.see(1, func(s *Sighting) { s.HighWatermark = 5 })
			x.see(1, func(s *Sighting) { s.HighWatermark = 4 })
		}},
		{"S6: nor pass the log's end", "high-watermark", func(x *theatre) {
			x.see(1, func(s *Sighting) { s.HighWatermark = 11 })
		}},
		{"S6: the leader waits for its own disk", "isr-watermark", func(x *theatre) {
			x.lead(0, 2, func(s *Sighting) { s.Synced = 8 })
			x.commit(0, 10)
		}},
		{"S6: and for those of the ISR", "isr-watermark", func(x *theatre) {
			x.see(2, func(s *Sighting) { s.Synced = 8 })
			x.lead(0, 2, same)
			x.commit(0, 10)
		}},
		{"S6: also of an ISR that is only proposed", "isr-watermark", func(x *theatre) {
			x.see(2, func(s *Sighting) { s.Synced = 8 })
			x.lead(0, 2, func(s *Sighting) {
				s.Lead.ISR = []core.BrokerID{1, 2}
				s.Lead.Pending = &partition.Proposal{ISR: []core.BrokerID{1, 2, 3}}
			})
			x.commit(0, 10)
		}},
		{"S6: but not for others", "", func(x *theatre) {
			x.see(2, func(s *Sighting) { s.Synced = 8 })
			x.lead(0, 2, func(s *Sighting) { s.Lead.ISR = []core.BrokerID{1, 2} })
			x.commit(0, 10)
		}},
		{"S7: leader epochs do not go back, not even in a restart", "partition-epoch", func(x *theatre) {
			x.see(1, func(s *Sighting) { s.Life, s.Epoch = 2, 0 })
		}},
		{"S9: nothing is cut below the high watermark", "truncation", func(x *theatre) {
			x.see(1, func(s *Sighting) { s.HighWatermark = 8 })
			x.see(1, func(s *Sighting) { s.HighWatermark, s.End = 0, 7 })
		}},
		{"S9: above it may be", "", func(x *theatre) {
			x.see(1, func(s *Sighting) { s.HighWatermark = 8 })
			x.see(1, func(s *Sighting) { s.End, s.Written, s.Synced = 8, 8, 8 })
		}},
		{"S12: a restart finds what was synced", "recovery", func(x *theatre) {
			x.see(1, func(s *Sighting) { s.Life, s.End = 2, 9 })
		}},
		{"S12: and need not find the rest", "", func(x *theatre) {
			x.see(1, func(s *Sighting) { s.Synced = 8 })
			x.see(1, func(s *Sighting) { s.Life, s.End = 2, 8 })
		}},
		{"S12: a wiped disk has nothing", "", func(x *theatre) {
			x.Wiped(1, nil)
			x.see(1, func(s *Sighting) { s.Life, s.End, s.Written, s.Synced = 2, 0, 0, 0 })
		}},
		{"S12: what was taken away is forgotten when the broker hears of it, in its next life perhaps", "", func(x *theatre) {
			x.replicas[replicaKey{1, partitionID}].loose = true
			x.see(1, func(s *Sighting) { s.HighWatermark = 5 })
			x.see(1, func(s *Sighting) { s.Life, s.HighWatermark, s.End, s.Written, s.Synced = 2, 0, 0, 0, 0 })
		}},
		{"S12: which is no excuse for the life after that", "recovery", func(x *theatre) {
			x.replicas[replicaKey{1, partitionID}].loose = true
			x.see(1, func(s *Sighting) { s.Life = 2 })
			x.see(1, func(s *Sighting) { s.Life, s.End = 3, 9 })
		}},
		{"S19: a log begins at or below its high watermark", "log-start", func(x *theatre) {
			x.see(1, func(s *Sighting) { s.HighWatermark, s.Start = 3, 4 })
		}},
		{"S19: what was told of the start stays true", "log-start", func(x *theatre) {
			x.see(1, func(s *Sighting) { s.HighWatermark, s.Start, s.Told = 5, 5, 5 })
			x.see(1, func(s *Sighting) { s.Life, s.Start, s.Told = 2, 4, 4 })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTheatre()
			c.do(x)
			x.expect(t, c.want)
		})
	}
}

func (x *theatre) expect(t *testing.T, want string) {
	t.Helper()
	switch {
	case want == "" && len(x.failed) > 0:
		t.Errorf("found %v", x.failed)
	case want != "" && (len(x.failed) == 0 || x.failed[0] != want):
		t.Errorf("found %v, want %s", x.failed, want)
	}
}

func TestTheQuorumIsJudged(t *testing.T) {
	for _, c := range []struct {
		name string
		want string
		do   func(x *theatre)
	}{
		{"a quiet life is fine", "", func(x *theatre) {
			x.leadQuorum(0, 2, sameQuorum)
			x.seeQuorum(1, func(s *QuorumSighting) { s.Epochs, s.End, s.Synced = x.quorum[0].Epochs, 11, 11 })
			x.seeQuorum(0, func(s *QuorumSighting) { s.Synced, s.HighWatermark = 11, 11 })
			x.leadQuorum(1, 3, sameQuorum)
		}},
		{"S1: an epoch has one leader", "two-controllers", func(x *theatre) {
			x.leadQuorum(0, 2, sameQuorum)
			x.seeQuorum(1, func(s *QuorumSighting) { s.Leading, s.Voters = true, nil })
		}},
		{"S2: a vote does not change", "vote", func(x *theatre) {
			x.seeQuorum(1, func(s *QuorumSighting) { s.Saved.Voted = 2 })
		}},
		{"S2: a leader's votes are on disk", "vote", func(x *theatre) {
			x.seeQuorum(0, func(s *QuorumSighting) {
				s.Epoch, s.Leading, s.Saved = 2, true, raft.ElectionState{Epoch: 2, Voted: 1}
			})
		}},
		{"S4: a leader has what was committed", "quorum-committed", func(x *theatre) {
			x.leadQuorum(0, 2, sameQuorum)
			x.seeQuorum(1, func(s *QuorumSighting) { s.Epochs, s.End, s.Synced = x.quorum[0].Epochs, 11, 11 })
			x.seeQuorum(0, func(s *QuorumSighting) { s.Synced, s.HighWatermark = 11, 11 })
			x.leadQuorum(2, 3, func(s *QuorumSighting) { s.End = 10 })
		}},
		{"S4: and so has who knows that it is", "quorum-committed", func(x *theatre) {
			x.leadQuorum(0, 3, sameQuorum)
			x.seeQuorum(1, func(s *QuorumSighting) { s.Epochs, s.End, s.Synced = x.quorum[0].Epochs, 11, 11 })
			x.seeQuorum(0, func(s *QuorumSighting) { s.Synced, s.HighWatermark = 11, 11 })
			x.seeQuorum(2, func(s *QuorumSighting) { s.Epochs, s.HighWatermark = epochs(1, 0, 2, 9), 10 })
		}},
		{"S6: a majority has synced what is committed", "quorum-watermark", func(x *theatre) {
			x.leadQuorum(0, 2, sameQuorum)
			x.seeQuorum(0, func(s *QuorumSighting) { s.Synced, s.HighWatermark = 11, 11 })
		}},
		{"S6: a record of the epoch must be among it", "quorum-watermark", func(x *theatre) {
			x.leadQuorum(0, 2, sameQuorum)
			x.seeQuorum(0, func(s *QuorumSighting) { s.HighWatermark = 10 })
		}},
		{"S6: the high watermark does not go back", "quorum-watermark", func(x *theatre) {
			x.seeQuorum(1, func(s *QuorumSighting) { s.HighWatermark = 5 })
			x.seeQuorum(1, func(s *QuorumSighting) { s.HighWatermark = 4 })
		}},
		{"S7: epochs do not go back", "quorum-epoch", func(x *theatre) {
			x.seeQuorum(1, func(s *QuorumSighting) { s.Life, s.Epoch = 2, 0 })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTheatre()
			c.do(x)
			x.expect(t, c.want)
		})
	}
}

// batchOf makes a batch.
func batchOf(epoch core.LeaderEpoch, base core.Offset, value string) record.View {
	var b record.Builder
	b.Start(nil, base)
	b.Append(1, nil, []byte(value))
	_, v := b.Finish()
	v.SetLeaderEpoch(epoch)
	return v
}

func TestBatchesAreJudged(t *testing.T) {
	for _, c := range []struct {
		name string
		want string
		do   func(x *theatre)
	}{
		{"equal logs are fine", "", func(x *theatre) {
			x.batch(0, partitionID, batchOf(1, 0, "a"), unknownEpoch, "t0-0")
			x.batch(0, partitionID, batchOf(2, 1, "b"), 1, "t0-0")
			x.batch(1, partitionID, batchOf(2, 1, "b"), unknownEpoch, "t0-0")
			x.batch(2, partitionID, batchOf(2, 1, "b"), 1, "t0-0")
			x.batch(2, partitionID, batchOf(3, 1, "c"), 1, "t0-0")
		}},
		{"S3: an offset of an epoch is one batch", "replicas-differ", func(x *theatre) {
			x.batch(0, partitionID, batchOf(1, 0, "a"), unknownEpoch, "t0-0")
			x.batch(1, partitionID, batchOf(1, 0, "b"), unknownEpoch, "t0-0")
		}},
		{"S3: with one batch before it", "replicas-differ", func(x *theatre) {
			x.batch(0, partitionID, batchOf(3, 1, "b"), 1, "t0-0")
			x.batch(1, partitionID, batchOf(3, 1, "b"), 2, "t0-0")
		}},
	} {
		x := newTheatre()
		c.do(x)
		x.expect(t, c.want)
	}
}

// write puts batches into a broker's log on its disk.
func (x *theatre) write(t *testing.T, node int, name string, batches ...record.View) {
	t.Helper()
	fs := x.disks[node].FS(nil)
	if err := fs.Mkdir("/data/t0-0"); err != nil {
		t.Fatal(err)
	}
	f, err := fs.Create("/data/t0-0/" + name)
	pos := int64(0)
	for _, b := range batches {
		if err == nil {
			err = f.WriteAt(b, pos)
		}
		pos += int64(len(b))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestLogsAreReadAsTheyGrow(t *testing.T) {
	x := newTheatre()
	var at [2]cursor
	read := func(node int, written core.Offset) {
		x.read(&at[node], node, "/data/t0-0", partitionID, written, epochs(1, 0), "t0-0")
	}
	for node := range 2 {
		x.write(t, node, log.FileName(0, log.LogSuffix), batchOf(1, 0, "a"), batchOf(1, 1, "b"))
		read(node, 1)
		read(node, 2)
	}
	x.expect(t, "")
	x.write(t, 0, log.FileName(2, log.LogSuffix), batchOf(1, 2, "c"))
	x.write(t, 1, log.FileName(2, log.LogSuffix), batchOf(1, 2, "d"))
	read(0, 3)
	x.expect(t, "")
	read(1, 3)
	x.expect(t, "replicas-differ")

	x = newTheatre()
	at[0] = cursor{}
	x.write(t, 0, log.FileName(0, log.LogSuffix), batchOf(2, 0, "a"))
	read(0, 1)
	x.expect(t, "leader-epochs")

	x = newTheatre()
	at[0] = cursor{}
	x.write(t, 0, log.FileName(0, log.LogSuffix), batchOf(1, 0, "a")[:30])
	read(0, 1)
	x.expect(t, "corrupt")
}

// A deposed leader fetches the snapshot of its follower, and its log is begun anew at an offset that happens to be its
// old end. What was there before is of no concern, but what comes after is.
func TestNothingComesBeforeALogThatIsBegunAnew(t *testing.T) {
	for _, c := range []struct{ value, want string }{{"d", ""}, {"e", "replicas-differ"}} {
		x := newTheatre()
		x.write(t, 0, log.FileName(0, log.LogSuffix), batchOf(1, 0, "a"), batchOf(1, 1, "never committed"))
		x.write(t, 1, log.FileName(0, log.LogSuffix), batchOf(1, 0, "a"), batchOf(2, 1, "b"), batchOf(2, 2, "c"),
			batchOf(2, 3, "d"))
		var at [2]seenReplica
		read := func(node int, start, written core.Offset, e *log.Epochs) {
			at[node].dir = "/data/t0-0"
			s := Sighting{Node: node, Life: 1, ID: partitionID, Start: start, Written: written, Epochs: e}
			x.readReplica(&at[node], &s, &s)
		}
		read(0, 0, 2, epochs(1, 0))
		read(1, 0, 4, epochs(1, 0, 2, 1))
		if err := x.disks[0].FS(nil).Remove("/data/t0-0/" + log.FileName(0, log.LogSuffix)); err != nil {
			t.Fatal(err)
		}
		x.write(t, 0, log.FileName(2, log.LogSuffix))
		read(0, 2, 2, epochs())
		x.write(t, 0, log.FileName(2, log.LogSuffix), batchOf(2, 2, "c"), batchOf(2, 3, c.value))
		read(0, 2, 4, epochs(2, 2))
		x.expect(t, c.want)
	}
}

func TestDisksAreComparedWithWhatWasSynced(t *testing.T) {
	for _, end := range []core.Offset{1, 2} {
		x := newTheatre()
		x.write(t, 0, log.FileName(0, log.LogSuffix), batchOf(1, 0, "a"), batchOf(1, 1, "b"))
		x.replicas[replicaKey{0, partitionID}].dir = "/data/t0-0"
		x.replicas[replicaKey{0, partitionID}].Synced = end + 1
		x.brokers[0].quorum = QuorumSighting{}
		x.Stopped(0, Ending{Served: true})
		x.expect(t, map[core.Offset]string{1: "", 2: "durable"}[end])
	}
}

func TestASnapshotStandsForTheMetadataBelowIt(t *testing.T) {
	for _, c := range []struct {
		end  core.Offset
		want string
	}{{40, "durable"}, {69, ""}} {
		x := newTheatre()
		delete(x.replicas, replicaKey{0, partitionID})
		x.write(t, 0, raft.SnapshotID{End: c.end, Epoch: 2}.Name()+raft.CheckpointSuffix)
		x.brokers[0].cursor.path = "/data/t0-0/" + log.FileName(0, log.LogSuffix)
		x.brokers[0].quorum.Synced = 49
		x.Stopped(0, Ending{Served: true})
		x.expect(t, c.want)
	}
}

// partitions makes metadata of one topic with one partition, and three brokers that are up but for the fenced.
func imageOf(t *testing.T, at core.Offset, p metadata.PartitionRecord, fenced ...core.BrokerID) *metadata.Image {
	t.Helper()
	records := []metadata.Record{&metadata.FeatureLevelRecord{Name: metadata.MetadataVersion,
		Level: metadata.MaxMetadataVersion}}
	for id := core.BrokerID(1); id <= 3; id++ {
		r := &metadata.RegisterBrokerRecord{Broker: id, Incarnation: core.UUID{byte(id)}, Epoch: core.BrokerEpoch(id)}
		for _, f := range fenced {
			r.Fenced = r.Fenced || f == id
		}
		records = append(records, r)
	}
	p.Topic, p.Replicas = partitionID.Topic, []core.BrokerID{1, 2, 3}
	records = append(records, &metadata.TopicRecord{Name: "t0", ID: partitionID.Topic}, &p)
	image, err := metadata.NewImage("c").Apply(at, 1, records...)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestMetadataAreJudged(t *testing.T) {
	first := metadata.PartitionRecord{Leader: 1, LeaderEpoch: 5, PartitionEpoch: 5, ISR: []core.BrokerID{1, 2}}
	for _, c := range []struct {
		name string
		want string
		next metadata.PartitionRecord
		do   func(x *theatre)
	}{
		{"nothing happens", "", first, nil},
		{"S1: a leader comes with an epoch", "two-leaders",
			metadata.PartitionRecord{Leader: 2, LeaderEpoch: 5, PartitionEpoch: 6, ISR: []core.BrokerID{1, 2}}, nil},
		{"S7: epochs do not go back", "partition-epoch",
			metadata.PartitionRecord{Leader: 1, LeaderEpoch: 5, PartitionEpoch: 4, ISR: []core.BrokerID{1}}, nil},
		{"S8: the leader is in the ISR", "isr",
			metadata.PartitionRecord{Leader: 3, LeaderEpoch: 6, PartitionEpoch: 6, ISR: []core.BrokerID{1, 2}}, nil},
		{"S8: nobody is in the ISR and in the ELR", "isr", metadata.PartitionRecord{Leader: 1, LeaderEpoch: 5,
			PartitionEpoch: 6, ISR: []core.BrokerID{1}, ELR: []core.BrokerID{1}}, nil},
		{"S8: the ISR are replicas", "isr",
			metadata.PartitionRecord{Leader: 1, LeaderEpoch: 5, PartitionEpoch: 6, ISR: []core.BrokerID{1, 4}}, nil},
		{"S8: whoever enters the ISR has what is committed", "isr",
			metadata.PartitionRecord{Leader: 1, LeaderEpoch: 5, PartitionEpoch: 6, ISR: []core.BrokerID{1, 2, 3}},
			func(x *theatre) { x.committed.of(partitionID).end = 11 }},
		{"S8: and whoever enters the ELR", "elr", metadata.PartitionRecord{Leader: 1, LeaderEpoch: 5, PartitionEpoch: 6,
			ISR: []core.BrokerID{1}, ELR: []core.BrokerID{2}}, func(x *theatre) { x.committed.of(partitionID).end = 11 }},
		{"S8: the leader counts everybody in the ISR", "isr",
			metadata.PartitionRecord{Leader: 1, LeaderEpoch: 5, PartitionEpoch: 6, ISR: []core.BrokerID{1, 2, 3}},
			func(x *theatre) {
				x.lead(0, 5, func(s *Sighting) { s.Lead.PartitionEpoch, s.Lead.ISR = 5, []core.BrokerID{1, 2} })
			}},
	} {
		x := newTheatre()
		x.judgeImage(0, nil, imageOf(t, 20, first))
		if c.do != nil {
			c.do(x)
		}
		x.judgeImage(0, nil, imageOf(t, 30, c.next))
		t.Run(c.name, func(t *testing.T) { x.expect(t, c.want) })
	}
	x := newTheatre() // who is eligible has what is committed from then on, too
	x.judgeImage(0, nil, imageOf(t, 20, metadata.PartitionRecord{Leader: 1, LeaderEpoch: 5, PartitionEpoch: 5,
		ISR: []core.BrokerID{1, 2}, ELR: []core.BrokerID{3}}))
	x.lead(0, 5, func(s *Sighting) { s.Lead.ISR = []core.BrokerID{1, 2} })
	x.commit(0, 10)
	x.expect(t, "")
	for node := range 2 {
		x.see(node, func(s *Sighting) { s.End, s.Written, s.Synced = 12, 12, 12 })
	}
	x.commit(0, 12)
	x.expect(t, "elr")

	x = newTheatre() // a leader that is deposed and does not know it is eligible, and has what it commits in the same step
	x.lead(0, 5, func(s *Sighting) { s.Lead.PartitionEpoch, s.Lead.MinISR, s.Lead.ISR = 5, 1, []core.BrokerID{1} })
	x.judgeImage(0, nil, imageOf(t, 20, metadata.PartitionRecord{Leader: core.NoBroker, LeaderEpoch: 6, PartitionEpoch: 6,
		ISR: []core.BrokerID{}, ELR: []core.BrokerID{1}}))
	x.see(0, func(s *Sighting) { s.End, s.Written, s.Synced, s.HighWatermark = 12, 12, 12, 12 })
	x.expect(t, "")

	x = newTheatre()
	x.judgeImage(0, nil, imageOf(t, 20, first, 2))
	x.expect(t, "isr") // fenced

	x = newTheatre()
	x.judgeImage(0, nil, imageOf(t, 20, first))
	x.judgeImage(1, nil, imageOf(t, 20, first, 3))
	x.expect(t, "image")

	// Images at offset 25 that share all but one part with one that both have.
	both, alone := imageOf(t, 24, first), metadata.NewPartitionChange(partitionID.Topic, 0)
	alone.ISR = []core.BrokerID{1}
	change := func(image *metadata.Image, at core.Offset, r metadata.Record) *metadata.Image {
		next, err := image.Apply(at, 1, r)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	for i, r := range []metadata.Record{
		&metadata.FenceBrokerRecord{Broker: 2, Epoch: 2},
		&metadata.TopicRecord{Name: "t1", ID: core.UUID{7}},
		alone,
		&metadata.ConfigRecord{ResourceType: metadata.ResourceTopic, ResourceName: "t0", Name: "a", Value: new(string)},
		&metadata.FeatureLevelRecord{Name: "group.version", Level: 1},
		&metadata.ProducerIDsRecord{Broker: 1, Epoch: 1, Next: 1000},
	} {
		for _, same := range []bool{true, false} {
			x = newTheatre()
			x.brokers[0].imageSum, x.brokers[1].imageSum = hashImage(both), hashImage(both)
			x.judgeImage(0, both, change(both, 25, &metadata.NoOpRecord{}))
			if same {
				x.judgeImage(1, both, change(both, 25, &metadata.NoOpRecord{}))
				x.expect(t, "")
				continue
			}
			x.judgeImage(1, both, change(both, 25, r))
			if !slices.Contains(x.failed, "image") {
				t.Errorf("change %d of the metadata is not seen", i)
			}
		}
	}

	x = newTheatre()
	later := imageOf(t, 30, first)
	x.judgeImage(0, later, imageOf(t, 20, first))
	x.expect(t, "image")
}

func TestAProcessHasOneBrokerEpochWhereNobodyUnregisters(t *testing.T) {
	for _, c := range []struct {
		name string
		of   core.UUID // the process that registers with another epoch
		ops  []fault.Operation
		log  []metadata.RegisterBrokerRecord // what came from offset 21 on
		want string
	}{
		{"the same process", core.UUID{1}, nil, nil, "broker-epoch"},
		{"another process", core.UUID{9}, nil, nil, ""},
		{"it may have been unregistered", core.UUID{1}, []fault.Operation{{Kind: fault.UnregisterBroker}}, nil, ""},
		{"another process between the two", core.UUID{1}, nil, []metadata.RegisterBrokerRecord{
			{Broker: 1, Incarnation: core.UUID{9}}, {Broker: 1, Incarnation: core.UUID{1}}}, ""},
		{"one of another broker", core.UUID{1}, nil, []metadata.RegisterBrokerRecord{
			{Broker: 2, Incarnation: core.UUID{9}}, {Broker: 1, Incarnation: core.UUID{1}}}, "broker-epoch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTheatre()
			x.ledger.plan.Operations = c.ops
			var batches []record.View
			for i, r := range append([]metadata.RegisterBrokerRecord{{Broker: 1}}, c.log...) {
				batches = append(batches, batchOf(1, core.Offset(20+i), string(metadata.AppendRecord(nil, &r))))
			}
			x.write(t, 0, log.FileName(20, log.LogSuffix), batches...)
			x.brokers[0].cursor.path = "/data/t0-0/" + log.FileName(20, log.LogSuffix)
			first := imageOf(t, 20, metadata.PartitionRecord{Leader: 1, LeaderEpoch: 5, PartitionEpoch: 5,
				ISR: []core.BrokerID{1, 2}})
			next, err := first.Apply(30, 1, &metadata.RegisterBrokerRecord{Broker: 1, Incarnation: c.of, Epoch: 30})
			if err != nil {
				t.Fatal(err)
			}
			x.judgeImage(0, nil, first)
			x.judgeImage(0, first, next)
			x.expect(t, c.want)
		})
	}
}

func TestALeaderMayCountWhoHasLeftTheISRMeanwhile(t *testing.T) {
	for _, c := range []struct {
		name string
		isr  []core.BrokerID
		want string
	}{
		{"dismissed", []core.BrokerID{1, 2}, ""},
		{"still in", []core.BrokerID{1, 2, 3}, "isr-watermark"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTheatre()
			x.images.latest = imageOf(t, 5, metadata.PartitionRecord{ISR: c.isr, Leader: 1, LeaderEpoch: 2,
				PartitionEpoch: 7})
			x.see(2, func(s *Sighting) { s.Synced = 8 }) // its replica was taken away, and it knows
			x.lead(0, 2, func(s *Sighting) { s.Lead.PartitionEpoch = 6 })
			x.commit(0, 10)
			x.expect(t, c.want)
		})
	}
}

// The books of a machine are looked at now and then, in the end of every one.
func TestBooksAreLookedAt(t *testing.T) {
	x := newTheatre()
	x.Books = func(node, shard int) string {
		if node == 1 && shard == 2 {
			return "it has miscounted who waits"
		}
		return ""
	}
	for range 3 * booksEvery {
		x.Shard(1, 1, 0, nil)
		x.Shard(1, 1, 1, nil)
	}
	x.expect(t, "")
	for range booksEvery {
		x.Shard(1, 1, 2, nil)
	}
	x.expect(t, "books")
}

// A fetch that sleeps over what has come is seen when it does so for a while, and not when somebody wakes it.
func TestSleepersAreLookedAt(t *testing.T) {
	now, part := time.Duration(0), "t0-0"
	x := newTheatre()
	x.Clock, x.Sleepers = func() time.Duration { return now }, func(int, int) string { return part }
	look := func() {
		for range booksEvery {
			x.Shard(1, 1, 0, nil)
		}
	}
	look()
	now += sleepsMost
	look()
	part = ""
	look()
	part, now = "t0-0", now+sleepsMost
	look()
	x.expect(t, "")
	now += sleepsMost + 1
	look()
	x.expect(t, "books")
}

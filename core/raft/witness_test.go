package raft

import (
	"errors"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/record"
)

// The checksum of a batch does not cover its leader epoch. What an epoch begins with says whether it is right, in every
// place of the log, although no checkpoint of leader epochs is there to tell.
func TestALeaderEpochIsThatOfTheRecordWhichBeganIt(t *testing.T) {
	disk := logtest.NewDisk()
	for range 4 {
		n := start(t, disk)
		n.deliver()
		n.elect()
		for range 2 {
			n.Propose(n.now, [][]byte{{1}}, &n.out)
			n.effects()
			n.jobs()
			n.deliver()
		}
	}
	path := testDir + "/" + log.FileName(0, log.LogSuffix)
	disk.SyncAll()
	open := func(spoil func(n int, v record.View)) error {
		d := disk.Clone()
		b := d.Bytes(path)
		rest := b
		for i := 0; len(rest) > 0; i++ {
			v, more, err := record.Next(rest)
			if err != nil {
				break
			}
			spoil(i, v)
			rest = more
		}
		d.Put(path, b, true)
		if err := d.Remove(testDir + "/" + log.EpochCheckpointName); err != nil {
			t.Fatal(err)
		}
		job := &OpenJob{Slot: 1, Parent: "/data", Dir: testDir, Settings: log.DefaultSettings(), Recovery: 12,
			Static: []record.Voter{{ID: 3}, {ID: 4}}}
		job.Run(d)
		return job.Err
	}
	batches := 0
	if err := open(func(n int, v record.View) { batches = n + 1 }); err != nil || batches != 12 {
		t.Fatalf("a sound log of %d batches: %v", batches, err)
	}
	for at := range batches {
		for bit := range 31 {
			err := open(func(n int, v record.View) {
				if n == at {
					v.SetLeaderEpoch(v.LeaderEpoch() ^ 1<<bit)
				}
			})
			if !errors.Is(err, ErrForgotten) {
				t.Errorf("batch %d, bit %d of its epoch: %v", at, bit, err)
			}
		}
	}
}

// Records that do not say which epoch begins, as Kafka writes them, begin a later one each, and nothing else does. Of
// those that say it, that is the one.
func TestEpochsRiseWhereALeaderChangeIs(t *testing.T) {
	batch := func(change bool, said, epoch core.LeaderEpoch) record.View {
		var b record.Builder
		b.Start(nil, 0)
		if change {
			b.AppendLeaderChange(1, &record.LeaderChange{Leader: 1, Epoch: said})
		} else {
			b.Append(1, nil, []byte("a"))
		}
		_, v := b.Finish()
		v.SetLeaderEpoch(epoch)
		return v
	}
	for _, c := range []struct {
		known  core.LeaderEpoch // 0: none
		change bool
		said   core.LeaderEpoch // by the record
		epoch  core.LeaderEpoch
		right  bool
	}{
		{0, true, 0, 1, true}, {0, false, 0, 1, true}, {3, true, 0, 4, true}, {3, true, 0, 9, true},
		{3, false, 0, 3, true}, {3, true, 0, 3, false}, {3, true, 0, 2, false}, {3, false, 0, 4, false},
		{3, false, 0, 2, false}, {0, true, 7, 7, true}, {3, true, 7, 7, true}, {0, true, 7, 6, false},
		{3, true, 7, 6, false}, {3, true, 7, 8, false}, {7, true, 7, 7, false},
	} {
		w := witness{known: c.known > 0, epoch: c.known}
		if got := w.takes(batch(c.change, c.said, c.epoch)); got != c.right || w.epoch != c.epoch {
			t.Errorf("%+v: %v, then epoch %d", c, got, w.epoch)
		}
	}
}

// A crash may leave the checkpoint of leader epochs, and not the batch that began one. An empty log that went by it
// would get votes of those who have what was committed.
func TestAnEmptyLogHasNoEpoch(t *testing.T) {
	disk := logtest.NewDisk()
	n := start(t, disk)
	n.deliver()
	n.elect()
	disk.Put(testDir+"/"+log.FileName(0, log.LogSuffix), nil, true)
	disk.Put(testDir+"/"+log.EpochCheckpointName, log.AppendEpochCheckpoint(nil, []log.EpochStart{{Epoch: 1}}), true)
	job := &OpenJob{Slot: 1, Parent: "/data", Dir: testDir, Settings: log.DefaultSettings(),
		Static: []record.Voter{{ID: 3}, {ID: 4}}}
	if job.Run(disk); job.Err != nil || job.Log.Result.LogEnd != 0 {
		t.Fatalf("the log ends at %d, error %v", job.Log.Result.LogEnd, job.Err)
	}
	if all := job.Log.Result.Epochs.All(); len(all) > 0 {
		t.Errorf("the epochs are %v", all)
	}
}

// A voter that has lost its election state and its log, too, does not take itself for new: leader epochs are written
// down after the election state. It does not forget that by being started twice.
func TestLeaderEpochsAreASignThatThereWasAnElectionState(t *testing.T) {
	for _, c := range []struct {
		name   string
		epochs []log.EpochStart
		known  bool
	}{
		{"a node that has voted", []log.EpochStart{{Epoch: 1}}, true},
		{"a node that was stopped before it did", nil, false},
	} {
		disk := logtest.NewDisk()
		n := start(t, disk)
		n.deliver()
		n.elect()
		for _, name := range []string{StateFile, log.FileName(0, log.LogSuffix)} {
			if err := disk.Remove(testDir + "/" + name); err != nil {
				t.Fatal(err)
			}
		}
		disk.Put(testDir+"/"+log.EpochCheckpointName, log.AppendEpochCheckpoint(nil, c.epochs), true)
		for range 2 {
			job := &OpenJob{Slot: 1, Parent: "/data", Dir: testDir, Settings: log.DefaultSettings(),
				Static: []record.Voter{{ID: 3}, {ID: 4}}}
			if job.Run(disk); errors.Is(job.Err, ErrForgotten) != c.known {
				t.Errorf("%s: %v", c.name, job.Err)
			}
		}
	}
}

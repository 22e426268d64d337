package log

import (
	"errors"
	"strings"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/record"
)

const firstLog = testDir + "/00000000000000000000.log"

// logOf puts a log of n batches of one record each onto a disk, durably, as a crash would find it: no clean shutdown.
func logOf(n int) (*logtest.Disk, [][]byte) {
	disk := logtest.NewDisk()
	var all []byte
	var batches [][]byte
	for i := range n {
		v := producerBatch(1, 0, core.Sequence(i), core.Offset(i), 1, core.Timestamp(1000+i))
		v.SetLeaderEpoch(core.LeaderEpoch(i / 4))
		batches = append(batches, v)
		all = append(all, v...)
	}
	disk.Put(firstLog, all, true)
	return disk, batches
}

func openOn(disk *logtest.Disk, change func(*OpenJob)) *OpenJob {
	job := &OpenJob{Parent: testParent, Dir: testDir, Topic: core.UUID{1}, Settings: DefaultSettings()}
	job.Settings.IndexIntervalBytes = 100
	if change != nil {
		change(job)
	}
	job.Run(disk)
	return job
}

func TestRecoveryCutsAtTheFirstBadByte(t *testing.T) {
	set := func(k int, change func(record.View)) func([]byte, int) []byte {
		return func(b []byte, n int) []byte { change(record.View(b[k*n : (k+1)*n])); return b }
	}
	for _, c := range []struct {
		name   string
		spoil  func(all []byte, size int) []byte // size of a batch; the fifth batch of eight is spoilt
		reason string
	}{
		{"torn batch", func(b []byte, n int) []byte { return b[:4*n+n/2] }, "cut short"},
		{"torn header", func(b []byte, n int) []byte { return b[:4*n+20] }, "cut short"},
		{"zeros where a write was lost", set(4, func(v record.View) { clear(v) }), "corrupt"},
		{"a changed bit", set(4, func(v record.View) { v[len(v)-1] ^= 4 }), "checksum"},
		{"a message of an old format", set(4, func(v record.View) { v[16] = 1 }), "magic"},
		{"offsets that go back", set(4, func(v record.View) { v.SetBaseOffset(3) }), "go back"},
		{"an epoch that goes back", func(b []byte, n int) []byte {
			record.View(b[3*n : 4*n]).SetLeaderEpoch(9)
			return b
		}, "go back"},
		{"an offset far away", set(4, func(v record.View) { v.SetBaseOffset(1 << 40) }), "too far"},
		{"a huge length", set(4, func(v record.View) { copy(v[8:], "\x7f\xff\xff\xff") }), "corrupt"},
		{"a negative length", set(4, func(v record.View) { copy(v[8:], "\xff\xff\xff\xff") }), "corrupt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk, batches := logOf(8)
			size := len(batches[0])
			disk.Put(firstLog, c.spoil(disk.Bytes(firstLog), size), true)
			job := openOn(disk, nil)
			if job.Err != nil || job.Result.LogEnd != 4 || !strings.Contains(job.Report.CutReason, c.reason) ||
				len(disk.Bytes(firstLog)) != 4*size || job.Report.CutBytes == 0 || len(job.Report.Notes) != 1 {
				t.Errorf("end %d, report %+v, %v", job.Result.LogEnd, job.Report, job.Err)
			}
			if p := job.Result.Producers.Get(1); p.lastSequence() != 3 {
				t.Errorf("producer %+v", p)
			}
		})
	}
}

// No checksum covers the leader epoch. One that was damaged at the end of a segment shows in the next one, and is no
// longer in the log's epochs for ever when that is gone.
func TestAnEpochThatGoesBackInTheNextSegmentIsDamage(t *testing.T) {
	for _, c := range []struct {
		batch int // that is damaged, of thirty in two segments
		epoch core.LeaderEpoch
	}{{19, 65}, {20, 0}} {
		random := core.NewPRNG(1)
		disk, _ := twoSegments(t, &random)
		name, at := firstLog, c.batch
		if at >= 20 {
			name, at = testDir+"/"+FileName(20, LogSuffix), at-20
		}
		all := disk.Bytes(name)
		rest := all
		for range at {
			_, rest, _ = record.Next(rest)
		}
		v, _, err := record.Next(rest)
		if err != nil {
			t.Fatal(err)
		}
		v.SetLeaderEpoch(c.epoch)
		disk.Put(name, all, true)
		checkpoint := testDir + "/" + EpochCheckpointName // as Kafka writes it: it vouches for nothing
		if list, err := ReadEpochCheckpoint(disk.Bytes(checkpoint)); err != nil || len(list) != 1 {
			t.Fatalf("epochs %v, error %v", list, err)
		}
		plain := strings.ReplaceAll(string(disk.Bytes(checkpoint)), "\t", " ")
		disk.Put(checkpoint, []byte(strings.TrimRight(plain, " \n")+"\n"), true)
		full := func(j *OpenJob) { j.Recovery, j.Full = 30, true }
		if job := openOn(disk, full); !Damaged(job.Err) || job.Err.(*Damage).At != 20 {
			t.Errorf("batch %d of epoch %d: error %v", c.batch, c.epoch, job.Err)
		}
		job := openOn(disk, func(j *OpenJob) { full(j); j.Resync = true })
		if job.Err != nil || job.Result.LogEnd != 20 {
			t.Errorf("batch %d of epoch %d: the log ends at %d, error %v", c.batch, c.epoch, job.Result.LogEnd, job.Err)
		}
	}
}

func TestDamageBelowTheRecoveryPointIsNotCutUnasked(t *testing.T) {
	disk, batches := logOf(8)
	all := disk.Bytes(firstLog)
	all[2*len(batches[0])+30] ^= 1
	disk.Put(firstLog, all, true)
	job := openOn(disk, func(j *OpenJob) { j.Recovery = 5 })
	if job.Err == nil || len(disk.Bytes(firstLog)) != len(all) {
		t.Fatalf("batches that were durable are cut: %+v", job.Report)
	}
	if !Damaged(job.Err) {
		t.Errorf("error %v", job.Err)
	}
	job = openOn(disk, func(j *OpenJob) { j.Recovery, j.Resync = 5, true })
	if job.Err != nil || job.Result.LogEnd != 2 {
		t.Errorf("end %d, %v", job.Result.LogEnd, job.Err)
	}
}

// A topic was deleted, the process was killed before the folder was removed, and the name was given again. The new log
// is empty and begins at 0, whatever the checkpoints say of the old one, whose bytes are kept.
func TestFolderOfAnotherTopicIsSetAside(t *testing.T) {
	disk, _ := logOf(1)
	first := openOn(disk, nil)
	if first.Err != nil {
		t.Fatal(first.Err)
	}
	held := disk.Bytes(firstLog)
	job := openOn(disk, func(j *OpenJob) { j.Topic, j.LogStart, j.Recovery = core.UUID{2}, 1, 1 })
	if job.Err != nil || job.Result.LogStart != 0 || job.Result.LogEnd != 0 {
		t.Errorf("log %d..%d, error %v", job.Result.LogStart, job.Result.LogEnd, job.Err)
	}
	tp, _ := ParseDirName(testDir[strings.LastIndexByte(testDir, '/')+1:])
	aside := first.Parent + "/" + StrayDirName(tp, first.Topic)
	if got := disk.Bytes(aside + firstLog[len(testDir):]); string(got) != string(held) || len(held) == 0 {
		t.Errorf("%d bytes were set aside of %d", len(got), len(held))
	}
	if again := openOn(disk, func(j *OpenJob) { j.Topic = core.UUID{2} }); again.Err != nil {
		t.Error(again.Err)
	}
}

func TestMissingMetadataLosesNothing(t *testing.T) {
	disk, _ := logOf(8)
	want := openOn(disk, nil).Result
	entries, _ := disk.List(testDir)
	for _, e := range entries {
		if e.Name != FileName(0, LogSuffix) {
			if err := disk.Remove(testDir + "/" + e.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, clean := range []bool{false, true} {
		got := openOn(disk.Clone(), func(j *OpenJob) { j.Clean, j.Recovery = clean, 8 })
		if got.Err != nil || got.Result.LogEnd != 8 || len(got.Result.Epochs.All()) != len(want.Epochs.All()) ||
			len(got.Result.Producers.Get(1).Batches()) != ProducerWindow {
			t.Errorf("clean %v: %+v, %v", clean, got.Result, got.Err)
		}
	}
}

func TestLeftoversAreRemovedAndFinishedCompactionsTakeTheirPlace(t *testing.T) {
	disk, batches := logOf(6)
	two := append(append([]byte{}, batches[0]...), batches[3]...)
	disk.Put(testDir+"/00000000000000000000.log.swap", two, true)
	disk.Put(testDir+"/00000000000000000000.index.swap", []byte("xxxxxxxx"), true)
	var rest []byte
	for _, b := range batches[4:] {
		rest = append(rest, b...)
	}
	disk.Put(firstLog, disk.Bytes(firstLog)[:2*len(batches[0])], true)
	disk.Put(testDir+"/00000000000000000002.log", batches[2], true)
	disk.Put(testDir+"/00000000000000000004.log", rest, true)
	for _, name := range []string{"00000000000000000009.log.deleted", "00000000000000000000.log.cleaned",
		"00000000000000000007.index", "leader-epoch-checkpoint.tmp"} {
		disk.Put(testDir+"/"+name, []byte("old"), true)
	}
	compacted := func(j *OpenJob) { j.Settings.Gaps = true }
	for at := 1; ; at++ {
		d := disk.Clone()
		d.CrashAt = at
		cut := openOn(d, compacted)
		rng := core.NewPRNG(uint64(at))
		d.Crash(&rng)
		job := openOn(d, compacted)
		if job.Err != nil || job.Result.LogEnd != 6 || len(job.Result.Segments) != 2 ||
			string(d.Bytes(firstLog)) != string(two) {
			t.Fatalf("crash at %d: %+v, %v", at, job.Result, job.Err)
		}
		entries, _ := d.List(testDir)
		for _, e := range entries {
			if _, suffix, ok := ParseFileName(e.Name); ok && strings.Count(suffix, ".") > 1 ||
				strings.HasSuffix(e.Name, ".tmp") || e.Name == "00000000000000000007.index" {
				t.Fatalf("crash at %d: %s is left", at, e.Name)
			}
		}
		if cut.Err == nil {
			return
		}
	}
}

func TestLogThatEndsBeforeItsStartBeginsAnew(t *testing.T) {
	disk, _ := logOf(4)
	job := openOn(disk, func(j *OpenJob) { j.LogStart = 9 })
	if job.Err != nil || job.Result.LogStart != 9 || job.Result.LogEnd != 9 || len(job.Result.Segments) != 1 {
		t.Errorf("%+v, %v", job.Result, job.Err)
	}
}

func TestCorruptIndexBelowTheRecoveryPointIsRebuilt(t *testing.T) {
	disk, batches := logOf(8)
	next := producerBatch(1, 0, 8, 8, 1, 2000)
	disk.Put(testDir+"/00000000000000000008.log", next, true)
	if job := openOn(disk, nil); job.Err != nil {
		t.Fatal(job.Err)
	}
	index := testDir + "/" + FileName(0, IndexSuffix)
	good := disk.Bytes(index)
	if len(good) < 2*IndexEntrySize {
		t.Fatalf("index has %d bytes", len(good))
	}
	for name, bad := range map[string][]byte{
		"cut": good[:len(good)-3], "not increasing": append(append([]byte{}, good...), good[:8]...),
		"beyond the log": AppendIndexEntry(nil, 0, IndexEntry{7, int64(100 * len(batches[0]))}),
		"wrong batch":    AppendIndexEntry(nil, 0, IndexEntry{5, int64(2 * len(batches[0]))}),
	} {
		d := disk.Clone()
		d.Put(index, bad, true)
		job := openOn(d, func(j *OpenJob) { j.Recovery = 9 })
		if job.Err != nil || string(d.Bytes(index)) != string(good) || job.Result.LogEnd != 9 {
			t.Errorf("%s: index %x, want %x; %v", name, d.Bytes(index), good, job.Err)
		}
	}
}

func TestFailedWriteOrSyncFencesTheLogForever(t *testing.T) {
	for _, kind := range []core.InputKind{core.InputWritten, core.InputSynced} {
		x := newBench(t, 100)
		x.produce()
		synced := x.log.SyncedOffset()
		x.log.Append(x.now, x.batch, 0, &x.out)
		x.log.Sync(&x.out)
		var tickets []core.Ticket
		for _, op := range x.out.Files {
			if op.Ticket.Seq != 0 {
				tickets = append(tickets, op.Ticket)
			}
		}
		bad := tickets[0]
		if kind == core.InputSynced {
			bad = tickets[len(tickets)-1]
			x.log.Completed(core.Input{Kind: core.InputWritten, Ticket: tickets[0]})
		}
		x.log.Completed(core.Input{Kind: kind, Ticket: bad, Err: logtest.ErrIO})
		if !errors.Is(x.log.Failed(), logtest.ErrIO) {
			t.Fatalf("failure %v", x.log.Failed())
		}
		for _, ticket := range tickets {
			if p := x.log.Completed(core.Input{Kind: core.InputSynced, Ticket: ticket}); p != (Progress{}) {
				t.Errorf("progress %+v after the failure", p)
			}
		}
		if x.log.SyncedOffset() != synced || x.log.Sync(&x.out) {
			t.Error("the log goes on after the failure")
		}
		if _, _, code := x.log.Plan(0, 100, 1, true); code != core.KafkaStorageError {
			t.Errorf("plan: %v", code)
		}
	}
}

func TestSyncCountsOnlyWhenAllBeforeItIsDone(t *testing.T) {
	x := newBench(t, 100)
	x.log.Append(x.now, x.batch, 0, &x.out)
	x.log.Sync(&x.out)
	x.log.Append(x.now, x.batch, 0, &x.out)
	var tickets []core.Ticket
	for _, op := range x.out.Files {
		if op.Ticket.Seq != 0 {
			tickets = append(tickets, op.Ticket)
		}
	}
	if len(tickets) != 3 {
		t.Fatalf("%d tickets", len(tickets))
	}
	if p := x.log.Completed(core.Input{Kind: core.InputSynced, Ticket: tickets[1]}); p != (Progress{}) {
		t.Errorf("sync before the write: %+v", p)
	}
	if p := x.log.Completed(core.Input{Kind: core.InputWritten, Ticket: tickets[0]}); !p.Synced || !p.Written {
		t.Errorf("write after the sync: %+v", p)
	}
	if x.log.SyncedOffset() != 2 || x.log.WrittenOffset() != 2 || x.log.LogEndOffset() != 3 {
		t.Errorf("synced %d, written %d", x.log.SyncedOffset(), x.log.WrittenOffset())
	}
	stale := tickets[2]
	stale.Epoch--
	if p := x.log.Completed(core.Input{Kind: core.InputWritten, Ticket: stale}); p != (Progress{}) {
		t.Errorf("a stale completion counts: %+v", p)
	}
}

func TestFlushSettingsSyncUnasked(t *testing.T) {
	x := newBench(t, 100)
	s := x.log.Settings()
	s.FlushMessages, s.FlushMs = 2, 50
	x.log.Configure(s)
	x.log.Append(x.now, x.batch, 0, &x.out)
	if at, ok := x.log.Deadline(); !ok || at != x.now.Mono+50e6 {
		t.Errorf("deadline %v %v", at, ok)
	}
	if n := syncs(&x.out); n != 0 {
		t.Errorf("%d syncs after one message", n)
	}
	x.log.Append(x.now, x.batch, 0, &x.out)
	if n := syncs(&x.out); n != 1 {
		t.Errorf("%d syncs after two messages", n)
	}
	x.log.Append(x.now, x.batch, 0, &x.out)
	x.now.Mono += 50e6
	x.log.Tick(x.now, &x.out)
	if n := syncs(&x.out); n != 2 {
		t.Errorf("%d syncs after flush.ms", n)
	}
}

func syncs(out *core.Outbox) int {
	n := 0
	for _, op := range out.Files {
		if op.Kind == core.OpSync {
			n++
		}
	}
	return n
}

func TestReadBatchesGivesWholeBatchesOfARange(t *testing.T) {
	disk, batches := logOf(4)
	disk.Put(firstLog, disk.Bytes(firstLog)[:3*len(batches[0])+10], true) // the fourth is being written
	disk.Put(testDir+"/"+FileName(9, LogSuffix), producerBatch(1, 0, 9, 9, 2, 5), true)
	var got []core.Offset
	err := ReadBatches(disk, testDir, 1, 3, func(v record.View) error {
		got = append(got, v.BaseOffset())
		return v.Check()
	})
	if err != nil || len(got) != 2 || got[0] != 1 || got[1] != 2 {
		t.Errorf("batches %v, %v", got, err)
	}
	err = ReadBatches(disk, testDir, 10, 11, func(v record.View) error {
		got = append(got, v.BaseOffset())
		return nil
	})
	if err != nil || got[len(got)-1] != 9 {
		t.Errorf("batches %v, %v", got, err)
	}
}

func TestWritesDoNotWaitForTheSyncsBetweenThem(t *testing.T) {
	x := newBench(t, 100)
	x.log.Append(x.now, x.batch, 0, &x.out)
	x.log.Sync(&x.out)
	x.log.Append(x.now, x.batch, 0, &x.out)
	end := x.log.LogEndOffset()
	for _, op := range x.out.Files {
		if op.Kind == core.OpWrite && op.Ticket.Seq != 0 {
			x.log.Completed(core.Input{Kind: core.InputWritten, Ticket: op.Ticket})
		}
	}
	if x.log.WrittenOffset() != end || x.log.SyncedOffset() != end-2 {
		t.Errorf("written %d, synced %d, end %d", x.log.WrittenOffset(), x.log.SyncedOffset(), end)
	}
}

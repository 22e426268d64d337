package log

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
)

// TestIndexEntriesComeByKafkasRule holds LogSegment.append: an entry when more than index.interval.bytes came since the
// last one, tested before the batch is counted; a time entry only then, and only for a larger timestamp.
func TestIndexEntriesComeByKafkasRule(t *testing.T) {
	s := newFound(100)
	size := int64(len(producerBatch(1, 0, 0, 0, 1, 0)))
	for i, ts := range []core.Timestamp{10, 20, 5, 20, 30, 7, 40} {
		s.take(producerBatch(1, 0, 0, 100+core.Offset(i), 1, ts), 2*size)
	}
	// Exactly the interval is not enough: after three batches comes the first entry, and so on.
	want := AppendIndexEntry(nil, 100, IndexEntry{103, 3 * size})
	want = AppendIndexEntry(want, 100, IndexEntry{106, 6 * size})
	if !bytes.Equal(s.index, want) {
		t.Errorf("index %x, want %x", s.index, want)
	}
	want = AppendTimeIndexEntry(nil, 100, TimeIndexEntry{20, 101})
	want = AppendTimeIndexEntry(want, 100, TimeIndexEntry{40, 106})
	if !bytes.Equal(s.timeline, want) {
		t.Errorf("time index %x, want %x", s.timeline, want)
	}
}

func TestLookupsAgainstLinearScans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := core.Offset(rapid.Int64Range(0, 1<<40).Draw(t, "base"))
		var index []IndexEntry
		var times []TimeIndexEntry
		var indexView, timesView []byte
		offset, pos, ts := base, int64(0), core.Timestamp(rapid.IntRange(0, 5).Draw(t, "first"))
		for range rapid.IntRange(0, 20).Draw(t, "entries") {
			offset += core.Offset(rapid.IntRange(1, 5).Draw(t, "offsets"))
			pos += rapid.Int64Range(1, 5).Draw(t, "bytes")
			ts += core.Timestamp(rapid.IntRange(1, 5).Draw(t, "ms"))
			index, times = append(index, IndexEntry{offset, pos}), append(times, TimeIndexEntry{ts, offset})
			indexView = AppendIndexEntry(indexView, base, index[len(index)-1])
			timesView = AppendTimeIndexEntry(timesView, base, times[len(times)-1])
		}
		n := len(index)
		// Entries emitted in this step are counted but not visible yet.
		hidden := rapid.IntRange(0, 3).Draw(t, "hidden")
		indexView = append(indexView, make([]byte, hidden*IndexEntrySize)...)
		timesView = append(timesView, make([]byte, hidden*TimeIndexEntrySize)...)
		for d := range int64(110) {
			wantOffset, wantPos := IndexEntry{Offset: base}, IndexEntry{Offset: base}
			wantTime := TimeIndexEntry{Timestamp: core.NoTimestamp, Offset: base}
			for i := range n {
				if index[i].Offset <= base+core.Offset(d) {
					wantOffset = index[i]
				}
				if index[i].Pos <= d {
					wantPos = index[i]
				}
				if times[i].Timestamp < core.Timestamp(d) {
					wantTime = times[i]
				}
			}
			if got := FindOffset(indexView, base, n+hidden, base+core.Offset(d)); got != wantOffset {
				t.Fatalf("offset +%d: %+v, want %+v", d, got, wantOffset)
			}
			if got := FindPosition(indexView, base, n+hidden, d); got != wantPos {
				t.Fatalf("position %d: %+v, want %+v", d, got, wantPos)
			}
			if got := FindTimestamp(timesView, base, n+hidden, core.Timestamp(d)); n > 0 && got != wantTime {
				t.Fatalf("timestamp %d: %+v, want %+v", d, got, wantTime)
			}
		}
	})
}

func TestRecoveryPointWaitsForTheEpochCheckpoint(t *testing.T) {
	x := newBench(t, 100)
	x.produce()
	x.log.JobDone(x.log.epochsSaving, &x.out) // epoch 0
	x.out.Reset()
	x.log.AssignEpoch(1, &x.out)
	saving, ok := x.out.Jobs[0].(*CheckpointJob)
	if !ok || !strings.HasPrefix(string(saving.Data), "0\n2\n0 0\n1 2 ") {
		t.Fatalf("job %+v", x.out.Jobs[0])
	}
	start := x.log.LogEndOffset()
	for range 5 {
		x.produce()
	}
	if x.log.SyncedOffset() != start+5 || x.log.RecoveryPoint() != start {
		t.Errorf("recovery point %d, want %d", x.log.RecoveryPoint(), start)
	}
	x.log.JobDone(saving, &x.out)
	if x.log.RecoveryPoint() != start+5 {
		t.Errorf("recovery point %d, want %d", x.log.RecoveryPoint(), start+5)
	}
}

func TestAtomicWriteLeavesTheOldOrTheNewFile(t *testing.T) {
	before, after := []byte("before"), []byte("after that")
	for at := 1; ; at++ {
		for seed := range uint64(20) {
			disk := logtest.NewDisk()
			disk.Put("/d/f", before, true)
			disk.CrashAt = disk.Ops + at
			err := WriteAtomically(disk, "/d", "f", after)
			rng := core.NewPRNG(seed)
			disk.Crash(&rng)
			got := disk.Bytes("/d/f")
			if err == nil && !bytes.Equal(got, after) || !bytes.Equal(got, before) && !bytes.Equal(got, after) {
				t.Fatalf("crash at operation %d (%v): %q", at, err, got)
			}
			if err == nil && seed == 19 {
				return
			}
		}
	}
}

func TestDeletedSegmentsStayWhileTheyAreRead(t *testing.T) {
	disk := logtest.NewDisk()
	if err := disk.Mkdir(testParent); err != nil {
		t.Fatal(err)
	}
	settings := DefaultSettings()
	settings.SegmentBytes, settings.RetentionBytes, settings.FileDeleteDelayMs = 300, 0, 10
	job := &OpenJob{Parent: testParent, Dir: testDir, Topic: core.UUID{1}, Settings: settings}
	job.Run(disk)
	var out core.Outbox
	now := core.Instant{Wall: 1000}
	l := New(now, 1, new(FileIDs), job, &out)
	driver := logtest.NewDriver(disk)
	finish := func() {
		for driver.Execute(&out); driver.Pending() > 0 || len(driver.Jobs) > 0; driver.Execute(&out) {
			for driver.Pending() > 0 {
				if in := driver.Take(0); in.Kind == core.InputMapped {
					l.Mapped(in)
				} else {
					l.Completed(in)
				}
			}
			for _, j := range driver.Jobs {
				j.Run(disk)
				l.JobDone(j, &out)
			}
			driver.Jobs = nil
		}
	}
	for i := range core.Sequence(6) {
		l.Append(now, producerBatch(1, 0, i, 0, 10, 1000), 0, &out)
	}
	l.Sync(&out)
	finish()
	r, _, code := l.Plan(0, 1<<20, l.LogEndOffset(), true)
	if code != core.NoError || r.Len == 0 {
		t.Fatalf("plan %+v %v", r, code)
	}
	l.Pin(r.File)
	if l.Retain(now, l.LogEndOffset(), &out) {
		t.Error("segments are deleted before what they tell of producers is written")
	}
	finish()
	if !l.Retain(now, l.LogEndOffset(), &out) || l.SegmentCount() != 1 {
		t.Fatalf("%d segments left", l.SegmentCount())
	}
	finish()
	if path, ok := driver.Path(r.File); !ok || path != testDir+"/"+FileName(0, LogSuffix) {
		t.Errorf("before the checkpoint of the new start the file is at %q", path)
	}
	l.StartSaved(now, l.Start(), &out)
	finish()
	if path, ok := driver.Path(r.File); !ok || path != testDir+"/"+FileName(0, LogSuffix)+DeletedSuffix {
		t.Errorf("the pinned file is at %q", path)
	}
	now.Mono += 1e9
	l.Tick(now, &out)
	finish()
	if got := driver.Read(r.File, r.Pos, r.Len); len(got) != int(r.Len) {
		t.Error("the pinned file is gone")
	}
	l.Unpin(r.File)
	if at, ok := l.Deadline(); !ok || !now.Reached(at) {
		t.Errorf("deadline %v %v", at, ok)
	}
	l.Tick(now, &out)
	finish()
	entries, _ := disk.List(testDir)
	if _, ok := driver.Path(r.File); ok || slices.ContainsFunc(entries, func(e core.DirEntry) bool {
		return e.Name == FileName(0, LogSuffix)+DeletedSuffix
	}) {
		t.Errorf("the file is still there: %+v", entries)
	}
	l.Delete(testParent, core.TopicPartition{Topic: "t"}, core.UUID{3}, &out).Run(disk)
	driver.Execute(&out)
	if entries, _ := disk.List(testParent); len(entries) != 0 || driver.Open() != 0 {
		t.Errorf("after the deletion: %+v, %d files open", entries, driver.Open())
	}
}

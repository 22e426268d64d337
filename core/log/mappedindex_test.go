package log

import (
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
)

// written is a log with batches of one record with rising timestamps, more than the ring remembers, in one segment that
// is being written, and the driver that has mapped its indexes.
func written(t *testing.T) (*Log, *logtest.Driver) {
	t.Helper()
	disk := logtest.NewDisk()
	if err := disk.Mkdir(testParent); err != nil {
		t.Fatal(err)
	}
	job := &OpenJob{Parent: testParent, Dir: testDir, Topic: core.UUID{1}, Settings: DefaultSettings()}
	job.Settings.IndexIntervalBytes = 300
	job.Settings.IndexBytes = 4096
	if job.Run(disk); job.Err != nil {
		t.Fatal(job.Err)
	}
	var out core.Outbox
	driver := logtest.NewDriver(disk)
	l := New(core.Instant{}, 1, new(FileIDs), job, &out)
	for i := range RingBatches + 200 {
		appendWhole(l, driver, &out, core.Timestamp(1000+i))
	}
	return l, driver
}

// appendWhole appends a batch and waits for the disk.
func appendWhole(l *Log, driver *logtest.Driver, out *core.Outbox, at core.Timestamp) {
	l.Append(core.Instant{}, testBatch(at, 10), 0, out)
	driver.Execute(out)
	for driver.Pending() > 0 {
		if in := driver.Take(0); in.Kind == core.InputMapped {
			l.Mapped(in)
		} else {
			l.Completed(in)
		}
	}
}

// The indexes of the segment that is being written are mapped, and what goes bad in them is seen at once. Nobody is
// led past a record by it, and a pass through the log writes them again.
func TestADamagedMappedIndexMisleadsNobody(t *testing.T) {
	l, driver := written(t)
	random := core.NewPRNG(3)
	s := l.active()
	index, times := s.indexView[:s.newIndex.first*IndexEntrySize], s.timesView[:s.newTimes.first*TimeIndexEntrySize]
	sound, soundTimes := string(index), string(times)
	if len(index) < 20*IndexEntrySize || len(times) < 20*TimeIndexEntrySize || s.newIndex.first == s.entries {
		t.Fatalf("only %d and %d bytes of entries, or all are written", len(index), len(times))
	}
	for round := range 300 {
		for _, b := range [][]byte{index, times} {
			switch at := int(random.Below(uint64(len(b)))); random.Below(4) {
			case 0:
				clear(b[at:])
			case 1:
				clear(b[:at])
			default:
				b[at] ^= 1 << random.Below(8)
			}
		}
		for from := core.Offset(0); from < 190; from += 7 {
			limit := from + core.Offset(random.Between(1, 50))
			r, job, code := l.Plan(from, int(random.Between(0, 3000)), limit, true)
			if job != nil {
				job.Run(driver.Disk)
				r, job, code = l.Located(job)
			}
			if code != core.NoError || job != nil || r.Len == 0 || r.Next > limit {
				t.Fatalf("round %d: from %d: %+v, %v, %v", round, from, r, job, code)
			}
			if got := batchAt(driver, r); got != from {
				t.Fatalf("round %d: a reader at %d is given %d", round, from, got)
			}
			want := 1000 + core.Timestamp(from)
			at := l.ByTimestamp(want, l.LogEndOffset())
			at.Run(driver.Disk)
			if l.TimestampDone(at); at.Err != nil || at.Offset != from {
				t.Fatalf("round %d: timestamp %d is at %d, not %d: %v", round, want, at.Offset, from, at.Err)
			}
		}
		var out core.Outbox
		for at := (Scrub{}); ; {
			job := l.PlanScrub(at, 1<<20)
			if job == nil {
				break
			}
			job.Run(driver.Disk)
			if at = l.Scrubbed(core.Instant{}, job, &out); job.Err != nil {
				t.Fatal(job.Err)
			}
		}
		driver.Execute(&out)
		if string(index) != sound || string(times) != soundTimes {
			t.Fatalf("round %d: after a pass the indexes are %x and %x", round, index, times)
		}
	}
}

// The last entries of the indexes of a segment that is written wait to be written together. A pass does not miss them.
func TestAPassFindsNothingWrongWhereEntriesAreNotWrittenYet(t *testing.T) {
	l, driver := written(t)
	if s := l.active(); s.newIndex.first == s.entries {
		t.Fatal("all entries are written")
	}
	var out core.Outbox
	for at := (Scrub{}); ; {
		job := l.PlanScrub(at, 1<<20)
		if job == nil {
			break
		}
		job.Run(driver.Disk)
		if at = l.Scrubbed(core.Instant{}, job, &out); job.Err != nil || job.RebuiltIndex {
			t.Fatalf("the indexes are made anew: %v, error %v", job.RebuiltIndex, job.Err)
		}
	}
}

// A clean stop gives the time index of the last segment an entry more. What a pass makes anew has one less from there
// on, and cannot be written over entries that have other places: the segment is ended, and the next pass mends it.
func TestAPassMendsIndexesThatHaveMoreEntriesThanTheyNeed(t *testing.T) {
	l, driver := written(t)
	settle := func(l *Log, out *core.Outbox) {
		for i := 0; i < len(out.Jobs); i++ {
			if job, ok := out.Jobs[i].(*SnapshotJob); ok {
				job.Run(driver.Disk)
				l.JobDone(job, out)
			}
		}
		for l.epochsSaving != nil {
			l.epochsSaving.Run(driver.Disk)
			l.JobDone(l.epochsSaving, out)
		}
		driver.Execute(out)
		for driver.Pending() > 0 {
			if in := driver.Take(0); in.Kind == core.InputMapped {
				l.Mapped(in)
			} else {
				l.Completed(in)
			}
		}
	}
	var out core.Outbox
	l.Close(&out)
	settle(l, &out)
	if !l.Closed() {
		t.Fatal("the log is not closed")
	}
	job := &OpenJob{Parent: testParent, Dir: testDir, Topic: core.UUID{1}, Settings: l.settings, Clean: true,
		Recovery: l.LogEndOffset()}
	if job.Run(driver.Disk); job.Err != nil {
		t.Fatal(job.Err)
	}
	out = core.Outbox{}
	l = New(core.Instant{}, 2, new(FileIDs), job, &out)
	for i := range 200 {
		l.Append(core.Instant{}, testBatch(core.Timestamp(9000+i), 10), 0, &out)
		settle(l, &out)
		out = core.Outbox{}
	}
	path := testDir + "/" + FileName(0, TimeIndexSuffix)
	l.active().timesView[5] ^= 1
	pass := func() (rebuilt bool) {
		for at := (Scrub{}); ; {
			job := l.PlanScrub(at, 1<<20)
			if job == nil {
				return rebuilt
			}
			job.Run(driver.Disk)
			at = l.Scrubbed(core.Instant{}, job, &out)
			if job.Err != nil {
				t.Fatal(job.Err)
			}
			rebuilt = rebuilt || job.RebuiltIndex
			settle(l, &out)
			out = core.Outbox{}
		}
	}
	pass()
	if len(l.segments) != 2 {
		t.Fatal("the segment was not ended")
	}
	if !pass() {
		t.Error("the next pass made nothing anew")
	}
	if b := driver.Disk.Bytes(path); !SoundTimeIndex(b, 0) || len(b) == 0 {
		t.Errorf("the time index is %x", b)
	}
	l.Append(core.Instant{}, testBatch(core.Timestamp(9999), 10), 0, &out)
	if settle(l, &out); pass() || len(l.segments) != 2 {
		t.Error("a pass found something wrong with what was mended")
	}
}

// batchAt is the base offset of the first batch of a range.
func batchAt(driver *logtest.Driver, r Range) core.Offset {
	b := driver.Read(r.File, r.Pos, 8)
	o := core.Offset(0)
	for _, x := range b {
		o = o<<8 | core.Offset(x)
	}
	return o
}

// A producer snapshot that is not the newest is read by nobody until the newer ones are gone: a pass finds it.
func TestAPassRemovesBadProducerSnapshots(t *testing.T) {
	random := core.NewPRNG(1)
	disk, _ := twoSegments(t, &random)
	open := func() *Log {
		job := openOn(disk, func(j *OpenJob) { j.Clean, j.Recovery = true, 30 })
		if job.Err != nil {
			t.Fatal(job.Err)
		}
		var out core.Outbox
		return New(core.Instant{}, 1, new(FileIDs), job, &out)
	}
	old := testDir + "/" + FileName(20, SnapshotSuffix)
	bad := disk.Bytes(testDir + "/" + FileName(30, SnapshotSuffix))
	bad[12] ^= 1
	disk.Put(old, bad, true)
	l := open()
	if err := scrubAll(t, l, disk); err != nil {
		t.Fatal(err)
	}
	if disk.Bytes(old) != nil {
		t.Error("a bad snapshot is still there")
	}
	if disk.Bytes(testDir+"/"+FileName(30, SnapshotSuffix)) == nil {
		t.Error("a sound snapshot is gone")
	}
}

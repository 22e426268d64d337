package log

import (
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
)

// scrubAll reads a log in one pass, in small pieces.
func scrubAll(t *testing.T, l *Log, disk *logtest.Disk) error {
	t.Helper()
	for at := (Scrub{}); ; {
		j := l.PlanScrub(at, 100)
		if j == nil {
			return nil
		}
		j.Run(disk)
		var out core.Outbox
		if at = l.Scrubbed(core.Instant{}, j, &out); j.Err != nil {
			return j.Err
		}
	}
}

// A pass finds what has gone bad, leader epochs among it, and believes what is below the log start offset, of which the
// epochs are forgotten.
func TestAPassFindsWhatHasGoneBad(t *testing.T) {
	open := func(start core.Offset, spoil func(b []byte, size int)) error {
		disk, batches := logOf(12)
		if job := openOn(disk, nil); job.Err != nil {
			t.Fatal(job.Err)
		}
		job := openOn(disk, func(j *OpenJob) { j.Clean, j.Recovery, j.LogStart = true, 12, start })
		if job.Err != nil {
			t.Fatal(job.Err)
		}
		var out core.Outbox
		var ids FileIDs
		l := New(core.Instant{}, 1, &ids, job, &out)
		b := disk.Bytes(firstLog)
		spoil(b, len(batches[0]))
		disk.Put(firstLog, b, true)
		return scrubAll(t, l, disk)
	}
	sound := func([]byte, int) {}
	for _, start := range []core.Offset{0, 5, 12} {
		if err := open(start, sound); err != nil {
			t.Errorf("a sound log that starts at %d: %v", start, err)
		}
	}
	for name, at := range map[string]int{"a record": 65, "an offset": 7, "a leader epoch": 15} {
		if err := open(0, func(b []byte, size int) { b[6*size+at] ^= 2 }); !Damaged(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An index that was cut short looks sound by itself. A pass makes it anew.
func TestAPassFindsThatAnIndexLacksEntries(t *testing.T) {
	disk, batches := logOf(12)
	size := len(batches[0])
	all := disk.Bytes(firstLog)
	disk.Put(firstLog, all[:6*size], true)
	disk.Put(testDir+"/"+FileName(6, LogSuffix), all[6*size:], true)
	if job := openOn(disk, nil); job.Err != nil {
		t.Fatal(job.Err)
	}
	path := testDir + "/" + FileName(0, IndexSuffix)
	whole := disk.Bytes(path)
	for n := 0; n < len(whole); n += IndexEntrySize {
		disk.Put(path, whole[:n], true)
		job := openOn(disk, func(j *OpenJob) { j.Clean, j.Recovery = true, 12 })
		if job.Err != nil {
			t.Fatal(job.Err)
		}
		var out core.Outbox
		var ids FileIDs
		if err := scrubAll(t, New(core.Instant{}, 1, &ids, job, &out), disk); err != nil {
			t.Fatal(err)
		}
		if got := disk.Bytes(path); string(got) != string(whole) {
			t.Errorf("of %d bytes of the index %d were left, and %d are there", len(whole), n, len(got))
		}
	}
	if len(whole) == 0 {
		t.Error("the segment has no index entries")
	}
}

// A log that is written to all the time is read once in a pass, as far as it goes when its end is come to, and the pass
// goes on to other logs.
func TestAPassEndsThoughTheLogGrows(t *testing.T) {
	l, driver := written(t)
	var out core.Outbox
	size, read := l.active().size, int64(0)
	for at, jobs := (Scrub{}), 0; ; jobs++ {
		appendWhole(l, driver, &out, core.Timestamp(5000+jobs))
		job := l.PlanScrub(at, 1<<14)
		if job == nil {
			break
		}
		if job.Run(driver.Disk); job.Err != nil {
			t.Fatal(job.Err)
		}
		if read += job.Read; read > 2*size {
			t.Fatalf("%d bytes of a log of %d were read in a pass", read, size)
		}
		at = l.Scrubbed(core.Instant{}, job, &out)
	}
	if read < size {
		t.Errorf("%d bytes of a log of %d were read", read, size)
	}
}

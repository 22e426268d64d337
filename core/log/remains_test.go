package log

import (
	"slices"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/probe"
)

// fourSegments puts a log of eight batches onto a disk, two a segment.
func fourSegments() *logtest.Disk {
	_, batches := logOf(8)
	disk := logtest.NewDisk()
	for i := 0; i < len(batches); i += 2 {
		disk.Put(testDir+"/"+FileName(core.Offset(i), LogSuffix), append(batches[i], batches[i+1]...), true)
	}
	return disk
}

// A power cut may undo the removal of some deleted segments and not of others.
func TestDeletedSegmentsThatAreBackAreNoDamage(t *testing.T) {
	disk := fourSegments()
	if err := disk.Remove(testDir + "/" + FileName(2, LogSuffix)); err != nil {
		t.Fatal(err)
	}
	job := openOn(disk, func(j *OpenJob) { j.Recovery, j.LogStart = 8, 5 })
	r := job.Result
	if job.Err != nil || r.LogStart != 5 || r.LogEnd != 8 || len(r.Segments) != 2 || r.Segments[0].Base != 4 {
		t.Fatalf("from %d to %d in %d segments, error %v", r.LogStart, r.LogEnd, len(r.Segments), job.Err)
	}
	if !job.Report.Reached.Has(probe.DeletedSegmentsBack) || len(job.Report.Notes) != 1 {
		t.Errorf("report %+v", job.Report)
	}
	entries, err := disk.List(testDir)
	for _, e := range entries {
		if base, suffix, ok := ParseFileName(e.Name); ok && suffix != SnapshotSuffix && base < 4 {
			t.Errorf("%s is still there", e.Name)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// What is at the start of the log was never deleted.
func TestAHoleAtTheStartOfTheLogIsDamage(t *testing.T) {
	disk := fourSegments()
	if err := disk.Remove(testDir + "/" + FileName(2, LogSuffix)); err != nil {
		t.Fatal(err)
	}
	if job := openOn(disk, func(j *OpenJob) { j.Recovery, j.LogStart = 8, 3 }); !Damaged(job.Err) {
		t.Errorf("error %v, from %d to %d", job.Err, job.Result.LogStart, job.Result.LogEnd)
	}
}

// A segment goes only when the checkpoint has the start behind it, so that a log which begins later has lost a file,
// whatever else a crash has taken: what was written since the last checkpoint, and the indexes with the log.
func TestALogThatBeginsAfterItsStartHasLostAFile(t *testing.T) {
	for _, c := range []struct {
		name    string
		job     func(*OpenJob)
		damaged bool
	}{
		{"it has begun at 0 ever since", func(j *OpenJob) { j.StartKnown, j.Recovery = true, 8 }, true},
		{"no checkpoint was written since", func(j *OpenJob) { j.StartKnown = true }, true},
		{"the recovery points are lost", func(j *OpenJob) { j.StartKnown, j.Unsure = true, true }, true},
		{"all below 1 was deleted", func(j *OpenJob) { j.StartKnown, j.LogStart = true, 1 }, true},
		{"it was closed", func(j *OpenJob) { j.Clean, j.Recovery = true, 8 }, true},
		{"all below 2 was deleted", func(j *OpenJob) { j.StartKnown, j.LogStart, j.Recovery = true, 2, 8 }, false},
		{"all below 3 was deleted", func(j *OpenJob) { j.StartKnown, j.LogStart, j.Recovery = true, 3, 8 }, false},
		{"the starts are lost", func(j *OpenJob) { j.StartKnown, j.LogStart, j.Unsure = true, core.NoOffset, true }, false},
		{"Kafka deletes first", func(j *OpenJob) { j.Recovery = 8 }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := fourSegments()
			if err := disk.Remove(testDir + "/" + FileName(0, LogSuffix)); err != nil {
				t.Fatal(err)
			}
			before, _ := disk.List(testDir)
			job := openOn(disk, c.job)
			if Damaged(job.Err) != c.damaged || job.Report.Oldest != 2 {
				t.Fatalf("error %v, oldest %d", job.Err, job.Report.Oldest)
			}
			if !c.damaged {
				return
			}
			if after, _ := disk.List(testDir); !job.Report.Reached.Has(probe.OldestSegmentMissed) || len(after) < len(before) {
				t.Errorf("%+v, reached %+v", after, job.Report.Reached)
			}
			again := openOn(disk, func(j *OpenJob) { c.job(j); j.Clean, j.Resync = false, true })
			if r := again.Result; again.Err != nil || r.LogStart != 2 || r.LogEnd != 8 {
				t.Errorf("opened anew from %d to %d: %v", r.LogStart, r.LogEnd, again.Err)
			}
		})
	}
}

// A log that begins anew has its new start in the checkpoint already, and nothing of the old one may stay.
func TestALogThatBeginsAnewKeepsNoDeletedSegment(t *testing.T) {
	disk := fourSegments()
	job := openOn(disk, func(j *OpenJob) { j.Settings.RetentionBytes = 1 })
	var out core.Outbox
	l, driver := New(core.Instant{}, 1, new(FileIDs), job, &out), logtest.NewDriver(disk)
	files := func() (logs []core.Offset) {
		driver.Execute(&out)
		entries, err := disk.List(testDir)
		for _, e := range entries {
			if base, suffix, ok := ParseFileName(e.Name); ok && suffix == LogSuffix {
				logs = append(logs, base)
			}
		}
		if err != nil {
			t.Error(err)
		}
		return logs
	}
	if !l.Retain(core.Instant{}, 8, &out) || l.Start() != 6 || l.LogStartOffset() != 0 {
		t.Fatalf("the log begins at %d", l.Start())
	}
	if got := files(); !slices.Equal(got, []core.Offset{0, 2, 4, 6}) {
		t.Fatalf("before the checkpoint: %v", got)
	}
	l.Restart(core.Instant{}, 3, &out)
	if got := files(); !slices.Equal(got, []core.Offset{3}) {
		t.Errorf("begun anew at 3: %v", got)
	}
}

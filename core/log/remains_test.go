package log

import (
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

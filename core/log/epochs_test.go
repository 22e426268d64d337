package log

import (
	"slices"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// A segment below the recovery point that has lost its index is checked, and those behind it are not: the epochs that
// begin in them must stay. Found by the simulator.
func TestACheckedSegmentBeforeTrustedOnesLosesNoEpochs(t *testing.T) {
	disk, batches := logOf(8)
	for base, part := range map[int][][]byte{0: batches[:3], 3: batches[3:6], 6: batches[6:]} {
		for i, b := range part {
			record.View(b).SetLeaderEpoch([]core.LeaderEpoch{0, 0, 0, 2, 5, 5, 7, 7}[base+i])
		}
		disk.Put(testDir+"/"+FileName(core.Offset(base), LogSuffix), slices.Concat(part...), true)
	}
	want := openOn(disk, nil).Result.Epochs.All()
	if len(want) != 4 {
		t.Fatalf("epochs %v", want)
	}
	if err := disk.Remove(testDir + "/" + FileName(0, IndexSuffix)); err != nil {
		t.Fatal(err)
	}
	job := openOn(disk, func(j *OpenJob) { j.Recovery = 8 })
	if got := job.Result.Epochs.All(); job.Err != nil || job.Report.Scanned != 2 || !slices.Equal(got, want) {
		t.Errorf("%d segments checked, epochs %v, want %v, error %v", job.Report.Scanned, got, want, job.Err)
	}
}

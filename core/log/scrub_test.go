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
		if at = l.Scrubbed(j, &out); j.Err != nil {
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

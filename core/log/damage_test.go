package log

import (
	"testing"

	"ottla.dev/core"
)

// What a crash cannot have done is found, nothing is removed because of it, and a replica with peers is opened with
// what is certain to be right.
func TestDamageIsToldFromATornTail(t *testing.T) {
	firstIndex := testDir + "/" + FileName(0, IndexSuffix)
	for _, c := range []struct {
		name  string
		spoil func(d spoiler)
		job   func(*OpenJob)
		left  core.Offset // with Resync
	}{
		{"a bad batch below the recovery point", func(d spoiler) { d.flip(firstLog, 2*d.size+30) },
			func(j *OpenJob) { j.Recovery = 8 }, 2},
		{"a bad batch after a clean shutdown", func(d spoiler) { d.flip(firstLog, 7*d.size+8); d.drop(firstIndex) },
			func(j *OpenJob) { j.Clean, j.Recovery = true, 8 }, 7},
		{"a file that was cut short between two batches", func(d spoiler) { d.cut(firstLog, 5*d.size) },
			func(j *OpenJob) { j.Recovery = 8 }, 5},
		{"a file that is gone", func(d spoiler) { d.drop(firstLog) },
			func(j *OpenJob) { j.Recovery = 8 }, 0},
		{"a folder of nobody knows whom", func(d spoiler) { d.cut(testDir+"/"+PartitionMetadataName, 14) },
			func(j *OpenJob) { j.Recovery = 8 }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk, batches := logOf(8)
			if job := openOn(disk, nil); job.Err != nil {
				t.Fatal(job.Err)
			}
			d := spoiler{disk.Bytes, disk.Put, func(p string) { _ = disk.Remove(p) }, len(batches[0])}
			c.spoil(d)
			before := len(disk.Bytes(firstLog))
			if job := openOn(disk, c.job); !Damaged(job.Err) || len(disk.Bytes(firstLog)) != before {
				t.Fatalf("%v, %+v", job.Err, job.Report)
			}
			job := openOn(disk, func(j *OpenJob) { c.job(j); j.Clean, j.Resync = false, true })
			if job.Err != nil || job.Result.LogEnd != c.left {
				t.Errorf("ends at %d: %v, %+v", job.Result.LogEnd, job.Err, job.Report)
			}
		})
	}
}

type spoiler struct {
	get  func(string) []byte
	put  func(string, []byte, bool)
	drop func(string)
	size int // of a batch
}

func (d spoiler) flip(path string, at int) {
	b := d.get(path)
	b[at] ^= 4
	d.put(path, b, true)
}

func (d spoiler) cut(path string, size int) { d.put(path, d.get(path)[:size], true) }

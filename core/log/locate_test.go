package log

import (
	"reflect"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/record"
)

// indexed is a file of 40 batches of one to three records with the bytes of its index.
func indexed(t *testing.T) (disk *logtest.Disk, path string, s *segment) {
	t.Helper()
	s = &segment{}
	var all []byte
	x := newIndexer(0)
	for i := range 40 {
		var b record.Builder
		b.Start(nil, s.next)
		for range 1 + i%3 {
			b.Append(1, nil, make([]byte, 10*(i%5)))
		}
		_, v := b.Finish()
		if entry, _ := x.add(150, int64(len(v)), v.LastOffset(), 1); entry {
			e := IndexEntry{v.LastOffset(), int64(len(all))}
			if s.entries++; i < 25 {
				s.indexView = AppendIndexEntry(s.indexView, 0, e)
				s.newIndex.first++
			} else {
				s.addIndexEntry(e)
			}
		}
		all = append(all, v...)
		s.next = v.LastOffset() + 1
	}
	s.size = int64(len(all))
	disk = logtest.NewDisk()
	disk.Put("/t-0/x.log", all, true)
	return disk, "/t-0/x.log", s
}

func TestARangeIsTheSameWithAndWithoutTheIndexNearItsEnd(t *testing.T) {
	disk, path, s := indexed(t)
	if s.entries < 10 {
		t.Fatalf("only %d entries", s.entries)
	}
	for from := core.Offset(0); from < s.next; from += 3 {
		for limit := from; limit <= s.next; limit += 5 {
			for _, most := range []int64{0, 100, 333, 1000, 1 << 20} {
				job := LocateJob{Path: path, Size: s.size, End: s.next, From: from, Limit: limit, MaxBytes: most, AtLeastOne: true,
					known: true, Start: s.findOffset(from).Pos}
				slow, fast := job, job
				fast.near = nearEnd(s, job.Start+most, limit)
				slow.Run(disk)
				fast.Run(disk)
				fast.near = slow.near
				if !reflect.DeepEqual(slow, fast) {
					t.Fatalf("from %d limit %d most %d: %+v with the index, %+v without", from, limit, most, fast, slow)
				}
			}
		}
	}
}

package disk

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ottla.dev/core"
)

// blocks returns a file's size, and how many bytes of the disk it has.
func blocks(t *testing.T, path string) (size, room int64) {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	const block = 512 // of st_blocks, whatever the file system's are
	return stat.Size, stat.Blocks * block
}

// grow appends n MiB to a new file of the world, and cuts it then if cut is not negative.
func grow(w *world, n int, cut int64) (path string) {
	w.t.Helper()
	path = filepath.Join(w.dir, "log")
	w.do(open(1, path))
	chunk := strings.Repeat("a", 1<<20)
	for i := range n {
		w.do(write(1, int64(i)<<20, chunk, uint64(i+1)))
	}
	for _, in := range w.await(n) {
		if in.Err != nil {
			w.t.Fatal(in.Err)
		}
	}
	if cut >= 0 {
		w.do(core.FileOp{Kind: core.OpTruncate, File: 1, Size: cut})
	}
	w.do(fsync(1, uint64(n+1))) // what has no blocks yet gets them
	w.await(1)
	return path
}

func TestAGrowingFileHasBlocksForWhatItWillHold(t *testing.T) {
	const unit = 1 << 20
	for _, c := range []struct {
		name string
		mib  int
		cut  int64
		most int64 // how much more than its bytes the file may have
		some bool  // it has more
	}{
		{"small", reserveLeast/unit - 1, -1, 64 << 10, false},
		{"grown", reserveLeast / unit, -1, reserveLeast/reserveShare + 64<<10, true},
		{"cut", reserveLeast / unit, reserveLeast / 2, 64 << 10, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			path := grow(w, c.mib, c.cut)
			want := int64(c.mib) << 20
			if c.cut >= 0 {
				want = c.cut
			}
			size, room := blocks(t, path)
			if size != want {
				t.Errorf("the file has %d bytes, %d were written", size, want)
			}
			if more := room - size; more > c.most || c.some && more < reserveLeast/reserveShare/2 {
				t.Errorf("a file of %d bytes has room for %d more", size, more)
			}
		})
	}
}

// refusing is a file system that cannot reserve.
type refusing struct {
	Kernel
	asked *int
}

func (r refusing) Reserve(int, int64, int64) error {
	*r.asked++
	return unix.EOPNOTSUPP
}

func TestAFileSystemThatCannotReserveIsAskedOnceAFile(t *testing.T) {
	w, asked := newWorld(t), 0
	w.disk.system = refusing{asked: &asked}
	path := grow(w, 2*reserveLeast>>20, -1)
	if size, _ := blocks(t, path); size != 2*reserveLeast || asked != 1 {
		t.Errorf("%d bytes were written, and it was asked %d times", size, asked)
	}
}

package disk

import (
	"errors"
	"testing"

	"ottla.dev/core"
)

// open makes a disk with a folder and a file in it.
func open(t *testing.T) (*Disk, core.FS, core.File) {
	t.Helper()
	d := New(core.NewPRNG(1))
	fs := d.FS(nil)
	must(t, fs.Mkdir("/data/p"))
	f, err := fs.Create("/data/p/a")
	must(t, err)
	return d, fs, f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, d *Disk, path string) string {
	t.Helper()
	b, ok := d.Bytes(path)
	if !ok {
		return "<none>"
	}
	return string(b)
}

func TestFilesBehaveLikeFiles(t *testing.T) {
	d, fs, f := open(t)
	must(t, f.WriteAt([]byte("hello"), 2))
	if got := content(t, d, "/data/p/a"); got != "\x00\x00hello" {
		t.Errorf("a write beyond the end leaves %q", got)
	}
	must(t, f.Truncate(4))
	must(t, f.Truncate(6))
	if got := content(t, d, "/data/p/a"); got != "\x00\x00he\x00\x00" {
		t.Errorf("shortened and extended: %q", got)
	}
	p := make([]byte, 10)
	if n, err := f.ReadAt(p, 2); n != 4 || err != nil {
		t.Errorf("read at the end: %d, %v", n, err)
	}
	must(t, fs.Rename("/data/p/a", "/data/p/b"))
	must(t, f.WriteAt([]byte("X"), 0))
	if got := content(t, d, "/data/p/b"); got[0] != 'X' {
		t.Errorf("an open file does not follow its name: %q", got)
	}
	if _, err := fs.Open("/data/p/a"); !errors.Is(err, core.ErrNotExist) {
		t.Errorf("the old name: %v", err)
	}
	if err := fs.Remove("/data/p"); err == nil {
		t.Error("a folder with a file in it was removed")
	}
	must(t, fs.Remove("/data/p/b"))
	must(t, fs.Remove("/data/p"))
	list, err := fs.List("/data")
	if len(list) != 0 || err != nil {
		t.Errorf("entries %v, %v", list, err)
	}
}

func TestAViewSeesWritesAndEndsWithItsFile(t *testing.T) {
	d, _, _ := open(t)
	tab := NewTable(d)
	apply := func(op core.FileOp) []byte {
		view, err := tab.Apply(op)
		must(t, err)
		return view
	}
	apply(core.FileOp{Kind: core.OpOpen, File: 1, Path: "/data/p/index"})
	apply(core.FileOp{Kind: core.OpWrite, File: 1, Data: []byte("ab")})
	view := apply(core.FileOp{Kind: core.OpMap, File: 1, Size: 8})
	apply(core.FileOp{Kind: core.OpWrite, File: 1, Pos: 6, Data: []byte("z")})
	if string(view) != "ab\x00\x00\x00\x00z\x00" {
		t.Errorf("view %q", view)
	}
	apply(core.FileOp{Kind: core.OpTruncate, File: 1, Size: 2})
	if view[0] == 'a' {
		t.Error("the view outlives the mapping")
	}
	if got := content(t, d, "/data/p/index"); got != "ab" {
		t.Errorf("content %q", got)
	}
}

func TestARemovedFileCanBeSentOn(t *testing.T) {
	d, _, _ := open(t)
	tab := NewTable(d)
	for _, op := range []core.FileOp{
		{Kind: core.OpOpen, File: 1, Path: "/data/p/x"}, {Kind: core.OpWrite, File: 1, Data: []byte("records")},
	} {
		_, err := tab.Apply(op)
		must(t, err)
	}
	r := tab.Range(1, 2, 3)
	_, err := tab.Apply(core.FileOp{Kind: core.OpRemove, File: 1})
	must(t, err)
	if got, err := r.Append(nil); string(got) != "cor" || err != nil {
		t.Errorf("range %q, %v", got, err)
	}
	if tab.Open() != 0 {
		t.Error("the file id is still bound")
	}
}

// Its owner may have closed it while the answer waited for another shard. Nobody asks for such a range who is alone.
func TestARangeOfAFileThatIsGoneCannotBeRead(t *testing.T) {
	d, _, _ := open(t)
	d.Replicated = true
	if _, err := NewTable(d).Range(1, 2, 3).Append(nil); !errors.Is(err, ErrShort) {
		t.Errorf("read: %v", err)
	}
}

func TestAFullDiskTakesNothingMoreAndThenAgain(t *testing.T) {
	d, fs, f := open(t)
	must(t, f.WriteAt([]byte("12345678"), 0))
	d.Full = true
	if err := f.WriteAt([]byte("abcdefgh"), 4); !errors.Is(err, core.ErrNoSpace) {
		t.Errorf("write: %v", err)
	}
	must(t, f.WriteAt([]byte("9"), 0))
	if _, err := fs.Create("/data/p/new"); !errors.Is(err, core.ErrNoSpace) {
		t.Errorf("create: %v", err)
	}
	if err := fs.Mkdir("/data/q"); !errors.Is(err, core.ErrNoSpace) {
		t.Errorf("mkdir: %v", err)
	}
	d.Full = false
	must(t, f.WriteAt([]byte("abcdefgh"), 4))
}

func TestAFailedWriteLeavesAPrefix(t *testing.T) {
	lengths := map[int]bool{}
	for seed := range uint64(50) {
		d := New(core.NewPRNG(seed))
		fs := d.FS(nil)
		f, err := fs.Create("/a")
		must(t, err)
		d.Fault = func(op Op, _ string) error {
			if op == Write {
				return ErrIO
			}
			return nil
		}
		if err := f.WriteAt([]byte("abcd"), 0); !errors.Is(err, ErrIO) {
			t.Fatal(err)
		}
		got := content(t, d, "/a")
		if got != "abcd"[:len(got)] {
			t.Fatalf("content %q", got)
		}
		lengths[len(got)] = true
	}
	if len(lengths) != 5 {
		t.Errorf("lengths %v of 0 to 4", lengths)
	}
}

func TestAnOperationBehindTheGateDoesNotHappen(t *testing.T) {
	d, _, _ := open(t)
	f, err := d.FS(nil).Open("/data/p/a")
	must(t, err)
	must(t, f.WriteAt([]byte("x"), 0))
	gone := d.FS(func() error { return ErrCrashed })
	if err := gone.Remove("/data/p/a"); !errors.Is(err, ErrCrashed) {
		t.Errorf("remove: %v", err)
	}
	if content(t, d, "/data/p/a") != "x" {
		t.Error("the file is gone")
	}
}

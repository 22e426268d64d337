package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ottla.dev/core"
	"ottla.dev/node/run"
)

// machine collects completions of operations that a test hands to its table.
type machine struct {
	mu      sync.Mutex
	done    []core.Input
	pending []core.FileOp
}

func (m *machine) Deadline() (time.Duration, bool) { return 0, false }

// Step takes operations from a message and remembers everything else.
func (m *machine) Step(_ core.Instant, in core.Input) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ops, ok := in.Message.(*operations); ok {
		m.pending = append(m.pending, ops.list...)
		return
	}
	if in.Kind != core.InputStart {
		m.done = append(m.done, in)
	}
}

func (m *machine) Drain(out *core.Outbox) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out.Files = append(out.Files, m.pending...)
	m.pending = m.pending[:0]
}

type operations struct{ list []core.FileOp }

func (*operations) AppendText(dst []byte) []byte { return dst }

// world is a disk with one machine.
type world struct {
	t       *testing.T
	dir     string
	disk    *Disk
	table   *Table
	engine  *run.Engine
	machine machine
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	d, err := Open(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	w.disk = d
	w.engine = run.New(&host{t: t}, d.FS())
	w.table = d.Table(w.engine)
	w.engine.AddControl(&w.machine, w.table)
	return w
}

func (w *world) folder() *Folder { return w.disk.folders.all[0] }

// do has the machine emit operations in one step.
func (w *world) do(ops ...core.FileOp) {
	w.engine.Deliver(w.engine.Control(), core.Input{Kind: core.InputMessage, Message: &operations{ops}})
}

// await returns the completions when there are n of them.
func (w *world) await(n int) []core.Input {
	w.t.Helper()
	for range 5000 {
		w.machine.mu.Lock()
		if len(w.machine.done) >= n {
			done := w.machine.done
			w.machine.done = nil
			w.machine.mu.Unlock()
			return done
		}
		w.machine.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	w.t.Fatalf("waited in vain for %d completions", n)
	return nil
}

func open(id core.FileID, path string) core.FileOp {
	return core.FileOp{Kind: core.OpOpen, File: id, Path: path}
}

func write(id core.FileID, pos int64, data string, seq uint64) core.FileOp {
	return core.FileOp{Kind: core.OpWrite, File: id, Pos: pos, Data: []byte(data), Ticket: core.Ticket{Seq: seq}}
}

func fsync(id core.FileID, seq uint64) core.FileOp {
	return core.FileOp{Kind: core.OpSync, File: id, Ticket: core.Ticket{Seq: seq}}
}

func TestAdjacentWritesAreOneSystemCallAFile(t *testing.T) {
	w := newWorld(t)
	w.do(open(1, w.dir+"/a"), open(2, w.dir+"/b"))
	var ops []core.FileOp
	for i := range 20 {
		ops = append(ops, write(1, int64(2*i), "aa", uint64(2*i+1)), write(2, int64(2*i), "bb", uint64(2*i+2)))
	}
	w.do(ops...)
	for i, in := range w.await(40) {
		if in.Kind != core.InputWritten || in.Err != nil || in.Ticket.Seq != uint64(i+1) {
			t.Fatalf("completion %d: %+v", i, in)
		}
	}
	if got := w.disk.Writes.Load(); got != 2 {
		t.Errorf("%d system calls, want 2", got)
	}
	for name, want := range map[string]string{"/a": strings.Repeat("a", 40), "/b": strings.Repeat("b", 40)} {
		if got, err := os.ReadFile(w.dir + name); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
}

// fakeCalls replaces a folder's syncs by ones that count and block.
type fakeCalls struct {
	data, fs, dirs atomic.Int64
	fail           atomic.Bool
	gate           chan struct{} // each sync takes one, if not nil
}

func (f *fakeCalls) install(folder *Folder) {
	call := func(count *atomic.Int64) error {
		count.Add(1)
		if f.gate != nil {
			<-f.gate
		}
		if f.fail.Load() {
			return syscall.EIO
		}
		return nil
	}
	folder.calls = syncCalls{
		fdatasync: func(int) error { return call(&f.data) },
		syncfs:    func(int) error { return call(&f.fs) },
		fsyncDir:  func(string) error { return call(&f.dirs) },
	}
}

func TestAFailedSyncIsTheFoldersLastWord(t *testing.T) {
	w := newWorld(t)
	var calls fakeCalls
	calls.install(w.folder())
	w.do(open(1, w.dir+"/a"), write(1, 0, "x", 1), fsync(1, 2))
	w.await(2)
	calls.fail.Store(true)
	w.do(fsync(1, 3), fsync(1, 4))
	for _, in := range w.await(2) {
		if !errors.Is(in.Err, syscall.EIO) {
			t.Errorf("ticket %d: %v, want EIO", in.Ticket.Seq, in.Err)
		}
	}
	calls.fail.Store(false)
	before := calls.data.Load()
	w.do(open(2, w.dir+"/b"), fsync(2, 5), core.FileOp{Kind: core.OpSyncDir, Path: w.dir, Ticket: core.Ticket{Seq: 6}})
	for _, in := range w.await(2) {
		if !errors.Is(in.Err, syscall.EIO) {
			t.Errorf("ticket %d after the failure: %v, want EIO", in.Ticket.Seq, in.Err)
		}
	}
	if calls.data.Load() != before || calls.dirs.Load() != 0 {
		t.Error("a sync was tried after one had failed")
	}
	f, err := w.disk.FS().Open(w.dir + "/a")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("a job's sync after the failure: %v, want EIO", err)
	}
	f.Close()
}

func TestSyncsThatComeDuringARoundMakeTheNextOne(t *testing.T) {
	w := newWorld(t)
	calls := fakeCalls{gate: make(chan struct{})}
	calls.install(w.folder())
	w.do(open(1, w.dir+"/a"), open(2, w.dir+"/b"), fsync(1, 1))
	for calls.data.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for seq := uint64(2); seq < 40; seq++ {
		w.do(fsync(core.FileID(1+seq%2), seq))
	}
	close(calls.gate)
	for i, in := range w.await(39) {
		if in.Err != nil || in.Ticket.Seq != uint64(i+1) {
			t.Errorf("completion %d: %+v", i, in)
		}
	}
	if got := calls.data.Load(); got != 3 {
		t.Errorf("%d files synced, want 1 in the first round and 2 in the second", got)
	}
}

func TestManyDirtyFilesAreSyncedTogether(t *testing.T) {
	if !canSyncfs() {
		t.Skip("this kernel's syncfs hides errors")
	}
	for files, together := range map[int]bool{1: false, 10: true} {
		w := newWorld(t)
		calls := fakeCalls{gate: make(chan struct{})}
		calls.install(w.folder())
		w.do(open(100, w.dir+"/first"), fsync(100, 100))
		for calls.data.Load() == 0 {
			time.Sleep(time.Millisecond) // the first round holds the others back
		}
		for i := 1; i <= files; i++ {
			id := core.FileID(i)
			w.do(open(id, fmt.Sprintf("%s/%d", w.dir, i)), fsync(id, uint64(i)), fsync(id, uint64(100+i)))
		}
		close(calls.gate)
		w.await(1 + 2*files)
		if got := calls.fs.Load() == 1; got != together {
			t.Errorf("%d files: %d calls of syncfs", files, calls.fs.Load())
		}
		if got := calls.data.Load() == 1; got != together {
			t.Errorf("%d files: %d calls of fdatasync", files, calls.data.Load())
		}
	}
}

func TestARemovedFileStaysReadableForThoseWhoHoldIt(t *testing.T) {
	w := newWorld(t)
	path := w.dir + "/segment"
	w.do(open(1, path), write(1, 0, "content", 0))
	file, fd, err := w.table.Acquire(1)
	if err != nil {
		t.Fatal(err)
	}
	w.do(core.FileOp{Kind: core.OpRemove, File: 1})
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	buffer := make([]byte, 7)
	if n, err := syscall.Pread(fd, buffer, 0); n != 7 || err != nil || string(buffer) != "content" {
		t.Errorf("read %q, %v", buffer[:max(n, 0)], err)
	}
	if _, _, err := w.table.Acquire(1); err == nil {
		t.Error("the forgotten id can still be acquired")
	}
	open := w.disk.OpenFiles()
	file.Release()
	if got := w.disk.OpenFiles(); got != open-1 {
		t.Errorf("%d files open after the release, %d before", got, open)
	}
}

func TestDescriptorsAreBoundedAndFilesReopened(t *testing.T) {
	w := newWorld(t)
	w.disk.cache.limit = 4
	const files = 50
	for i := 1; i <= files; i++ {
		w.do(open(core.FileID(i), fmt.Sprintf("%s/%d", w.dir, i)), write(core.FileID(i), 0, fmt.Sprint(i), 0))
		if got := w.disk.OpenFiles(); got > 5 {
			t.Fatalf("%d files are open, the limit is 4", got)
		}
	}
	for i := 1; i <= files; i++ {
		file, fd, err := w.table.Acquire(core.FileID(i))
		if err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 3)
		n, _ := syscall.Pread(fd, buffer, 0)
		if string(buffer[:n]) != fmt.Sprint(i) {
			t.Errorf("file %d holds %q", i, buffer[:n])
		}
		file.Release()
	}
}

func TestFilesGiveWayWhenTheProcessHasNoDescriptorLeft(t *testing.T) {
	w := newWorld(t)
	for i := 1; i <= 8; i++ {
		w.do(open(core.FileID(i), fmt.Sprintf("%s/%d", w.dir, i)), write(core.FileID(i), 0, "x", 0))
	}
	var taken []int
	defer func() {
		for _, fd := range taken {
			syscall.Close(fd)
		}
	}()
	var limit syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit.Cur, Max: limit.Max})
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 256, Max: limit.Max})
	for {
		fd, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0)
		if err != nil {
			break
		}
		taken = append(taken, fd)
	}
	w.do(open(9, w.dir+"/9"), write(9, 0, "x", 1))
	if in := w.await(1)[0]; in.Err != nil {
		t.Errorf("write to a new file: %v", in.Err)
	}
}

func TestAnEvictedFileThatWasTakenAwayIsNotMadeAgain(t *testing.T) {
	w := newWorld(t)
	w.disk.cache.limit = 1
	path := w.dir + "/a"
	w.do(open(1, path), write(1, 0, "x", 0), open(2, w.dir+"/b"), write(2, 0, "x", 0))
	os.Remove(path)
	w.do(write(1, 1, "y", 1))
	if in := w.await(1)[0]; !errors.Is(in.Err, core.ErrNotExist) {
		t.Errorf("write to a file that somebody took away: %v", in.Err)
	}
}

func TestAFullDiskIsToldApart(t *testing.T) {
	if err := wrap("write", "x", syscall.ENOSPC); !errors.Is(err, core.ErrNoSpace) {
		t.Errorf("ENOSPC is %v", err)
	}
	w := newWorld(t)
	// The file size limit of a FIFO-like device: /dev/full refuses every write for want of space.
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	if err := os.Symlink("/dev/full", w.dir+"/full"); err != nil {
		t.Fatal(err)
	}
	w.do(open(1, w.dir+"/full"), write(1, 0, "x", 1), write(1, 1, "y", 2))
	for _, in := range w.await(2) {
		if !errors.Is(in.Err, core.ErrNoSpace) {
			t.Errorf("ticket %d: %v, want %v", in.Ticket.Seq, in.Err, core.ErrNoSpace)
		}
	}
}

func TestASecondBrokerIsRefusedTheFolder(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir)
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("Open = %v, want an error that names the folder and the process", err)
	}
	d.Close()
	if d, err = Open(dir); err != nil {
		t.Fatalf("the folder is still locked: %v", err)
	}
	d.Close()
}

func TestAFolderThatCannotBeWrittenIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	if _, err := Open(file + "/data"); err == nil || !strings.Contains(err.Error(), file+"/data") {
		t.Errorf("Open = %v", err)
	}
}

func TestWritesAllocateNothing(t *testing.T) {
	w := newWorld(t)
	w.do(open(1, w.dir+"/a"))
	w.await(0)
	ops := []core.FileOp{write(1, 0, "aaaa", 0), write(1, 4, "bbbb", 0), write(1, 100, "c", 0)}
	actor := w.engine.Control()
	if n := testing.AllocsPerRun(200, func() { w.table.Execute(actor, ops) }); n != 0 {
		t.Errorf("%v allocations a run of three writes", n)
	}
}

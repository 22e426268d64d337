package disk

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"ottla.dev/core"
	"ottla.dev/node/run"
)

// committer makes a folder's files durable in rounds. There is at most one round at a time; it runs on a goroutine that
// the first request starts and that ends when no request is left.
type committer struct {
	// Rounds, FilesSynced and SyncfsCalls count what the committer did; Observe, if set, gets each round's duration.
	Rounds      atomic.Int64
	FilesSynced atomic.Int64
	SyncfsCalls atomic.Int64
	Observe     func(time.Duration)

	mu      sync.Mutex
	queue   []syncRequest
	running bool
	failed  error // the first failure; sticky

	// The running round's own.
	batch []syncRequest
	dirty []*File
	dirs  []string
	round uint64
	method

	// calls are the system calls, which tests replace.
	calls syncCalls
}

// syncRequest is one OpSync, with a file that it keeps open, or one OpSyncDir.
type syncRequest struct {
	actor  *run.Actor
	ticket core.Ticket
	file   *File
	dir    string
	err    error // the request failed before it came here
}

// syncCalls are the system calls of a committer.
type syncCalls struct {
	fdatasync func(fd int) error
	syncfs    func(fd int) error
	fsyncDir  func(path string) error
}

// enqueue adds a request. The committer releases its file.
func (f *Folder) enqueue(r syncRequest, engine engine) {
	c := &f.committer
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, r)
	if !c.running {
		c.running = true
		go f.commit(engine)
	}
}

// engine is what the committer needs of [run.Engine].
type engine interface {
	Worker() *run.Worker
	Finish(*run.Worker)
	FinishLater(*run.Worker)
}

// commit works rounds until no request is left. The machines that a round's completions claim run on this goroutine
// after the last round, and on another one if a round is waiting.
func (f *Folder) commit(e engine) {
	for more := f.next(); more; {
		start := time.Now()
		err := f.syncBatch()
		took := time.Since(start)
		f.Rounds.Add(1)
		if f.Observe != nil {
			f.Observe(took)
		}
		w := e.Worker()
		f.complete(w, err)
		e.Finish(w)
		f.gather(took)
		more = f.next()
	}
}

const (
	// gatherLeast is how many requests a round had, at least, when the next one waits for more to come.
	gatherLeast = 4
	// gatherShare divides the round's duration: the next one waits for so much of it, and gatherMost at most.
	gatherShare = 4
	gatherMost  = time.Millisecond
)

// gather lets those come back who have just been answered. A round costs about the same processor time whatever it
// holds; without the pause it begins with what came during the last one, and who was answered then comes too late for
// it. Where few ask, nobody waits.
func (f *Folder) gather(took time.Duration) {
	if len(f.batch) >= gatherLeast {
		time.Sleep(min(took/gatherShare, gatherMost))
	}
}

// next takes the waiting requests as the next round's batch, or ends the committer's run.
func (f *Folder) next() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.batch)
	if len(f.queue) == 0 {
		f.running = false
		return false
	}
	f.batch, f.queue = f.queue, f.batch[:0]
	return true
}

// syncBatch makes the batch's files and folders durable, or says why it failed, now or in an earlier round.
func (f *Folder) syncBatch() error {
	if err := f.failure(); err != nil {
		return err
	}
	f.collect()
	if err := f.syncFiles(); err != nil {
		return f.fail(err)
	}
	return nil
}

// collect lists the batch's files and folders, each once.
func (f *Folder) collect() {
	f.round++
	f.dirty, f.dirs = f.dirty[:0], f.dirs[:0]
	for i := range f.batch {
		r := &f.batch[i]
		switch {
		case r.file != nil && r.file.round != f.round:
			r.file.round = f.round
			f.dirty = append(f.dirty, r.file)
		case r.dir != "" && !slices.Contains(f.dirs, r.dir):
			f.dirs = append(f.dirs, r.dir)
		}
	}
}

// syncFiles syncs what collect has listed, in the way that is cheaper here.
func (f *Folder) syncFiles() error {
	n := len(f.dirty) + len(f.dirs)
	together := canSyncfs() && f.together(n)
	start := time.Now()
	f.FilesSynced.Add(int64(len(f.dirty)))
	err := f.syncBy(together)
	f.learn(together, n, time.Since(start))
	return err
}

func (f *Folder) syncBy(together bool) error {
	if together {
		f.SyncfsCalls.Add(1)
		return wrap("sync", f.path, retry(func() error { return f.calls.syncfs(f.root) }))
	}
	for _, file := range f.dirty {
		if err := retry(func() error { return f.calls.fdatasync(file.fd) }); err != nil {
			return wrap("sync", file.name(), err)
		}
	}
	for _, dir := range f.dirs {
		err := wrap("sync", dir, f.calls.fsyncDir(dir))
		if errors.Is(err, core.ErrNotExist) {
			f.missing(dir, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// missing fails the requests for a folder that does not exist, which says nothing against the disk.
func (f *Folder) missing(dir string, err error) {
	for i := range f.batch {
		if f.batch[i].dir == dir {
			f.batch[i].err = err
		}
	}
}

// complete answers the batch in the order of the requests and lets their files go.
func (f *Folder) complete(w *run.Worker, err error) {
	for i := range f.batch {
		r := &f.batch[i]
		if r.file != nil {
			r.file.release()
		}
		result := err
		if r.err != nil {
			result = r.err
		}
		if r.ticket.Seq != 0 || result != nil {
			w.Post(r.actor, core.Input{Kind: core.InputSynced, Ticket: r.ticket, Err: result})
		}
	}
}

// failure returns why no sync of this folder can be trusted any more, or nil.
func (f *Folder) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == nil {
		return nil
	}
	return fmt.Errorf("an earlier sync of %s failed: %w", f.path, f.failed)
}

// fail remembers the first failed sync and returns err.
func (f *Folder) fail(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == nil {
		f.failed = err
	}
	return err
}

// fsyncDir makes a folder's entries durable.
func fsyncDir(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return retry(func() error { return unix.Fsync(fd) })
}

// canSyncfs reports whether the kernel's syncfs returns the errors of writeback, which it does since Linux 5.8.
var canSyncfs = sync.OnceValue(func() bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	var major, minor int
	fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor)
	return major > 5 || major == 5 && minor >= 8
})

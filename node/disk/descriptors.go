package disk

import (
	"sync"

	"golang.org/x/sys/unix"
)

// fewestDescriptors is how many file descriptors the cache keeps at least, whatever the system allows.
const fewestDescriptors = 64

// descriptors bounds how many files are open. Files in use do not count against the bound: they cannot be closed.
//
// Lock order: a file's lock, then the cache's. A victim is taken off the list first and locked after, so that nobody
// waits for a file's lock while holding the cache's.
type descriptors struct {
	limit int

	mu     sync.Mutex
	open   int
	newest *File // the list of open files without users, by last use
	oldest *File
}

// reserve counts a descriptor that the caller is about to open, and closes the least recently used ones beyond the
// limit.
func (d *descriptors) reserve() {
	d.mu.Lock()
	d.open++
	full := d.open > d.limit
	d.mu.Unlock()
	if full {
		d.shrink(1)
	}
}

// emergencyFiles is how many files are closed when the process has no descriptor left.
const emergencyFiles = 16

// shrink closes up to n files that nobody uses, the least recently used first.
func (d *descriptors) shrink(n int) {
	for range n {
		d.mu.Lock()
		victim := d.oldest
		if victim != nil {
			d.remove(victim)
		}
		d.mu.Unlock()
		if victim == nil {
			return
		}
		victim.evict()
	}
}

// returned counts a descriptor that is closed.
func (d *descriptors) returned() {
	d.mu.Lock()
	d.open--
	d.mu.Unlock()
}

func (d *descriptors) list(f *File) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.listed = true
	f.older, f.newer = d.newest, nil
	if d.newest != nil {
		d.newest.newer = f
	} else {
		d.oldest = f
	}
	d.newest = f
}

func (d *descriptors) unlist(f *File) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f.listed {
		d.remove(f)
	}
}

// remove needs the cache's lock and a listed file.
func (d *descriptors) remove(f *File) {
	if f.newer != nil {
		f.newer.older = f.older
	} else {
		d.newest = f.older
	}
	if f.older != nil {
		f.older.newer = f.newer
	} else {
		d.oldest = f.newer
	}
	f.newer, f.older, f.listed = nil, nil, false
}

// count returns how many files are open.
func (d *descriptors) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open
}

// raiseDescriptorLimit lifts the soft limit of open files to the hard one and returns it.
func raiseDescriptorLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 2 * fewestDescriptors
	}
	if limit.Cur < limit.Max {
		raised := unix.Rlimit{Cur: limit.Max, Max: limit.Max}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			limit = raised
		}
	}
	return int(min(limit.Cur, 1<<20))
}

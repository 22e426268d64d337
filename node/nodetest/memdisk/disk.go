package memdisk

import (
	"maps"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Disk is a disk with its page cache.
type Disk struct {
	mu     sync.RWMutex
	root   *folder
	claims map[string]*Mount // data folders that are locked

	failures atomic.Int64 // how many syncs are to fail
	pause    atomic.Int64 // how long each sync takes
}

// folder is a folder's entries: as they are, and as the disk has them.
type folder struct{ cached, stored map[string]any } // of *file and *folder

// New returns an empty disk.
func New() *Disk { return &Disk{root: newFolder(), claims: map[string]*Mount{}} }

func newFolder() *folder { return &folder{cached: map[string]any{}, stored: map[string]any{}} }

// FailSyncs lets the next n syncs fail. What they were to make durable is not, and is not tried again.
func (d *Disk) FailSyncs(n int) { d.failures.Store(int64(n)) }

// SlowSyncs lets each sync take so long.
func (d *Disk) SlowSyncs(each time.Duration) { d.pause.Store(int64(each)) }

// Crash takes everything away that was not synced, as a power cut does. The processes that used the disk are dead.
func (d *Disk) Crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.claims {
		m.dead.Store(true)
	}
	clear(d.claims)
	d.root.crash()
}

func (f *folder) crash() {
	f.cached = maps.Clone(f.stored)
	for _, e := range f.cached {
		switch e := e.(type) {
		case *file:
			e.crash()
		case *folder:
			e.crash()
		}
	}
}

// sync makes everything durable.
func (f *folder) sync() {
	f.stored = maps.Clone(f.cached)
	for _, e := range f.cached {
		switch e := e.(type) {
		case *file:
			e.sync()
		case *folder:
			e.sync()
		}
	}
}

// find returns what is at a path. It needs the lock.
func (d *Disk) find(name string) (any, error) {
	var at any = d.root
	for part := range strings.SplitSeq(strings.Trim(path.Clean("/"+name), "/"), "/") {
		if part == "" {
			continue
		}
		f, ok := at.(*folder)
		if !ok {
			return nil, syscall.ENOTDIR
		}
		if at, ok = f.cached[part]; !ok {
			return nil, syscall.ENOENT
		}
	}
	return at, nil
}

func (d *Disk) folder(name string) (*folder, error) {
	at, err := d.find(name)
	if err != nil {
		return nil, err
	}
	f, ok := at.(*folder)
	if !ok {
		return nil, syscall.ENOTDIR
	}
	return f, nil
}

// mkdir makes a folder and its parents, and has the disk know of them if they are to be durable.
func (d *Disk) mkdir(name string, durable bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := d.root
	for part := range strings.SplitSeq(strings.Trim(path.Clean("/"+name), "/"), "/") {
		if part == "" {
			continue
		}
		e, ok := at.cached[part]
		if !ok {
			e = newFolder()
			at.cached[part] = e
		}
		if durable {
			at.stored[part] = e
		}
		if at, ok = e.(*folder); !ok {
			return syscall.ENOTDIR
		}
	}
	return nil
}

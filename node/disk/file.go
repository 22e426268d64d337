package disk

import (
	"sync"

	"golang.org/x/sys/unix"
)

// File is a file of a machine's table. Its descriptor is opened at the first use and may be closed between uses.
type File struct {
	system System
	cache  *descriptors
	folder *Folder

	mu      sync.Mutex
	path    string
	fd      int  // -1 while closed
	users   int  // an open descriptor stays open while there are users
	gone    bool // removed or closed by the machine: the last user closes the descriptor
	created bool // the file was opened before, and is not created again if somebody took it away

	// The cache's list of open files without users; guarded by the cache's lock.
	newer, older *File
	listed       bool

	// round is the committer's last round that covered the file; the committer's own.
	round uint64

	// reserved is up to where the file has blocks, 0 if none were asked for; the runner's.
	reserved int64

	writes []int // indices of the run of operations being executed; the runner's

	// Mapping, touched by the machine's runner alone.
	mapped     []byte
	mappings   [][]byte // earlier, shorter mappings, which views may still look at
	backedFrom int64    // [backedFrom, backedTo) of the mapping has pages that were written by pwrite
	backedTo   int64
}

// acquire returns the file's descriptor, opening or creating the file if need be, and keeps it open until release.
func (f *File) acquire() (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fd >= 0 {
		if f.users == 0 {
			f.cache.unlist(f)
		}
		f.users++
		return f.fd, nil
	}
	f.cache.reserve()
	fd, err := f.open()
	if err == unix.EMFILE || err == unix.ENFILE {
		// Others than the cache have used the process's descriptors up. What the cache can spare, it gives back.
		f.cache.shrink(emergencyFiles)
		fd, err = f.open()
	}
	if err != nil {
		f.cache.returned()
		return -1, wrap("open", f.path, err)
	}
	f.fd, f.created, f.users = fd, true, 1
	return fd, nil
}

// open makes the system call.
func (f *File) open() (int, error) {
	flags := 0
	if !f.created {
		flags = unix.O_CREAT
	}
	return f.system.Open(f.path, flags)
}

// Acquire keeps the file readable, even if it is removed meanwhile, until Release. The descriptor is for reading at
// explicit offsets only.
func (f *File) Acquire() (int, error) { return f.acquire() }

// Pread reads at pos, on a descriptor that Acquire has returned.
func (f *File) Pread(fd int, p []byte, pos int64) (int, error) { return f.system.Pread(fd, p, pos) }

// InKernel reports whether descriptors are the kernel's, which can send from them by itself.
func (f *File) InKernel() bool {
	_, ok := f.system.(Kernel)
	return ok
}

// Release ends the use that Acquire began.
func (f *File) Release() { f.release() }

func (f *File) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users <= 0 {
		panic("disk: released a file that is not in use: " + f.path)
	}
	f.users--
	if f.users > 0 {
		return
	}
	if f.gone {
		f.closeDescriptor()
		return
	}
	f.cache.list(f)
}

// name returns the path, for those who do not run the machine.
func (f *File) name() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.path
}

// forget closes the descriptor now or when the last user has let go.
func (f *File) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	if f.users == 0 && f.fd >= 0 {
		f.cache.unlist(f)
		f.closeDescriptor()
	}
}

// closeDescriptor needs the file's lock. Errors of close are those of earlier writes on network file systems; what
// matters was synced.
func (f *File) closeDescriptor() {
	f.system.Close(f.fd)
	f.fd = -1
	f.cache.returned()
}

// evict closes the descriptor of a file that the cache has taken off its list, unless somebody uses it again.
func (f *File) evict() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cache.mu.Lock()
	again := f.listed
	f.cache.mu.Unlock()
	if f.users == 0 && f.fd >= 0 && !again {
		f.closeDescriptor()
	}
}

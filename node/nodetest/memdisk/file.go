package memdisk

import "sync"

// file is a file's content: what is cached, and what is on the disk.
type file struct {
	mu     sync.RWMutex
	cached []byte
	stored []byte
	// Bytes from dirtyFrom up to dirtyTo of the longer of the two may differ, and wait to be written.
	dirtyFrom, dirtyTo int
	// forgotten says that a sync failed: the system has forgotten that pages wait to be written. They are still cached.
	forgotten bool
}

func (f *file) dirty(from, to int) {
	if f.dirtyFrom == f.dirtyTo {
		f.dirtyFrom, f.dirtyTo = from, to
		return
	}
	f.dirtyFrom, f.dirtyTo = min(f.dirtyFrom, from), max(f.dirtyTo, to)
}

func (f *file) size() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return len(f.cached)
}

func (f *file) read(p []byte, pos int) int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if pos >= len(f.cached) {
		return 0
	}
	return copy(p, f.cached[pos:])
}

func (f *file) write(p []byte, pos int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(p, pos)
}

func (f *file) put(p []byte, pos int) {
	if len(p) == 0 {
		return
	}
	if end := pos + len(p); end > len(f.cached) {
		f.resize(end)
	}
	copy(f.cached[pos:], p)
	f.dirty(pos, pos+len(p))
}

func (f *file) truncate(size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resize(size)
}

// resize makes the file longer, with zeros, or shorter.
func (f *file) resize(size int) {
	old := len(f.cached)
	f.dirty(min(old, size), max(old, size))
	if size <= old {
		f.cached = f.cached[:size]
		return
	}
	if size <= cap(f.cached) {
		f.cached = f.cached[:size]
		clear(f.cached[old:])
		return
	}
	f.cached = append(f.cached, make([]byte, size-old)...)
}

// view returns the first size bytes as they are cached. Writes show in them until the file outgrows its memory.
func (f *file) view(size int) []byte {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.cached[:size:size]
}

// store writes to a view, and to the file if they have parted.
func (f *file) store(view []byte, pos int, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(data, pos)
	if len(data) > 0 && &view[0] != &f.cached[0] {
		copy(view[pos:], data)
	}
}

// sync writes what is dirty to the disk.
func (f *file) sync() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dirtyFrom == f.dirtyTo {
		return
	}
	f.stored = fit(f.stored, len(f.cached))
	if from, to := f.dirtyFrom, min(f.dirtyTo, len(f.cached)); from < to {
		copy(f.stored[from:to], f.cached[from:to])
	}
	f.dirtyFrom, f.dirtyTo = 0, 0
}

// fit gives b the length n.
func fit(b []byte, n int) []byte {
	if n <= cap(b) {
		old := len(b)
		b = b[:n]
		if old < n {
			clear(b[old:])
		}
		return b
	}
	return append(b, make([]byte, n-len(b))...)
}

// lose is what a failed sync does: pages that waited are taken for written.
func (f *file) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dirtyFrom != f.dirtyTo {
		f.dirtyFrom, f.dirtyTo, f.forgotten = 0, 0, true
	}
}

// refresh drops the pages that do not wait to be written. It is exact where none does.
func (f *file) refresh() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.forgotten && f.dirtyFrom == f.dirtyTo {
		f.cached = append([]byte(nil), f.stored...)
		f.forgotten = false
	}
}

// crash drops what is cached.
func (f *file) crash() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cached = append([]byte(nil), f.stored...)
	f.dirtyFrom, f.dirtyTo, f.forgotten = 0, 0, false
}

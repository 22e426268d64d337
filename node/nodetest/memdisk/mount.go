package memdisk

import (
	"fmt"
	"path"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ottla.dev/node/disk"
)

// Mount is one process's use of a disk.
type Mount struct {
	disk *Disk
	dead atomic.Bool

	mu   sync.RWMutex
	last int
	open map[int]*file
}

var _ disk.System = (*Mount)(nil)

// mostDescriptors is what a process may open.
const mostDescriptors = 1 << 16

// Mount begins a process's use of the disk.
func (d *Disk) Mount() *Mount { return &Mount{disk: d, open: map[int]*file{}} }

// Kill ends the process: nothing that it does from now on comes to the disk. Its locks are free.
func (m *Mount) Kill() {
	m.dead.Store(true)
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	for folder, owner := range m.disk.claims {
		if owner == m {
			delete(m.disk.claims, folder)
		}
	}
}

// Claim makes and locks a data folder.
func (m *Mount) Claim(folder string) (int, func(), error) {
	if m.dead.Load() {
		return -1, nil, syscall.EIO
	}
	if err := m.disk.mkdir(folder, true); err != nil {
		return -1, nil, fmt.Errorf("cannot make the data folder %s: %w", folder, err)
	}
	d := m.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.claims[folder] != nil {
		return -1, nil, fmt.Errorf("the data folder %s is in use by another broker", folder)
	}
	d.claims[folder] = m
	return 0, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.claims[folder] == m {
			delete(d.claims, folder)
		}
	}, nil
}

// Descriptors returns how many files may be open.
func (m *Mount) Descriptors() int { return mostDescriptors }

// Open opens a file.
func (m *Mount) Open(name string, flags int) (int, error) {
	if m.dead.Load() {
		return -1, syscall.EIO
	}
	f, err := m.disk.openFile(name, flags)
	if err != nil {
		return -1, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	m.open[m.last] = f
	return m.last, nil
}

func (d *Disk) openFile(name string, flags int) (*file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, err := d.folder(path.Dir(name))
	if err != nil {
		return nil, err
	}
	switch e := dir.cached[path.Base(name)].(type) {
	case *folder:
		return nil, syscall.EISDIR
	case *file:
		if flags&syscall.O_TRUNC != 0 {
			e.truncate(0)
		}
		return e, nil
	}
	if flags&syscall.O_CREAT == 0 {
		return nil, syscall.ENOENT
	}
	f := new(file)
	dir.cached[path.Base(name)] = f
	return f, nil
}

// file returns an open file.
func (m *Mount) file(fd int) (*file, error) {
	if m.dead.Load() {
		return nil, syscall.EIO
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	f := m.open[fd]
	if f == nil {
		return nil, syscall.EBADF
	}
	return f, nil
}

// Close closes a file.
func (m *Mount) Close(fd int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open[fd] == nil {
		return syscall.EBADF
	}
	delete(m.open, fd)
	return nil
}

// Pread reads at pos.
func (m *Mount) Pread(fd int, p []byte, pos int64) (int, error) {
	f, err := m.file(fd)
	if err != nil {
		return 0, err
	}
	return f.read(p, int(pos)), nil
}

// Pwrite writes at pos.
func (m *Mount) Pwrite(fd int, p []byte, pos int64) (int, error) {
	f, err := m.file(fd)
	if err != nil {
		return 0, err
	}
	f.write(p, int(pos))
	return len(p), nil
}

// Pwritev writes several buffers at pos.
func (m *Mount) Pwritev(fd int, iov [][]byte, pos int64) (int, error) {
	f, err := m.file(fd)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, p := range iov {
		f.write(p, int(pos)+n)
		n += len(p)
	}
	return n, nil
}

// Size returns a file's size.
func (m *Mount) Size(fd int) (int64, error) {
	f, err := m.file(fd)
	if err != nil {
		return 0, err
	}
	return int64(f.size()), nil
}

// Reserve finds room, of which there is enough.
func (m *Mount) Reserve(fd int, _, _ int64) error {
	_, err := m.file(fd)
	return err
}

// Truncate sets a file's size.
func (m *Mount) Truncate(fd int, size int64) error {
	f, err := m.file(fd)
	if err == nil {
		f.truncate(int(size))
	}
	return err
}

// Map returns a view of the cached file.
func (m *Mount) Map(fd int, size int) ([]byte, error) {
	f, err := m.file(fd)
	if err != nil {
		return nil, err
	}
	return f.view(size), nil
}

// Store writes to a view.
func (m *Mount) Store(fd int, view []byte, pos int64, data []byte) {
	if f, err := m.file(fd); err == nil {
		f.store(view, int(pos), data)
	}
}

// Unmap ends a view.
func (m *Mount) Unmap([]byte) error { return nil }

// allowed takes the time that a sync takes, and reports whether it succeeds.
func (m *Mount) allowed() (bool, error) {
	if pause := time.Duration(m.disk.pause.Load()); pause > 0 {
		time.Sleep(pause)
	}
	if m.dead.Load() {
		return false, syscall.EIO
	}
	for {
		n := m.disk.failures.Load()
		if n <= 0 {
			return true, nil
		}
		if m.disk.failures.CompareAndSwap(n, n-1) {
			return false, syscall.EIO
		}
	}
}

// Fdatasync makes a file durable.
func (m *Mount) Fdatasync(fd int) error {
	f, err := m.file(fd)
	if err != nil {
		return err
	}
	ok, err := m.allowed()
	if ok {
		f.sync()
	} else if !m.dead.Load() {
		f.lose()
	}
	return err
}

// Syncfs makes the whole disk durable.
func (m *Mount) Syncfs(int) error {
	ok, err := m.allowed()
	if ok {
		m.disk.mu.Lock()
		defer m.disk.mu.Unlock()
		m.disk.root.sync()
	}
	return err
}

// SyncDir makes a folder's entries durable.
func (m *Mount) SyncDir(name string) error {
	if m.dead.Load() {
		return syscall.EIO
	}
	m.disk.mu.RLock()
	_, err := m.disk.folder(name)
	m.disk.mu.RUnlock()
	if err != nil {
		return err
	}
	if _, err := m.allowed(); err != nil {
		return err
	}
	return m.disk.syncFolder(name)
}

// Refresh drops clean pages.
func (m *Mount) Refresh(fd int) error {
	f, err := m.file(fd)
	if err == nil {
		f.refresh()
	}
	return err
}

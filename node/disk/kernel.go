package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"ottla.dev/core"
)

// Kernel is the [System] of this machine.
type Kernel struct{}

var _ System = Kernel{}

// Claim makes and locks a data folder.
func (Kernel) Claim(folder string) (int, func(), error) { return claim(folder) }

// Descriptors lifts the soft limit of open files to the hard one and returns it.
func (Kernel) Descriptors() int { return raiseDescriptorLimit() }

// Open opens a file.
func (Kernel) Open(path string, flags int) (fd int, err error) {
	err = retry(func() (err error) {
		fd, err = unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|flags, 0o644)
		return err
	})
	return fd, err
}

// Close closes a descriptor.
func (Kernel) Close(fd int) error { return unix.Close(fd) }

// Pread reads at pos.
func (Kernel) Pread(fd int, p []byte, pos int64) (int, error) { return unix.Pread(fd, p, pos) }

// Pwrite writes at pos.
func (Kernel) Pwrite(fd int, p []byte, pos int64) (int, error) { return unix.Pwrite(fd, p, pos) }

// Pwritev writes several buffers at pos.
func (Kernel) Pwritev(fd int, iov [][]byte, pos int64) (int, error) {
	return unix.Pwritev(fd, iov, pos)
}

// Size returns the file's size.
func (Kernel) Size(fd int) (int64, error) {
	var stat unix.Stat_t
	err := unix.Fstat(fd, &stat)
	return stat.Size, err
}

// Truncate sets the file's size.
func (Kernel) Truncate(fd int, size int64) error {
	return retry(func() error { return unix.Ftruncate(fd, size) })
}

// Reserve finds blocks for a range of the file.
func (Kernel) Reserve(fd int, pos, size int64) error {
	return retry(func() error { return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, pos, size) })
}

// Map maps the file into memory.
func (Kernel) Map(fd int, size int) ([]byte, error) {
	return unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// Store stores to the mapping.
func (Kernel) Store(_ int, view []byte, pos int64, data []byte) { copy(view[pos:], data) }

// Unmap ends a mapping.
func (Kernel) Unmap(view []byte) error { return unix.Munmap(view) }

// Fdatasync makes the file's content and size durable.
func (Kernel) Fdatasync(fd int) error { return unix.Fdatasync(fd) }

// Syncfs makes the file system durable.
func (Kernel) Syncfs(root int) error { return unix.Syncfs(root) }

// SyncDir makes a folder's entries durable.
func (Kernel) SyncDir(path string) error { return fsyncDir(path) }

// Refresh drops the file's clean pages. Dirty ones stay, and are still to be written.
func (Kernel) Refresh(fd int) error { return unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED) }

// Rename replaces to by from.
func (Kernel) Rename(from, to string) error { return unix.Rename(from, to) }

// Unlink deletes a file.
func (Kernel) Unlink(path string) error { return unix.Unlink(path) }

// Remove deletes a file or an empty folder.
func (Kernel) Remove(path string) error { return cause(os.Remove(path)) }

// Mkdir makes a folder and its parents.
func (Kernel) Mkdir(path string) error { return cause(os.MkdirAll(path, 0o755)) }

// List returns the entries of a folder.
func (Kernel) List(path string) ([]core.DirEntry, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, cause(err)
	}
	list := make([]core.DirEntry, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // removed since the folder was read
		}
		if err != nil {
			return nil, cause(err)
		}
		entry := core.DirEntry{Name: e.Name(), Dir: e.IsDir()}
		if !entry.Dir {
			entry.Size = info.Size()
		}
		list = append(list, entry)
	}
	return list, nil
}

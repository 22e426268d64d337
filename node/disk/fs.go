package disk

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ottla.dev/core"
)

// FS returns the file system of jobs.
func (d *Disk) FS() core.FS { return fs{d} }

type fs struct{ disk *Disk }

// Open opens an existing file.
func (s fs) Open(path string) (core.File, error) { return s.open("open", path, 0) }

// Create makes an empty file, or empties the one that is there.
func (s fs) Create(path string) (core.File, error) {
	return s.open("create", path, unix.O_CREAT|unix.O_TRUNC)
}

func (s fs) open(op, path string, flags int) (core.File, error) {
	if err := s.disk.folders.refuse(path); err != nil {
		return nil, err
	}
	fd, err := s.disk.system.Open(path, flags)
	if err != nil {
		return nil, wrap(op, path, err)
	}
	return &jobFile{fd: fd, path: path, disk: s.disk}, nil
}

// Rename replaces to by from.
func (s fs) Rename(from, to string) error {
	return wrap("rename", from, s.disk.system.Rename(from, to))
}

// Remove deletes a file or an empty folder.
func (s fs) Remove(path string) error {
	if err := s.disk.folders.refuse(path); err != nil {
		return err
	}
	return wrap("remove", path, s.disk.system.Remove(path))
}

// Mkdir makes a folder and its parents.
func (s fs) Mkdir(path string) error {
	if err := s.disk.folders.refuse(path); err != nil {
		return err
	}
	return wrap("mkdir", path, s.disk.system.Mkdir(path))
}

// List returns the entries of a folder, sorted by name.
func (s fs) List(dir string) ([]core.DirEntry, error) {
	if err := s.disk.folders.refuse(dir); err != nil {
		return nil, err
	}
	list, err := s.disk.system.List(dir)
	if err != nil {
		return nil, wrap("list", dir, err)
	}
	slices.SortFunc(list, func(a, b core.DirEntry) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// SyncDir makes the entries of a folder durable.
func (s fs) SyncDir(dir string) error {
	return s.disk.syncForJob(dir, func() error { return s.disk.system.SyncDir(dir) })
}

// syncForJob runs a sync outside the committer under the same rule: the first failure is the folder's last word.
func (d *Disk) syncForJob(path string, sync func() error) error {
	folder := d.folders.find(path)
	if folder == nil {
		return wrap("sync", path, sync())
	}
	if err := folder.failure(); err != nil {
		return err
	}
	err := wrap("sync", path, sync())
	if err != nil && !errors.Is(err, core.ErrNotExist) {
		return folder.fail(err)
	}
	return err
}

// jobFile is an open file of a job.
type jobFile struct {
	fd   int
	path string
	disk *Disk
}

// ReadAt fills p from pos on; at the end of the file it returns fewer bytes and no error.
func (f *jobFile) ReadAt(p []byte, pos int64) (int, error) {
	read := 0
	for read < len(p) {
		n, err := f.disk.system.Pread(f.fd, p[read:], pos+int64(read))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return read, wrap("read", f.path, err)
		case n == 0:
			return read, nil
		}
		read += n
	}
	return read, nil
}

// WriteAt writes all of p at pos.
func (f *jobFile) WriteAt(p []byte, pos int64) error {
	for len(p) > 0 {
		n, err := f.disk.system.Pwrite(f.fd, p, pos)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return wrap("write", f.path, err)
		case n == 0:
			return wrap("write", f.path, errShortWrite)
		}
		p, pos = p[n:], pos+int64(n)
	}
	return nil
}

// Truncate sets the size.
func (f *jobFile) Truncate(size int64) error {
	return wrap("truncate", f.path, f.disk.system.Truncate(f.fd, size))
}

// Sync makes content and size durable.
func (f *jobFile) Sync() error {
	return f.disk.syncForJob(f.path, func() error {
		return retry(func() error { return f.disk.system.Fdatasync(f.fd) })
	})
}

// Refresh drops the file's clean pages.
func (f *jobFile) Refresh() error { return wrap("refresh", f.path, f.disk.system.Refresh(f.fd)) }

// Size returns the size in bytes.
func (f *jobFile) Size() (int64, error) {
	size, err := f.disk.system.Size(f.fd)
	return size, wrap("stat", f.path, err)
}

// Close ends the use of the file.
func (f *jobFile) Close() error {
	fd := f.fd
	f.fd = -1 // a number that another file gets next must not be used through this one
	return wrap("close", f.path, f.disk.system.Close(fd))
}

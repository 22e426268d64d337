package disk

import (
	"errors"
	"io"
	"os"
	"sort"

	"golang.org/x/sys/unix"

	"ottla.dev/core"
)

// FS returns the file system of jobs.
func (d *Disk) FS() core.FS { return fs{d} }

type fs struct{ disk *Disk }

// Open opens an existing file.
func (s fs) Open(path string) (core.File, error) { return s.open("open", path, os.O_RDWR) }

// Create makes an empty file, or empties the one that is there.
func (s fs) Create(path string) (core.File, error) {
	return s.open("create", path, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (s fs) open(op, path string, flags int) (core.File, error) {
	if err := s.disk.folders.refuse(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return nil, wrap(op, path, cause(err))
	}
	return &jobFile{File: f, disk: s.disk}, nil
}

// Rename replaces to by from.
func (s fs) Rename(from, to string) error { return wrap("rename", from, unix.Rename(from, to)) }

// Remove deletes a file or an empty folder.
func (s fs) Remove(path string) error {
	if err := s.disk.folders.refuse(path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return wrap("remove", path, cause(err))
	}
	return nil
}

// Mkdir makes a folder and its parents.
func (s fs) Mkdir(path string) error {
	if err := s.disk.folders.refuse(path); err != nil {
		return err
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return wrap("mkdir", path, cause(err))
	}
	return nil
}

// List returns the entries of a folder, sorted by name.
func (s fs) List(dir string) ([]core.DirEntry, error) {
	if err := s.disk.folders.refuse(dir); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, wrap("list", dir, cause(err))
	}
	list := make([]core.DirEntry, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // removed since the folder was read
		}
		if err != nil {
			return nil, wrap("list", dir, cause(err))
		}
		entry := core.DirEntry{Name: e.Name(), Dir: e.IsDir()}
		if !entry.Dir {
			entry.Size = info.Size()
		}
		list = append(list, entry)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list, nil
}

// SyncDir makes the entries of a folder durable.
func (s fs) SyncDir(dir string) error {
	return s.disk.syncForJob(dir, func() error { return fsyncDir(dir) })
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
	*os.File
	disk *Disk
}

// ReadAt fills p from pos on; at the end of the file it returns fewer bytes and no error.
func (f *jobFile) ReadAt(p []byte, pos int64) (int, error) {
	n, err := f.File.ReadAt(p, pos)
	if errors.Is(err, io.EOF) {
		return n, nil
	}
	if err != nil {
		return n, wrap("read", f.Name(), cause(err))
	}
	return n, nil
}

// WriteAt writes all of p at pos.
func (f *jobFile) WriteAt(p []byte, pos int64) error {
	if _, err := f.File.WriteAt(p, pos); err != nil {
		return wrap("write", f.Name(), cause(err))
	}
	return nil
}

// Truncate sets the size.
func (f *jobFile) Truncate(size int64) error {
	if err := f.File.Truncate(size); err != nil {
		return wrap("truncate", f.Name(), cause(err))
	}
	return nil
}

// Sync makes content and size durable.
func (f *jobFile) Sync() error {
	return f.disk.syncForJob(f.Name(), func() error {
		return retry(func() error { return unix.Fdatasync(int(f.File.Fd())) })
	})
}

// Refresh drops the file's clean pages. Dirty ones stay, and are still to be written.
func (f *jobFile) Refresh() error {
	if err := unix.Fadvise(int(f.File.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return wrap("refresh", f.Name(), err)
	}
	return nil
}

// Size returns the size in bytes.
func (f *jobFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, wrap("stat", f.Name(), cause(err))
	}
	return info.Size(), nil
}

// Close ends the use of the file.
func (f *jobFile) Close() error {
	if err := f.File.Close(); err != nil {
		return wrap("close", f.Name(), cause(err))
	}
	return nil
}

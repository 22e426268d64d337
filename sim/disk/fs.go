package disk

import (
	"fmt"
	"slices"
	"strings"

	"ottla.dev/core"
)

// FS is the file seam of jobs. Before every operation it calls gate, which may give the processor away; if gate returns
// an error, the operation does not happen.
func (d *Disk) FS(gate func() error) core.FS { return &fileSystem{d, gate} }

type fileSystem struct {
	disk *Disk
	gate func() error
}

func (s *fileSystem) enter(op Op, path string) error {
	if s.gate != nil {
		if err := s.gate(); err != nil {
			return err
		}
	}
	return s.disk.enter(op, path)
}

func wrap(doing, path string, err error) error {
	if err == nil || err == core.ErrNotExist {
		return err
	}
	return fmt.Errorf("%s %s: %w", doing, path, err)
}

// Open opens an existing file.
func (s *fileSystem) Open(path string) (core.File, error) {
	if err := s.enter(Names, path); err != nil {
		return nil, wrap("open", path, err)
	}
	n, err := s.disk.get(path)
	if err != nil || n.dir {
		return nil, core.ErrNotExist
	}
	return &file{s, n, path}, nil
}

// Create makes an empty file or empties one.
func (s *fileSystem) Create(path string) (core.File, error) {
	if err := s.enter(Names, path); err != nil {
		return nil, wrap("create", path, err)
	}
	n, err := s.disk.create(path)
	if err != nil {
		return nil, wrap("create", path, err)
	}
	if err := s.disk.truncate(n, 0); err != nil {
		return nil, wrap("create", path, err)
	}
	return &file{s, n, path}, nil
}

// Rename moves a file or folder within one folder, replacing what is there.
func (s *fileSystem) Rename(from, to string) error {
	if err := s.enter(Names, from); err != nil {
		return wrap("rename", from, err)
	}
	return wrap("rename", from, s.disk.rename(from, to))
}

func (d *Disk) rename(from, to string) error {
	parent, old, err := d.walk(from)
	if err != nil || parent.entries[old] == nil {
		return core.ErrNotExist
	}
	target, name, err := d.walk(to)
	if err != nil {
		return err
	}
	if target != parent {
		panic("sim/disk: rename between folders")
	}
	if there := parent.entries[name]; there != nil && there.dir && len(there.entries) > 0 {
		return errFull
	}
	if old != name {
		parent.move(move{from: old, to: name, node: parent.entries[old]})
		if d.Renamed != nil {
			d.Renamed(from, to)
		}
	}
	return nil
}

// Remove deletes a file or an empty folder.
func (s *fileSystem) Remove(path string) error {
	if err := s.enter(Names, path); err != nil {
		return wrap("remove", path, err)
	}
	return wrap("remove", path, s.disk.remove(path))
}

func (d *Disk) remove(path string) error {
	parent, name, err := d.walk(path)
	if err != nil || parent.entries[name] == nil {
		return core.ErrNotExist
	}
	if n := parent.entries[name]; n.dir && len(n.entries) > 0 {
		return errFull
	}
	parent.move(move{from: name})
	return nil
}

// Mkdir makes a folder and its parents.
func (s *fileSystem) Mkdir(path string) error {
	if err := s.enter(Names, path); err != nil {
		return wrap("mkdir", path, err)
	}
	n := s.disk.root
	for p := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		switch {
		case n.entries[p] != nil:
		case s.disk.Full:
			return wrap("mkdir", path, core.ErrNoSpace)
		default:
			n.move(move{to: p, node: newFolder()})
		}
		n = n.entries[p]
	}
	return nil
}

// List returns the entries of a folder.
func (s *fileSystem) List(dir string) ([]core.DirEntry, error) {
	if err := s.enter(Names, dir); err != nil {
		return nil, wrap("list", dir, err)
	}
	return s.disk.List(dir)
}

// List returns the entries of a folder as processes see them, for checks.
func (d *Disk) List(dir string) ([]core.DirEntry, error) {
	n, err := d.get(dir)
	if err != nil || !n.dir {
		return nil, core.ErrNotExist
	}
	list := make([]core.DirEntry, 0, len(n.entries))
	for _, name := range sorted(n.entries) {
		e := n.entries[name]
		list = append(list, core.DirEntry{Name: name, Dir: e.dir, Size: e.data.size})
	}
	return list, nil
}

// Select calls yield with the files of a folder whose names are wanted, in the order of their names, as processes see
// them. It is for checks; the bytes must not be changed.
func (d *Disk) Select(dir string, wanted func(name string) bool, yield func(name string, data []byte)) {
	n, err := d.get(dir)
	if err != nil || !n.dir {
		return
	}
	var names []string
	//core:unordered sorted below
	for name, e := range n.entries {
		if !e.dir && wanted(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		yield(name, n.entries[name].data.full())
	}
}

// First is the first name in a folder that is wanted, for checks.
func (d *Disk) First(dir string, wanted func(name string) bool) (first string, ok bool) {
	n, err := d.get(dir)
	if err != nil {
		return "", false
	}
	//core:unordered the least
	for name := range n.entries {
		if (!ok || name < first) && wanted(name) {
			first, ok = name, true
		}
	}
	return first, ok
}

// SyncDir makes the entries of a folder durable.
func (s *fileSystem) SyncDir(dir string) error {
	n, err := s.disk.get(dir)
	if err != nil {
		return wrap("sync folder", dir, err)
	}
	mark := n.moveMark()
	if err := s.enter(Sync, dir); err != nil {
		return wrap("sync folder", dir, err)
	}
	n.settleMoves(mark)
	return nil
}

// Bytes returns a file's content as processes see it. It must not be changed.
func (d *Disk) Bytes(path string) ([]byte, bool) {
	n, err := d.get(path)
	if err != nil || n.dir {
		return nil, false
	}
	return n.data.full(), true
}

// Survivors returns what of a folder's files is certain to survive a crash, by name. The bytes must not be changed.
func (d *Disk) Survivors(dir string) map[string][]byte {
	n := d.root
	for p := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
		if n = n.stable[p]; n == nil || !n.dir {
			return nil
		}
	}
	files := make(map[string][]byte, len(n.stable))
	//core:unordered into a map
	for name, f := range n.stable {
		if !f.dir {
			files[name] = f.durable.full()
		}
	}
	return files
}

type file struct {
	fs   *fileSystem
	node *node
	path string
}

func (f *file) ReadAt(p []byte, pos int64) (int, error) {
	if err := f.fs.enter(Read, f.path); err != nil {
		return 0, wrap("read", f.path, err)
	}
	if err := f.fs.disk.unread(f.node, f.path, pos, pos+int64(len(p))); err != nil {
		return 0, err
	}
	if pos >= f.node.data.size {
		return 0, nil
	}
	return f.node.data.copyTo(p, pos), nil
}

func (f *file) WriteAt(p []byte, pos int64) error {
	if f.fs.gate != nil {
		if err := f.fs.gate(); err != nil {
			return err
		}
	}
	return wrap("write", f.path, f.fs.disk.write(f.node, f.path, pos, p))
}

func (f *file) Truncate(size int64) error {
	if err := f.fs.enter(Write, f.path); err != nil {
		return wrap("truncate", f.path, err)
	}
	f.fs.disk.shrinks(f.path, f.node, size)
	return wrap("truncate", f.path, f.fs.disk.truncate(f.node, size))
}

func (f *file) Sync() error {
	mark, failures := f.node.mark(), f.node.failures
	if f.fs.gate != nil {
		if err := f.fs.gate(); err != nil {
			return err
		}
	}
	err := f.fs.disk.enter(Sync, f.path)
	if err == nil && f.node.failures > failures {
		err = ErrIO
	}
	if err == nil && f.fs.disk.LiesAt != nil && f.fs.disk.LiesAt(f.path) {
		return nil
	}
	f.node.settle(mark, err != nil, &f.fs.disk.random)
	return wrap("sync", f.path, err)
}

func (f *file) Refresh() error {
	if err := f.fs.enter(Read, f.path); err != nil {
		return wrap("refresh", f.path, err)
	}
	f.node.refresh()
	return nil
}

func (f *file) Size() (int64, error) { return f.node.data.size, nil }

func (f *file) Close() error { return nil }

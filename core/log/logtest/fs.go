package logtest

import (
	"slices"
	"strings"

	"ottla.dev/core"
)

// Open opens an existing file.
func (d *Disk) Open(path string) (core.File, error) {
	if err := d.enter("open", path); err != nil {
		return nil, err
	}
	n, err := d.get(path)
	if err != nil || n.dir {
		return nil, core.ErrNotExist
	}
	return &file{disk: d, node: n, path: path}, nil
}

// Create makes an empty file or empties one.
func (d *Disk) Create(path string) (core.File, error) {
	if err := d.enter("create", path); err != nil {
		return nil, err
	}
	n, err := d.create(path)
	if err != nil {
		return nil, err
	}
	n.change(change{})
	return &file{disk: d, node: n, path: path}, nil
}

func (d *Disk) create(path string) (*node, error) {
	parent, name, err := d.walk(path)
	if err != nil {
		return nil, err
	}
	n := parent.entries[name]
	if n == nil {
		n = &node{}
		parent.move(move{to: name, node: n})
	}
	return n, nil
}

// Rename moves a file or folder within one folder, replacing what is there.
func (d *Disk) Rename(from, to string) error {
	if err := d.enter("rename", from); err != nil {
		return err
	}
	parent, old, err := d.walk(from)
	if err != nil || parent.entries[old] == nil {
		return core.ErrNotExist
	}
	target, name, err := d.walk(to)
	if err != nil {
		return err
	}
	if target != parent {
		panic("logtest: rename between folders")
	}
	parent.move(move{from: old, to: name, node: parent.entries[old]})
	return nil
}

// Remove deletes a file or an empty folder.
func (d *Disk) Remove(path string) error {
	if err := d.enter("remove", path); err != nil {
		return err
	}
	parent, name, err := d.walk(path)
	if err != nil || parent.entries[name] == nil {
		return core.ErrNotExist
	}
	if n := parent.entries[name]; n.dir && len(n.entries) > 0 {
		return ErrIO
	}
	parent.move(move{from: name})
	return nil
}

// Mkdir makes a folder and its parents.
func (d *Disk) Mkdir(path string) error {
	if err := d.enter("mkdir", path); err != nil {
		return err
	}
	n := d.root
	for _, p := range strings.Split(strings.Trim(path, "/"), "/") {
		if n.entries[p] == nil {
			n.move(move{to: p, node: newFolder()})
		}
		n = n.entries[p]
	}
	return nil
}

// List returns the entries of a folder.
func (d *Disk) List(dir string) ([]core.DirEntry, error) {
	if err := d.enter("list", dir); err != nil {
		return nil, err
	}
	n, err := d.get(dir)
	if err != nil || !n.dir {
		return nil, core.ErrNotExist
	}
	var list []core.DirEntry
	for _, name := range sorted(n.entries) {
		e := n.entries[name]
		list = append(list, core.DirEntry{Name: name, Dir: e.dir, Size: int64(len(e.data))})
	}
	return list, nil
}

// SyncDir makes the entries of a folder durable.
func (d *Disk) SyncDir(dir string) error {
	if err := d.enter("syncdir", dir); err != nil {
		return err
	}
	n, err := d.get(dir)
	if err != nil {
		return err
	}
	n.syncDir()
	return nil
}

// Bytes returns a copy of a file's bytes as processes see them, or nil.
func (d *Disk) Bytes(path string) []byte {
	n, err := d.get(path)
	if err != nil || n.dir {
		return nil
	}
	return append([]byte{}, n.data...)
}

// Put writes a file, durably or not, making the folder where need be.
func (d *Disk) Put(path string, b []byte, durable bool) {
	if dir, _, ok := cutLast(path); ok {
		if err := d.Mkdir(dir); err != nil {
			panic(err)
		}
	}
	n, err := d.create(path)
	if err != nil {
		panic(err)
	}
	n.change(change{})
	n.change(change{bytes: slices.Clone(b)})
	if durable {
		d.SyncAll()
	}
}

func cutLast(path string) (dir, name string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i <= 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

type file struct {
	disk *Disk
	node *node
	path string
}

func (f *file) ReadAt(p []byte, pos int64) (int, error) {
	if err := f.disk.enter("read", f.path); err != nil {
		return 0, err
	}
	if pos >= int64(len(f.node.data)) {
		return 0, nil
	}
	return copy(p, f.node.data[pos:]), nil
}

func (f *file) WriteAt(p []byte, pos int64) error {
	if err := f.disk.enter("write", f.path); err != nil {
		return err
	}
	if len(p) > 0 {
		f.node.change(change{pos: pos, bytes: slices.Clone(p)})
	}
	return nil
}

func (f *file) Truncate(size int64) error {
	if err := f.disk.enter("truncate", f.path); err != nil {
		return err
	}
	f.node.change(change{pos: size})
	return nil
}

func (f *file) Sync() error {
	if err := f.disk.enter("sync", f.path); err != nil {
		return err
	}
	f.node.sync()
	return nil
}

// Refresh has nothing to forget: a failed sync of this disk loses nothing.
func (f *file) Refresh() error { return nil }

func (f *file) Size() (int64, error) { return int64(len(f.node.data)), nil }

func (f *file) Close() error { return nil }

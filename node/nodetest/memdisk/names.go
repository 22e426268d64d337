package memdisk

import (
	"maps"
	"path"
	"syscall"

	"ottla.dev/core"
)

func (d *Disk) syncFolder(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := d.folder(name)
	if err == nil {
		f.stored = maps.Clone(f.cached)
	}
	return err
}

// Rename replaces to by from.
func (m *Mount) Rename(from, to string) error {
	if m.dead.Load() {
		return syscall.EIO
	}
	d := m.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	what, err := d.find(from)
	if err != nil {
		return err
	}
	source, err := d.folder(path.Dir(from))
	if err != nil {
		return err
	}
	target, err := d.folder(path.Dir(to))
	if err != nil {
		return err
	}
	if old, ok := target.cached[path.Base(to)].(*folder); ok && len(old.cached) > 0 {
		return syscall.ENOTEMPTY
	}
	delete(source.cached, path.Base(from))
	target.cached[path.Base(to)] = what
	return nil
}

// Unlink deletes a file, which stays readable for those who have it open.
func (m *Mount) Unlink(name string) error { return m.remove(name, false) }

// Remove deletes a file or an empty folder.
func (m *Mount) Remove(name string) error { return m.remove(name, true) }

func (m *Mount) remove(name string, folders bool) error {
	if m.dead.Load() {
		return syscall.EIO
	}
	d := m.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	what, err := d.find(name)
	if err != nil {
		return err
	}
	if f, ok := what.(*folder); ok {
		if !folders {
			return syscall.EISDIR
		}
		if len(f.cached) > 0 {
			return syscall.ENOTEMPTY
		}
	}
	parent, err := d.folder(path.Dir(name))
	if err == nil {
		delete(parent.cached, path.Base(name))
	}
	return err
}

// Mkdir makes a folder and its parents.
func (m *Mount) Mkdir(name string) error {
	if m.dead.Load() {
		return syscall.EIO
	}
	return m.disk.mkdir(name, false)
}

// List returns the entries of a folder.
func (m *Mount) List(name string) ([]core.DirEntry, error) {
	if m.dead.Load() {
		return nil, syscall.EIO
	}
	m.disk.mu.RLock()
	defer m.disk.mu.RUnlock()
	f, err := m.disk.folder(name)
	if err != nil {
		return nil, err
	}
	var list []core.DirEntry
	for name, e := range f.cached {
		switch e := e.(type) {
		case *file:
			list = append(list, core.DirEntry{Name: name, Size: int64(e.size())})
		case *folder:
			list = append(list, core.DirEntry{Name: name, Dir: true})
		}
	}
	return list, nil
}

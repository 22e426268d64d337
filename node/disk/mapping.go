package disk

import "fmt"

// pageSize is the granularity in which a mapping's pages become backed by the disk.
const pageSize = 4096

// mapFirst maps the file's first size bytes, extending the file if it is shorter. A view from before stays valid until
// the file is closed or truncated.
func (f *File) mapFirst(size int64) error {
	fd, err := f.acquire()
	if err != nil {
		return err
	}
	defer f.release()
	present, err := f.system.Size(fd)
	if err != nil {
		return wrap("map", f.path, err)
	}
	if present < size {
		if err := f.system.Truncate(fd, size); err != nil {
			return wrap("map", f.path, err)
		}
	}
	view := []byte{}
	if size > 0 {
		view, err = f.system.Map(fd, int(size))
		if err != nil {
			return wrap("map", f.path, err)
		}
	}
	if f.mapped != nil {
		f.mappings = append(f.mappings, f.mapped)
	}
	f.mapped = view[:len(view):len(view)]
	return nil
}

// writeMapped writes to a mapped file: through the mapping where its page is backed, else with pwrite, which the view
// shows as well because both use the page cache.
func (f *File) writeMapped(t *Table, fd int, pos int64, data []byte) error {
	end := pos + int64(len(data))
	if pos < 0 || end > int64(len(f.mapped)) {
		return fmt.Errorf("write %s: bytes %d to %d are outside the mapping of %d", f.path, pos, end, len(f.mapped))
	}
	if f.backedFrom <= pos && end <= f.backedTo {
		f.system.Store(fd, f.mapped, pos, data)
		return nil
	}
	if err := t.pwrite(f, fd, data, pos); err != nil {
		return err
	}
	from, to := pos&^(pageSize-1), (end+pageSize-1)&^(pageSize-1)
	if from > f.backedTo || to < f.backedFrom || f.backedTo == 0 {
		f.backedFrom, f.backedTo = from, to
		return nil
	}
	f.backedFrom, f.backedTo = min(f.backedFrom, from), max(f.backedTo, to)
	return nil
}

// truncate sets the file's size and ends its mapping.
func (f *File) truncate(size int64) error {
	f.unmap()
	fd, err := f.acquire()
	if err != nil {
		return err
	}
	defer f.release()
	f.reserved = 0 // blocks behind the end go with what is cut off
	return wrap("truncate", f.path, f.system.Truncate(fd, size))
}

// unmap ends all mappings of the file. Views of them must not be touched again.
func (f *File) unmap() {
	for _, m := range append(f.mappings, f.mapped) {
		if len(m) > 0 {
			if err := f.system.Unmap(m); err != nil {
				panic("disk: unmap " + f.path + ": " + err.Error())
			}
		}
	}
	f.mapped, f.mappings, f.backedFrom, f.backedTo = nil, nil, 0, 0
}

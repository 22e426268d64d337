package disk

import (
	"ottla.dev/core"
)

// Table holds the open files of one machine and executes its effects on them.
type Table struct {
	disk  *Disk
	files map[core.FileID]*handle
}

type handle struct {
	node *node // nil if the file could not be opened
	path string
	err  error
}

// NewTable returns a table without files.
func NewTable(d *Disk) *Table { return &Table{disk: d, files: map[core.FileID]*handle{}} }

// Open returns how many files are open.
func (t *Table) Open() int { return len(t.files) }

// Mapped reports whether writes to a file go to a mapping.
func (t *Table) Mapped(id core.FileID) bool {
	h := t.files[id]
	return h != nil && h.node != nil && h.node.mapped
}

// Path is where an open file is, for traces.
func (t *Table) Path(id core.FileID) string {
	if h := t.files[id]; h != nil {
		return h.path
	}
	return "?"
}

// Apply executes an operation that is no sync. The data of a write are copied. For [core.OpMap] it
// returns the view.
func (t *Table) Apply(op core.FileOp) ([]byte, error) {
	if op.Kind == core.OpOpen {
		return nil, t.open(op)
	}
	h := t.files[op.File]
	if h == nil {
		panic("sim/disk: an operation on a file id that is not bound")
	}
	if op.Kind == core.OpRemove || op.Kind == core.OpClose {
		delete(t.files, op.File)
	}
	if h.node == nil {
		if op.Kind == core.OpClose {
			return nil, nil
		}
		return nil, h.err
	}
	switch op.Kind {
	case core.OpMap:
		return t.mapFile(h, op.Size)
	case core.OpWrite:
		return nil, wrap("write", h.path, t.disk.write(h.node, h.path, op.Pos, op.Data))
	case core.OpTruncate:
		t.disk.shrinks(h.path, h.node, op.Size)
		return nil, wrap("truncate", h.path, t.disk.truncate(h.node, op.Size))
	case core.OpRename:
		if err := t.disk.enter(Names, h.path); err != nil {
			return nil, wrap("rename", h.path, err)
		}
		if err := t.disk.rename(h.path, op.Path); err != nil {
			return nil, wrap("rename", h.path, err)
		}
		h.path = op.Path
	case core.OpRemove:
		if err := t.disk.enter(Names, h.path); err != nil {
			return nil, wrap("remove", h.path, err)
		}
		return nil, wrap("remove", h.path, t.disk.remove(h.path))
	case core.OpClose:
		h.node.unmap(h.node.data.size)
	default:
		panic("sim/disk: not an operation for Apply")
	}
	return nil, nil
}

func (t *Table) open(op core.FileOp) error {
	if t.files[op.File] != nil {
		panic("sim/disk: a file id is used twice")
	}
	h := &handle{path: op.Path}
	t.files[op.File] = h
	if h.err = t.disk.enter(Names, op.Path); h.err == nil {
		h.node, h.err = t.disk.create(op.Path)
	}
	h.err = wrap("open", op.Path, h.err)
	return h.err
}

func (t *Table) mapFile(h *handle, size int64) ([]byte, error) {
	if err := t.disk.enter(Write, h.path); err != nil {
		return nil, wrap("map", h.path, err)
	}
	n := h.node
	if t.disk.Full && size > n.data.size {
		return nil, wrap("map", h.path, core.ErrNoSpace)
	}
	n.unmap(n.data.size)
	if size > n.data.size {
		n.changes = append(n.changes, change{pos: size})
	}
	data := t.disk.mapping(max(size, n.data.size))
	n.top = int64(copy(data, n.data.bytes))
	n.data, n.mapped, n.plain, n.shared = body{data, int64(len(data))}, true, false, false
	return data[:size:size], nil
}

// Syncing is a sync under way. What it covers was decided when it began.
type Syncing struct {
	disk *Disk
	node *node
	path string
	mark uint64
	err  error
	// failures is how many syncs of the file had failed when this one began.
	failures int
}

// BeginSync begins an [core.OpSync] or [core.OpSyncDir].
func (t *Table) BeginSync(op core.FileOp) Syncing {
	s := Syncing{disk: t.disk, path: op.Path}
	if op.Kind == core.OpSyncDir {
		if s.node, s.err = t.disk.get(op.Path); s.err == nil {
			s.mark = s.node.moveMark()
		}
		return s
	}
	h := t.files[op.File]
	if h == nil {
		panic("sim/disk: a sync of a file id that is not bound")
	}
	if s.node, s.path, s.err = h.node, h.path, h.err; s.node != nil {
		s.mark, s.failures = s.node.mark(), s.node.failures
	}
	return s
}

// Finish ends a sync, well or badly. It ends badly, too, if another one of the same file has failed meanwhile, which
// may have lost what this one was to keep.
func (s Syncing) Finish() error {
	if s.node == nil {
		return wrap("sync", s.path, s.err)
	}
	err := s.disk.enter(Sync, s.path)
	if err == nil && s.node.failures > s.failures {
		err = ErrIO
	}
	switch {
	case s.disk.Lies, s.disk.LiesAt != nil && s.disk.LiesAt(s.path):
	case !s.node.dir:
		s.node.settle(s.mark, err != nil, &s.disk.random)
	case err == nil:
		s.node.settleMoves(s.mark)
	}
	return wrap("sync", s.path, err)
}

// Range is a range of a file that stays readable when the file is removed.
type Range struct {
	disk *Disk
	node *node
	path string
	pos  int64
	size int64
}

// Range finds a range of an open file. With several brokers it may be closed already, since a session's answer waits
// for the slowest of its shards: that of a deleted segment that was planned before. Such a range cannot be read.
func (t *Table) Range(id core.FileID, pos, size int64) Range {
	h := t.files[id]
	if h == nil || h.node == nil {
		if t.disk.Replicated {
			return Range{disk: t.disk, size: size}
		}
		panic("sim/disk: a range of a file that is not open")
	}
	return Range{t.disk, h.node, h.path, pos, size}
}

// Append reads the range as it is now. A range beyond the end of the file is a broken promise of whoever asked, unless
// the disk is one of several brokers: there a follower may cut off what it was sending to another one as a leader.
func (r Range) Append(dst []byte) ([]byte, error) {
	if r.node == nil {
		return dst, wrap("read", "a file that is gone", ErrShort)
	}
	if r.pos < 0 || r.pos+r.size > r.node.data.size {
		if r.disk.Replicated {
			return dst, wrap("read", r.path, ErrShort)
		}
		panic("sim/disk: a range beyond the end of " + r.path)
	}
	if err := r.disk.enter(Read, r.path); err != nil {
		return dst, wrap("read", r.path, err)
	}
	if err := r.disk.unread(r.node, r.path, r.pos, r.pos+r.size); err != nil {
		return dst, err
	}
	return append(dst, r.node.data.full()[r.pos:r.pos+r.size]...), nil
}

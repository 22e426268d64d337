package disk

import (
	"path"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"ottla.dev/core"
	"ottla.dev/node/run"
)

// Table is the files of one machine. It is the machine's [run.Files].
type Table struct {
	disk   *Disk
	engine engine

	// mu guards files against readers; only the runner of the machine changes it.
	mu    sync.RWMutex
	files map[core.FileID]*File

	// fresh holds, by folder, files that were bound and perhaps not created yet. They are when the folder is synced.
	fresh map[string][]*File

	// Scratch of Execute.
	touched []*File
	errs    []error
	iov     [][]byte
}

var _ run.Files = (*Table)(nil)

// Acquire returns a file for reading. The caller releases it.
func (t *Table) Acquire(id core.FileID) (*File, int, error) {
	t.mu.RLock()
	f := t.files[id]
	t.mu.RUnlock()
	if f == nil {
		return nil, -1, errUnknownFile
	}
	fd, err := f.acquire()
	return f, fd, err
}

// Urgent reports whether ops holds a write that must be visible or done before the machine's next step: one that goes
// to a mapping, or whose data the driver may not keep.
func (t *Table) Urgent(ops []core.FileOp) bool {
	for i := range ops {
		op := &ops[i]
		if op.Kind != core.OpWrite {
			continue
		}
		if op.Ticket.Seq == 0 {
			return true
		}
		if f := t.files[op.File]; f != nil && f.mapped != nil {
			return true
		}
	}
	return false
}

// Execute executes ops. Between two operations of other kinds, writes and syncs make a run: all its writes are made,
// file by file, then its syncs are asked for.
func (t *Table) Execute(a *run.Actor, ops []core.FileOp) {
	for len(ops) > 0 {
		n := 0
		for n < len(ops) && inRun(ops[n].Kind) {
			n++
		}
		if n > 0 {
			t.executeRun(a, ops[:n])
			ops = ops[n:]
			continue
		}
		t.executeOne(a, &ops[0])
		ops = ops[1:]
	}
}

func inRun(k core.FileOpKind) bool {
	return k == core.OpWrite || k == core.OpSync || k == core.OpSyncDir
}

func (t *Table) executeRun(a *run.Actor, ops []core.FileOp) {
	t.errs = t.errs[:0]
	for i := range ops {
		t.errs = append(t.errs, nil)
		if ops[i].Kind == core.OpWrite {
			t.addWrite(ops, i)
		}
	}
	for _, f := range t.touched {
		t.write(f, ops)
		f.writes = f.writes[:0]
	}
	clear(t.touched)
	t.touched = t.touched[:0]
	for i := range ops {
		t.finish(a, &ops[i], t.errs[i])
	}
	clear(t.errs)
}

func (t *Table) addWrite(ops []core.FileOp, i int) {
	f := t.files[ops[i].File]
	if f == nil {
		t.errs[i] = errUnknownFile
		return
	}
	if len(f.writes) == 0 {
		t.touched = append(t.touched, f)
	}
	f.writes = append(f.writes, i)
}

// finish completes a write that was made and asks for a sync.
func (t *Table) finish(a *run.Actor, op *core.FileOp, err error) {
	switch op.Kind {
	case core.OpWrite:
		if op.Ticket.Seq != 0 {
			a.Complete(core.Input{Kind: core.InputWritten, Ticket: op.Ticket, Err: err})
		} else if err != nil {
			a.Complete(core.Input{Kind: core.InputFailed, File: op.File, Err: err})
		}
	case core.OpSync:
		t.sync(a, op)
	case core.OpSyncDir:
		t.syncDir(a, op)
	}
}

func (t *Table) sync(a *run.Actor, op *core.FileOp) {
	f := t.files[op.File]
	if f == nil {
		a.Complete(core.Input{Kind: core.InputSynced, Ticket: op.Ticket, Err: errUnknownFile})
		return
	}
	if _, err := f.acquire(); err != nil {
		a.Complete(core.Input{Kind: core.InputSynced, Ticket: op.Ticket, Err: err})
		return
	}
	f.folder.enqueue(syncRequest{actor: a, ticket: op.Ticket, file: f}, t.engine)
}

// syncDir creates the folder's files that were bound and not used yet, then asks for the sync.
func (t *Table) syncDir(a *run.Actor, op *core.FileOp) {
	folder, err := t.disk.folder(op.Path)
	for _, f := range t.fresh[op.Path] {
		if e := materialise(f); e != nil && err == nil {
			err = e
		}
	}
	delete(t.fresh, op.Path)
	if err != nil {
		a.Complete(core.Input{Kind: core.InputSynced, Ticket: op.Ticket, Err: err})
		return
	}
	folder.enqueue(syncRequest{actor: a, ticket: op.Ticket, dir: op.Path}, t.engine)
}

// materialise creates a file that was bound and neither used nor forgotten since.
func materialise(f *File) error {
	f.mu.Lock()
	settled := f.created || f.gone
	f.mu.Unlock()
	if settled {
		return nil
	}
	if _, err := f.acquire(); err != nil {
		return err
	}
	f.release()
	return nil
}

// executeOne executes an operation that is not part of a run. What has no completion of its own reports a failure only.
func (t *Table) executeOne(a *run.Actor, op *core.FileOp) {
	if op.Kind == core.OpOpen {
		if err := t.open(op); err != nil {
			a.Complete(core.Input{Kind: core.InputFailed, File: op.File, Err: err})
		}
		return
	}
	f, err := t.files[op.File], error(nil)
	if f == nil {
		err = errUnknownFile
	}
	switch {
	case op.Kind == core.OpMap:
		if err == nil {
			err = f.mapFirst(op.Size)
		}
		in := core.Input{Kind: core.InputMapped, File: op.File, Err: err}
		if err == nil {
			in.View = f.mapped
		}
		a.Complete(in)
		return
	case err != nil:
	case op.Kind == core.OpTruncate:
		err = f.truncate(op.Size)
	case op.Kind == core.OpRename:
		err = t.rename(f, op.Path)
	case op.Kind == core.OpRemove:
		err = t.remove(op.File, f)
	case op.Kind == core.OpClose:
		err = materialise(f)
		t.forget(op.File, f)
	default:
		panic("disk: unknown kind of file operation")
	}
	if err != nil {
		a.Complete(core.Input{Kind: core.InputFailed, File: op.File, Err: err})
	}
}

func (t *Table) open(op *core.FileOp) error {
	if t.files[op.File] != nil {
		panic("disk: file id opened twice: " + op.Path)
	}
	folder, err := t.disk.folder(op.Path)
	if err != nil {
		return err
	}
	f := &File{system: t.disk.system, cache: &t.disk.cache, folder: folder, path: op.Path, fd: -1}
	t.mu.Lock()
	t.files[op.File] = f
	t.mu.Unlock()
	dir := path.Dir(op.Path)
	t.fresh[dir] = append(t.fresh[dir], f)
	return nil
}

func (t *Table) rename(f *File, to string) error {
	folder, err := t.disk.folder(to)
	if err != nil {
		return err
	}
	if err := materialise(f); err != nil {
		return err
	}
	t.settle(f)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.system.Rename(f.path, to); err != nil {
		return wrap("rename", f.path, err)
	}
	f.path, f.folder = to, folder
	return nil
}

func (t *Table) remove(id core.FileID, f *File) error {
	err := f.system.Unlink(f.path)
	t.forget(id, f)
	if err == unix.ENOENT {
		return nil
	}
	return wrap("remove", f.path, err)
}

func (t *Table) forget(id core.FileID, f *File) {
	f.unmap()
	t.settle(f)
	t.mu.Lock()
	delete(t.files, id)
	t.mu.Unlock()
	f.forget()
}

// settle takes the file off the list of those that a sync of their folder may have to create.
func (t *Table) settle(f *File) {
	dir := path.Dir(f.path)
	left := slices.DeleteFunc(t.fresh[dir], func(o *File) bool { return o == f })
	if len(left) == 0 {
		delete(t.fresh, dir)
	} else {
		t.fresh[dir] = left
	}
}

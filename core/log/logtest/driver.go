package logtest

import (
	"slices"

	"ottla.dev/core"
)

// Driver executes one machine's file operations on a disk. Operations take effect on what processes see at once and in
// order; syncs take effect when their completion is delivered.
type Driver struct {
	Disk *Disk
	// Jobs are those asked for and not yet run.
	Jobs []core.Job

	files map[core.FileID]*handle
	due   []completion
}

type handle struct {
	path string
	node *node
}

type completion struct {
	in   core.Input
	sync func()
}

// NewDriver returns a driver without open files.
func NewDriver(d *Disk) *Driver { return &Driver{Disk: d, files: map[core.FileID]*handle{}} }

// Execute takes the effects out of an outbox and resets it.
func (d *Driver) Execute(out *core.Outbox) {
	for _, op := range out.Files {
		d.execute(op)
	}
	d.Jobs = append(d.Jobs, out.Jobs...)
	out.Reset()
}

func (d *Driver) execute(op core.FileOp) {
	h := d.files[op.File]
	if h == nil && op.Kind != core.OpOpen && op.Kind != core.OpSyncDir {
		panic("logtest: operation on a file that is not open")
	}
	if h != nil && h.node == nil && op.Kind != core.OpClose {
		h.node = d.make(h.path)
	}
	switch op.Kind {
	case core.OpOpen:
		if h != nil {
			panic("logtest: file id used twice")
		}
		d.files[op.File] = &handle{path: op.Path}
		return
	case core.OpMap:
		if int64(len(h.node.data)) < op.Size {
			h.node.change(change{pos: op.Size})
		}
		d.due = append(d.due, completion{in: core.Input{Kind: core.InputMapped, File: op.File, View: h.node.data[:op.Size]}})
	case core.OpWrite:
		err := d.Disk.enter("write", h.path)
		if err == nil {
			h.node.change(change{pos: op.Pos, bytes: slices.Clone(op.Data)})
		}
		d.complete(core.InputWritten, op, err, nil)
	case core.OpSync:
		d.complete(core.InputSynced, op, d.Disk.enter("sync", h.path), h.node.sync)
	case core.OpTruncate:
		h.node.change(change{pos: op.Size})
	case core.OpRename:
		if err := d.Disk.Rename(h.path, op.Path); err != nil {
			d.due = append(d.due, completion{in: core.Input{Kind: core.InputFailed, File: op.File, Err: err}})
		}
		h.path = op.Path
	case core.OpRemove:
		_ = d.Disk.Remove(h.path)
		delete(d.files, op.File)
	case core.OpClose:
		delete(d.files, op.File)
	case core.OpSyncDir:
		n, err := d.Disk.get(op.Path)
		if err != nil {
			panic(err)
		}
		d.complete(core.InputSynced, op, d.Disk.enter("syncdir", op.Path), n.syncDir)
	}
}

// make opens or creates a file. A driver may put this off until the file is used, and this one does.
func (d *Driver) make(path string) *node {
	n, err := d.Disk.create(path)
	if err != nil {
		panic(err)
	}
	return n
}

func (d *Driver) complete(kind core.InputKind, op core.FileOp, err error, sync func()) {
	if op.Ticket.Seq != 0 {
		d.due = append(d.due, completion{core.Input{Kind: kind, File: op.File, Ticket: op.Ticket, Err: err}, sync})
	}
}

// Pending is the number of completions that were not taken.
func (d *Driver) Pending() int { return len(d.due) }

// Take performs and returns pending completion i.
func (d *Driver) Take(i int) core.Input {
	c := d.due[i]
	d.due = slices.Delete(d.due, i, i+1)
	if c.sync != nil && c.in.Err == nil {
		c.sync()
	}
	return c.in
}

// Path returns where an open file is, and Read its bytes.
func (d *Driver) Path(file core.FileID) (string, bool) {
	h := d.files[file]
	if h == nil {
		return "", false
	}
	return h.path, true
}

// Read returns bytes of an open file.
func (d *Driver) Read(file core.FileID, pos, n int64) []byte {
	h := d.files[file]
	if h.node == nil {
		h.node = d.make(h.path)
	}
	return slices.Clone(h.node.data[pos : pos+n])
}

// Open returns how many files are open.
func (d *Driver) Open() int { return len(d.files) }

package log

import (
	"errors"

	"ottla.dev/core"
)

// ErrDeleted is the failure of a log that was deleted.
var ErrDeleted = errors.New("log was deleted")

// Delete ends the log of a deleted topic. Nothing may use it any more: see Pinned. The job it returns renames the
// folder, so that one of the same name can be made, and removes it. The log refuses everything from now on.
func (l *Log) Delete(parent string, tp core.TopicPartition, unique core.UUID, out *core.Outbox) *DeleteJob {
	if l.Pinned() {
		panic("log: delete of a log that is in use")
	}
	l.CloseFiles(out)
	l.failed = ErrDeleted
	renamed := join(parent, DeleteDirName(tp, unique))
	return &DeleteJob{Log: l.slot, Parent: parent, Dir: l.dir, Renamed: renamed, Remove: true}
}

// CloseFiles gives up the ids of all files, when nobody reads from them any more.
func (l *Log) CloseFiles(out *core.Outbox) {
	if a := l.active(); a.indexFile != 0 {
		l.dropIndexes(a, out)
	}
	for _, list := range [2][]*segment{l.segments, l.deleted} {
		for _, s := range list {
			out.File(core.FileOp{Kind: core.OpClose, File: s.file})
			for _, file := range s.doomed {
				if file != s.file {
					out.File(core.FileOp{Kind: core.OpClose, File: file})
				}
			}
		}
	}
	for _, r := range l.retired {
		out.File(core.FileOp{Kind: core.OpClose, File: r.file})
	}
	l.retired, l.deleted = nil, nil
	l.fence(ErrClosed)
}

// Pinned reports whether anybody uses the log's files: answers and jobs that read, jobs that write, writes and syncs
// that were not completed. Jobs of a log that is gone must not find the folder of its successor.
func (l *Log) Pinned() bool {
	if l.Busy() || l.epochsSaving != nil || l.flight.out > 0 {
		return true
	}
	for _, list := range [2][]*segment{l.segments, l.deleted} {
		for _, s := range list {
			if s.pins > 0 {
				return true
			}
		}
	}
	return false
}

// DeleteJob renames a partition's folder, so that a new one of the same name can be made at once, or removes a renamed
// folder with all files. It may be cut off and run again.
type DeleteJob struct {
	Log     uint32
	Parent  string
	Dir     string // empty: only remove
	Renamed string
	Remove  bool // remove Renamed, too
	Err     error
}

// AppendText appends the job's form for traces.
func (j *DeleteJob) AppendText(dst []byte) []byte {
	return append(dst, "delete "+j.Dir+" as "+j.Renamed...)
}

// Run renames, or removes, or both.
func (j *DeleteJob) Run(fs core.FS) {
	if j.Dir != "" {
		err := fs.Rename(j.Dir, j.Renamed)
		if err == nil || errors.Is(err, core.ErrNotExist) {
			err = fs.SyncDir(j.Parent)
		}
		if j.Err = fail("renaming "+j.Dir, err); j.Err != nil {
			return
		}
	}
	if j.Remove {
		j.Err = fail("removing "+j.Renamed, removeFolder(fs, j.Renamed))
	}
}

// removeFolder deletes a folder and all in it.
func removeFolder(fs core.FS, dir string) error {
	entries, err := fs.List(dir)
	if errors.Is(err, core.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if err != nil {
			break
		}
		if e.Dir {
			err = removeFolder(fs, join(dir, e.Name))
		} else {
			err = fs.Remove(join(dir, e.Name))
		}
	}
	if err != nil {
		return err
	}
	return fs.Remove(dir)
}

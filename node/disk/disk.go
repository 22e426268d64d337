package disk

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"ottla.dev/core"
	"ottla.dev/node/run"
)

// Disk is the data folders of a broker and the descriptors of their files.
type Disk struct {
	system  System
	cache   descriptors
	limit   int // of the process's descriptors
	folders folders

	// Written counts bytes written for machines, and Writes the system calls for it.
	Written atomic.Int64
	Writes  atomic.Int64
}

// Open makes and locks the data folders, the given one and the others that are not the same. An error names the
// folder, and what can be done about it. Of the others a folder that cannot be used is no error: all that is done in it
// fails. One that another broker uses is.
func Open(path string, others ...string) (*Disk, error) { return OpenOn(Kernel{}, path, others...) }

// OpenOn is Open on another system than the machine's.
func OpenOn(system System, path string, others ...string) (*Disk, error) {
	d := &Disk{system: system, limit: system.Descriptors()}
	d.cache.limit = max(d.limit/2, fewestDescriptors)
	for i, path := range append([]string{path}, others...) {
		if path = strings.TrimRight(path, "/"); d.folders.has(path) {
			continue
		}
		folder, err := openFolder(system, path)
		if err != nil && (i == 0 || errors.Is(err, errInUse)) {
			d.Close()
			return nil, err
		}
		if err != nil {
			folder = &Folder{path: path, root: -1, unusable: err, committer: committer{method: newMethod(), failed: err}}
			d.folders.unusable = true
		}
		folder.calls = syncCalls{fdatasync: system.Fdatasync, syncfs: system.Syncfs, fsyncDir: system.SyncDir}
		d.folders.all = append(d.folders.all, folder)
	}
	return d, nil
}

// Close unlocks the folders. It is for the end of the process or of a test, when no machine runs any more.
func (d *Disk) Close() {
	for _, f := range d.folders.all {
		f.close()
	}
}

// reservedDescriptors are left for jobs, listeners and the files of answers under way.
const reservedDescriptors = 512

// Connections returns how many connections leave enough descriptors for files. Without such a bound, clients that only
// connect could take the descriptors that the next segment needs, and end the broker.
func (d *Disk) Connections() int {
	return max(d.limit-d.cache.limit-reservedDescriptors, fewestDescriptors)
}

// OpenFiles returns how many files are open.
func (d *Disk) OpenFiles() int { return d.cache.count() }

// ObserveSyncs calls observe with the duration of every commit round. It is called before the first round.
func (d *Disk) ObserveSyncs(observe func(time.Duration)) {
	for _, f := range d.folders.all {
		f.Observe = observe
	}
}

// SyncStats sums up the committers' counts: rounds, files in them, and rounds that used syncfs.
func (d *Disk) SyncStats() (rounds, files, syncfs int64) {
	for _, f := range d.folders.all {
		rounds += f.Rounds.Load()
		files += f.FilesSynced.Load()
		syncfs += f.SyncfsCalls.Load()
	}
	return rounds, files, syncfs
}

// Table returns an empty table of files for one machine.
func (d *Disk) Table(e *run.Engine) *Table {
	return &Table{disk: d, engine: e, files: make(map[core.FileID]*File), fresh: make(map[string][]*File)}
}

// folder returns the data folder that holds path.
func (d *Disk) folder(path string) (*Folder, error) {
	if f := d.folders.find(path); f != nil {
		return f, f.unusable
	}
	return nil, fmt.Errorf("%s is in none of the data folders", path)
}

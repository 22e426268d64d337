package core

import "errors"

// FileID names a file that a machine has opened. Machines allot ids, never 0, from a counter of their own; a driver
// keeps one table a machine.
type FileID uint64

// Ticket identifies a write or a sync, and comes back with its completion. Log is the asking machine's own number for
// the log concerned; Epoch changes when that log is truncated, closed or re-opened, so that completions from before are
// recognised and dropped; Seq grows with every ticket of a log. A zero Seq asks for no completion.
type Ticket struct {
	Log   uint32
	Epoch uint32
	Seq   uint64
}

// FileOpKind says what a [FileOp] does.
type FileOpKind uint8

// The file operations. A driver executes those of one machine in order; a later one may start before an earlier
// [OpSync] or [OpSyncDir] has completed, but not before an earlier operation of another kind.
const (
	// OpOpen binds File to Path, creating an empty file if there is none. A driver may put off the system call until
	// the file is used.
	OpOpen FileOpKind = iota + 1
	// OpMap maps the first Size bytes of File, extending it with zeros; an [InputMapped] brings the view. From then on,
	// writes to File go to the mapping and are visible in the view before the machine's next Step.
	OpMap
	// OpWrite writes Data at Pos. The driver owns Data until the [InputWritten] of Ticket; with no ticket, until the
	// machine's next Step. Adjacent writes to one file may be merged into one system call. A short write is an error.
	OpWrite
	// OpSync makes all earlier writes to File durable (fdatasync) and completes with [InputSynced]. Syncs of many files
	// may be grouped. A failed sync is never retried: what it covered may be lost although a second sync succeeds.
	OpSync
	// OpTruncate sets the size of File, which is not mapped, or is unmapped by this operation.
	OpTruncate
	// OpRename moves File to Path.
	OpRename
	// OpRemove deletes File, which stays readable for answers that are being sent from it, and forgets the id.
	OpRemove
	// OpClose unmaps and forgets File. The machine has dropped its views before.
	OpClose
	// OpSyncDir makes the entries of the folder Path durable and completes with [InputSynced].
	OpSyncDir
)

// FileOp is one effect on files. Which fields count depends on Kind.
type FileOp struct {
	Kind   FileOpKind
	File   FileID
	Ticket Ticket
	Pos    int64
	Size   int64
	Data   []byte
	Path   string
}

// FS is the file seam of jobs. Paths are as configured in log.dirs plus what the core appends with slashes. Drivers
// return [ErrNotExist] for what does not exist and errors of their own for failures of the disk.
type FS interface {
	// Open opens an existing file for reading and writing.
	Open(path string) (File, error)
	// Create makes an empty file, or empties the one that is there.
	Create(path string) (File, error)
	// Rename replaces to by from. It is durable only after a SyncDir of the folder.
	Rename(from, to string) error
	// Remove deletes a file or an empty folder.
	Remove(path string) error
	// Mkdir makes a folder and its parents. It is no error if it exists.
	Mkdir(path string) error
	// List returns the entries of a folder, sorted by name.
	List(dir string) ([]DirEntry, error)
	// SyncDir makes the entries of a folder durable.
	SyncDir(dir string) error
}

// DirEntry is one entry of a folder.
type DirEntry struct {
	Name string
	Dir  bool
	Size int64
}

// File is an open file of [FS]. Any error but nil means that the disk failed.
type File interface {
	// ReadAt fills p from pos on. It returns fewer bytes than asked, without an error, only at the end of the file.
	ReadAt(p []byte, pos int64) (int, error)
	// WriteAt writes all of p at pos, extending the file if needed.
	WriteAt(p []byte, pos int64) error
	// Truncate sets the size.
	Truncate(size int64) error
	// Sync makes content and size durable.
	Sync() error
	// Refresh forgets what is cached of the file and is not waiting to be written, so that later reads come from the
	// disk. After a failed sync the cache may hold what the disk never got, marked as written: whoever reads it, and
	// syncs again with success, believes in bytes that the next crash takes away (Rebello and others, ATC 2020).
	Refresh() error
	// Size returns the size in bytes.
	Size() (int64, error)
	// Close ends the use of the file. It does not sync.
	Close() error
}

// ErrNotExist is returned by [FS] for a file or folder that does not exist.
var ErrNotExist = errors.New("no such file or folder")

// ErrNoSpace is wrapped by errors of [FS] and of completions when the disk is full.
var ErrNoSpace = errors.New("no space left on device")

// Job is long work over files that a driver runs off the machine: recovery, loading, scans, checkpoints. It is a
// pointer to a struct that holds arguments and, after Run, results. The machine does not touch it until the
// [InputJobDone] that brings it back. A job touches nothing but the files it was given and itself.
type Job interface {
	Run(fs FS)
	// AppendText appends the job's stable one-line form for traces.
	AppendText(dst []byte) []byte
}

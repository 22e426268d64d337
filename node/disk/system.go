package disk

import "ottla.dev/core"

// System is the operating system's files as a [Disk] uses them: the [Kernel]'s, or ones in memory for tests. It
// decides nothing. Its methods are called from many goroutines at a time, and fail with errors of the system
// ([syscall.Errno]), without the path.
type System interface {
	// Claim makes a data folder and its parents, durably, and locks it against other brokers. It returns a descriptor
	// of the folder, for Syncfs, and what gives both back. Its errors are sentences that say what to do.
	Claim(folder string) (root int, release func(), err error)
	// Descriptors returns how many descriptors there may be.
	Descriptors() int

	// Open opens a file for reading and writing; flags is a sum of O_CREAT and O_TRUNC.
	Open(path string, flags int) (fd int, err error)
	Close(fd int) error
	Pread(fd int, p []byte, pos int64) (int, error)
	Pwrite(fd int, p []byte, pos int64) (int, error)
	Pwritev(fd int, iov [][]byte, pos int64) (int, error)
	Size(fd int) (int64, error)
	Truncate(fd int, size int64) error
	// Reserve finds room for a range of a file, behind its end or not, and leaves its size and bytes as they are.
	Reserve(fd int, pos, size int64) error

	// Map returns a view of the file's first size bytes, which are there. It is written to with Store, by the one
	// goroutine at a time that also reads it.
	Map(fd int, size int) (view []byte, err error)
	Store(fd int, view []byte, pos int64, data []byte)
	Unmap(view []byte) error

	Fdatasync(fd int) error
	// Syncfs makes durable everything in the file system that root is in.
	Syncfs(root int) error
	// SyncDir makes a folder's entries durable.
	SyncDir(path string) error
	// Refresh drops what is cached of a file and not waiting to be written.
	Refresh(fd int) error

	Rename(from, to string) error
	Unlink(path string) error
	// Remove deletes a file or an empty folder.
	Remove(path string) error
	// Mkdir makes a folder and its parents.
	Mkdir(path string) error
	// List returns the entries of a folder, in any order.
	List(path string) ([]core.DirEntry, error)
}

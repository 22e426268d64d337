package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Folder is one data folder, locked against other brokers, with its committer.
type Folder struct {
	path    string
	root    int    // a descriptor of the folder itself, for syncfs
	release func() // gives root and the lock back
	// unusable says why nothing can be done in the folder, nil if it was opened.
	unusable error
	committer
}

// lockName is Kafka's name for the file that a running broker holds locked.
const lockName = ".lock"

// openFolder makes the folder if it does not exist, and locks it.
func openFolder(system System, path string) (*Folder, error) {
	root, release, err := system.Claim(path)
	if err != nil {
		return nil, err
	}
	return &Folder{path: path, root: root, release: release, committer: committer{method: newMethod()}}, nil
}

// claim makes and locks a folder of the machine's own file system.
func claim(path string) (root int, release func(), err error) {
	if err := makeFolder(path); err != nil {
		return -1, nil, fmt.Errorf("cannot make the data folder %s: %w", path, cause(err))
	}
	lock, err := takeLock(filepath.Join(path, lockName), path)
	if err != nil {
		return -1, nil, err
	}
	root, err = unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		lock.Close()
		return -1, nil, fmt.Errorf("cannot open the data folder %s: %w", path, err)
	}
	return root, func() { unix.Close(root); lock.Close() }, nil
}

// makeFolder makes a folder and its parents, and has each of them known to the disk: a folder whose own entry a power
// cut takes away is lost with everything in it.
func makeFolder(path string) error {
	var made []string
	for p := path; ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); !errors.Is(err, os.ErrNotExist) {
			break
		}
		made = append(made, filepath.Dir(p))
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	for _, parent := range made {
		if err := fsyncDir(parent); err != nil {
			return err
		}
	}
	return nil
}

// takeLock takes both kinds of lock on the file: flock, and the record lock with which the JVM's Kafka locks it.
func takeLock(name, folder string) (*os.File, error) {
	lock, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot write to the data folder %s: %w", folder, cause(err))
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		record := unix.Flock_t{Type: unix.F_WRLCK}
		err = unix.FcntlFlock(lock.Fd(), unix.F_OFD_SETLK, &record)
	}
	if err == nil {
		// The process id is for people who wonder who holds the lock.
		lock.Truncate(0)
		lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		return lock, nil
	}
	defer lock.Close()
	if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EACCES) {
		return nil, fmt.Errorf("cannot lock the data folder %s: %w", folder, err)
	}
	return nil, fmt.Errorf("the data folder %s is %w%s; stop it, or choose another folder with log.dirs", folder, errInUse,
		owner(lock))
}

var errInUse = errors.New("in use by another broker")

// owner reads the process id that the holder of the lock wrote.
func owner(lock *os.File) string {
	buffer := make([]byte, 20)
	n, _ := lock.ReadAt(buffer, 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(buffer[:n]))); err == nil {
		return " (process " + strconv.Itoa(pid) + ")"
	}
	return ""
}

// cause strips the operation and path that the os package puts before an error, which the caller says better.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// close gives the lock back.
func (f *Folder) close() {
	if f.unusable == nil {
		f.release()
	}
}

// folders finds the folder that holds a path.
type folders struct {
	mu       sync.RWMutex
	all      []*Folder
	unusable bool // one of them is
}

func (f *folders) has(path string) bool {
	return slices.ContainsFunc(f.all, func(o *Folder) bool { return o.path == path })
}

// refuse says why nothing can be done at a path, or nil.
func (f *folders) refuse(path string) error {
	if !f.unusable {
		return nil
	}
	if folder := f.find(path); folder != nil {
		return folder.unusable
	}
	return nil
}

// find returns the folder with the longest path that is a prefix of path, or nil.
func (f *folders) find(path string) *Folder {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var found *Folder
	for _, folder := range f.all {
		if within(path, folder.path) && (found == nil || len(folder.path) > len(found.path)) {
			found = folder
		}
	}
	return found
}

func within(path, folder string) bool {
	return strings.HasPrefix(path, folder) && (len(path) == len(folder) || path[len(folder)] == '/')
}

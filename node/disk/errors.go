package disk

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"ottla.dev/core"
)

// errUnknownFile is the error of operations on a file id that the machine has not opened, or has forgotten.
var errUnknownFile = errors.New("the file is not open")

// errShortWrite stands for a write that stopped early without an error of its own.
var errShortWrite = errors.New("short write")

// wrap gives an error of the system the operation and path, and the core's own errors where it has them.
func wrap(op, path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%s %s: %w", op, path, core.ErrNotExist)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%s %s: %w", op, path, core.ErrNoSpace)
	}
	return fmt.Errorf("%s %s: %w", op, path, err)
}

// retry repeats a system call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

package server

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Stream is a connection whose bytes do not go through the kernel: one in memory, for tests. The functions that its
// [syscall.RawConn] calls when it may be ready get a descriptor that means nothing; they use these methods instead.
type Stream interface {
	net.Conn
	syscall.Conn
	// ReadNow reads what has come, nothing at the end, or fails with EAGAIN.
	ReadNow(p []byte) (int, error)
	// WriteNow writes what there is room for, or fails with EAGAIN.
	WriteNow(p []byte) (int, error)
}

// brief is how many bytes go through the kernel so fast that the scheduler need not hear of it. Sockets are asked not
// to wait, so that such a call is a copy. Any other makes the runtime's monitor look after the thread, and wakes it if
// it rests, which costs more than the call.
const brief = 16 << 10

// receive reads what has come.
func (c *conn) receive(fd int, p []byte) (int, error) {
	switch {
	case c.stream != nil:
		return c.stream.ReadNow(p)
	case len(p) == 0 || len(p) > brief:
		return unix.Read(fd, p)
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

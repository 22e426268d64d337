package server

import (
	"net"
	"syscall"

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

// receive reads what has come.
func (c *conn) receive(fd int, p []byte) (int, error) {
	if c.stream != nil {
		return c.stream.ReadNow(p)
	}
	return unix.Read(fd, p)
}

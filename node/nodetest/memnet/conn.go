package memnet

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"ottla.dev/node/server"
)

// Conn is one end of a connection.
type Conn struct {
	in, out       *pipe
	local, remote net.Addr
}

var _ server.Stream = (*Conn)(nil)

// Read waits for bytes.
func (c *Conn) Read(b []byte) (n int, err error) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	err = c.in.await(func() (soon time.Duration, err error) {
		n, soon, err = c.in.read(b)
		return soon, err
	})
	return n, c.wrap("read", err)
}

// Write waits until there was room for all bytes.
func (c *Conn) Write(b []byte) (n int, err error) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	for n < len(b) && err == nil {
		err = c.out.await(func() (time.Duration, error) {
			took, err := c.out.write(b[n:])
			n += took
			return 0, err
		})
	}
	return n, c.wrap("write", err)
}

// ReadNow reads what has come, nothing at the end, or fails with EAGAIN.
func (c *Conn) ReadNow(b []byte) (int, error) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	n, _, err := c.in.read(b)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// WriteNow writes what there is room for, or fails with EAGAIN.
func (c *Conn) WriteNow(b []byte) (int, error) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.write(b)
}

// Close ends the connection. The other end reads what was written before, and then the end.
func (c *Conn) Close() error {
	c.out.closeWriter()
	c.in.closeReader()
	n := c.in.network
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range []*pipe{c.in, c.out} {
		p.mu.Lock()
		if p.ended && p.deaf {
			delete(n.pipes, p)
		}
		p.mu.Unlock()
	}
	return nil
}

// LocalAddr returns this end's address.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the other end's.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets when reading and writing fail.
func (c *Conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets when reading fails.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.reading, t)
	return nil
}

// SetWriteDeadline sets when writing fails.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writing, t)
	return nil
}

func (c *Conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// SyscallConn returns what waits for the connection to be ready.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return raw{c}, nil }

// raw calls functions when the connection may be ready, with a descriptor that means nothing.
type raw struct{ *Conn }

// Control calls f.
func (r raw) Control(f func(uintptr)) error {
	f(0)
	return nil
}

// Read calls f, again and again when something may have come, until it returns true.
func (r raw) Read(f func(uintptr) bool) error {
	return r.wrap("read", r.in.call(f, func() (time.Duration, error) {
		_, soon, err := r.in.readable()
		return soon, err
	}))
}

// Write calls f, again and again when there may be room, until it returns true.
func (r raw) Write(f func(uintptr) bool) error {
	return r.wrap("write", r.out.call(f, func() (time.Duration, error) {
		_, err := r.out.writable()
		return 0, err
	}))
}

// call calls f until it returns true, and waits in between until it may make progress. A closed connection and a
// deadline are errors; what else there is to know, f finds out.
func (p *pipe) call(f func(uintptr) bool, ready func() (time.Duration, error)) error {
	for wait := false; ; wait = true {
		p.mu.Lock()
		for {
			soon, err := ready()
			if err == net.ErrClosed || err == os.ErrDeadlineExceeded {
				p.mu.Unlock()
				return err
			}
			if err != syscall.EAGAIN || !wait {
				break
			}
			p.wait(soon)
		}
		p.mu.Unlock()
		if f(0) {
			return nil
		}
	}
}

package server

import (
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// sendMost is how many bytes one call to sendfile is asked for.
const sendMost = 1 << 30

// copyChunk is the size of the buffer through which ranges go where there is no sendfile.
const copyChunk = 64 << 10

// ranges is the strategy for sending a range of a file: sendfile, which keeps the bytes in the kernel, or, once the
// kernel has said that it cannot do that for this pair of file and socket, reading and writing.
type ranges struct {
	copying atomic.Bool
	chunks  sync.Pool
}

// send moves bytes of the piece's range to the socket. It returns how many went and how many of them were copied
// through user space. A file that ends before its range does is an error: the answer promised those bytes.
func (r *ranges) send(c *conn, socket int, p *piece) (n, copied int, err error) {
	if !r.copying.Load() && c.byKernel(p) {
		pos := p.pos
		n, err = unix.Sendfile(socket, p.fd, &pos, int(min(p.left, sendMost)))
		switch err {
		case unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP:
			r.copying.Store(true)
		case nil:
			if n == 0 {
				return 0, 0, io.ErrUnexpectedEOF
			}
			return n, 0, nil
		default:
			return max(n, 0), 0, err
		}
	}
	n, err = r.copy(c, socket, p)
	return n, n, err
}

func (r *ranges) copy(c *conn, socket int, p *piece) (int, error) {
	chunk, _ := r.chunks.Get().(*[copyChunk]byte)
	if chunk == nil {
		chunk = new([copyChunk]byte)
	}
	defer r.chunks.Put(chunk)
	read, err := p.file.Pread(p.fd, chunk[:min(p.left, copyChunk)], p.pos)
	if err != nil {
		if err == unix.EAGAIN {
			err = unix.EIO // nothing here can wait for a file
		}
		return 0, err
	}
	if read == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return c.transmit(socket, chunk[:read])
}

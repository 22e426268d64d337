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

// send moves up to left bytes at pos of file to the socket. It returns how many went and how many of them were copied
// through user space. A file that ends before its range does is an error: the answer promised those bytes.
func (r *ranges) send(socket, file int, pos, left int64) (n, copied int, err error) {
	if !r.copying.Load() {
		n, err = unix.Sendfile(socket, file, &pos, int(min(left, sendMost)))
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
	n, err = r.copy(socket, file, pos, left)
	return n, n, err
}

func (r *ranges) copy(socket, file int, pos, left int64) (int, error) {
	chunk, _ := r.chunks.Get().(*[copyChunk]byte)
	if chunk == nil {
		chunk = new([copyChunk]byte)
	}
	defer r.chunks.Put(chunk)
	read, err := unix.Pread(file, chunk[:min(left, copyChunk)], pos)
	if err != nil {
		if err == unix.EAGAIN {
			err = unix.EIO // nothing here can wait for a file
		}
		return 0, err
	}
	if read == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	sent, err := unix.SendmsgN(socket, chunk[:read], nil, nil, unix.MSG_NOSIGNAL)
	return max(sent, 0), err
}

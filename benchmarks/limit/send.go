package main

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Between two processes of a machine, one call that sends an answer as a whole from mapped files is the cheapest way
// that is known for large pieces, and one that sends them from memory into which they were read for small ones:
// docs/decisions has what the others cost.
const (
	mapLeast = 128 << 10
	readMost = 1 << 20
	vectors  = 512
)

// sendAll sends the bytes of out, cut where headers end, each followed by its piece.
func (p *peer) sendAll(pieces []piece, headers []int) error {
	var views [][]byte
	defer func() {
		for _, v := range views {
			unix.Munmap(v)
		}
	}()
	vector := p.vector[:0]
	sent, read := 0, p.records[:0]
	for i, f := range pieces {
		if f.size == 0 && i+1 < len(pieces) {
			continue // goes with the next header
		}
		vector = append(vector, p.out[sent:headers[i]])
		sent = headers[i]
		file := int(f.from.file.Fd())
		switch {
		case f.size == 0:
		case f.size >= mapLeast || int(f.size) > cap(read)-len(read):
			skip := f.at % int64(os.Getpagesize())
			view, err := unix.Mmap(file, f.at-skip, int(skip+f.size), unix.PROT_READ, unix.MAP_SHARED)
			if err != nil {
				return err
			}
			views, vector = append(views, view), append(vector, view[skip:])
		default:
			at := len(read)
			read = read[:at+int(f.size)]
			if _, err := unix.Pread(file, read[at:], f.at); err != nil {
				return err
			}
			vector = append(vector, read[at:])
		}
	}
	p.vector = vector[:0]
	return p.writeAll(vector)
}

// writeAll writes all of a vector with as few calls as the socket allows.
func (p *peer) writeAll(vector [][]byte) error {
	var failed error
	err := p.raw.Write(func(fd uintptr) bool {
		for len(vector) > 0 {
			n, err := p.push(int(fd), vector)
			switch {
			case err == unix.EAGAIN:
				return false
			case err != nil && err != unix.EINTR:
				failed = err
				return true
			}
			for len(vector) > 0 && n >= len(vector[0]) {
				n -= len(vector[0])
				vector = vector[1:]
			}
			if n > 0 {
				vector[0] = vector[0][n:]
			}
		}
		return true
	})
	if failed != nil {
		return failed
	}
	return err
}

func (p *peer) push(fd int, vector [][]byte) (int, error) {
	n := min(len(vector), vectors)
	for i, b := range vector[:n] {
		p.iovec[i].Base = unsafe.SliceData(b)
		p.iovec[i].SetLen(len(b))
	}
	p.message.Iov = &p.iovec[0]
	p.message.SetIovlen(n)
	sent, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&p.message)),
		unix.MSG_NOSIGNAL)
	clear(p.iovec[:n])
	if errno != 0 {
		return 0, errno
	}
	return int(sent), nil
}

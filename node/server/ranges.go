package server

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How a piece of an answer leaves.
type way uint8

const (
	byCopy     way = iota // through this process's memory
	byMapping             // from the page cache, mapped until it has left: the kernel reads it, this process never does
	bySendfile            // from the page cache, or the disk, by sendfile
)

const (
	// vectorMost is how many pieces go into one system call.
	vectorMost = 64
	// sendMost is how many bytes one call to sendfile is asked for.
	sendMost = 1 << 30
	// gatherBytes is how much of small ranges is read for one call.
	gatherBytes = 256 << 10
	// copyMost is the largest range that is copied to a client on another machine: a call that sends several of them
	// costs less than one for each. Sendfile spares the copy, which a network card reads from the page cache by itself.
	copyMost = 32 << 10
	// mapLeast is the smallest range that is mapped for a client on this machine, and mapMost how much is mapped at
	// once; a call takes mappings until it has as much. Between two processes of a machine all bytes are copied anyway,
	// and sendfile passes on 64 KiB at a time, each with the work of a small packet at both ends.
	mapLeast = 256 << 10
	mapMost  = 4 << 20
	// viewsMost is how many mappings there may be while connections that wait for their clients keep theirs.
	viewsMost = 64
	// lookAhead is how much of a range is asked for at once whether it is in memory.
	lookAhead = 8 << 20
)

// ranges is how ranges of files are sent: docs/decisions has the measurements behind it.
type ranges struct {
	// copying is set once the kernel has said that it cannot send from such files to such sockets.
	copying atomic.Bool
	// far is set by tests: all clients are taken to be on other machines.
	far   atomic.Bool
	calls sync.Pool    // of *call
	views atomic.Int64 // mappings that there are
}

// call is the memory of one system call that sends several pieces.
type call struct {
	message unix.Msghdr
	vector  [vectorMost]unix.Iovec
	count   int
	more    bool // what is next follows at once
	chunk   [gatherBytes]byte
	used    int
	mapped  int64
}

func (r *ranges) begin() *call {
	if c, ok := r.calls.Get().(*call); ok {
		return c
	}
	return new(call)
}

// end lets go of what the call referred to.
func (r *ranges) end(g *call) {
	clear(g.vector[:g.count])
	g.count, g.used, g.mapped, g.more = 0, 0, 0, false
	r.calls.Put(g)
}

func (g *call) add(b []byte) {
	g.vector[g.count].Base = unsafe.SliceData(b)
	g.vector[g.count].SetLen(len(b))
	g.count++
}

// fill takes the pieces from the first that has not left, as far as one call can send them. An error is that of the
// first piece; nothing is taken then. Neither is if the first piece is a range for sendfile.
func (g *call) fill(c *conn) error {
	for i := c.next; i < len(c.pieces); i++ {
		p := &c.pieces[i]
		if p.err != nil {
			return nil
		}
		if g.more = g.count == vectorMost; g.more {
			return nil
		}
		if p.file == nil {
			if len(p.bytes) > 0 {
				g.add(p.bytes)
			}
			continue
		}
		whole, err := g.addRange(c, p)
		if err != nil && g.count == 0 {
			return err
		}
		if g.more = !whole; g.more {
			return nil
		}
	}
	return nil
}

// addRange takes a range, and reports whether it took all of it.
func (g *call) addRange(c *conn, p *piece) (whole bool, err error) {
	r := &c.server.ranges
	inKernel, near := p.file.InKernel() && !r.copying.Load(), c.near && !r.far.Load()
	switch {
	case inKernel && near && (p.left >= mapLeast || p.view != nil):
		return g.mapRange(r, p), nil
	case inKernel && !near && p.left > copyMost:
		return false, nil
	}
	size := min(p.left, int64(gatherBytes-g.used))
	if size == 0 {
		return false, nil
	}
	n, err := readRange(p, g.chunk[g.used:g.used+int(size)])
	if err != nil {
		return false, err
	}
	g.add(g.chunk[g.used : g.used+n])
	g.used += n
	p.way = byCopy
	return int64(n) == p.left, nil
}

// readRange reads from the front of a range. A file that ends before its range does is an error: the answer promised
// those bytes.
func readRange(p *piece, b []byte) (int, error) {
	n, err := p.file.Pread(p.fd, b, p.pos)
	switch {
	case err == unix.EAGAIN:
		return 0, unix.EIO // nothing here can wait for a file
	case err == nil && n == 0:
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// mapRange maps the front of a range if it is in memory: what is not is better read by sendfile, which reads ahead,
// than by a page fault for every few pages. What the socket does not take stays mapped for the next call, unless many
// clients let us wait.
//
// Nothing in this process touches the mapping. Should the file be cut meanwhile, the kernel finds no page when it reads
// from there and fails the call with EFAULT; what comes after the end in its last page are zeros, which are no batches.
func (g *call) mapRange(r *ranges, p *piece) (whole bool) {
	if g.mapped >= mapMost || p.view == nil && !r.mapFront(p, min(p.left, mapMost)) {
		return false
	}
	size := p.viewEnd - p.pos
	g.mapped += size
	g.add(p.view[int64(len(p.view))-size:])
	p.way = byMapping
	return size == p.left
}

// mapFront maps the first size bytes of a range.
func (r *ranges) mapFront(p *piece, size int64) bool {
	if size < mapLeast || !p.mappable(size) {
		return false
	}
	skip := p.pos % int64(os.Getpagesize())
	view, err := unix.Mmap(p.fd, p.pos-skip, int(skip+size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return false // too many mappings
	}
	p.view, p.viewEnd = view, p.pos+size
	r.views.Add(1)
	return true
}

// unmap ends the piece's mapping. Its address does not stay: it could be one of the collector's own by then.
func (r *ranges) unmap(p *piece) {
	if p.view == nil {
		return
	}
	if err := unix.Munmap(p.view); err != nil {
		panic("server: unmap: " + err.Error())
	}
	p.view = nil
	r.views.Add(-1)
}

// mappable reports whether the next size bytes of a range are in the file and in memory. It asks once for many calls.
func (p *piece) mappable(size int64) bool {
	if p.pos+size <= p.present {
		return true
	}
	ahead := min(p.left, lookAhead)
	var stat unix.Stat_t
	if unix.Fstat(p.fd, &stat) != nil || stat.Size < p.pos+ahead || !resident(p.fd, p.pos, ahead) {
		return false
	}
	p.present = p.pos + ahead
	return true
}

// resident reports whether a range of a file is in the page cache. Linux before 6.5 does not say.
func resident(fd int, pos, size int64) bool {
	page := int64(os.Getpagesize())
	first, last := pos/page, (pos+size-1)/page
	area := unix.CachestatRange{Off: uint64(first * page), Len: uint64((last - first + 1) * page)}
	var found unix.Cachestat_t
	return unix.Cachestat(uint(fd), &area, &found, 0) == nil && int64(found.Cache) > last-first
}

// send makes the call and returns how many bytes went.
func (g *call) send(socket int) (int, error) {
	flags := unix.MSG_NOSIGNAL
	if g.more {
		flags |= unix.MSG_MORE
	}
	g.message.Iov = &g.vector[0]
	g.message.SetIovlen(g.count)
	var n uintptr
	var errno syscall.Errno
	if g.brief() {
		flags |= unix.MSG_DONTWAIT
		n, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(socket), uintptr(unsafe.Pointer(&g.message)), uintptr(flags))
	} else {
		n, _, errno = unix.Syscall(unix.SYS_SENDMSG, uintptr(socket), uintptr(unsafe.Pointer(&g.message)), uintptr(flags))
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// brief reports whether the call sends a few bytes of this process's memory. A mapping may have to be read first.
func (g *call) brief() bool {
	total := uint64(0)
	for i := range g.vector[:g.count] {
		total += g.vector[i].Len
	}
	return g.mapped == 0 && total <= brief
}

// sendfile sends from the front of a range without a look at it.
func (r *ranges) sendfile(socket int, p *piece) (int, error) {
	pos := p.pos
	n, err := unix.Sendfile(socket, p.fd, &pos, int(min(p.left, sendMost)))
	p.way = bySendfile
	switch err {
	case unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP:
		r.copying.Store(true)
		return 0, nil
	case nil:
		if n == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		return n, nil
	}
	return max(n, 0), err
}

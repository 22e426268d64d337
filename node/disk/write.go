package disk

import (
	"golang.org/x/sys/unix"

	"ottla.dev/core"
)

// iovMost is the kernel's bound of buffers in one vectored call (IOV_MAX).
const iovMost = 1024

// write makes the writes of a run to one file, adjacent ones in one system call.
func (t *Table) write(f *File, ops []core.FileOp) {
	fd, err := f.acquire()
	if err != nil {
		for _, i := range f.writes {
			t.errs[i] = err
		}
		return
	}
	defer f.release()
	for rest := f.writes; len(rest) > 0; {
		n := adjacent(rest, ops)
		if f.mapped != nil {
			n = 1
			err = f.writeMapped(t, fd, ops[rest[0]].Pos, ops[rest[0]].Data)
		} else {
			err = t.writeAdjacent(f, fd, rest[:n], ops)
		}
		for _, i := range rest[:n] {
			t.errs[i] = err
		}
		rest = rest[n:]
	}
}

// adjacent counts the first of the writes that follow each other in the file.
func adjacent(writes []int, ops []core.FileOp) int {
	end := ops[writes[0]].Pos + int64(len(ops[writes[0]].Data))
	n := 1
	for n < len(writes) && n < iovMost && ops[writes[n]].Pos == end {
		end += int64(len(ops[writes[n]].Data))
		n++
	}
	return n
}

func (t *Table) writeAdjacent(f *File, fd int, writes []int, ops []core.FileOp) error {
	first, last := &ops[writes[0]], &ops[writes[len(writes)-1]]
	f.reserve(fd, first.Pos, last.Pos+int64(len(last.Data)))
	if len(writes) == 1 {
		return t.pwrite(f, fd, first.Data, first.Pos)
	}
	t.iov = t.iov[:0]
	total := 0
	for _, i := range writes {
		t.iov = append(t.iov, ops[i].Data)
		total += len(ops[i].Data)
	}
	n, err := t.disk.system.Pwritev(fd, t.iov, first.Pos)
	clear(t.iov)
	t.disk.Writes.Add(1)
	t.disk.Written.Add(int64(max(n, 0)))
	if err == nil && n == total {
		return nil
	}
	if err != nil && err != unix.EINTR {
		return wrap("write", f.path, err)
	}
	// Interrupted or short: the plain calls go on where this one stopped and find out why.
	pos := first.Pos
	for _, i := range writes {
		done := min(max(n, 0), len(ops[i].Data))
		n -= done
		if err := t.pwrite(f, fd, ops[i].Data[done:], pos+int64(done)); err != nil {
			return err
		}
		pos += int64(len(ops[i].Data))
	}
	return nil
}

// pwrite writes all of data. A disk that takes a part of it gets the rest again, and then says why it could not.
func (t *Table) pwrite(f *File, fd int, data []byte, pos int64) error {
	for len(data) > 0 {
		n, err := t.disk.system.Pwrite(fd, data, pos)
		t.disk.Writes.Add(1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return wrap("write", f.path, err)
		}
		if n == 0 {
			return wrap("write", f.path, errShortWrite)
		}
		t.disk.Written.Add(int64(n))
		data, pos = data[n:], pos+int64(n)
	}
	return nil
}

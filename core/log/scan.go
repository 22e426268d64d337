package log

import (
	"ottla.dev/core"
	"ottla.dev/core/record"
)

const (
	// headerChunk is how much is read at once when only the headers of batches are wanted. Small batches share a read;
	// of large ones little is read in vain.
	headerChunk = 16 << 10
	// bodyChunk is how much is read at once when all bytes are wanted.
	bodyChunk = 1 << 20
)

// scanner walks the batches of a file that is not in memory.
type scanner struct {
	file  core.File
	end   int64 // where to stop
	pos   int64 // of the next batch
	buf   []byte
	bufAt int64
	chunk int
}

func newScanner(file core.File, pos, end int64, chunk int) *scanner {
	return &scanner{file: file, pos: pos, end: end, chunk: chunk}
}

// peek returns n bytes at pos, or fewer at the end. They are good until the next peek.
func (s *scanner) peek(pos int64, n int) ([]byte, error) {
	n = int(min(int64(n), s.end-pos))
	if n <= 0 {
		return nil, nil
	}
	if pos >= s.bufAt && pos+int64(n) <= s.bufAt+int64(len(s.buf)) {
		return s.buf[pos-s.bufAt:][:n], nil
	}
	want := int(min(int64(max(n, s.chunk)), s.end-pos))
	if cap(s.buf) < want {
		s.buf = make([]byte, want)
	}
	got, err := s.file.ReadAt(s.buf[:want], pos)
	if err != nil {
		s.buf = s.buf[:0]
		return nil, err
	}
	s.buf, s.bufAt = s.buf[:got], pos
	return s.buf[:min(n, got)], nil
}

// header returns the header of the batch at pos and the batch's size. The view is good until the next call and has only
// the header's fields. At the end of the file it returns nil and no error; where there is no whole batch, an error
// of record.
func (s *scanner) header() (record.View, int64, error) {
	if s.pos >= s.end {
		return nil, 0, nil
	}
	b, err := s.peek(s.pos, record.HeaderSize)
	if err != nil {
		return nil, 0, fail("reading a log file", err)
	}
	if len(b) < record.HeaderSize {
		return nil, 0, record.ErrTruncated
	}
	size, err := record.SizeOf(b)
	if err != nil {
		return nil, 0, err
	}
	if s.pos+int64(size) > s.end {
		return nil, int64(size), record.ErrTruncated
	}
	return record.View(b), int64(size), nil
}

// whole returns the bytes of the batch of size at pos, good until the next call.
func (s *scanner) whole(size int64) (record.View, error) {
	b, err := s.peek(s.pos, int(size))
	if err != nil {
		return nil, fail("reading a log file", err)
	}
	if int64(len(b)) < size {
		return nil, record.ErrTruncated
	}
	return record.View(b), nil
}

// damage tells the errors that bytes cause from those of the disk.
func damage(err error) bool {
	_, ok := err.(record.FrameError)
	return ok
}

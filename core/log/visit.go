package log

import (
	"ottla.dev/core"
	"ottla.dev/core/record"
)

// Batches calls visit with the whole bytes and the position of every batch of a file, until it returns false. The view
// is good until visit returns. It returns the position behind the last whole batch, and a [record.FrameError] if bytes
// that are no whole batch follow there. Checksums are not looked at.
func Batches(fs core.FS, path string, visit func(v record.View, pos int64) bool) (int64, error) {
	f, err := fs.Open(path)
	if err != nil {
		return 0, fail("opening "+path, err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0, fail("reading "+path, err)
	}
	sc := newScanner(f, 0, size, bodyChunk)
	for {
		v, n, err := sc.header()
		if err == nil && v != nil {
			v, err = sc.whole(n)
		}
		if err != nil || v == nil {
			return sc.pos, err
		}
		if !visit(v, sc.pos) {
			return sc.pos, nil
		}
		sc.pos += n
	}
}

// ReadFile reads a whole file. It returns [core.ErrNotExist] as it is.
func ReadFile(fs core.FS, path string) ([]byte, error) { return readFile(fs, path) }

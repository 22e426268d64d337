package dump

import (
	"encoding/binary"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// maxTornSearch is how far behind a bad batch another one is looked for. More than one request's bytes are rarely in
// flight when a broker dies.
const maxTornSearch = 64 << 20

// followed reports whether a whole, valid batch with a later offset comes anywhere after the bytes at pos. If one does,
// these bytes are not the end of a write that was cut off.
func (p *partition) followed(path string, pos int64) bool {
	b, err := readFrom(p.fs, path, pos+1)
	if err != nil {
		return false // reading on will find the same
	}
	for ; len(b) >= record.HeaderSize; b = b[1:] {
		if int8(b[magicAt]) != record.Magic || core.Offset(binary.BigEndian.Uint64(b)) < p.next {
			continue
		}
		size, err := record.SizeOf(b)
		if err == nil && size <= len(b) && record.View(b[:size]).Check() == nil {
			return true
		}
	}
	return false
}

// magicAt is where a batch has its magic byte.
const magicAt = 16

func readFrom(fs core.FS, path string, pos int64) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, max(0, min(size-pos, maxTornSearch)))
	n, err := f.ReadAt(b, pos)
	return b[:n], err
}

package record

import (
	"encoding/binary"

	"ottla.dev/core"
)

// The few types of Kafka's flexible message format (KIP-482) that control records are made of. Lengths are unsigned
// varints of the length plus one; tagged fields are skipped, but for the one that Ottla's own LEADER_CHANGE has.

// noTags is an empty section of tagged fields.
const noTags = 0

func append16(dst []byte, x uint16) []byte { return binary.BigEndian.AppendUint16(dst, x) }
func append32(dst []byte, x uint32) []byte { return binary.BigEndian.AppendUint32(dst, x) }
func appendLen(dst []byte, n int) []byte   { return binary.AppendUvarint(dst, uint64(n)+1) }

// flex reads such a message. After the first read beyond the end, bad is set and all reads give zero.
type flex struct {
	b   []byte
	bad bool
}

func (f *flex) take(n uint64) []byte {
	if f.bad || n > uint64(len(f.b)) {
		f.bad = true
		return nil
	}
	out := f.b[:n]
	f.b = f.b[n:]
	return out
}

func (f *flex) u16() uint16 {
	if b := f.take(2); b != nil {
		return be16(b)
	}
	return 0
}

func (f *flex) u32() uint32 {
	if b := f.take(4); b != nil {
		return be32(b)
	}
	return 0
}

func (f *flex) uuid() core.UUID {
	var u core.UUID
	copy(u[:], f.take(uint64(len(u))))
	return u
}

func (f *flex) uvarint() uint64 {
	x, n := binary.Uvarint(f.b)
	if f.bad || n <= 0 {
		f.bad = true
		return 0
	}
	f.b = f.b[n:]
	return x
}

// length reads the length of an array whose elements take at least so many bytes. A length that the remaining bytes
// cannot hold is bad, so that it never sizes an allocation.
func (f *flex) length(least int) int {
	n := f.uvarint()
	if f.bad || n == 0 || n-1 > uint64(len(f.b)/least) {
		f.bad = true
		return 0
	}
	return int(n - 1)
}

func (f *flex) text() string {
	n := f.uvarint()
	if n == 0 {
		f.bad = true
		return ""
	}
	return string(f.take(n - 1))
}

// tags gives the tagged fields. Each takes two bytes or more, so the bytes bound the loop.
func (f *flex) tags(yield func(tag uint64, value []byte)) {
	for n := f.uvarint(); n > 0 && !f.bad; n-- {
		tag := f.uvarint()
		if value := f.take(f.uvarint()); !f.bad {
			yield(tag, value)
		}
	}
}

// skipTags passes over tagged fields.
func (f *flex) skipTags() { f.tags(func(uint64, []byte) {}) }

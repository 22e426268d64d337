package record

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/klauspost/compress/snappy"
)

// Kafka's Java clients frame snappy as the xerial library does: a header of 16 bytes, then blocks, each behind its
// compressed size. Other clients write one bare block. Both are read; the frame is written.
const (
	xerialMagic      = "\x82SNAPPY\x00"
	xerialHeader     = xerialMagic + "\x00\x00\x00\x01\x00\x00\x00\x01" // version 1, compatible with version 1
	xerialBlock      = 32 << 10
	xerialSizeBytes  = 4
	snappyMostGrowth = 22 // a copy of 64 bytes takes 3, so no block grows by more
	// xerialRestart is the magic's first four bytes, read as a block size: xerial lets streams be joined.
	xerialRestart = 0x82534E41
)

func (c *Codecs) readSnappy(src []byte) CodecError {
	c.plain = c.plain[:0]
	if !bytes.HasPrefix(src, []byte(xerialMagic)) {
		return c.readSnappyBlock(src)
	}
	if len(src) < len(xerialHeader) {
		return ErrCompressed
	}
	rest := src[len(xerialHeader):]
	for len(rest) > 0 {
		if len(rest) < xerialSizeBytes {
			return ErrCompressed
		}
		size := uint64(binary.BigEndian.Uint32(rest))
		if size == xerialRestart && len(rest) >= len(xerialHeader) {
			rest = rest[len(xerialHeader):]
			continue
		}
		rest = rest[xerialSizeBytes:]
		if size > uint64(len(rest)) {
			return ErrCompressed
		}
		if fault := c.readSnappyBlock(rest[:size]); fault != 0 {
			return fault
		}
		rest = rest[size:]
	}
	return 0
}

// readSnappyBlock decompresses one block behind c.plain. The strict decoder is used because the fast one also takes
// S2's extensions, which no other Kafka client could read back.
func (c *Codecs) readSnappyBlock(block []byte) CodecError {
	claim, n := binary.Uvarint(block)
	if n <= 0 || claim > uint64(len(block))*snappyMostGrowth {
		return ErrCompressed
	}
	had := len(c.plain)
	if claim > uint64(c.limit-had) {
		return ErrTooLarge
	}
	size := int(claim)
	c.plain = slices.Grow(c.plain, size)
	out, err := snappy.DecodeStrict(c.plain[had:had:had+size], block)
	if err != nil {
		return ErrCompressed
	}
	c.plain = c.plain[:had+len(out)]
	return 0
}

func appendSnappy(dst, src []byte) []byte {
	dst = append(dst, xerialHeader...)
	for len(src) > 0 {
		chunk := src[:min(len(src), xerialBlock)]
		src = src[len(chunk):]
		most := snappy.MaxEncodedLen(len(chunk))
		dst = slices.Grow(dst, xerialSizeBytes+most)
		sizeAt := len(dst)
		block := snappy.Encode(dst[sizeAt+xerialSizeBytes:sizeAt+xerialSizeBytes+most], chunk)
		dst = dst[:sizeAt+xerialSizeBytes+len(block)]
		binary.BigEndian.PutUint32(dst[sizeAt:], uint32(len(block)))
	}
	return dst
}

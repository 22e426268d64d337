package check

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"ottla.dev/core"
)

// Payload is what a record's value says about itself: who wrote it, as which of his records, and where to.
type Payload struct {
	Client    int
	Number    uint64 // counts the records of a client
	Topic     string
	Partition core.PartitionID
}

const payloadMagic = 0x0771a0

// AppendPayload appends a value of at least size bytes that holds p and a checksum.
func AppendPayload(dst []byte, p Payload, size int) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, payloadMagic)
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.Client))
	dst = binary.BigEndian.AppendUint64(dst, p.Number)
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.Partition))
	dst = append(dst, byte(len(p.Topic)))
	dst = append(dst, p.Topic...)
	if from := len(dst) - start; from < size-4 {
		dst = slices.Grow(dst, size-from)[:start+size-4]
		fill := dst[start:]
		for i := from; i < len(fill); i++ {
			fill[i] = byte(i) ^ byte(p.Number)
		}
	}
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}

// ReadPayload reads a value that AppendPayload made.
func ReadPayload(b []byte) (Payload, bool) {
	const fixed = 4 + 4 + 8 + 4 + 1
	if len(b) < fixed+4 || binary.BigEndian.Uint32(b) != payloadMagic ||
		crc32.ChecksumIEEE(b[:len(b)-4]) != binary.BigEndian.Uint32(b[len(b)-4:]) {
		return Payload{}, false
	}
	n := int(b[fixed-1])
	if len(b) < fixed+n+4 {
		return Payload{}, false
	}
	return Payload{int(binary.BigEndian.Uint32(b[4:])), binary.BigEndian.Uint64(b[8:]), string(b[fixed : fixed+n]),
		core.PartitionID(binary.BigEndian.Uint32(b[16:]))}, true
}

package record

// FrameError says why bytes do not begin with a whole, sound batch. The values are compared with ==.
type FrameError uint8

// The kinds of [FrameError].
const (
	// ErrTruncated: the bytes end before the batch does. At the end of a log this is a torn write; at the end of a
	// fetched range it is the customary partial batch.
	ErrTruncated FrameError = iota + 1
	// ErrCorrupt: the bytes are no batch, whatever may follow them.
	ErrCorrupt
	// ErrMagic: a message of format 0 or 1, which Ottla does not store.
	ErrMagic
	// ErrChecksum: the CRC-32C is not that of the bytes.
	ErrChecksum
)

// Error gives the fault in words.
func (e FrameError) Error() string {
	switch e {
	case ErrTruncated:
		return "record batch is cut short"
	case ErrMagic:
		return "record batch has magic 0 or 1, which is not supported"
	case ErrChecksum:
		return "record batch has a wrong checksum"
	}
	return "record batch is corrupt"
}

// Next cuts the first batch from b and returns it with the bytes after it. Only the length and the magic are looked
// at. With no bytes left it returns an empty view and no error.
func Next(b []byte) (v View, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, nil
	}
	size, fault := frame(b)
	if fault != 0 {
		return nil, b, fault
	}
	return View(b[:size:size]), b[size:], nil
}

// SizeOf is the size that the batch at the start of b will have once all of it is there; b needs [SizePrefix] bytes.
func SizeOf(b []byte) (int, error) {
	size, fault := frame(b)
	if fault != 0 && (fault != ErrTruncated || size == 0) {
		return 0, fault
	}
	return size, nil
}

// frame finds the size of the batch at the start of b, 0 where it cannot be known. With [ErrTruncated] the size
// may be larger than what b holds.
func frame(b []byte) (size int, fault FrameError) {
	if len(b) < LogOverhead {
		return 0, ErrTruncated
	}
	length := int64(int32(be32(b[lengthAt:])))
	if length < legacyLengthFloor {
		return 0, ErrCorrupt
	}
	if len(b) < SizePrefix {
		return 0, ErrTruncated
	}
	magic := int8(b[magicAt])
	if magic < 0 || magic > Magic {
		return 0, ErrCorrupt
	}
	if magic < Magic {
		return 0, ErrMagic
	}
	if length < HeaderSize-LogOverhead {
		return 0, ErrCorrupt
	}
	// A length near 2^31 would overflow a 32-bit int; no such batch is ever whole.
	if length > int64(maxInt32-LogOverhead) {
		return 0, ErrCorrupt
	}
	size = int(length) + LogOverhead
	if len(b) < size {
		return size, ErrTruncated
	}
	return size, 0
}

const maxInt32 = 1<<31 - 1

// Check decides whether a batch read from a log or from a leader may be taken: the checksum holds and the header
// makes sense on its own. Records are not walked.
func (v View) Check() error {
	if !v.ValidCRC() {
		return ErrChecksum
	}
	count, last := v.Count(), v.LastOffsetDelta()
	switch {
	case v.BaseOffset() < 0, count < 0, last < 0, int64(count) > int64(last)+1:
		return ErrCorrupt
	case v.LastOffset() < v.BaseOffset(), !v.Codec().known():
		return ErrCorrupt
	}
	return nil
}

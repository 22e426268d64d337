package record

// fault is what is wrong with the bytes of a record.
type fault uint8

const (
	faultNone fault = iota
	faultLength
	faultField
	faultKey
	faultValue
	faultHeaderCount
	faultHeader
	faultLeftover
	faultCount
	faultTrailing
)

func (f fault) String() string {
	switch f {
	case faultLength:
		return "the record's length is malformed or reaches past the batch"
	case faultField:
		return "the record ends within its fixed fields"
	case faultKey:
		return "the record's key is malformed or reaches past the record"
	case faultValue:
		return "the record's value is malformed or reaches past the record"
	case faultHeaderCount:
		return "the record's header count is malformed, negative or larger than the record"
	case faultHeader:
		return "a record header is malformed or reaches past the record"
	case faultLeftover:
		return "the record is longer than its fields"
	case faultCount:
		return "the batch has fewer records than its count says"
	case faultTrailing:
		return "the batch has bytes after the last record that its count announces"
	}
	return "no fault"
}

// parsed is one record where it lies. The slices share the payload's bytes; nil is null.
type parsed struct {
	timestampDelta int64
	offsetDelta    int32
	key, value     []byte
	headers        Headers
}

// leastHeader is the size in bytes of the smallest header: two lengths.
const leastHeader = 2

// parse reads the record at pos of b and returns the position after it. Every length is checked against the record's
// end before it is used, headers included, so that reading them later cannot fail.
func (r *parsed) parse(b []byte, pos int) (int, fault) {
	size, p := readVarint(b, pos)
	if p < 0 || size < 0 || int(size) > len(b)-p {
		return 0, faultLength
	}
	end := p + int(size)
	b = b[:end]
	if p == end {
		return 0, faultField
	}
	p++ // the attributes, of which no bit is in use
	r.timestampDelta, p = readVarlong(b, p)
	r.offsetDelta, p = readVarint(b, p)
	if p < 0 {
		return 0, faultField
	}
	if r.key, p = readBytes(b, p); p < 0 {
		return 0, faultKey
	}
	if r.value, p = readBytes(b, p); p < 0 {
		return 0, faultValue
	}
	n, p := readVarint(b, p)
	if p < 0 || n < 0 || int(n) > (end-p)/leastHeader {
		return 0, faultHeaderCount
	}
	r.headers = Headers{raw: b[p:], n: n}
	for range n {
		if p = skipHeader(b, p); p < 0 {
			return 0, faultHeader
		}
	}
	if p != end {
		return 0, faultLeftover
	}
	return end, faultNone
}

// readBytes reads a length and as many bytes; length -1 is null.
func readBytes(b []byte, pos int) ([]byte, int) {
	// Short and not null, the common case: the length is one byte, and even.
	if uint(pos) < uint(len(b)) && b[pos]&0x81 == 0 {
		from := pos + 1
		if end := from + int(b[pos]>>1); end <= len(b) {
			return b[from:end:end], end
		}
		return nil, -1
	}
	n, p := readVarint(b, pos)
	switch {
	case p < 0 || n < -1 || int(n) > len(b)-p:
		return nil, -1
	case n == -1:
		return nil, p
	}
	end := p + int(n)
	return b[p:end:end], end
}

func skipHeader(b []byte, pos int) int {
	n, p := readVarint(b, pos)
	if p < 0 || n < 0 || int(n) > len(b)-p {
		return -1
	}
	p += int(n)
	if n, p = readVarint(b, p); p < 0 || n < -1 || int(n) > len(b)-p {
		return -1
	}
	return p + int(max(n, 0))
}

package record

// Kafka's varints: zigzag, base 128, least significant group first, at most 5 bytes for 32 bits and 10 for 64.
const (
	maxVarintLen  = 5
	maxVarlongLen = 10
)

// readVarint reads at pos and returns the position after. A negative position is "failed" and stays failed through
// further reads, so that a row of reads needs one test at its end.
func readVarint(b []byte, pos int) (int32, int) {
	if uint(pos) < uint(len(b)) && b[pos] < 0x80 {
		return int32(b[pos]>>1) ^ -int32(b[pos]&1), pos + 1
	}
	// Two bytes, up to 8191, are nearly all of the rest.
	if pos >= 0 && pos+1 < len(b) && b[pos+1] < 0x80 {
		u := uint32(b[pos]&0x7f) | uint32(b[pos+1])<<7
		return int32(u>>1) ^ -int32(u&1), pos + 2
	}
	u, pos := readGroups(b, pos, maxVarintLen)
	if u > 1<<32-1 {
		return 0, -1
	}
	return int32(uint32(u)>>1) ^ -int32(u&1), pos
}

// readVarlong is [readVarint] for 64 bits.
func readVarlong(b []byte, pos int) (int64, int) {
	if pos >= 0 && pos+1 < len(b) && (b[pos] < 0x80 || b[pos+1] < 0x80) {
		x, p := readVarint(b, pos)
		return int64(x), p
	}
	u, pos := readGroups(b, pos, maxVarlongLen)
	return int64(u>>1) ^ -int64(u&1), pos
}

func readGroups(b []byte, pos, most int) (uint64, int) {
	var u uint64
	for i := range most {
		if uint(pos) >= uint(len(b)) {
			return 0, -1
		}
		c := b[pos]
		pos++
		if i == maxVarlongLen-1 && c > 1 {
			return 0, -1
		}
		u |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return u, pos
		}
	}
	return 0, -1
}

func appendVarint(dst []byte, x int32) []byte { return appendVarlong(dst, int64(x)) }

func appendVarlong(dst []byte, x int64) []byte {
	u := uint64(x)<<1 ^ uint64(x>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

func varlongSize(x int64) int {
	n := 1
	for u := uint64(x)<<1 ^ uint64(x>>63); u >= 0x80; u >>= 7 {
		n++
	}
	return n
}

func varintSize(x int32) int { return varlongSize(int64(x)) }

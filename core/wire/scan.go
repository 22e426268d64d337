package wire

const (
	// stringSize is what the header of a Go string takes.
	stringSize = 16
	// maxString is the longest string that Kafka reads, in bytes.
	maxString = 1<<15 - 1
	// decodeSlack is what any request may take once decoded, in bytes.
	decodeSlack = 1 << 20
	// decodeFactor is how many bytes beyond that each byte of a request may become. Honest requests with short names
	// come to 2 to 5 (a topic name of 10 bytes in a Metadata request becomes 48) and are small; the slack is theirs.
	decodeFactor = 4
)

// DecodeBudget is the most memory, in bytes, that [Decode] spends on a body of size bytes, the body itself not counted.
func DecodeBudget(size int) int { return decodeSlack + decodeFactor*size }

// scanner walks a request body along a program and allocates nothing.
//
// Invariant: pos <= end <= len(body), and when stripping, len(out) <= copied <= pos.
type scanner struct {
	body     []byte
	pos, end int // end is smaller than len(body) only inside a tagged field
	flexible bool

	decoded, budget int  // bytes that decoding will allocate, and the most it may
	unknown         bool // an unknown tagged field was seen

	// When stripping, the body is rewritten in place without its unknown tagged fields: out grows over the front of
	// body and never overtakes copied, since what is written is never longer than what was read.
	strip  bool
	out    []byte
	copied int
	reason string
}

// scan checks the body against the program and returns it without unknown tagged fields. The body's bytes may be moved.
// Decoding it may take budget bytes. On refusal the reason says what was wrong.
func scan(p *program, body []byte, budget int) (clean []byte, reason string) {
	s := scanner{body: body, end: len(body), flexible: p.flexible, budget: budget}
	if !s.run(p) {
		return nil, s.reason
	}
	if !s.unknown {
		return body[:s.pos], ""
	}
	s = scanner{body: body, end: len(body), flexible: p.flexible, budget: s.budget, strip: true, out: body[:0]}
	if !s.run(p) {
		panic("wire: a body that was well formed no longer is: " + s.reason)
	}
	s.flush(s.pos)
	return s.out, ""
}

func (s *scanner) refuse(reason string) bool {
	s.reason = reason
	return false
}

func (s *scanner) run(p *program) bool {
	for i := range p.ops {
		o := &p.ops[i]
		ok := false
		switch o.kind {
		case opSkip:
			ok = s.skip(o.size)
		case opString:
			ok = s.string(o)
		case opBytes:
			ok = s.bytes(o)
		case opArray:
			ok = s.array(o)
		case opStruct:
			ok = s.structure(o)
		}
		if !ok {
			return false
		}
	}
	return !p.flexible || s.tagged(p)
}

func (s *scanner) skip(n int) bool {
	if n > s.end-s.pos {
		return s.refuse("truncated")
	}
	s.pos += n
	return true
}

func (s *scanner) spend(n int) bool {
	s.decoded += n
	if s.decoded > s.budget {
		return s.refuse("decodes to more than its budget")
	}
	return true
}

func (s *scanner) string(o *op) bool {
	n, ok := s.length(2)
	if !ok {
		return false
	}
	if n < 0 {
		if !o.nullable {
			return s.refuse("null string")
		}
		return true
	}
	if n > maxString {
		return s.refuse("string too long")
	}
	if o.pointer && !s.spend(stringSize) {
		return false
	}
	return s.spend(n) && s.skip(n)
}

// bytes costs nothing once decoded: kmsg aliases the body.
func (s *scanner) bytes(o *op) bool {
	n, ok := s.length(4)
	if !ok {
		return false
	}
	if n < 0 {
		if !o.nullable {
			return s.refuse("null bytes")
		}
		return true
	}
	return s.skip(n)
}

func (s *scanner) array(o *op) bool {
	n, ok := s.length(4)
	if !ok {
		return false
	}
	if n < 0 {
		if !o.nullable {
			return s.refuse("null array")
		}
		return true
	}
	if n*o.sub.minSize > s.end-s.pos {
		return s.refuse("array longer than the body")
	}
	if !s.spend(n * o.size) {
		return false
	}
	if o.sub.fixed {
		return s.skip(n * o.sub.minSize)
	}
	for range n {
		if !s.run(o.sub) {
			return false
		}
	}
	return true
}

func (s *scanner) structure(o *op) bool {
	if o.nullable {
		if !s.skip(1) {
			return false
		}
		switch mark := int8(s.body[s.pos-1]); {
		case mark == -1:
			return true
		case mark < 0:
			return s.refuse("bad mark of a nullable struct")
		}
		if !s.spend(o.size) {
			return false
		}
	}
	return s.run(o.sub)
}

// tagged walks the tagged fields at the end of a struct.
func (s *scanner) tagged(p *program) bool {
	start := s.pos
	count, ok := s.uvarint()
	if !ok {
		return false
	}
	if count == 0 {
		return true
	}
	if int(count) > (s.end-s.pos)/2 {
		return s.refuse("more tagged fields than bytes for them")
	}
	countAt := 0
	if s.strip {
		s.flush(start)
		countAt = len(s.out)
		s.copied = s.pos
	}
	kept := uint32(0)
	for range count {
		known, ok := s.tag(p)
		if !ok {
			return false
		}
		if known {
			kept++
		}
	}
	if s.strip {
		s.insert(countAt, kept)
	}
	return true
}

// tag walks one tagged field and reports whether the program knows it.
func (s *scanner) tag(p *program) (known, ok bool) {
	key, ok := s.uvarint()
	if !ok {
		return false, false
	}
	keyEnd := s.pos
	size, ok := s.uvarint()
	if !ok {
		return false, false
	}
	if int(size) > s.end-s.pos {
		return false, s.refuse("tagged field longer than the body")
	}
	fieldEnd := s.pos + int(size)
	sub := (*program)(nil)
	for i := range p.tags {
		if p.tags[i].tag == key {
			if !p.tags[i].known {
				return false, s.refuse("tagged field of a later version")
			}
			sub = p.tags[i].sub
		}
	}
	if sub == nil {
		s.unknown = true
		s.pos, s.copied = fieldEnd, fieldEnd
		return false, true
	}
	sizeAt := 0
	if s.strip {
		s.flush(keyEnd)
		sizeAt = len(s.out)
		s.copied = s.pos
	}
	outer := s.end
	s.end = fieldEnd
	if !s.run(sub) {
		return false, false
	}
	s.pos, s.end = fieldEnd, outer
	if s.strip {
		s.flush(fieldEnd)
		s.insert(sizeAt, uint32(len(s.out)-sizeAt))
	}
	return true, true
}

// length reads the length of a string (wide 2), of bytes or of an array (wide 4). Negative is null.
func (s *scanner) length(wide int) (n int, ok bool) {
	if s.flexible {
		v, ok := s.uvarint()
		return int(v) - 1, ok
	}
	if !s.skip(wide) {
		return 0, false
	}
	b := s.body[s.pos-wide : s.pos]
	if wide == 2 {
		return int(int16(be16(b))), true
	}
	return int(int32(be32(b))), true
}

// uvarint reads an unsigned variable-length number of at most 32 bits.
func (s *scanner) uvarint() (uint32, bool) {
	v := uint32(0)
	for i := 0; i < 5; i++ {
		if s.pos >= s.end {
			return 0, s.refuse("truncated")
		}
		c := s.body[s.pos]
		s.pos++
		if i == 4 && c > 0x0f {
			break
		}
		v |= uint32(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v, true
		}
	}
	return 0, s.refuse("variable-length number over 32 bits")
}

// flush copies what was read since the last flush, up to position to.
func (s *scanner) flush(to int) {
	s.out = append(s.out, s.body[s.copied:to]...)
	s.copied = to
}

// insert puts a variable-length number into out at position at.
func (s *scanner) insert(at int, v uint32) {
	var number [5]byte
	n := len(appendUvarint(number[:0], v))
	s.out = s.out[:len(s.out)+n]
	copy(s.out[at+n:], s.out[at:])
	copy(s.out[at:], number[:n])
}

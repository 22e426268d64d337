package wire

import (
	"strconv"
	"strings"
)

// A schema is the shape of one request over all versions, in a small notation:
//
//	b h i l u      fixed: 1 byte (bool, int8), 2, 4, 8 bytes, a UUID of 16
//	s d            string, bytes
//	[=i]           array of a plain type
//	[s i]          array of structs with these fields
//	(l i)          a struct in place
//	…?  …?@4       may be null: always, or from version 4
//	…:3+  …:0-12   in these versions only
//	#0…            tagged field number 0
type field struct {
	kind     byte // one of "bhilusd[("
	plain    bool // the array's elements are not structs
	min, max int16
	nullFrom int16 // the first version in which null is allowed
	optional bool  // null is allowed in some version
	tag      int16 // -1 when not tagged
	sub      []field
}

// maxVersion stands for "and all later versions".
const maxVersion int16 = 1<<15 - 1

type schemaParser struct{ text string }

// parseSchema reads a schema of the table. A mistake in it is a mistake in this package, so it panics.
func parseSchema(text string) []field {
	p := schemaParser{text: text}
	fields := p.fields()
	if p.text != "" {
		panic("wire: schema " + strconv.Quote(text) + ": left over: " + p.text)
	}
	return fields
}

func (p *schemaParser) fields() []field {
	var fields []field
	for {
		p.text = strings.TrimLeft(p.text, " \t\n")
		if p.text == "" || p.text[0] == ']' || p.text[0] == ')' {
			return fields
		}
		fields = append(fields, p.field())
	}
}

func (p *schemaParser) field() field {
	f := field{max: maxVersion, nullFrom: maxVersion, tag: -1}
	if p.take('#') {
		f.tag = p.number()
	}
	f.kind, p.text = p.text[0], p.text[1:]
	switch f.kind {
	case '[':
		f.plain = p.take('=')
		f.sub = p.fields()
		p.must(']')
	case '(':
		f.sub = p.fields()
		p.must(')')
	default:
		if !strings.ContainsRune("bhilusd", rune(f.kind)) {
			panic("wire: schema: unknown type " + string(rune(f.kind)))
		}
	}
	if p.take('?') {
		f.optional, f.nullFrom = true, 0
		if p.take('@') {
			f.nullFrom = p.number()
		}
	}
	if p.take(':') {
		f.min = p.number()
		if !p.take('+') {
			p.must('-')
			f.max = p.number()
		}
	}
	return f
}

func (p *schemaParser) take(c byte) bool {
	if p.text == "" || p.text[0] != c {
		return false
	}
	p.text = p.text[1:]
	return true
}

func (p *schemaParser) must(c byte) {
	if !p.take(c) {
		panic("wire: schema: want " + string(rune(c)) + " before " + p.text)
	}
}

func (p *schemaParser) number() int16 {
	digits := len(p.text) - len(strings.TrimLeft(p.text, "0123456789"))
	n, err := strconv.ParseInt(p.text[:digits], 10, 16)
	if err != nil {
		panic("wire: schema: " + err.Error())
	}
	p.text = p.text[digits:]
	return int16(n)
}

// A program is a schema compiled for one version: what [scanner] follows.
type program struct {
	ops      []op
	tags     []tagOp
	flexible bool
	minSize  int  // the fewest bytes that this can take on the wire
	fixed    bool // it always takes minSize bytes
}

type opKind uint8

const (
	opSkip   opKind = iota // size bytes of no interest
	opString               // a string
	opBytes                // bytes
	opArray                // an array of sub, each taking size bytes once decoded
	opStruct               // a struct, taking size bytes of its own once decoded if it may be null
)

type op struct {
	kind     opKind
	nullable bool
	// pointer says that kmsg holds the string behind a pointer, which takes memory of its own.
	pointer bool
	size    int
	sub     *program
}

type tagOp struct {
	tag uint32
	// known is false for versions in which the tag does not exist yet; sending it then is malformed.
	known bool
	sub   *program
}

type compiler struct {
	version  int16
	flexible bool
	hasTags  bool // some version is flexible, so that kmsg's structs have room for unknown tags
}

func (c compiler) compile(fields []field) *program {
	p := &program{flexible: c.flexible, fixed: !c.flexible}
	for i := range fields {
		f := &fields[i]
		in := f.min <= c.version && c.version <= f.max
		if f.tag >= 0 {
			sub := &program{}
			c.add(sub, f)
			p.tags = append(p.tags, tagOp{tag: uint32(f.tag), known: in, sub: sub})
			continue
		}
		if in {
			c.add(p, f)
		}
	}
	if c.flexible {
		p.minSize++
	}
	return p
}

// add appends the field's op to p. Adjacent fixed fields become one skip.
func (c compiler) add(p *program, f *field) {
	o := op{nullable: c.version >= f.nullFrom}
	prefix4, prefix2 := 4, 2
	if c.flexible {
		prefix4, prefix2 = 1, 1
	}
	switch f.kind {
	case 's':
		o.kind, o.pointer = opString, f.optional
		p.minSize += prefix2
	case 'd':
		o.kind = opBytes
		p.minSize += prefix4
	case '[':
		o.kind = opArray
		o.size, _ = c.elementSize(f)
		o.sub = c.element(f)
		if o.sub.minSize == 0 {
			panic("wire: schema: elements of no size make counts unbounded")
		}
		p.minSize += prefix4
	case '(':
		o.kind, o.sub = opStruct, c.compile(f.sub)
		p.minSize += o.sub.minSize
		if o.nullable {
			o.size, _ = c.structSize(f.sub)
			p.minSize += 1 - o.sub.minSize
		}
	default:
		size, _ := c.goSize(f)
		p.minSize += size
		if n := len(p.ops); n > 0 && p.ops[n-1].kind == opSkip {
			p.ops[n-1].size += size
			return
		}
		o.kind, o.size = opSkip, size
	}
	p.fixed = p.fixed && o.kind == opSkip
	p.ops = append(p.ops, o)
}

// element compiles the elements of an array. Plain ones have no tagged fields of their own.
func (c compiler) element(f *field) *program {
	if !f.plain {
		return c.compile(f.sub)
	}
	p := &program{fixed: true}
	c.add(p, &f.sub[0])
	return p
}

func (c compiler) elementSize(f *field) (size, align int) {
	if f.plain {
		return c.goSize(&f.sub[0])
	}
	return c.structSize(f.sub)
}

// structSize is the size and alignment of kmsg's struct, which has the fields of all versions.
func (c compiler) structSize(fields []field) (size, align int) {
	align = 1
	for i := range fields {
		s, a := c.goSize(&fields[i])
		size = (size+a-1)/a*a + s
		align = max(align, a)
	}
	if c.hasTags {
		size = (size+7)/8*8 + 8
		align = 8
	}
	return (size + align - 1) / align * align, align
}

// goSize is the size and alignment of the Go type that kmsg gives the field.
func (c compiler) goSize(f *field) (size, align int) {
	switch f.kind {
	case 'b':
		return 1, 1
	case 'h':
		return 2, 2
	case 'i':
		return 4, 4
	case 'l':
		return 8, 8
	case 'u':
		return 16, 1
	case 's':
		if f.optional {
			return 8, 8
		}
		return stringSize, 8
	case '(':
		if f.optional {
			return 8, 8
		}
		return c.structSize(f.sub)
	}
	return 24, 8 // slices
}

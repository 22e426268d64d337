package metadata

import (
	"github.com/twmb/franz-go/pkg/kbin"

	"ottla.dev/core"
)

// MaxStringLength is the longest string, in bytes, that a Kafka message can hold (an int16 of old). Whoever decides a
// record checks strings from outside against it; encoding a longer one panics.
const MaxStringLength = 1<<15 - 1

// codec walks a record's fields in one of two directions, so that each schema is written down once and encoding and
// decoding cannot drift apart. Decoding never panics: the first bad field sets bad, and later fields read as zero.
type codec struct {
	writing bool
	version int16
	dst     []byte
	src     kbin.Reader
	bad     string // reading: why the bytes are refused, "" while they are good
}

func (c *codec) fail(why string) {
	if c.bad == "" {
		c.bad = why
	}
	c.src.Src = nil
}

func (c *codec) bool(v *bool) {
	if c.writing {
		c.dst = kbin.AppendBool(c.dst, *v)
		return
	}
	*v = c.src.Bool()
}

func (c *codec) int8(v *int8) {
	if c.writing {
		c.dst = kbin.AppendInt8(c.dst, *v)
		return
	}
	*v = c.src.Int8()
}

func (c *codec) int16(v *int16) {
	if c.writing {
		c.dst = kbin.AppendInt16(c.dst, *v)
		return
	}
	*v = c.src.Int16()
}

func (c *codec) uint16(v *uint16) {
	if c.writing {
		c.dst = kbin.AppendUint16(c.dst, *v)
		return
	}
	*v = c.src.Uint16()
}

func int32Field[T ~int32](c *codec, v *T) {
	if c.writing {
		c.dst = kbin.AppendInt32(c.dst, int32(*v))
		return
	}
	*v = T(c.src.Int32())
}

func int64Field[T ~int64](c *codec, v *T) {
	if c.writing {
		c.dst = kbin.AppendInt64(c.dst, int64(*v))
		return
	}
	*v = T(c.src.Int64())
}

func (c *codec) uuid(v *core.UUID) {
	if c.writing {
		c.dst = kbin.AppendUuid(c.dst, *v)
		return
	}
	*v = c.src.Uuid()
}

func (c *codec) string(v *string) {
	if c.writing {
		c.appendString(*v)
		return
	}
	s := c.readString()
	if s == nil {
		c.fail("a string is null")
		return
	}
	*v = *s
}

func (c *codec) nullableString(v **string) {
	if !c.writing {
		*v = c.readString()
		return
	}
	if *v == nil {
		c.dst = kbin.AppendUvarint(c.dst, 0)
		return
	}
	c.appendString(**v)
}

func (c *codec) appendString(s string) {
	if len(s) > MaxStringLength {
		panic("metadata: a record holds a string longer than a Kafka message can")
	}
	c.dst = kbin.AppendCompactString(c.dst, s)
}

func (c *codec) readString() *string {
	n := int64(c.src.Uvarint()) - 1
	if n < 0 {
		return nil
	}
	if n > MaxStringLength {
		c.fail("a string is longer than 32767 bytes")
		return nil
	}
	s := string(c.src.Span(int(n)))
	return &s
}

// arrayLen walks the length of an array whose elements take at least elem bytes each, which bounds what decoding
// allocates by the bytes at hand. A null array has length -1.
func (c *codec) arrayLen(n, elem int) int {
	if c.writing {
		c.dst = kbin.AppendUvarint(c.dst, uint32(n+1))
		return n
	}
	got := int64(c.src.Uvarint()) - 1
	if got > int64(len(c.src.Src)/elem) {
		c.fail("an array is longer than the record")
		return 0
	}
	return int(got)
}

func array[T any](c *codec, v *[]T, elem int, each func(*codec, *T)) {
	n := c.arrayLen(len(*v), elem)
	if n < 0 {
		c.fail("an array is null")
		return
	}
	elements(c, v, n, each)
}

// nullableArray tells nil, which is written as null, from an empty array.
func nullableArray[T any](c *codec, v *[]T, elem int, each func(*codec, *T)) {
	n := len(*v)
	if c.writing && *v == nil {
		n = -1
	}
	if n = c.arrayLen(n, elem); n < 0 {
		*v = nil
		return
	}
	elements(c, v, n, each)
	if *v == nil {
		*v = []T{}
	}
}

func elements[T any](c *codec, v *[]T, n int, each func(*codec, *T)) {
	if !c.writing && n > 0 {
		*v = make([]T, n)
	}
	for i := range *v {
		each(c, &(*v)[i])
	}
}

func brokerID(c *codec, v *core.BrokerID) { int32Field(c, v) }
func uuidField(c *codec, v *core.UUID)    { c.uuid(v) }

func (c *codec) brokers(v *[]core.BrokerID)         { array(c, v, 4, brokerID) }
func (c *codec) nullableBrokers(v *[]core.BrokerID) { nullableArray(c, v, 4, brokerID) }
func (c *codec) uuids(v *[]core.UUID)               { array(c, v, 16, uuidField) }
func (c *codec) nullableUUIDs(v *[]core.UUID)       { nullableArray(c, v, 16, uuidField) }

// tag is one tagged field (KIP-482). It is written if it is set, which is: not at its default.
type tag struct {
	number uint32
	set    bool
	field  func(*codec)
}

// tags walks the tagged fields that end every flexible struct, in ascending order of their numbers. Unknown tags are
// skipped: a newer minor version may add some.
func (c *codec) tags(known ...tag) {
	if c.writing {
		c.writeTags(known)
		return
	}
	n := c.src.Uvarint()
	for ; n > 0 && c.ok(); n-- {
		number := c.src.Uvarint()
		body := c.src.Span(int(c.src.Uvarint()))
		for _, t := range known {
			if t.number == number && c.ok() {
				c.readTag(t, body)
			}
		}
	}
}

func (c *codec) writeTags(known []tag) {
	n := uint32(0)
	for _, t := range known {
		if t.set {
			n++
		}
	}
	c.dst = kbin.AppendUvarint(c.dst, n)
	for _, t := range known {
		if !t.set {
			continue
		}
		body := codec{writing: true, version: c.version}
		t.field(&body)
		c.dst = kbin.AppendUvarint(c.dst, t.number)
		c.dst = kbin.AppendUvarint(c.dst, uint32(len(body.dst)))
		c.dst = append(c.dst, body.dst...)
	}
}

func (c *codec) readTag(t tag, body []byte) {
	inner := codec{version: c.version, src: kbin.Reader{Src: body}}
	t.field(&inner)
	if why := inner.finish(); why != "" {
		c.fail("in a tagged field: " + why)
	}
}

func (c *codec) ok() bool { return c.bad == "" && c.src.Ok() }

// finish says why the bytes read are not exactly one message, or "".
func (c *codec) finish() string {
	switch {
	case c.bad != "":
		return c.bad
	case !c.src.Ok():
		return "the bytes end too early"
	case len(c.src.Src) > 0:
		return "bytes are left over"
	}
	return ""
}

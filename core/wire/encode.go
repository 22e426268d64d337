package wire

import (
	"encoding/binary"

	"ottla.dev/core"
)

// LeaderHint tells a client who leads now, with an error that says that it is not us (KIP-951). It is written only if
// Set, and never when both fields are -1.
type LeaderHint struct {
	Set    bool
	Leader core.BrokerID
	Epoch  core.LeaderEpoch
}

func (l LeaderHint) present() bool {
	return l.Set && (l.Leader != core.NoBroker || l.Epoch != core.NoLeaderEpoch)
}

// NodeEndpoint is the address of a leader that a [LeaderHint] named. An empty rack is null.
type NodeEndpoint struct {
	ID   core.BrokerID
	Host string
	Port int32
	Rack string
}

// encoder appends the protocol's types. Its buffer belongs to whoever gave it.
type encoder struct {
	buf      []byte
	flexible bool
}

func (e *encoder) int16(v int16)      { e.buf = binary.BigEndian.AppendUint16(e.buf, uint16(v)) }
func (e *encoder) int32(v int32)      { e.buf = binary.BigEndian.AppendUint32(e.buf, uint32(v)) }
func (e *encoder) int64(v int64)      { e.buf = binary.BigEndian.AppendUint64(e.buf, uint64(v)) }
func (e *encoder) uuid(v core.UUID)   { e.buf = append(e.buf, v[:]...) }
func (e *encoder) uvarint(v uint32)   { e.buf = appendUvarint(e.buf, v) }
func (e *encoder) arrayLen(n int)     { e.length32(n) }
func (e *encoder) bytesLen(n int)     { e.length32(n) }
func (e *encoder) noTags()            { e.tagCount(0) }
func (e *encoder) tag(n, size uint32) { e.uvarint(n); e.uvarint(size) }

// length32 writes a length of bytes or of an array; -1 is null.
func (e *encoder) length32(n int) {
	if e.flexible {
		e.uvarint(uint32(n + 1))
		return
	}
	e.int32(int32(n))
}

func (e *encoder) string(s string) {
	if len(s) > maxString {
		s = s[:maxString]
	}
	if e.flexible {
		e.uvarint(uint32(len(s) + 1))
	} else {
		e.int16(int16(len(s)))
	}
	e.buf = append(e.buf, s...)
}

// nullableString writes the empty string as null.
func (e *encoder) nullableString(s string) {
	switch {
	case s != "":
		e.string(s)
	case e.flexible:
		e.uvarint(0)
	default:
		e.int16(-1)
	}
}

func (e *encoder) tagCount(n uint32) {
	if e.flexible {
		e.uvarint(n)
	}
}

// leaderHint writes a tagged field with a leader id and epoch.
func (e *encoder) leaderHint(tag uint32, l LeaderHint) {
	e.tag(tag, 4+4+1)
	e.int32(int32(l.Leader))
	e.int32(int32(l.Epoch))
	e.uvarint(0)
}

// endpoints writes tagged field 0 of a response, the endpoints of leaders.
func (e *encoder) endpoints(nodes []NodeEndpoint) {
	if len(nodes) == 0 {
		e.noTags()
		return
	}
	size := uvarintSize(uint32(len(nodes) + 1))
	for i := range nodes {
		n := &nodes[i]
		size += 4 + uvarintSize(uint32(len(n.Host)+1)) + len(n.Host) + 4 +
			uvarintSize(uint32(len(n.Rack)+1)) + len(n.Rack) + 1
	}
	e.tagCount(1)
	e.tag(0, uint32(size))
	e.arrayLen(len(nodes))
	for i := range nodes {
		n := &nodes[i]
		e.int32(int32(n.ID))
		e.string(n.Host)
		e.int32(n.Port)
		e.nullableString(n.Rack)
		e.noTags()
	}
}

func appendUvarint(dst []byte, v uint32) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

func uvarintSize(v uint32) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

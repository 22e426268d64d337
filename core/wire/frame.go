package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The refusals of a frame. All of them close the connection without an answer, as Kafka does, but the last.
var (
	// ErrFrameSize: the length before a frame is negative, zero, or above socket.request.max.bytes.
	ErrFrameSize = errors.New("wire: frame size out of range")
	// ErrMalformed: a header or body is not what its version prescribes.
	ErrMalformed = errors.New("wire: malformed request")
	// ErrUnknownAPI: the API key is not one that this listener serves.
	ErrUnknownAPI = errors.New("wire: unknown API key")
	// ErrVersion: the API is known, but not in this version.
	ErrVersion = errors.New("wire: unsupported version")
	// ErrApiVersionsVersion: ApiVersions in a version from our future. It is answered, in version 0 with error 35
	// UNSUPPORTED_VERSION and the supported ranges (KIP-511); the header that comes with it is good for that answer.
	ErrApiVersionsVersion = errors.New("wire: unsupported version of ApiVersions")
)

// PrefixSize is the size in bytes of the length before every frame.
const PrefixSize = 4

// FrameSize reads the length before a frame. limit is socket.request.max.bytes.
func FrameSize(prefix [PrefixSize]byte, limit int) (int, error) {
	size := int(int32(binary.BigEndian.Uint32(prefix[:])))
	if size <= 0 || size > limit {
		return 0, fmt.Errorf("%w: %d bytes, the limit is %d", ErrFrameSize, size, limit)
	}
	return size, nil
}

// Header is a request's header. It is what an answer needs to be encoded.
type Header struct {
	Key           Key
	Version       int16
	CorrelationID int32
	// ClientID aliases the frame. It is nil if the client sent none.
	ClientID []byte
}

// ParseHeader splits a frame (without the length before it) into header and body. The header's tagged fields are
// skipped without storing them. classes are the requests that the listener serves; others are unknown to it.
func ParseHeader(frame []byte, classes Class) (h Header, body []byte, err error) {
	if len(frame) < 8 {
		return Header{}, nil, malformed("header", "truncated")
	}
	h.Key = Key(be16(frame))
	h.Version = int16(be16(frame[2:]))
	h.CorrelationID = int32(be32(frame[4:]))
	api := Lookup(h.Key)
	if api == nil || api.Class&classes == 0 {
		return h, nil, fmt.Errorf("%w: %d", ErrUnknownAPI, int16(h.Key))
	}
	if !api.Serves(h.Version) {
		if h.Key == ApiVersions {
			// The rest of such a header may look like anything; the answer needs no more than this.
			h.Version = 0
			return h, nil, ErrApiVersionsVersion
		}
		return h, nil, fmt.Errorf("%w: %s version %d", ErrVersion, api.Name, h.Version)
	}
	s := scanner{body: frame, pos: 8, end: len(frame)}
	n, ok := s.length(2)
	if !ok || n > 0 && !s.skip(n) {
		return h, nil, malformed("header", s.reason)
	}
	if n >= 0 {
		h.ClientID = frame[s.pos-n : s.pos : s.pos]
	}
	if api.IsFlexible(h.Version) && !s.tagged(noFields) {
		return h, nil, malformed("header", s.reason)
	}
	return h, frame[s.pos:], nil
}

// noFields is the program of a struct without fields.
//
//core:table
var noFields = &program{}

func malformed(what, reason string) error {
	return fmt.Errorf("%w: %s: %s", ErrMalformed, what, reason)
}

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

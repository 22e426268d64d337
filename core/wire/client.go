package wire

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file is the other side of the protocol: requests that a node sends, and the responses it gets.

// Newest is the newest version of an API that is served, which is what nodes of a cluster use among each other.
func Newest(key Key) int16 {
	api := Lookup(key)
	if api == nil {
		panic("wire: a request of an API that is not in the table")
	}
	return api.Max
}

// AppendRequest appends the whole frame of a request: length, request header, body. The header's version is the
// request's from now on.
func AppendRequest(dst []byte, h Header, req kmsg.Request) []byte {
	api := Lookup(h.Key)
	if api == nil || !api.Serves(h.Version) || req.Key() != int16(h.Key) {
		panic("wire: a request that nobody serves, or of another API than its header")
	}
	req.SetVersion(h.Version)
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.Key))
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.Version))
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.CorrelationID))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(h.ClientID)))
	dst = append(dst, h.ClientID...)
	if api.IsFlexible(h.Version) {
		dst = append(dst, 0)
	}
	if fetch, ok := req.(*kmsg.FetchRequest); ok && h.Version >= ownFetches {
		dst = appendFetchRequest(dst, fetch)
	} else {
		dst = req.AppendTo(dst)
	}
	putFrameSize(dst, start, 0)
	return dst
}

// The largest responses in bytes that are decoded. Those with records or pieces of snapshots are large, and have few
// elements.
const (
	maxResponse     = 16 << 20
	maxDataResponse = 512 << 20
	// responseFactor is how many bytes each byte of a response may become. An empty partition in the answer to a Fetch,
	// of 37 bytes, takes 200.
	responseFactor = 8
	// maxResponseBudget bounds what a response may take once decoded, beside its own bytes.
	maxResponseBudget = 256 << 20
)

// ResponseBudget is the most memory, in bytes, that [DecodeResponse] spends on a frame of size bytes, the frame itself
// not counted.
func ResponseBudget(size int) int { return min(decodeSlack+responseFactor*size, maxResponseBudget) }

// ResponseCorrelation reads the correlation id of a response's frame, which is given without its length.
func ResponseCorrelation(frame []byte) (int32, bool) {
	if len(frame) < 4 {
		return 0, false
	}
	return int32(be32(frame)), true
}

// DecodeResponse reads the frame of a response, without its length, to a request of the given API and version. Byte
// slices of the response alias the frame; strings are copies. Bytes after the response's end are ignored, and the
// frame's may be moved. It allocates at most [ResponseBudget].
func DecodeResponse(key Key, version int16, frame []byte) (int32, kmsg.Response, error) {
	api := Lookup(key)
	if api == nil || !api.Serves(version) || !api.Answered() {
		panic("wire: a response to a request that no node sends")
	}
	correlation, ok := ResponseCorrelation(frame)
	if !ok {
		return 0, nil, malformed(api.Name, "truncated header")
	}
	limit := maxResponse
	if key == Fetch || key == FetchSnapshot {
		limit = maxDataResponse
	}
	if len(frame) > limit {
		return correlation, nil, malformed(api.Name, "longer than a response can be")
	}
	s := scanner{body: frame, pos: 4, end: len(frame)}
	if api.IsFlexible(version) && key != ApiVersions && !s.tagged(noFields) {
		return correlation, nil, malformed(api.Name, s.reason)
	}
	body, reason := scan(api.replies[version-api.Min], frame[s.pos:], ResponseBudget(len(frame)))
	if reason != "" {
		return correlation, nil, malformed(api.Name, reason)
	}
	resp := kmsg.ResponseForKey(int16(key))
	resp.SetVersion(version)
	if resp.ReadFrom(body) != nil {
		return correlation, nil, malformed(api.Name, "kmsg refuses the response")
	}
	return correlation, resp, nil
}

package wire

import (
	"encoding/binary"
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// AppendResponse appends the whole frame of an answer to the request with header h: length, response header, body.
// It sets the response's version. Build responses with kmsg's New functions: kmsg writes a tagged struct whenever it
// differs from its default, and the default of many is -1, not zero.
func AppendResponse(dst []byte, h Header, resp kmsg.Response) []byte {
	if resp.Key() != int16(h.Key) {
		panic("wire: an answer of another API than its request")
	}
	resp.SetVersion(h.Version)
	dropLaterTags(resp, h.Version)
	start := len(dst)
	dst = appendResponseHeader(dst, h, resp.IsFlexible())
	dst = resp.AppendTo(dst)
	putFrameSize(dst, start, 0)
	return dst
}

// appendResponseHeader leaves room for the length. The header of ApiVersions never has tagged fields, because a client
// must be able to read it before it knows which versions the broker speaks (KIP-511).
func appendResponseHeader(dst []byte, h Header, flexible bool) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.CorrelationID))
	if flexible && h.Key != ApiVersions {
		dst = append(dst, 0)
	}
	return dst
}

// putFrameSize writes the length of the frame that begins at start and has more bytes elsewhere.
func putFrameSize(dst []byte, start, more int) {
	size := len(dst) - start - PrefixSize + more
	if size > math.MaxInt32 {
		panic("wire: an answer beyond 2 GiB")
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(size))
}

// dropLaterTags clears tagged fields that the version does not have yet. kmsg writes them in every flexible version,
// and Kafka's clients refuse the answer then ("Tag 0 is not valid for version 12").
func dropLaterTags(resp kmsg.Response, version int16) {
	switch r := resp.(type) {
	case *kmsg.ProduceResponse:
		if version >= 10 {
			return
		}
		r.Brokers = nil
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				leader := kmsg.NewProduceResponseTopicPartitionCurrentLeader()
				r.Topics[i].Partitions[j].CurrentLeader = leader
			}
		}
	case *kmsg.FetchResponse:
		if version < 16 {
			r.Brokers = nil
		}
	case *kmsg.VoteResponse:
		if version < 1 {
			r.NodeEndpoints = nil
		}
	case *kmsg.FetchSnapshotResponse:
		if version < 1 {
			r.NodeEndpoints = nil
		}
	}
}

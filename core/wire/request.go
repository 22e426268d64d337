package wire

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Decode reads a body into a request of the header's API. The request's version is set. Bytes after the end of the
// request are ignored, as Kafka does. The body's bytes may be moved: unknown tagged fields are cut out in place.
//
// Byte slices of the request alias the body; strings are copies. Decode allocates at most [DecodeBudget].
func Decode(h Header, body []byte, into kmsg.Request) error {
	clean, err := check(h, body, into)
	if err != nil {
		return err
	}
	if into.ReadFrom(clean) != nil {
		return malformed(h.Key.String(), "kmsg refuses it")
	}
	return nil
}

// check makes sure that kmsg can decode the body within the budget, and cuts out what kmsg should not store.
func check(h Header, body []byte, into kmsg.Request) ([]byte, error) {
	api := Lookup(h.Key)
	if api == nil || !api.Serves(h.Version) || into.Key() != int16(h.Key) {
		panic("wire: decoding a request whose header was refused, or into a request of another API")
	}
	clean, reason := scan(api.programs[h.Version-api.Min], body, DecodeBudget(len(body)))
	if reason != "" {
		return nil, malformed(api.Name, reason)
	}
	into.SetVersion(h.Version)
	return clean, nil
}

// Requests are the request structs that one session uses again and again. The zero value is ready.
type Requests struct {
	produce   kmsg.ProduceRequest
	fetch     kmsg.FetchRequest
	heartbeat kmsg.HeartbeatRequest

	// What the requests' nullable strings point to, and the arenas of their inner arrays.
	transactionID, clusterID string
	produced                 []kmsg.ProduceRequestTopicPartition
	fetched                  []kmsg.FetchRequestTopicPartition
	forgotten                []int32
}

// Decode is [Decode] into a request of the right type. Produce, Fetch and Heartbeat requests are reused: they are valid
// until the next Decode of the same API, and their strings alias the body too. They are decoded without allocation once
// their arrays have grown to what the connection uses.
func (q *Requests) Decode(h Header, body []byte) (kmsg.Request, error) {
	var request kmsg.Request
	switch h.Key {
	case Produce:
		request = &q.produce
	case Fetch:
		request = &q.fetch
	case Heartbeat:
		request = &q.heartbeat
	default:
		request = kmsg.RequestForKey(int16(h.Key))
		if err := Decode(h, body, request); err != nil {
			return nil, err
		}
		return request, nil
	}
	clean, err := check(h, body, request)
	if err != nil {
		return nil, err
	}
	switch h.Key {
	case Produce:
		err = q.decodeProduce(h.Version, clean)
	case Fetch:
		err = q.decodeFetch(h.Version, clean)
	default:
		// kmsg leaves fields that the version does not have as they were.
		q.heartbeat = kmsg.HeartbeatRequest{Version: h.Version}
		err = q.heartbeat.UnsafeReadFrom(clean)
	}
	if err != nil {
		return nil, malformed(h.Key.String(), "kmsg refuses it")
	}
	return request, nil
}

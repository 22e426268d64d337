package wire

import (
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// What a node sends is what a node understands, in all versions of all APIs.
func TestRequestsArriveAsTheyWereSent(t *testing.T) {
	for api := range APIs(ClassClient | ClassBroker | ClassRaft) {
		for v := api.Min; v <= api.Max; v++ {
			req := kmsg.RequestForKey(int16(api.Key))
			frame := AppendRequest(nil, Header{Key: api.Key, Version: v, CorrelationID: 7, ClientID: []byte("b-1")}, req)
			h, body, err := ParseHeader(frame[PrefixSize:], api.Class)
			if err != nil || h.CorrelationID != 7 || string(h.ClientID) != "b-1" {
				t.Fatalf("%s v%d: %+v, %v", api.Name, v, h, err)
			}
			got := kmsg.RequestForKey(int16(api.Key))
			if err := Decode(h, body, got); err != nil {
				t.Fatalf("%s v%d: %v", api.Name, v, err)
			}
		}
	}
}

func TestResponsesArriveAsTheyWereSent(t *testing.T) {
	for api := range APIs(ClassClient | ClassBroker | ClassRaft) {
		for v := api.Min; v <= api.Max; v++ {
			resp := kmsg.ResponseForKey(int16(api.Key))
			frame := AppendResponse(nil, Header{Key: api.Key, Version: v, CorrelationID: 9}, resp)
			c, got, err := DecodeResponse(api.Key, v, frame[PrefixSize:])
			if err != nil || c != 9 || reflect.TypeOf(got) != reflect.TypeOf(resp) || got.GetVersion() != v {
				t.Fatalf("%s v%d: %d %T, %v", api.Name, v, c, got, err)
			}
		}
	}
}

// No bytes make the decoder of responses panic.
func FuzzDecodeResponse(f *testing.F) {
	for api := range APIs(ClassClient | ClassBroker | ClassRaft) {
		resp := kmsg.ResponseForKey(int16(api.Key))
		frame := AppendResponse(nil, Header{Key: api.Key, Version: api.Max}, resp)
		f.Add(int16(api.Key), api.Max, frame[PrefixSize:])
	}
	f.Fuzz(func(t *testing.T, key, version int16, frame []byte) {
		if api := Lookup(Key(key)); api != nil && api.Serves(version) {
			DecodeResponse(Key(key), version, frame)
		}
	})
}

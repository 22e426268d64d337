package wire

import (
	"bytes"
	"math"
	"math/rand/v2"
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

// Our own encoder of Fetch requests writes what kmsg's does.
func TestFetchRequestsAreThoseOfKmsg(t *testing.T) {
	f := filler{rand.New(rand.NewPCG(1, 2))}
	for range 2000 {
		req := kmsg.NewPtrFetchRequest()
		if f.rng.IntN(8) > 0 {
			f.fill(reflect.ValueOf(req).Elem())
		}
		for _, topic := range req.Topics {
			for i := range topic.Partitions {
				if f.rng.IntN(2) == 0 {
					topic.Partitions[i].ReplicaDirectoryID, topic.Partitions[i].HighWatermark = [16]byte{}, math.MaxInt64
				}
			}
		}
		for v := int16(ownFetches); v <= Newest(Fetch); v++ {
			req.Version = v
			if got, want := appendFetchRequest(nil, req), req.AppendTo(nil); !bytes.Equal(got, want) {
				t.Fatalf("version %d:\n%x, not\n%x", v, got, want)
			}
		}
	}
}

func TestResponsesArriveAsTheyWereSent(t *testing.T) {
	for api := range answered {
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
	for api := range answered {
		resp := kmsg.ResponseForKey(int16(api.Key))
		frame := AppendResponse(nil, Header{Key: api.Key, Version: api.Max}, resp)
		f.Add(int16(api.Key), api.Max, frame[PrefixSize:])
	}
	f.Fuzz(func(t *testing.T, key, version int16, frame []byte) {
		api := Lookup(Key(key))
		if api == nil || !api.Serves(version) || !api.Answered() {
			return
		}
		size := len(frame)
		if _, resp, err := DecodeResponse(Key(key), version, frame); err == nil {
			if got := decodedSize(reflect.ValueOf(resp).Elem()); got > ResponseBudget(size) {
				t.Errorf("%d bytes became %d", size, got)
			}
		}
	})
}

// answered yields the APIs whose responses nodes decode.
func answered(yield func(*API) bool) {
	for api := range APIs(ClassClient | ClassBroker | ClassRaft) {
		if api.Answered() && !yield(api) {
			return
		}
	}
}

// What kmsg's encoder writes passes the scan, is read as kmsg reads it but for unknown tagged fields, and takes no more
// memory than the scan has counted.
func TestRandomResponsesSurviveTheScan(t *testing.T) {
	for api := range answered {
		for v := api.Min; v <= api.Max; v++ {
			f := filler{rand.New(rand.NewPCG(uint64(api.Key), uint64(v)))}
			for range 60 {
				resp := kmsg.ResponseForKey(int16(api.Key))
				f.fill(reflect.ValueOf(resp).Elem())
				if r, ok := resp.(*kmsg.DeleteTopicsResponse); ok && v < 6 {
					for i := range r.Topics {
						r.Topics[i].Topic = kmsg.StringPtr("t")
					}
				}
				h := Header{Key: api.Key, Version: v, CorrelationID: 1}
				plain := AppendResponse(nil, h, resp)[PrefixSize:]
				f.tags(reflect.ValueOf(resp).Elem())
				tagged := AppendResponse(nil, h, resp)[PrefixSize:]
				_, want, err := DecodeResponse(api.Key, v, plain)
				if err != nil {
					t.Fatalf("%s v%d: %v", api.Name, v, err)
				}
				_, got, err := DecodeResponse(api.Key, v, tagged)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("%s v%d: %+v instead of %+v, %v", api.Name, v, got, want, err)
				}
				if again := AppendResponse(nil, h, got)[PrefixSize:]; !bytes.Equal(again, plain) {
					t.Fatalf("%s v%d: %x became %x", api.Name, v, plain, again)
				}
				s := scanner{flexible: api.IsFlexible(v), budget: 1 << 30}
				header := 4
				if s.flexible && api.Key != ApiVersions {
					header++
				}
				s.body, s.end = plain[header:], len(plain)-header
				if !s.run(api.replies[v-api.Min]) || s.pos != s.end ||
					s.decoded < decodedSize(reflect.ValueOf(got).Elem()) {
					t.Fatalf("%s v%d: %q at %d of %d, %d counted, %d taken", api.Name, v, s.reason, s.pos, s.end, s.decoded,
						decodedSize(reflect.ValueOf(got).Elem()))
				}
			}
		}
	}
}

// A count of tagged fields has kmsg loop as often, and one of elements allocate as many, whatever the frame holds.
func TestResponsesThatPromiseTooMuchAreRefused(t *testing.T) {
	for name, frame := range map[string][]byte{
		"tagged fields":      {0, 0, 0, 1, 0 /* BrokerHeartbeat: */, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f},
		"tags of the header": {0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0},
	} {
		if _, _, err := DecodeResponse(BrokerHeartbeat, 1, frame); err == nil {
			t.Error(name)
		}
	}
	frame := []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0}
	if _, _, err := DecodeResponse(Fetch, 13, frame); err == nil {
		t.Error("topics")
	}
}

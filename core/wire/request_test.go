package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const allClasses = ClassClient | ClassBroker | ClassRaft

// everyVersion runs do for each API and version of the table.
func everyVersion(t *testing.T, do func(t *testing.T, api *API, version int16)) {
	t.Helper()
	for api := range APIs(allClasses) {
		t.Run(api.Name, func(t *testing.T) {
			for version := api.Min; version <= api.Max; version++ {
				do(t, api, version)
				if t.Failed() {
					t.Fatalf("version %d", version)
				}
			}
		})
	}
}

func TestTableAgreesWithKmsg(t *testing.T) {
	everyVersion(t, func(t *testing.T, api *API, version int16) {
		req := kmsg.RequestForKey(int16(api.Key))
		if req.MaxVersion() < api.Max {
			t.Errorf("the table serves up to %d, kmsg knows up to %d", api.Max, req.MaxVersion())
		}
		req.SetVersion(version)
		if req.IsFlexible() != api.IsFlexible(version) {
			t.Errorf("flexible: kmsg says %v", req.IsFlexible())
		}
		// kmsg's name for key 45 is its own.
		name := strings.Replace(kmsg.NameForKey(int16(api.Key)), "PartitionAssignments", "PartitionReassignments", 1)
		if !bytes.EqualFold([]byte(name), []byte(api.Name)) {
			t.Errorf("named %s, kmsg says %s", api.Name, name)
		}
	})
}

func TestRandomRequestsSurviveTheScan(t *testing.T) {
	everyVersion(t, func(t *testing.T, api *API, version int16) {
		f := filler{rand.New(rand.NewPCG(uint64(api.Key), uint64(version)))}
		for range 30 {
			req := f.request(api, version)
			body := req.AppendTo(nil)
			want := kmsg.RequestForKey(int16(api.Key))
			want.SetVersion(version)
			if err := want.ReadFrom(body); err != nil {
				t.Fatalf("kmsg does not read its own bytes: %v", err)
			}
			s := scanner{body: body, end: len(body), flexible: api.IsFlexible(version), budget: 1 << 30}
			if !s.run(api.programs[version-api.Min]) {
				t.Fatalf("refused: %s", s.reason)
			}
			if s.pos != len(body) {
				t.Fatalf("scanned %d of %d bytes", s.pos, len(body))
			}
			if size := decodedSize(reflect.ValueOf(want)) - int(reflect.TypeOf(want).Elem().Size()); s.decoded != size {
				t.Fatalf("predicted %d bytes, decoding took %d", s.decoded, size)
			}
			// Unknown tagged fields are cut out, and bytes after the end ignored.
			f.tags(reflect.ValueOf(req).Elem())
			dropLaterFields(req, version)
			dirty := append(req.AppendTo(nil), 1, 2, 3)
			got := kmsg.RequestForKey(int16(api.Key))
			if err := Decode(Header{Key: api.Key, Version: version}, dirty, got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(kmsg.Tags{})); diff != "" {
				t.Fatalf("decoded (-want +got):\n%s", diff)
			}
		}
	})
}

func TestTruncatedRequestsAreRefused(t *testing.T) {
	everyVersion(t, func(t *testing.T, api *API, version int16) {
		f := filler{rand.New(rand.NewPCG(7, uint64(version)))}
		body := f.request(api, version).AppendTo(nil)
		for n := range body {
			into := kmsg.RequestForKey(int16(api.Key))
			err := Decode(Header{Key: api.Key, Version: version}, bytes.Clone(body[:n]), into)
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("%d of %d bytes: %v", n, len(body), err)
			}
		}
	})
}

func TestReusedRequestsForgetEarlierOnes(t *testing.T) {
	var requests Requests
	for _, key := range []Key{Produce, Fetch, Heartbeat} {
		api := Lookup(key)
		f := filler{rand.New(rand.NewPCG(3, 4))}
		for range 200 {
			version := api.Min + int16(f.rng.IntN(int(api.Max-api.Min+1)))
			body := f.request(api, version).AppendTo(nil)
			want := kmsg.RequestForKey(int16(key))
			want.SetVersion(version)
			if err := want.ReadFrom(body); err != nil {
				t.Fatal(err)
			}
			got, err := requests.Decode(Header{Key: key, Version: version}, body)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.AppendTo(nil), want.AppendTo(nil)) || decodedSize(reflect.ValueOf(got)) !=
				decodedSize(reflect.ValueOf(want)) {
				t.Fatalf("version %d (-want +got):\n%s", version,
					cmp.Diff(want, got, cmp.AllowUnexported(kmsg.Tags{})))
			}
		}
	}
}

func TestMalformedBodies(t *testing.T) {
	long := func(n int) []byte { return bytes.Repeat([]byte{'a'}, n) }
	u := func(parts ...any) (out []byte) {
		for _, p := range parts {
			switch p := p.(type) {
			case int:
				out = append(out, byte(p))
			case []byte:
				out = append(out, p...)
			case string:
				out = append(out, p...)
			}
		}
		return out
	}
	for _, c := range []struct {
		rule    string
		key     Key
		version int16
		body    []byte
		ok      bool
	}{
		{"array count beyond the body", Metadata, 1, u(0x7f, 0xff, 0xff, 0xff), false},
		{"array count just beyond the body", DeleteGroups, 0, u(0, 0, 0, 2, 0, 1, 'a', 0), false},
		{"null array where the version allows it", Metadata, 1, u(0xff, 0xff, 0xff, 0xff), true},
		{"null array where the version does not", Metadata, 0, u(0xff, 0xff, 0xff, 0xff), false},
		{"null string in a non-nullable field", DeleteGroups, 0, u(0, 0, 0, 1, 0xff, 0xff), false},
		{"null compact string in a non-nullable field", DeleteGroups, 2, u(2, 0, 0), false},
		{"null bytes in a non-nullable field", SyncGroup, 0,
			u(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff), false},
		{"compact string of 32767", DeleteGroups, 2, u(2, 0x80, 0x80, 2, long(32767), 0), true},
		{"compact string over 32767", DeleteGroups, 2, u(2, 0x81, 0x80, 2, long(32768), 0), false},
		{"varint of six bytes", DeleteGroups, 2, u(0x80, 0x80, 0x80, 0x80, 0x80, 1, 0), false},
		{"varint over 32 bits", DeleteGroups, 2, u(0xff, 0xff, 0xff, 0xff, 0x1f, 0), false},
		{"tag count beyond half the body", DeleteGroups, 2, u(1, 2, 9, 0, 9), false},
		{"tag count of four billion", DeleteGroups, 2, u(1, 0xff, 0xff, 0xff, 0xff, 0x0f, 9, 0), false},
		{"tagged field beyond the body", DeleteGroups, 2, u(1, 1, 9, 4, 1, 2, 3), false},
		{"unknown tagged field", DeleteGroups, 2, u(1, 1, 9, 3, 1, 2, 3), true},
		{"tag of a later version", FetchSnapshot, 0, u(long(8), 2, 1, 2, long(28), 1, 0, 16, long(16), 0, 0), false},
		{"mark of a nullable struct below -1", DescribeTopicPartitions, 0, u(1, 0, 0, 0, 1, 0xfe, 0), false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			into := kmsg.RequestForKey(int16(c.key))
			err := Decode(Header{Key: c.key, Version: c.version}, c.body, into)
			if c.ok && err != nil || !c.ok && !errors.Is(err, ErrMalformed) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestOneLargeRequestIsNotKept(t *testing.T) {
	var requests Requests
	large := kmsg.NewPtrFetchRequest()
	large.Version = 12
	for range 3 * keepElements {
		topic := kmsg.NewFetchRequestTopic()
		topic.Partitions = append(topic.Partitions, kmsg.NewFetchRequestTopicPartition())
		large.Topics = append(large.Topics, topic)
	}
	small := kmsg.NewPtrFetchRequest()
	small.Version = 12
	for _, r := range []*kmsg.FetchRequest{large, small} {
		if _, err := requests.Decode(Header{Key: Fetch, Version: 12}, r.AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if n := cap(requests.fetch.Topics) + cap(requests.fetched); n > 0 {
		t.Fatalf("%d elements kept", n)
	}
}

// A frame of 4 MiB of one-byte elements would become 25 times its size.
func TestDecodeStaysWithinItsBudget(t *testing.T) {
	const elements = 4 << 20
	body := appendUvarint(nil, elements+1)
	body = append(body, bytes.Repeat([]byte{1}, elements)...)
	body = append(body, 0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := Decode(Header{Key: DeleteGroups, Version: 2}, body, kmsg.RequestForKey(int16(DeleteGroups)))
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrMalformed) {
		t.Fatalf("got %v", err)
	}
	if spent := after.TotalAlloc - before.TotalAlloc; spent > 1<<20 {
		t.Fatalf("allocated %d bytes to refuse it", spent)
	}
}

func TestHeaders(t *testing.T) {
	frame := func(key, version int16, rest ...byte) []byte {
		b := binary.BigEndian.AppendUint16(nil, uint16(key))
		b = binary.BigEndian.AppendUint16(b, uint16(version))
		b = binary.BigEndian.AppendUint32(b, 77)
		return append(b, rest...)
	}
	for _, c := range []struct {
		rule  string
		frame []byte
		want  error
		id    string
		body  string
	}{
		{"version 1 with a client id", frame(3, 1, 0, 2, 'm', 'e', 'b'), nil, "me", "b"},
		{"version 1 with a null client id", frame(3, 1, 0xff, 0xff, 'b'), nil, "", "b"},
		{"version 2 without tags", frame(3, 9, 0, 1, 'x', 0, 'b'), nil, "x", "b"},
		{"version 2 skips unknown tags", frame(3, 9, 0, 0, 2, 4, 1, 'z', 9, 0, 'b'), nil, "", "b"},
		{"version 2 with more tags than bytes", frame(3, 9, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 1), ErrMalformed, "", ""},
		{"client id beyond the frame", frame(3, 1, 0x7f, 0xff), ErrMalformed, "", ""},
		{"no client id at all", frame(3, 1), ErrMalformed, "", ""},
		{"truncated", frame(3, 1)[:7], ErrMalformed, "", ""},
		{"empty", nil, ErrMalformed, "", ""},
		{"unknown key", frame(999, 0, 0, 0), ErrUnknownAPI, "", ""},
		{"negative key", frame(-1, 0, 0, 0), ErrUnknownAPI, "", ""},
		{"a quorum request from a client", frame(52, 0, 0, 0, 0), ErrUnknownAPI, "", ""},
		{"version below the range", frame(0, 2, 0, 0), ErrVersion, "", ""},
		{"version above the range", frame(0, 99, 0, 0), ErrVersion, "", ""},
		{"negative version", frame(3, -1, 0, 0), ErrVersion, "", ""},
		{"ApiVersions of the future", frame(18, 99), ErrApiVersionsVersion, "", ""},
	} {
		t.Run(c.rule, func(t *testing.T) {
			h, body, err := ParseHeader(c.frame, ClassClient)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if errors.Is(c.want, ErrApiVersionsVersion) && (h.Version != 0 || h.CorrelationID != 77) {
				t.Fatalf("header %+v is not good for the answer", h)
			}
			if err != nil {
				return
			}
			if h.CorrelationID != 77 || string(h.ClientID) != c.id || string(body) != c.body {
				t.Fatalf("got %+v, body %q", h, body)
			}
		})
	}
}

func TestFrameSizes(t *testing.T) {
	for size, ok := range map[int32]bool{-1: false, 0: false, 1: true, 100: true, 101: false, 1<<31 - 1: false} {
		var prefix [4]byte
		binary.BigEndian.PutUint32(prefix[:], uint32(size))
		n, err := FrameSize(prefix, 100)
		if ok != (err == nil) || ok && n != int(size) {
			t.Errorf("%d: %d, %v", size, n, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for api := range APIs(allClasses) {
		g := filler{rand.New(rand.NewPCG(1, uint64(api.Key)))}
		for _, version := range []int16{api.Min, api.Max} {
			f.Add(int16(api.Key), version, g.request(api, version).AppendTo(nil))
		}
	}
	var requests Requests
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		api := Lookup(Key(key))
		if api == nil || !api.Serves(version) {
			t.Skip()
		}
		h := Header{Key: Key(key), Version: version}
		into := kmsg.RequestForKey(key)
		reused, err := requests.Decode(h, bytes.Clone(body))
		if (Decode(h, body, into) == nil) != (err == nil) {
			t.Fatalf("the decoder of reused requests differs: %v", err)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(into.AppendTo(nil), reused.AppendTo(nil)) {
			t.Fatalf("the reused request differs (-fresh +reused):\n%s",
				cmp.Diff(into, reused, cmp.AllowUnexported(kmsg.Tags{})))
		}
		if size := decodedSize(reflect.ValueOf(into)); size > DecodeBudget(len(body))+4096 {
			t.Fatalf("decoded to %d bytes from %d", size, len(body))
		}
		// What was accepted means the same after another turn.
		again := kmsg.RequestForKey(key)
		bytes1 := into.AppendTo(nil)
		if err := Decode(Header{Key: Key(key), Version: version}, bytes.Clone(bytes1), again); err != nil {
			t.Skip() // kmsg writes null for some empty values
		}
		if !bytes.Equal(bytes1, again.AppendTo(nil)) {
			t.Fatal("decoding again gives another request")
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte{0, 18, 0, 3, 0, 0, 0, 1, 0, 1, 'x', 0, 0})
	f.Fuzz(func(t *testing.T, frame []byte) {
		_, body, err := ParseHeader(frame, ClassClient)
		if err == nil && len(body) > len(frame)-8 {
			t.Fatal("a body longer than its frame")
		}
	})
}

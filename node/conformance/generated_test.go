package conformance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core/wire"
)

// The rules of bodies, on every API in every version: a request with one of everything is encoded, and one thing in it
// is made wrong. Whatever the API, the answer is a close.

// everyVersion runs do for each API that clients may use, in each version.
func everyVersion(t *testing.T, do func(t *testing.T, api *wire.API, version int16)) {
	for api := range wire.APIs(wire.ClassClient) {
		for version := api.Min; version <= api.Max; version++ {
			t.Run(fmt.Sprintf("%s v%d", api.Name, version), func(t *testing.T) { do(t, api, version) })
		}
	}
}

// filled makes a request with one element in every array and a marker in every string. It would be served as well as
// refused: it never gets that far.
func filled(api *wire.API, version int16) kmsg.Request {
	req := kmsg.RequestForKey(int16(api.Key))
	fill(reflect.ValueOf(req).Elem())
	req.SetVersion(version)
	if produce, ok := req.(*kmsg.ProduceRequest); ok {
		produce.Acks = -1
	}
	if fetch, ok := req.(*kmsg.FetchRequest); ok { // fields of later versions are tagged, and refused earlier
		if version < 15 {
			fetch.ReplicaState = kmsg.NewFetchRequestReplicaState()
		}
		fetch.Topics[0].Partitions[0].ReplicaDirectoryID = [16]byte{}
		fetch.Topics[0].Partitions[0].HighWatermark = 1<<63 - 1
	}
	return req
}

const marker = "mark"

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Version" && name != "UnknownTags" {
				fill(v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.String:
		v.SetString(marker)
	case reflect.Uint8:
		v.SetUint(0x5a)
	}
}

func TestTruncatedBodies(t *testing.T) {
	everyVersion(t, func(t *testing.T, api *wire.API, version int16) {
		req := filled(api, version)
		frame := encode(req, correlation)
		start := bodyStart(req)
		for _, cut := range []int{start, (start + len(frame)) / 2, len(frame) - 1} {
			if cut < start || cut >= len(frame) {
				continue // the request has no body
			}
			closes(t, framed(frame[:cut]))
		}
	})
}

func TestTruncatedHeaders(t *testing.T) {
	for api := range wire.APIs(wire.ClassClient) {
		frame := encode(filled(api, api.Max), correlation)
		for _, cut := range []int{1, 2, 3, 4, 7, 8, 9, 10, 12} {
			if cut == 4 && api.Key == wire.ApiVersions {
				continue
			}
			t.Run(fmt.Sprintf("%s after %d bytes", api.Name, cut), func(t *testing.T) { closes(t, framed(frame[:cut])) })
		}
	}
}

// TestWrongStrings makes the length of each string null, negative, and more than there is.
func TestWrongStrings(t *testing.T) {
	everyVersion(t, func(t *testing.T, api *wire.API, version int16) {
		for _, field := range stringFields(reflect.TypeOf(filled(api, version)).Elem(), nil) {
			req := filled(api, version)
			v := at(reflect.ValueOf(req).Elem(), field)
			nullable := v.Kind() == reflect.Pointer
			if nullable {
				v = v.Elem()
			}
			v.SetString("here")
			frame := encode(req, correlation)
			pos := bytes.Index(frame, []byte("here"))
			if pos < 0 {
				continue // another version's
			}
			flexible := req.IsFlexible()
			closes(t, framed(relength(frame, pos, flexible, 30000, 2)))
			if !nullable {
				closes(t, framed(relength(frame, pos, flexible, -1, 2)))
			}
			if !nullable && !flexible {
				closes(t, framed(relength(frame, pos, flexible, -30000, 2)))
			}
		}
	})
}

// relength changes the length before pos: a compact one is one byte here, others have wide bytes.
func relength(frame []byte, pos int, flexible bool, n, wide int) []byte {
	if flexible {
		changed := append(bytes.Clone(frame[:pos-1]), binary.AppendUvarint(nil, uint64(n+1))...)
		return append(changed, frame[pos:]...)
	}
	changed := bytes.Clone(frame)
	if wide == 2 {
		binary.BigEndian.PutUint16(changed[pos-2:], uint16(n))
	} else {
		binary.BigEndian.PutUint32(changed[pos-4:], uint32(n))
	}
	return changed
}

// TestWrongCounts makes the count of each array more than there is, and as large as can be.
func TestWrongCounts(t *testing.T) {
	everyVersion(t, func(t *testing.T, api *wire.API, version int16) {
		for _, field := range arrayFields(reflect.TypeOf(filled(api, version)).Elem(), nil) {
			one, two := filled(api, version), filled(api, version)
			v := at(reflect.ValueOf(two).Elem(), field)
			v.Set(reflect.Append(v, v.Index(0)))
			a, b := encode(one, correlation), encode(two, correlation)
			if len(a) == len(b) {
				continue // another version's
			}
			pos := 0
			for a[pos] == b[pos] {
				pos++
			}
			for _, count := range []int{60000, 1<<31 - 2} {
				closes(t, framed(relength(a, pos+1, one.IsFlexible(), count, 4)))
			}
		}
	})
}

// path is where a field is: the index of a field, or -1 for the element of an array.
type path []int

func stringFields(t reflect.Type, p path) []path { return find(t, p, reflect.String) }
func arrayFields(t reflect.Type, p path) []path  { return find(t, p, reflect.Slice) }

func find(t reflect.Type, p path, kind reflect.Kind) (found []path) {
	here := append(path{}, p...)
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).Name != "UnknownTags" {
				found = append(found, find(t.Field(i).Type, append(append(path{}, p...), i), kind)...)
			}
		}
		return found
	case reflect.Pointer:
		if t.Elem().Kind() == kind {
			return []path{here}
		}
		return nil
	case reflect.Slice:
		if kind == reflect.Slice {
			found = append(found, here)
		}
		return append(found, find(t.Elem(), append(append(path{}, p...), -1), kind)...)
	case kind:
		return []path{here}
	}
	return nil
}

func at(v reflect.Value, p path) reflect.Value {
	for _, i := range p {
		if i < 0 {
			v = v.Index(0)
		} else {
			v = v.Field(i)
		}
	}
	return v
}

// TestOddButGood: bytes after the body, and tagged fields that nobody knows, change nothing: the answer is that of the
// request without them.
func TestOddButGood(t *testing.T) {
	everyVersion(t, func(t *testing.T, api *wire.API, version int16) {
		if waits(api.Key) {
			t.Skip("its answer depends on what was asked before")
		}
		req := filled(api, version)
		c := dial()
		defer c.Close()
		want := codes(must(c.ask(req)))
		plainly := encode(filled(api, version), correlation)
		answers(t, append(bytes.Clone(plainly), "trailing"...), want)
		if req.IsFlexible() && plainly[len(plainly)-1] == 0 {
			tags := raw{}.uv(2).uv(1000).uv(3).hex(1, 2, 3).uv(2000).uv(0)
			answers(t, append(bytes.Clone(plainly[:len(plainly)-1]), tags...), want)
		}
	})
}

// waits are the APIs that change what they are asked about.
func waits(key wire.Key) bool {
	switch key {
	case wire.CreateTopics, wire.JoinGroup, wire.Metadata:
		return true
	}
	return false
}

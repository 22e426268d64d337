package wire

import (
	"math/rand/v2"
	"reflect"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// filler fills kmsg structs with random values by reflection, to compare ours with kmsg's own encoder.
type filler struct{ rng *rand.Rand }

func (f filler) fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if name == "Version" || name == "UnknownTags" {
				continue
			}
			f.fill(v.Field(i))
		}
	case reflect.Pointer:
		if f.rng.IntN(3) == 0 {
			v.SetZero()
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		n := f.rng.IntN(4)
		if v.Type().Elem().Kind() == reflect.Uint8 {
			n *= 40
		}
		s := reflect.MakeSlice(v.Type(), n, n)
		for i := range n {
			f.fill(s.Index(i))
		}
		v.Set(s)
	case reflect.Array:
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.String:
		s := make([]byte, 1+f.rng.IntN(12))
		for i := range s {
			s[i] = byte('a' + f.rng.IntN(26))
		}
		v.SetString(string(s))
	case reflect.Bool:
		v.SetBool(f.rng.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if f.rng.IntN(4) == 0 {
			v.SetInt(-1)
			return
		}
		v.SetInt(int64(f.rng.Uint64()>>1) >> (64 - v.Type().Bits()))
	case reflect.Uint8, reflect.Uint16:
		v.SetUint(f.rng.Uint64() >> (64 - v.Type().Bits()))
	default:
		panic("no random " + v.Kind().String())
	}
}

// tags adds unknown tagged fields to some structs under v. kmsg writes them in flexible versions only.
func (f filler) tags(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			f.tags(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			f.tags(v.Index(i))
		}
	case reflect.Struct:
		if tags, ok := v.Addr().Interface().(*kmsg.Tags); ok {
			for range f.rng.IntN(3) {
				tags.Set(uint32(5+f.rng.IntN(1000)), make([]byte, f.rng.IntN(200)))
			}
			return
		}
		for i := range v.NumField() {
			f.tags(v.Field(i))
		}
	}
}

// request makes a random request that Kafka would accept: without tagged fields of later versions, without nulls where
// the version has none.
func (f filler) request(api *API, version int16) kmsg.Request {
	req := kmsg.RequestForKey(int16(api.Key))
	f.fill(reflect.ValueOf(req).Elem())
	req.SetVersion(version)
	dropLaterFields(req, version)
	return req
}

func dropLaterFields(req kmsg.Request, version int16) {
	switch r := req.(type) {
	case *kmsg.FetchRequest:
		if version < 15 {
			r.ReplicaState = kmsg.NewFetchRequestReplicaState()
		}
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				p, fresh := &r.Topics[i].Partitions[j], kmsg.NewFetchRequestTopicPartition()
				if version < 17 {
					p.ReplicaDirectoryID = fresh.ReplicaDirectoryID
				}
				if version < 18 {
					p.HighWatermark = fresh.HighWatermark
				}
			}
		}
	case *kmsg.FetchSnapshotRequest:
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				if version < 1 {
					r.Topics[i].Partitions[j].ReplicaDirectoryID = [16]byte{}
				}
			}
		}
	case *kmsg.BrokerHeartbeatRequest:
		if version < 1 {
			r.OfflineLogDirs = nil
		}
		if version < 2 {
			r.CordonedLogDirs = nil
		}
	case *kmsg.MetadataRequest:
		for i := range r.Topics {
			if r.Topics[i].Topic == nil && version < 10 {
				r.Topics[i].Topic = kmsg.StringPtr("")
			}
		}
	}
}

// decodedSize is the memory that a decoded value holds beyond itself and beyond its frame: what scan must predict.
func decodedSize(v reflect.Value) int {
	switch v.Kind() {
	case reflect.String:
		return v.Len()
	case reflect.Pointer:
		if v.IsNil() {
			return 0
		}
		return int(v.Type().Elem().Size()) + decodedSize(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return 0 // aliases the frame
		}
		size := v.Len() * int(v.Type().Elem().Size())
		for i := range v.Len() {
			size += decodedSize(v.Index(i))
		}
		return size
	case reflect.Struct:
		size := 0
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "UnknownTags" {
				size += decodedSize(v.Field(i))
			}
		}
		return size
	}
	return 0
}

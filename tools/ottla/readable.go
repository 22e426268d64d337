package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"path"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/metadata"
	"ottla.dev/core/record"
)

// field is one member of an object whose members keep their order.
type field struct {
	name  string
	value any
}

// object is a readable form of a message: JSON with its members in the order of the schema.
type object []field

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, f := range o {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, quoted(f.name)...), ':')
		value, err := plainJSON(f.value)
		if err != nil {
			return nil, err
		}
		out = append(out, value...)
	}
	return append(out, '}'), nil
}

func quoted(s string) []byte {
	b, _ := json.Marshal(s) // a string can always be encoded
	return b
}

// plainJSON encodes without escaping what only HTML minds.
func plainJSON(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// readable turns a message into objects: names as in Kafka's schemas, ids and bytes as text.
func readable(v reflect.Value) any {
	if id, ok := v.Interface().([16]byte); ok {
		return core.UUID(id).String()
	}
	if id, ok := v.Interface().(core.UUID); ok {
		return id.String()
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return readable(v.Elem())
	case reflect.Struct:
		return readableStruct(v)
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return text(v.Bytes())
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = readable(v.Index(i))
		}
		return list
	}
	return v.Interface()
}

func readableStruct(v reflect.Value) object {
	var o object
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if !v.Type().Field(i).IsExported() || name == "UnknownTags" {
			continue
		}
		if v.Field(i).Type().Size() == 16 && v.Field(i).Kind() == reflect.Array && v.Field(i).IsZero() {
			continue // no id
		}
		o = append(o, field{camel(name), readable(v.Field(i))})
	}
	return o
}

// camel gives Kafka's spelling of a Go name: MemberID is memberId, ISR is isr.
func camel(name string) string {
	name = strings.NewReplacer("ISR", "Isr", "ELR", "Elr", "ID", "Id", "SCRAM", "Scram").Replace(name)
	return string(unicode.ToLower(rune(name[0]))) + name[1:]
}

// text is bytes as they are where they are text, or else as base64 with a prefix that says so.
func text(b []byte) string {
	odd := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	if utf8.Valid(b) && !bytes.ContainsFunc(b, odd) {
		return string(b)
	}
	return "base64:" + base64.StdEncoding.EncodeToString(b)
}

// decoder reads keys and values that brokers write for themselves. A nil decoder knows none.
type decoder func(key, value []byte) (k, v any)

// decoderFor chooses by the name of the partition's folder.
func decoderFor(file string) decoder {
	tp, _ := log.ParseDirName(path.Base(path.Dir(file)))
	switch tp.Topic {
	case "__consumer_offsets":
		return decodeOffsets
	case "__cluster_metadata":
		return decodeMetadata
	}
	return nil
}

// decodeMetadata reads a record of the cluster's metadata. It has no key.
func decodeMetadata(_, value []byte) (k, v any) {
	r, err := metadata.Decode(value)
	if err != nil {
		return nil, object{{"unreadable", err.Error()}, {"bytes", text(value)}}
	}
	name := strings.TrimSuffix(reflect.TypeOf(r).Elem().Name(), "Record")
	return nil, append(object{{"type", name}}, readableStruct(reflect.ValueOf(r).Elem())...)
}

// message is what kmsg's types for keys and values have in common.
type message interface{ ReadFrom([]byte) error }

// decodeOffsets reads a record of __consumer_offsets. The first two bytes of a key say what it is of.
func decodeOffsets(key, value []byte) (k, v any) {
	var km, vm message
	kind := ""
	switch version := keyVersion(key); {
	case version == 0 || version == 1:
		kind, km, vm = "offsetCommit", new(kmsg.OffsetCommitKey), new(kmsg.OffsetCommitValue)
	case version == 2:
		kind, km, vm = "groupMetadata", new(kmsg.GroupMetadataKey), new(kmsg.GroupMetadataValue)
	default:
		return text(key), text(value)
	}
	if err := km.ReadFrom(key); err != nil {
		return object{{"unreadable", err.Error()}, {"bytes", text(key)}}, text(value)
	}
	k = append(object{{"type", kind}}, readableStruct(reflect.ValueOf(km).Elem())...)
	if value == nil {
		return k, nil
	}
	if err := vm.ReadFrom(value); err != nil {
		return k, object{{"unreadable", err.Error()}, {"bytes", text(value)}}
	}
	if g, ok := vm.(*kmsg.GroupMetadataValue); ok && g.ProtocolType == "consumer" {
		return k, readableGroup(g)
	}
	return k, readable(reflect.ValueOf(vm))
}

func keyVersion(key []byte) int16 {
	if len(key) < 2 {
		return -1
	}
	return int16(binary.BigEndian.Uint16(key))
}

// readableGroup shows what consumers subscribe to and were assigned, where it can be read.
func readableGroup(g *kmsg.GroupMetadataValue) any {
	o := readableStruct(reflect.ValueOf(g).Elem())
	members := make([]any, len(g.Members))
	for i := range g.Members {
		m := readableStruct(reflect.ValueOf(&g.Members[i]).Elem())
		for j := range m {
			var part message
			var b []byte
			switch m[j].name {
			case "subscription":
				part, b = new(kmsg.ConsumerMemberMetadata), g.Members[i].Subscription
			case "assignment":
				part, b = new(kmsg.ConsumerMemberAssignment), g.Members[i].Assignment
			default:
				continue
			}
			if len(b) > 0 && part.ReadFrom(b) == nil {
				m[j].value = readable(reflect.ValueOf(part))
			}
		}
		members[i] = m
	}
	for i := range o {
		if o[i].name == "members" {
			o[i].value = members
		}
	}
	return o
}

// decodeControl reads what transactions and the quorum write between records.
func decodeControl(key, value []byte) (k, v any) {
	kind, ok := record.ParseControlKey(key)
	if !ok {
		return text(key), text(value)
	}
	v = any(text(value))
	switch kind {
	case record.ControlAbort, record.ControlCommit:
		if m, ok := record.ParseEndTxn(value); ok {
			v = readable(reflect.ValueOf(m))
		}
	case record.ControlLeaderChange:
		if m, ok := record.ParseLeaderChange(value); ok {
			v = readable(reflect.ValueOf(m))
		}
	case record.ControlSnapshotHeader:
		if ts, ok := record.ParseSnapshotHeader(value); ok {
			v = object{{"lastContainedLogTimestamp", ts}}
		}
	case record.ControlKRaftVersion:
		if n, ok := record.ParseKRaftVersion(value); ok {
			v = object{{"kraftVersion", n}}
		}
	}
	return kind.String(), v
}

package metadata

import (
	"bytes"
	"encoding/hex"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kbin"
	"pgregory.net/rapid"

	"ottla.dev/core"
)

func uuid(high, low byte) core.UUID { return core.UUID{7: high, 15: low} }

// The bytes are Kafka 4.2's own.
func TestRecordsHaveKafkasBytes(t *testing.T) {
	change := NewPartitionChange(uuid(1, 2), 0)
	change.ISR = []core.BrokerID{1, 2}
	for _, c := range []struct {
		name   string
		record Record
		bytes  string
	}{
		{"NoOp", &NoOpRecord{}, "01140000"},
		{"FeatureLevel", &FeatureLevelRecord{Name: MetadataVersion, Level: 29},
			"010c00116d657461646174612e76657273696f6e001d00"},
		{"Topic", &TopicRecord{Name: "t", ID: uuid(1, 2)}, "01020002740000000000000001000000000000000200"},
		{"Partition", &PartitionRecord{
			Topic: uuid(1, 2), Replicas: []core.BrokerID{1}, ISR: []core.BrokerID{1}, Leader: 1,
			Directories: []core.UUID{uuid(0, 5)},
		}, "0103020000000000000000000000010000000000000002020000000102000000010101000000010000000000000000" +
			"020000000000000000000000000000000500"},
		{"PartitionChange", change, "0105020000000000000000000000010000000000000002010009030000000100000002"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := hex.EncodeToString(AppendRecord(nil, c.record)); got != c.bytes {
				t.Fatalf("encoded\n%s, Kafka writes\n%s", got, c.bytes)
			}
			raw, _ := hex.DecodeString(c.bytes)
			r, err := Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.record, r); d != "" {
				t.Fatalf("decoded another record: %s", d)
			}
		})
	}
}

func TestOlderVersionsGetKafkasDefaults(t *testing.T) {
	topic := uuid(1, 2)
	v0 := kbin.AppendUuid(append([]byte{1, 3, 0}, 0, 0, 0, 4), topic)
	v0 = append(v0, 2, 0, 0, 0, 1, 2, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 9, 0)
	r, err := Decode(v0)
	want := &PartitionRecord{
		Partition: 4, Topic: topic, Replicas: []core.BrokerID{1}, ISR: []core.BrokerID{1}, Leader: 1,
		LeaderEpoch: 7, PartitionEpoch: 9,
	}
	if d := cmp.Diff(Record(want), r); err != nil || d != "" {
		t.Fatalf("%v %s", err, d)
	}
}

func TestBadBytesAreErrors(t *testing.T) {
	good := AppendRecord(nil, &TopicRecord{Name: "t", ID: uuid(1, 2)})
	replaced := func(i int, b byte) []byte {
		c := bytes.Clone(good)
		c[i] = b
		return c
	}
	for name, raw := range map[string][]byte{
		"nothing":                       nil,
		"frame version 0":               replaced(0, 0),
		"frame version 2":               replaced(0, 2),
		"type 6 was never released":     replaced(1, 6),
		"type 99 does not exist":        replaced(1, 99),
		"version 1 of Topic":            replaced(2, 1),
		"version beyond int16":          {1, 2, 0xff, 0xff, 0xff, 0xff, 0x0f},
		"varint without an end":         bytes.Repeat([]byte{0xff}, 20),
		"null name":                     replaced(3, 0),
		"name longer than the record":   replaced(3, 0x7f),
		"a byte missing":                good[:len(good)-1],
		"a byte left over":              append(bytes.Clone(good), 0),
		"tagged field without its body": append(bytes.Clone(good[:len(good)-1]), 1, 0, 5),
		"array of 2^31 replicas": append(kbin.AppendUuid([]byte{1, 3, 2, 0, 0, 0, 0}, uuid(1, 2)),
			0xff, 0xff, 0xff, 0xff, 0x0f),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if r, err := Decode(raw); err == nil {
				t.Fatalf("decoded %#v", r)
			}
			if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 1<<20 {
				t.Fatalf("%d bytes allocated", after.TotalAlloc-before.TotalAlloc)
			}
		})
	}
}

func TestUnknownTaggedFieldsAreSkipped(t *testing.T) {
	raw := append(AppendRecord(nil, &NoOpRecord{})[:3], 1, 50, 2, 0xab, 0xcd)
	if r, err := Decode(raw); err != nil || r.Type() != TypeNoOp {
		t.Fatalf("%v %v", r, err)
	}
}

func TestAnEncodedRecordDecodesToItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		got, err := Decode(AppendRecord(nil, r))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, got); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, t := range allTypes() {
		f.Add(AppendRecord(nil, newRecord(t)))
	}
	change := NewPartitionChange(uuid(1, 2), 3)
	change.ISR, change.Directories, change.ELR = []core.BrokerID{1, 2}, []core.UUID{uuid(0, 9)}, []core.BrokerID{}
	f.Add(AppendRecord(nil, change))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := Decode(raw)
		if err != nil {
			return
		}
		// A record that came from an older version is written as the newest; from there it is a fixed point.
		once := AppendRecord(nil, r)
		again, err := Decode(once)
		if err != nil {
			t.Fatalf("%x decodes, its encoding %x does not: %v", raw, once, err)
		}
		if twice := AppendRecord(nil, again); !bytes.Equal(once, twice) {
			t.Fatalf("%x and %x", once, twice)
		}
		// Whatever decodes, replay answers with an image or an error.
		_, _ = NewImage("c").Apply(0, 0, r)
	})
}

func allTypes() []RecordType {
	var types []RecordType
	for t := RecordType(0); t < 128; t++ {
		if newRecord(t) != nil {
			types = append(types, t)
		}
	}
	return types
}

// drawRecord draws a record of any type with any values, nil and empty told apart only where the bytes do.
func drawRecord(t *rapid.T) Record {
	r := newRecord(rapid.SampledFrom(allTypes()).Draw(t, "type"))
	broker := core.BrokerID(rapid.Int32().Draw(t, "broker"))
	epoch := core.BrokerEpoch(rapid.Int64().Draw(t, "epoch"))
	name := rapid.StringN(0, 20, 60).Draw(t, "name")
	id := drawUUID(t)
	switch r := r.(type) {
	case *RegisterBrokerRecord:
		r.Broker, r.Epoch, r.Incarnation, r.Rack = broker, epoch, id, drawString(t)
		r.Endpoints, r.Features = drawEndpoints(t), drawFeatures(t)
		r.Fenced, r.InControlledShutdown = rapid.Bool().Draw(t, "fenced"), rapid.Bool().Draw(t, "down")
		r.LogDirs = nonEmpty(drawUUIDs(t))
	case *UnregisterBrokerRecord:
		r.Broker, r.Epoch = broker, epoch
	case *FenceBrokerRecord:
		r.Broker, r.Epoch = broker, epoch
	case *UnfenceBrokerRecord:
		r.Broker, r.Epoch = broker, epoch
	case *BrokerRegistrationChangeRecord:
		r.Broker, r.Epoch, r.LogDirs = broker, epoch, nonEmpty(drawUUIDs(t))
		r.Fencing = Fencing(rapid.Int8Range(-1, 1).Draw(t, "fencing"))
		r.ControlledShutdown = rapid.Int8Range(0, 1).Draw(t, "down")
	case *RegisterControllerRecord:
		r.Controller, r.Incarnation, r.Endpoints, r.Features = broker, id, drawEndpoints(t), drawFeatures(t)
		r.ZKMigrationReady = rapid.Bool().Draw(t, "zk")
	case *TopicRecord:
		r.Name, r.ID = name, id
	case *PartitionRecord:
		r.Partition, r.Topic, r.Leader = 3, id, broker
		r.Replicas, r.ISR = nonEmpty(drawBrokers(t)), nonEmpty(drawBrokers(t))
		r.Adding, r.Removing = nonEmpty(drawBrokers(t)), nonEmpty(drawBrokers(t))
		r.ELR, r.LastKnownELR, r.Directories = drawBrokers(t), drawBrokers(t), nonEmpty(drawUUIDs(t))
		r.RecoveryState = RecoveryState(rapid.Int8Range(0, 1).Draw(t, "recovery"))
	case *PartitionChangeRecord:
		r.Partition, r.Topic, r.Leader = 3, id, broker
		r.Replicas, r.ISR, r.Adding, r.Removing = drawBrokers(t), drawBrokers(t), drawBrokers(t), drawBrokers(t)
		r.ELR, r.LastKnownELR, r.Directories = drawBrokers(t), drawBrokers(t), drawUUIDs(t)
		r.RecoveryState = RecoveryState(rapid.Int8Range(-1, 1).Draw(t, "recovery"))
	case *RemoveTopicRecord:
		r.Topic = id
	case *ClearELRRecord:
		r.TopicName = name
	case *ConfigRecord:
		r.ResourceType, r.ResourceName, r.Name, r.Value = ResourceTopic, name, name, drawString(t)
	case *FeatureLevelRecord:
		r.Name, r.Level = name, rapid.Int16().Draw(t, "level")
	case *ProducerIDsRecord:
		r.Broker, r.Epoch, r.Next = broker, epoch, core.ProducerID(rapid.Int64().Draw(t, "next"))
	case *BeginTransactionRecord:
		r.Name = drawString(t)
	case *AbortTransactionRecord:
		r.Reason = drawString(t)
	case *NoOpRecord, *EndTransactionRecord:
	default:
		t.Fatalf("drawRecord does not know type %d", r.Type())
	}
	return r
}

func drawUUID(t *rapid.T) core.UUID {
	return core.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
}

func drawString(t *rapid.T) *string {
	return rapid.Ptr(rapid.StringN(0, 20, 60), true).Draw(t, "string")
}

// drawBrokers draws nil, an empty or a filled slice.
func drawBrokers(t *rapid.T) []core.BrokerID {
	if rapid.Bool().Draw(t, "null") {
		return nil
	}
	s := rapid.SliceOfN(rapid.Map(rapid.Int32(), func(i int32) core.BrokerID { return core.BrokerID(i) }), 0, 4)
	return append([]core.BrokerID{}, s.Draw(t, "brokers")...)
}

func drawUUIDs(t *rapid.T) []core.UUID {
	if rapid.Bool().Draw(t, "null") {
		return nil
	}
	us := []core.UUID{}
	for range rapid.IntRange(0, 3).Draw(t, "uuids") {
		us = append(us, drawUUID(t))
	}
	return us
}

func drawEndpoints(t *rapid.T) []Endpoint {
	if rapid.Bool().Draw(t, "no endpoints") {
		return nil
	}
	return []Endpoint{{Name: "PLAINTEXT", Host: "h", Port: rapid.Uint16().Draw(t, "port"), SecurityProtocol: 0}}
}

func drawFeatures(t *rapid.T) []FeatureRange {
	if rapid.Bool().Draw(t, "no features") {
		return nil
	}
	return []FeatureRange{{Name: MetadataVersion, Min: 7, Max: rapid.Int16().Draw(t, "max")}}
}

func nonEmpty[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

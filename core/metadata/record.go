package metadata

import (
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kbin"
)

// frameVersion starts every metadata record value (Kafka: AbstractApiMessageSerde.DEFAULT_FRAME_VERSION).
const frameVersion = 1

// Record is one entry of the metadata log: a pointer to one of the *Record structs of this package. A record is
// immutable once it is handed on.
type Record interface {
	// Type is the record's api key.
	Type() RecordType
	fields(c *codec)
}

// AppendRecord appends the value bytes of r: frame version, api key, version, message. It always writes the newest
// version of r's schema. It panics if a string of r is longer than [MaxStringLength].
func AppendRecord(dst []byte, r Record) []byte {
	c := codec{writing: true, version: maxVersion(r.Type()), dst: dst}
	c.dst = kbin.AppendUvarint(c.dst, frameVersion)
	c.dst = kbin.AppendUvarint(c.dst, uint32(r.Type()))
	c.dst = kbin.AppendUvarint(c.dst, uint32(c.version))
	r.fields(&c)
	return c.dst
}

// Decode reads the value bytes of one record, of any version up to the newest; fields that the version lacks get
// Kafka's defaults. Unknown frames, types, versions, bytes left over and bytes missing are errors. The record keeps
// nothing of src.
func Decode(src []byte) (Record, error) {
	rd := kbin.Reader{Src: src}
	frame, key, version := rd.Uvarint(), rd.Uvarint(), rd.Uvarint()
	if err := rd.Complete(); err != nil {
		return nil, fmt.Errorf("metadata record: %w in its header", err)
	}
	if frame != frameVersion {
		return nil, fmt.Errorf("metadata record: unknown frame version %d", frame)
	}
	if key > math.MaxInt16 {
		return nil, fmt.Errorf("metadata record: unknown type %d", key)
	}
	r := newRecord(RecordType(key))
	if r == nil {
		return nil, fmt.Errorf("metadata record: unknown type %d", key)
	}
	if version > uint32(maxVersion(r.Type())) {
		return nil, fmt.Errorf("metadata record: unknown version %d of type %d", version, key)
	}
	c := codec{version: int16(version), src: rd}
	r.fields(&c)
	if why := c.finish(); why != "" {
		return nil, fmt.Errorf("metadata record of type %d version %d: %s", key, version, why)
	}
	return r, nil
}

// maxVersion is the newest version of each schema in Kafka 4.2.
func maxVersion(t RecordType) int16 {
	switch t {
	case TypeRegisterBroker:
		return 3
	case TypePartition, TypePartitionChange, TypeBrokerRegistrationChange:
		return 2
	}
	return 0
}

// newRecord returns a record of type t whose fields have the schema's defaults, or nil if t is unknown.
func newRecord(t RecordType) Record {
	switch t {
	case TypeRegisterBroker:
		return &RegisterBrokerRecord{Fenced: true}
	case TypeUnregisterBroker:
		return &UnregisterBrokerRecord{}
	case TypeTopic:
		return &TopicRecord{}
	case TypePartition:
		return &PartitionRecord{}
	case TypeConfig:
		return &ConfigRecord{}
	case TypePartitionChange:
		return &PartitionChangeRecord{Leader: LeaderUnchanged, RecoveryState: RecoveryUnchanged}
	case TypeFenceBroker:
		return &FenceBrokerRecord{}
	case TypeUnfenceBroker:
		return &UnfenceBrokerRecord{}
	case TypeRemoveTopic:
		return &RemoveTopicRecord{}
	case TypeFeatureLevel:
		return &FeatureLevelRecord{}
	case TypeProducerIDs:
		return &ProducerIDsRecord{}
	case TypeBrokerRegistrationChange:
		return &BrokerRegistrationChangeRecord{}
	case TypeNoOp:
		return &NoOpRecord{}
	case TypeBeginTransaction:
		return &BeginTransactionRecord{}
	case TypeEndTransaction:
		return &EndTransactionRecord{}
	case TypeAbortTransaction:
		return &AbortTransactionRecord{}
	case TypeRegisterController:
		return &RegisterControllerRecord{}
	case TypeClearELR:
		return &ClearELRRecord{}
	}
	return nil
}

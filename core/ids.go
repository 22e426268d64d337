package core

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
)

// Offset is a position in a partition's log: the number of the record, counted from 0.
type Offset int64

// NoOffset stands where no offset is known.
const NoOffset Offset = -1

// LeaderEpoch counts the leaderships of one partition (KIP-101). The leader stamps it on every batch it appends.
type LeaderEpoch int32

// NoLeaderEpoch stands where no leader epoch is known; requests that carry it are not fenced by epoch.
const NoLeaderEpoch LeaderEpoch = -1

// BrokerID is Kafka's node.id.
type BrokerID int32

// NoBroker stands where there is no broker, for example the leader of an offline partition.
const NoBroker BrokerID = -1

// BrokerEpoch is the metadata offset of a broker's registration; it fences earlier incarnations (KIP-903).
type BrokerEpoch int64

// PartitionEpoch counts the changes of a partition's ISR and leader (KIP-497).
type PartitionEpoch int32

// PartitionID is the index of a partition in its topic, from 0.
type PartitionID int32

// ProducerID names an idempotent or transactional producer (KIP-98).
type ProducerID int64

// NoProducerID marks batches of producers that are not idempotent.
const NoProducerID ProducerID = -1

// ProducerEpoch fences zombies of one producer id.
type ProducerEpoch int16

// NoProducerEpoch accompanies [NoProducerID].
const NoProducerEpoch ProducerEpoch = -1

// Sequence numbers the records of one producer id in one partition. It wraps from 2^31-1 to 0.
type Sequence int32

// NoSequence accompanies [NoProducerID].
const NoSequence Sequence = -1

// Timestamp is milliseconds since the Unix epoch, as records carry it.
type Timestamp int64

// NoTimestamp stands where a record has no timestamp.
const NoTimestamp Timestamp = -1

// UUID is Kafka's 128-bit id of topics, directories and incarnations.
type UUID [16]byte

// MetadataTopicID returns the fixed id of __cluster_metadata (Kafka: Uuid.METADATA_TOPIC_ID).
func MetadataTopicID() UUID { return UUID{15: 1} }

// IsZero reports whether u is Kafka's "no id".
func (u UUID) IsZero() bool { return u == UUID{} }

// String gives Kafka's text form: 22 characters of URL-safe base64 without padding.
func (u UUID) String() string { return base64.RawURLEncoding.EncodeToString(u[:]) }

// ParseUUID reads Kafka's text form. It reports false if s is not 22 characters of URL-safe base64.
func ParseUUID(s string) (UUID, bool) {
	var u UUID
	if len(s) != base64.RawURLEncoding.EncodedLen(len(u)) {
		return UUID{}, false
	}
	if _, err := base64.RawURLEncoding.Decode(u[:], []byte(s)); err != nil {
		return UUID{}, false
	}
	return u, true
}

// Hex gives u as 32 hexadecimal digits, for traces.
func (u UUID) Hex() string { return hex.EncodeToString(u[:]) }

// TopicPartition names a partition by its topic's name.
type TopicPartition struct {
	Topic     string
	Partition PartitionID
}

// String gives Kafka's directory form, topic-partition.
func (tp TopicPartition) String() string {
	return tp.Topic + "-" + strconv.Itoa(int(tp.Partition))
}

// TopicIDPartition names a partition by its topic's id, which tells a re-created topic from its predecessor.
type TopicIDPartition struct {
	Topic     UUID
	Partition PartitionID
}

// Compare orders partitions by topic id, then by index.
func (p TopicIDPartition) Compare(q TopicIDPartition) int {
	for i := range p.Topic {
		if p.Topic[i] != q.Topic[i] {
			return int(p.Topic[i]) - int(q.Topic[i])
		}
	}
	return int(p.Partition) - int(q.Partition)
}

package record

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"ottla.dev/core"
)

// Where the fields of a batch begin, in bytes from its start (Kafka: DefaultRecordBatch).
const (
	baseOffsetAt      = 0
	lengthAt          = 8
	leaderEpochAt     = 12
	magicAt           = 16
	crcAt             = 17
	attributesAt      = 21
	lastOffsetDeltaAt = 23
	baseTimestampAt   = 27
	maxTimestampAt    = 35
	producerIDAt      = 43
	producerEpochAt   = 51
	baseSequenceAt    = 53
	countAt           = 57
	recordsAt         = 61
)

// Sizes in bytes that other packages reason with.
const (
	// LogOverhead is the size of the base offset and the length, which the length does not count.
	LogOverhead = 12
	// HeaderSize is the size of a batch without records, the least that a batch can have.
	HeaderSize = recordsAt
	// SizePrefix is how many bytes must be at hand to learn a batch's size and magic.
	SizePrefix = magicAt + 1
)

// Magic is the only record format that Ottla stores.
const Magic int8 = 2

// Attributes are the flags of a batch.
type Attributes int16

// The bits of [Attributes].
const (
	codecMask         Attributes = 0x07
	LogAppendTimeBit  Attributes = 0x08
	TransactionalBit  Attributes = 0x10
	ControlBit        Attributes = 0x20
	DeleteHorizonBit  Attributes = 0x40
	legacyLengthFloor            = 14 // the smallest length Kafka accepts: the overhead of a format 0 message
)

// Codec gives the compression codec's number, which may be one that nobody knows.
func (a Attributes) Codec() Codec { return Codec(a & codecMask) }

// TimestampType says who set the timestamps of a batch.
type TimestampType int8

// The timestamp types, with Kafka's numbers.
const (
	CreateTime TimestampType = iota
	LogAppendTime
)

// View is the bytes of exactly one batch, read and patched in place.
//
// Invariant: len(View) == View.Size() >= HeaderSize. [Next], [CheckHeader] and [Builder.Finish] make such views.
// Nothing else is promised: the fields may be nonsense until [View.Check] or [Validate] passed.
type View []byte

// BaseOffset is the offset of the first record the batch ever had.
func (v View) BaseOffset() core.Offset { return core.Offset(be64(v[baseOffsetAt:])) }

// Size is the size of the batch in bytes as the batch states it, the first 12 bytes included.
func (v View) Size() int { return LogOverhead + int(int32(be32(v[lengthAt:]))) }

// LeaderEpoch is the epoch of the leader that appended the batch.
func (v View) LeaderEpoch() core.LeaderEpoch { return core.LeaderEpoch(be32(v[leaderEpochAt:])) }

// Magic is the format number.
func (v View) Magic() int8 { return int8(v[magicAt]) }

// CRC is the stored CRC-32C.
func (v View) CRC() uint32 { return be32(v[crcAt:]) }

// Attributes are the batch's flags.
func (v View) Attributes() Attributes { return Attributes(be16(v[attributesAt:])) }

// Codec is the compression of the records.
func (v View) Codec() Codec { return v.Attributes().Codec() }

// TimestampType says whether the timestamps are the producer's or the broker's.
func (v View) TimestampType() TimestampType {
	if v.Attributes()&LogAppendTimeBit != 0 {
		return LogAppendTime
	}
	return CreateTime
}

// IsTransactional reports whether the batch belongs to a transaction.
func (v View) IsTransactional() bool { return v.Attributes()&TransactionalBit != 0 }

// IsControl reports whether the records are control records, which clients never see.
func (v View) IsControl() bool { return v.Attributes()&ControlBit != 0 }

// HasDeleteHorizon reports whether the base timestamp is the time at which tombstones may be removed (KIP-534).
func (v View) HasDeleteHorizon() bool { return v.Attributes()&DeleteHorizonBit != 0 }

// LastOffsetDelta is the last offset relative to the base offset. Cleaning a log removes records but keeps it.
func (v View) LastOffsetDelta() int32 { return int32(be32(v[lastOffsetDeltaAt:])) }

// LastOffset is the last offset that the batch covers.
func (v View) LastOffset() core.Offset { return v.BaseOffset() + core.Offset(v.LastOffsetDelta()) }

// NextOffset is the offset after the batch.
func (v View) NextOffset() core.Offset { return v.LastOffset() + 1 }

// BaseTimestamp is what the records' timestamp deltas count from.
func (v View) BaseTimestamp() core.Timestamp { return core.Timestamp(be64(v[baseTimestampAt:])) }

// MaxTimestamp is the largest timestamp of the records, or the append time of the batch.
func (v View) MaxTimestamp() core.Timestamp { return core.Timestamp(be64(v[maxTimestampAt:])) }

// ProducerID is the idempotent producer's id, or [core.NoProducerID].
func (v View) ProducerID() core.ProducerID { return core.ProducerID(be64(v[producerIDAt:])) }

// HasProducerID reports whether an idempotent producer wrote the batch.
func (v View) HasProducerID() bool { return v.ProducerID() > core.NoProducerID }

// ProducerEpoch is the idempotent producer's epoch.
func (v View) ProducerEpoch() core.ProducerEpoch {
	return core.ProducerEpoch(be16(v[producerEpochAt:]))
}

// BaseSequence is the sequence number of the first record, or [core.NoSequence].
func (v View) BaseSequence() core.Sequence { return core.Sequence(be32(v[baseSequenceAt:])) }

// LastSequence is the sequence number of the last record, or [core.NoSequence].
func (v View) LastSequence() core.Sequence {
	base := v.BaseSequence()
	if base == core.NoSequence {
		return core.NoSequence
	}
	return AddSequence(base, v.LastOffsetDelta())
}

// Count is the number of records in the batch. Cleaning a log can leave batches with none.
func (v View) Count() int32 { return int32(be32(v[countAt:])) }

// Payload is the bytes after the header: the records, compressed or not.
func (v View) Payload() []byte { return v[recordsAt:] }

// AddSequence advances a sequence number. Sequence numbers run from 0 to 2^31-1 and start again at 0.
func AddSequence(s core.Sequence, n int32) core.Sequence {
	return core.Sequence((int64(s) + int64(n)) & math.MaxInt32)
}

// SetBaseOffset moves the batch to another offset. The checksum does not cover it.
func (v View) SetBaseOffset(o core.Offset) { put64(v[baseOffsetAt:], uint64(o)) }

// SetLeaderEpoch stamps the batch with the epoch of the leader that appends it. The checksum does not cover it.
func (v View) SetLeaderEpoch(e core.LeaderEpoch) { put32(v[leaderEpochAt:], uint32(e)) }

// SetMaxTimestamp states the largest timestamp and whose it is, and renews the checksum if anything changed. For
// [LogAppendTime] the time is the broker's clock at the append and holds for every record in the batch; the records
// themselves stay as the producer wrote them.
func (v View) SetMaxTimestamp(t TimestampType, ts core.Timestamp) {
	if v.TimestampType() == t && v.MaxTimestamp() == ts {
		return
	}
	a := v.Attributes() &^ LogAppendTimeBit
	if t == LogAppendTime {
		a |= LogAppendTimeBit
	}
	put16(v[attributesAt:], uint16(a))
	put64(v[maxTimestampAt:], uint64(ts))
	v.seal()
}

// SetLogAppendTime stamps the whole batch with the broker's clock (message.timestamp.type=LogAppendTime).
func (v View) SetLogAppendTime(now core.Timestamp) { v.SetMaxTimestamp(LogAppendTime, now) }

// ComputeCRC is the checksum that the bytes ought to have.
func (v View) ComputeCRC() uint32 {
	return crc32.Checksum(v[attributesAt:], crc32.MakeTable(crc32.Castagnoli))
}

// ValidCRC reports whether the stored checksum is that of the bytes.
func (v View) ValidCRC() bool { return v.CRC() == v.ComputeCRC() }

func (v View) seal() { put32(v[crcAt:], v.ComputeCRC()) }

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
func be64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

func put16(b []byte, x uint16) { binary.BigEndian.PutUint16(b, x) }
func put32(b []byte, x uint32) { binary.BigEndian.PutUint32(b, x) }
func put64(b []byte, x uint64) { binary.BigEndian.PutUint64(b, x) }

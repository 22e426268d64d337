package record

import (
	"slices"

	"ottla.dev/core"
)

// Builder writes one batch after another, each behind the bytes of a buffer that the caller owns:
//
//	b.Start(buf, base)
//	b.Append(ts, key, value)
//	buf, batch := b.Finish()
//
// Start resets everything; the setters between Start and Finish may come in any order. A Builder is for use again and
// again; it allocates only when the caller's buffer grows, or to compress. The zero Builder is ready.
//
// Invariant: offsets within a batch grow, and the batch is smaller than 2 GiB; both panic otherwise.
type Builder struct {
	dst   []byte
	start int // where the batch begins in dst
	value []byte

	base       core.Offset
	epoch      core.LeaderEpoch
	attributes Attributes
	codecs     *Codecs
	level      Level
	pid        core.ProducerID
	pepoch     core.ProducerEpoch
	sequence   core.Sequence

	count     int32
	lastDelta int32 // -1 before the first record
	baseTS    core.Timestamp
	maxTS     core.Timestamp
	appendTS  core.Timestamp
}

// Start begins a batch behind dst: no producer id, no compression, the producer's timestamps, no leader epoch.
func (b *Builder) Start(dst []byte, base core.Offset) {
	*b = Builder{
		dst: slices.Grow(dst, HeaderSize)[:len(dst)+HeaderSize], start: len(dst), value: b.value[:0],
		base: base, epoch: core.NoLeaderEpoch, pid: core.NoProducerID, pepoch: core.NoProducerEpoch,
		sequence: core.NoSequence, lastDelta: -1, baseTS: core.NoTimestamp, maxTS: core.NoTimestamp,
	}
}

// SetLeaderEpoch states the epoch of the leader that appends the batch.
func (b *Builder) SetLeaderEpoch(e core.LeaderEpoch) { b.epoch = e }

// SetProducer makes the batch an idempotent producer's. The sequence is that of the first record.
func (b *Builder) SetProducer(id core.ProducerID, epoch core.ProducerEpoch, s core.Sequence) {
	b.pid, b.pepoch, b.sequence = id, epoch, s
}

// SetTransactional makes the batch part of its producer's transaction.
func (b *Builder) SetTransactional() { b.attributes |= TransactionalBit }

// SetLogAppendTime makes now the timestamp of every record.
func (b *Builder) SetLogAppendTime(now core.Timestamp) {
	b.attributes |= LogAppendTimeBit
	b.appendTS = now
}

// SetCodec has Finish compress the records.
func (b *Builder) SetCodec(codecs *Codecs, codec Codec, level Level) {
	b.attributes = b.attributes&^codecMask | Attributes(codec)
	b.codecs, b.level = codecs, level
}

// Append adds a record at the next offset. A nil key or value is null. The bytes are copied.
func (b *Builder) Append(ts core.Timestamp, key, value []byte, headers ...Header) {
	b.AppendAt(b.base+core.Offset(b.lastDelta)+1, ts, key, value, headers...)
}

// AppendAt adds a record at an offset beyond the last one, for batches with gaps.
func (b *Builder) AppendAt(offset core.Offset, ts core.Timestamp, key, value []byte, headers ...Header) {
	if b.attributes&ControlBit != 0 {
		panic("record: a data record among control records")
	}
	b.append(offset, ts, key, value, headers)
}

func (b *Builder) append(offset core.Offset, ts core.Timestamp, key, value []byte, headers []Header) {
	delta := offset - b.base
	if delta <= core.Offset(b.lastDelta) || delta > maxInt32 {
		panic("record: an offset does not follow the last one of the batch")
	}
	if b.count == 0 {
		b.baseTS = ts
	}
	b.lastDelta = int32(delta)
	b.count++
	b.maxTS = max(b.maxTS, ts)
	b.dst = appendRecord(b.dst, int64(ts-b.baseTS), b.lastDelta, key, value, headers)
	if len(b.dst)-b.start > maxInt32 {
		panic("record: a batch grew beyond 2 GiB")
	}
}

// Cover extends the range of offsets that the batch stands for to last, which needs no record.
func (b *Builder) Cover(last core.Offset) {
	delta := last - b.base
	if delta < core.Offset(b.lastDelta) || delta > maxInt32 {
		panic("record: a batch cannot cover less than its records")
	}
	b.lastDelta = int32(delta)
}

// Count is the number of records appended since Start.
func (b *Builder) Count() int { return int(b.count) }

// Size is the size of the batch in bytes so far, before compression.
func (b *Builder) Size() int { return len(b.dst) - b.start }

// Room reports how many bytes a record would add to the batch, before compression.
func (b *Builder) Room(ts core.Timestamp, key, value []byte, headers ...Header) int {
	base := b.baseTS
	if b.count == 0 {
		base = ts
	}
	n := bodySize(int64(ts-base), b.lastDelta+1, key, value, headers)
	return varintSize(int32(n)) + n
}

// Finish completes the batch and returns the buffer given to Start, grown by the batch, and the batch within it. The
// Builder lets go of the buffer.
func (b *Builder) Finish() (buf []byte, batch View) {
	if b.lastDelta < 0 {
		panic("record: finishing a batch that covers no offset")
	}
	if codec := b.attributes.Codec(); codec != None {
		b.dst = b.codecs.compressTail(b.dst, b.start+HeaderSize, codec, b.level)
	}
	if b.attributes&LogAppendTimeBit != 0 {
		b.maxTS = b.appendTS
	}
	buf = b.dst
	batch = View(buf[b.start:len(buf):len(buf)])
	b.writeHeader(batch)
	b.dst, b.codecs = nil, nil
	return buf, batch
}

func (b *Builder) writeHeader(v View) {
	v.SetBaseOffset(b.base)
	put32(v[lengthAt:], uint32(len(v)-LogOverhead))
	v.SetLeaderEpoch(b.epoch)
	v[magicAt] = byte(Magic)
	put16(v[attributesAt:], uint16(b.attributes))
	put32(v[lastOffsetDeltaAt:], uint32(b.lastDelta))
	put64(v[baseTimestampAt:], uint64(b.baseTS))
	put64(v[maxTimestampAt:], uint64(b.maxTS))
	put64(v[producerIDAt:], uint64(b.pid))
	put16(v[producerEpochAt:], uint16(b.pepoch))
	put32(v[baseSequenceAt:], uint32(b.sequence))
	put32(v[countAt:], uint32(b.count))
	v.seal()
}

// appendRecord writes one record as DefaultRecord does: its length, no attributes, and its fields.
func appendRecord(dst []byte, tsDelta int64, offsetDelta int32, key, value []byte, headers []Header) []byte {
	dst = appendVarint(dst, int32(bodySize(tsDelta, offsetDelta, key, value, headers)))
	dst = append(dst, 0)
	dst = appendVarlong(dst, tsDelta)
	dst = appendVarint(dst, offsetDelta)
	dst = appendBytes(dst, key)
	dst = appendBytes(dst, value)
	dst = appendVarint(dst, int32(len(headers)))
	for i := range headers {
		dst = appendVarint(dst, int32(len(headers[i].Key)))
		dst = append(dst, headers[i].Key...)
		dst = appendBytes(dst, headers[i].Value)
	}
	return dst
}

func bodySize(tsDelta int64, offsetDelta int32, key, value []byte, headers []Header) int {
	n := 1 + varlongSize(tsDelta) + varintSize(offsetDelta) + bytesSize(key) + bytesSize(value) +
		varintSize(int32(len(headers)))
	for i := range headers {
		k := len(headers[i].Key)
		n += varintSize(int32(k)) + k + bytesSize(headers[i].Value)
	}
	if n > maxInt32 {
		panic("record: a record of more than 2 GiB")
	}
	return n
}

func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return appendVarint(dst, -1)
	}
	return append(appendVarint(dst, int32(len(b))), b...)
}

func bytesSize(b []byte) int {
	if b == nil {
		return 1
	}
	return varintSize(int32(len(b))) + len(b)
}

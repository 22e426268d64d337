package record

import (
	"iter"

	"ottla.dev/core"
)

// Record is one record of a batch. Its bytes belong to the batch, or to the [Codecs] that decompressed it.
type Record struct {
	Offset    core.Offset
	Timestamp core.Timestamp // of the batch where the broker set it
	Key       []byte         // nil is null
	Value     []byte         // nil is null
	Headers   Headers
}

// Header is one header of a record: a name and a value, which may be nil for null.
type Header struct {
	Key   []byte
	Value []byte
}

// Headers are a record's headers, not yet taken apart. They have been checked.
type Headers struct {
	raw []byte
	n   int32
}

// Len is the number of headers.
func (h Headers) Len() int { return int(h.n) }

// All yields the headers in order.
func (h Headers) All() iter.Seq[Header] {
	return func(yield func(Header) bool) {
		p := 0
		for range h.n {
			var x Header
			x.Key, p = readBytes(h.raw, p)
			x.Value, p = readBytes(h.raw, p)
			if !yield(x) {
				return
			}
		}
	}
}

// Iterator walks the records of one batch in order:
//
//	it := record.Records(v, codecs)
//	for it.Next() {
//		use(it.Record)
//	}
//	if err := it.Err(); err != nil { … }
type Iterator struct {
	// Record is the current record, after Next returned true and until its next call.
	Record Record

	payload []byte
	pos     int
	left    int32
	index   int32
	base    core.Offset
	baseTS  core.Timestamp
	batchTS core.Timestamp
	stamped bool // the broker set the timestamp of the batch
	cur     parsed
	err     *Error
}

// Records starts a walk over the batch's records, decompressing them first where need be. With nil codecs a compressed
// batch is an error, which suits the batches that only brokers write. Whatever the bytes are, the walk ends;
// [Iterator.Err] then tells if it ended well.
func Records(v View, codecs *Codecs) Iterator {
	it := Iterator{
		left: v.Count(), base: v.BaseOffset(), baseTS: v.BaseTimestamp(), batchTS: v.MaxTimestamp(),
		stamped: v.TimestampType() == LogAppendTime,
	}
	// A cleaned batch may be empty and still name a codec; there is nothing to decompress then.
	if it.left == 0 {
		return it
	}
	it.payload, it.err = plain(v, codecs)
	return it
}

// Next moves to the next record. It returns false at the end or at the first bad byte.
func (it *Iterator) Next() bool {
	if it.err != nil {
		return false
	}
	if it.left <= 0 {
		if it.left < 0 || it.pos != len(it.payload) {
			it.fail(faultTrailing)
		}
		return false
	}
	if it.pos == len(it.payload) {
		return it.fail(faultCount)
	}
	next, f := it.cur.parse(it.payload, it.pos)
	if f != faultNone {
		return it.fail(f)
	}
	it.pos = next
	it.left--
	it.index++
	ts := it.batchTS
	if !it.stamped {
		ts = it.baseTS + core.Timestamp(it.cur.timestampDelta)
	}
	it.Record = Record{
		Offset: it.base + core.Offset(it.cur.offsetDelta), Timestamp: ts,
		Key: it.cur.key, Value: it.cur.value, Headers: it.cur.headers,
	}
	return true
}

// Err is the reason for which the walk ended early, nil if it came to the end of the batch.
func (it *Iterator) Err() error {
	if it.err == nil {
		return nil
	}
	return it.err
}

func (it *Iterator) fail(f fault) bool {
	it.err = malformed(it.index, f)
	return false
}

// plain is the batch's records without compression: the batch's own bytes, or a buffer of codecs.
func plain(v View, codecs *Codecs) ([]byte, *Error) {
	codec := v.Codec()
	if codec == None {
		return v.Payload(), nil
	}
	if codecs == nil {
		return nil, refuse(core.UnsupportedCompressionType, "a compressed batch where none is expected")
	}
	b, err := codecs.Decompress(v.Payload(), codec)
	if err != nil {
		return nil, codecRefusal(err)
	}
	return b, nil
}

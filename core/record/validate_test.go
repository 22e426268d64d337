package record_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// resealed gives the batch the checksum of its bytes.
func resealed(v record.View) record.View {
	binary.BigEndian.PutUint32(v[17:], v.ComputeCRC())
	return v
}

// raw builds a batch around bytes that are to be its records.
func raw(count int32, records ...byte) record.View {
	v := append(make(record.View, 0, 100), make([]byte, record.HeaderSize)...)
	v = append(v, records...)
	binary.BigEndian.PutUint32(v[8:], uint32(len(v)-record.LogOverhead))
	v[16] = 2
	binary.BigEndian.PutUint32(v[23:], uint32(count-1))
	binary.BigEndian.PutUint64(v[27:], uint64(now))
	binary.BigEndian.PutUint64(v[43:], math.MaxUint64)
	binary.BigEndian.PutUint32(v[57:], uint32(count))
	return resealed(v)
}

func edit(at int, b ...byte) func(record.View) []byte {
	return func(v record.View) []byte {
		copy(v[at:], b)
		return resealed(v)
	}
}

func TestValidateAnswersKafkasCodes(t *testing.T) {
	good := func(v record.View) []byte { return v }
	type change = func(*record.Rules)
	for _, c := range []struct {
		rule  string
		in    func(record.View) []byte
		rules change
		want  core.ErrorCode
	}{
		{"a good batch", good, nil, core.NoError},
		{"row 27: null records", func(record.View) []byte { return nil }, nil, core.InvalidRecord},
		{"row 14: eleven bytes", func(v record.View) []byte { return v[:11] }, nil, core.InvalidRecord},
		{"row 14: header only in part", func(v record.View) []byte { return v[:16] }, nil, core.InvalidRecord},
		{"row 14: last byte missing", func(v record.View) []byte { return v[:len(v)-1] }, nil, core.InvalidRecord},
		{"row 14: two batches", func(v record.View) []byte { return append(bytes.Clone(v), v...) }, nil, core.InvalidRecord},
		{"row 14: magic 0", edit(16, 0), nil, core.InvalidRecord},
		{"row 14: magic 1", edit(16, 1), nil, core.InvalidRecord},
		{"a partial second batch is left out", func(v record.View) []byte { return append(bytes.Clone(v), v[:40]...) },
			nil, core.NoError},
		{"row 15: magic 3", edit(16, 3), nil, core.CorruptMessage},
		{"row 15: magic -1", edit(16, 0xff), nil, core.CorruptMessage},
		{"row 15: length 13", edit(8, 0, 0, 0, 13), nil, core.CorruptMessage},
		{"row 15: negative length", edit(8, 0xff, 0xff, 0xff, 0xff), nil, core.CorruptMessage},
		{"row 15: length 48, batch of 60 bytes", edit(8, 0, 0, 0, 48), nil, core.CorruptMessage},
		{"row 15: a length near 2^31 is never complete", edit(8, 0x7f, 0xff, 0xff, 0xf3), nil, core.InvalidRecord},
		{"row 15: wrong checksum", func(v record.View) []byte { v[20] ^= 1; return v }, nil, core.CorruptMessage},
		{"row 15: a flipped bit in a record", func(v record.View) []byte { v[70] ^= 1; return v }, nil, core.CorruptMessage},
		{"row 15: the leader epoch is outside the checksum", func(v record.View) []byte { v[12] ^= 1; return v },
			nil, core.NoError},
		{"row 16: base offset", edit(7, 1), nil, core.InvalidRecord},
		{"row 16: last offset delta too large", edit(23, 0, 0, 0, 9), nil, core.InvalidRecord},
		{"row 16: last offset delta negative", edit(23, 0xff, 0xff, 0xff, 0xff), nil, core.InvalidRecord},
		{"row 16: count 0", edit(57, 0, 0, 0, 0), nil, core.InvalidRecord},
		{"row 16: no offsets and no records", func(record.View) []byte { return raw(0) }, nil, core.InvalidRecord},
		{"row 16: count negative", edit(57, 0xff, 0xff, 0xff, 0xff), nil, core.InvalidRecord},
		{"row 16: control batch", edit(21, 0, 0x20), nil, core.InvalidRecord},
		{"row 16: producer id without sequence", edit(43, 0, 0, 0, 0, 0, 0, 0, 1), nil, core.InvalidRecord},
		{"row 18: codec 5", edit(21, 0, 5), nil, core.UnsupportedCompressionType},
		{"row 18: codec 7", edit(21, 0, 7), nil, core.UnsupportedCompressionType},
		{"row 18: not gzip", edit(21, 0, 1), nil, core.InvalidRecord},
		{"row 18: not snappy", edit(21, 0, 2), nil, core.InvalidRecord},
		{"row 18: not lz4", edit(21, 0, 3), nil, core.InvalidRecord},
		{"row 18: not zstd", edit(21, 0, 4), nil, core.InvalidRecord},
		{"row 19: zstd in Produce v6", edit(21, 0, 4), func(r *record.Rules) { r.ProduceVersion = 6 },
			core.UnsupportedCompressionType},
		{"row 21: larger than max.message.bytes", good, func(r *record.Rules) { r.MaxMessageBytes = 150 },
			core.MessageTooLarge},
		{"row 22: log append time set by the client", edit(21, 0, 8), nil, core.InvalidTimestamp},
		{"row 22: too old", good, func(r *record.Rules) { r.Now, r.BeforeMaxMs = now+101, 100 }, core.InvalidTimestamp},
		{"row 22: just not too old", good, func(r *record.Rules) { r.Now, r.BeforeMaxMs = now+100, 100 }, core.NoError},
		{"row 22: too new", good, func(r *record.Rules) { r.Now, r.AfterMaxMs = now-100, 101 }, core.InvalidTimestamp},
		{"row 22: just not too new", good, func(r *record.Rules) { r.Now, r.AfterMaxMs = now-100, 102 }, core.NoError},
		{"row 22: log append time topics do not look", good, func(r *record.Rules) {
			r.Now, r.AfterMaxMs, r.TimestampType = 0, 0, record.LogAppendTime
		}, core.NoError},
		{"row 23: keys on a compacted topic", good, func(r *record.Rules) { r.Compacted = true }, core.NoError},
	} {
		v := batch(t, record.None, 3, 30)
		r := rules()
		if c.rules != nil {
			c.rules(r)
		}
		_, err := record.Validate(c.in(v), r, record.NewCodecs(0))
		got := core.NoError
		if err != nil {
			got = err.Code
		}
		if got != c.want {
			t.Errorf("%s: %v (%v), want %v", c.rule, got, err, c.want)
		}
	}
}

func TestValidateWalksRecords(t *testing.T) {
	for _, c := range []struct {
		rule    string
		count   int32
		records []byte
		want    core.ErrorCode
		index   int32
	}{
		{"the smallest record", 1, []byte{12, 0, 0, 0, 1, 1, 0}, core.NoError, 0},
		{"row 17: shorter than its length", 1, []byte{14, 0, 0, 0, 1, 1, 0}, core.InvalidRecord, 0},
		{"row 17: longer than its fields", 1, []byte{14, 0, 0, 0, 1, 1, 0, 0}, core.InvalidRecord, 0},
		{"row 17: negative length", 1, []byte{1, 0, 0, 0, 1, 1, 0}, core.InvalidRecord, 0},
		{"row 17: no fields", 1, []byte{0}, core.InvalidRecord, 0},
		{"row 17: varint of six bytes", 1, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}, core.InvalidRecord, 0},
		{"row 17: varint of more than 32 bits", 1, []byte{20, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 1, 0},
			core.InvalidRecord, 0},
		{"varint of 32 bits", 1, []byte{20, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x0f, 1, 1, 0}, core.NoError, 0},
		{"row 17: varlong of more than 64 bits", 1,
			[]byte{30, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2, 0, 1, 1, 0}, core.InvalidRecord, 0},
		{"varlong of 64 bits", 1,
			[]byte{30, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 0, 1, 1, 0}, core.NoError, 0},
		{"row 17: key reaches past the record", 1, []byte{12, 0, 0, 0, 8, 1, 0}, core.InvalidRecord, 0},
		{"row 17: value reaches past the record", 1, []byte{12, 0, 0, 0, 1, 4, 0}, core.InvalidRecord, 0},
		{"row 17: negative header count", 1, []byte{12, 0, 0, 0, 1, 1, 1}, core.InvalidRecord, 0},
		{"row 17: more headers than bytes", 1, []byte{12, 0, 0, 0, 1, 1, 6}, core.InvalidRecord, 0},
		{"row 17: header with a null key", 1, []byte{16, 0, 0, 0, 1, 1, 2, 1, 1}, core.InvalidRecord, 0},
		{"header with a null value", 1, []byte{16, 0, 0, 0, 1, 1, 2, 0, 1}, core.NoError, 0},
		{"row 16: fewer records than the count", 2, []byte{12, 0, 0, 0, 1, 1, 0}, core.InvalidRecord, 1},
		{"row 16: more records than the count", 1, []byte{12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 2, 1, 1, 0},
			core.InvalidRecord, 1},
		{"row 16: a count of 2^31-1", math.MaxInt32, []byte{12, 0, 0, 0, 1, 1, 0}, core.InvalidRecord, 1},
	} {
		v := raw(c.count, c.records...)
		_, err := record.Validate(v, rules(), nil)
		switch {
		case err == nil && c.want == core.NoError:
		case err == nil || err.Code != c.want || err.Index != c.index:
			t.Errorf("%s: %+v, want %v at %d", c.rule, err, c.want, c.index)
		}
		it := record.Records(v, nil)
		for it.Next() {
		}
		if (it.Err() == nil) != (c.want == core.NoError) {
			t.Errorf("%s: Records says %v", c.rule, it.Err())
		}
	}
}

func TestValidateNamesTheBadRecords(t *testing.T) {
	var b record.Builder
	b.Start(nil, 0)
	b.Append(now, []byte("k"), nil)
	b.Append(now, nil, nil)
	b.Append(now-1000, []byte("k"), nil)
	b.Append(core.NoTimestamp, []byte("k"), nil)
	_, v := b.Finish()
	r := rules()
	r.Compacted = true
	_, err := record.Validate(v, r, nil)
	if err == nil || err.Code != core.InvalidRecord || err.Index != 1 || len(err.Records) != 1 ||
		err.Records[0].Index != 1 {
		t.Errorf("a null key on a compacted topic: %+v", err)
	}
	r.BeforeMaxMs = 999
	_, err = record.Validate(v, r, nil)
	if err == nil || err.Code != core.InvalidTimestamp || err.Index != 1 || len(err.Records) != 2 ||
		err.Records[1].Index != 2 {
		t.Errorf("one invalid timestamp decides the code: %+v", err)
	}
}

func TestValidateNamesABoundedNumberOfRecords(t *testing.T) {
	var b record.Builder
	b.Start(nil, 0)
	for range 3 * record.MaxRecordErrors {
		b.Append(now, nil, nil)
	}
	_, v := b.Finish()
	r := rules()
	r.Compacted = true
	if _, err := record.Validate(v, r, nil); err == nil || len(err.Records) != record.MaxRecordErrors {
		t.Errorf("Validate = %v", err)
	}
}

func TestValidateDoesNotOverflowOnTimestamps(t *testing.T) {
	for _, ts := range []core.Timestamp{math.MinInt64, math.MinInt64 + 1, -2, 0, math.MaxInt64} {
		var b record.Builder
		b.Start(nil, 0)
		b.Append(ts, nil, nil)
		_, v := b.Finish()
		r := rules()
		r.BeforeMaxMs, r.AfterMaxMs = 1000, 1000
		if _, err := record.Validate(v, r, nil); err == nil || err.Code != core.InvalidTimestamp {
			t.Errorf("timestamp %d: %v, want INVALID_TIMESTAMP", ts, err)
		}
	}
}

func TestValidateFindsTheLargestTimestampWhateverTheHeaderSays(t *testing.T) {
	for codec := record.None; codec <= record.Zstd; codec++ {
		codecs := record.NewCodecs(0)
		var b record.Builder
		b.Start(nil, 0)
		b.SetCodec(codecs, codec, record.DefaultLevel)
		for _, ts := range []core.Timestamp{5, 9, 2, 9} {
			b.Append(now+ts, nil, bytes.Repeat([]byte("x"), 50))
		}
		_, v := b.Finish()
		v.SetMaxTimestamp(record.CreateTime, now+1000)
		found, err := record.Validate(v, rules(), codecs)
		if err != nil {
			t.Fatalf("%v: %v", codec, err)
		}
		if found.MaxTimestamp != now+9 || found.MaxTimestampDelta != 1 || found.Renumber {
			t.Errorf("%v: %+v", codec, found)
		}
		v.SetMaxTimestamp(record.CreateTime, found.MaxTimestamp)
		if _, err := record.Validate(v, rules(), codecs); err != nil {
			t.Errorf("%v: after SetMaxTimestamp: %v", codec, err)
		}
		v.SetLogAppendTime(now + 77)
		for i, r := range collect(t, v, codecs) {
			if r.Timestamp != now+77 {
				t.Errorf("%v: record %d has timestamp %d, want the append time", codec, i, r.Timestamp)
			}
		}
		if !v.ValidCRC() || v.TimestampType() != record.LogAppendTime || v.Codec() != codec {
			t.Errorf("%v: SetLogAppendTime broke the header", codec)
		}
	}
}

func TestValidateAllocatesNothingWithoutCompression(t *testing.T) {
	v, r := batch(t, record.None, 100, 100), rules()
	r.Compacted = true
	if n := testing.AllocsPerRun(100, func() {
		if _, err := record.Validate(v, r, nil); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Validate allocates %v times", n)
	}
}

func TestReplicaCheck(t *testing.T) {
	for _, c := range []struct {
		rule string
		in   func(record.View) []byte
		want error
	}{
		{"good", func(v record.View) []byte { return v }, nil},
		{"a control batch is good here", edit(21, 0, 0x20), nil},
		{"a cleaned batch has fewer records than offsets", edit(23, 0, 0, 0, 9), nil},
		{"wrong checksum", func(v record.View) []byte { v[20] ^= 1; return v }, record.ErrChecksum},
		{"more records than offsets", edit(23, 0, 0, 0, 1), record.ErrCorrupt},
		{"negative count", edit(57, 0xff), record.ErrCorrupt},
		{"negative base offset", edit(0, 0xff), record.ErrCorrupt},
		{"the last offset overflows", edit(0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), record.ErrCorrupt},
		{"unknown codec", edit(21, 0, 6), record.ErrCorrupt},
	} {
		v := record.View(c.in(batch(t, record.None, 3, 30)))
		if err := v.Check(); err != c.want {
			t.Errorf("%s: %v, want %v", c.rule, err, c.want)
		}
	}
}

package record_test

import (
	"bytes"
	"math"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

const now core.Timestamp = 1_700_000_000_000

// rules take everything that is well formed.
func rules() *record.Rules {
	return &record.Rules{
		ProduceVersion: 12, MaxMessageBytes: math.MaxInt32, BeforeMaxMs: math.MaxInt64, AfterMaxMs: math.MaxInt64, Now: now,
	}
}

// batch builds a batch of n records with keys, values and now and then headers.
func batch(tb testing.TB, codec record.Codec, n, valueSize int) record.View {
	tb.Helper()
	var b record.Builder
	b.Start(nil, 0)
	b.SetCodec(record.NewCodecs(0), codec, record.DefaultLevel)
	for i := range n {
		value := bytes.Repeat([]byte{byte('a' + i%26)}, valueSize)
		if i%3 == 0 {
			b.Append(now+core.Timestamp(i), []byte{byte(i)}, value, record.Header{Key: []byte("h"), Value: []byte("v")},
				record.Header{Key: []byte("null")})
			continue
		}
		b.Append(now+core.Timestamp(i), []byte{byte(i)}, value)
	}
	_, v := b.Finish()
	return v
}

// flat is a record without shared bytes, for comparison.
type flat struct {
	Offset     core.Offset
	Timestamp  core.Timestamp
	Key, Value []byte
	Headers    []record.Header
}

// collect walks a batch into flat records.
func collect(tb testing.TB, v record.View, codecs *record.Codecs) []flat {
	tb.Helper()
	var out []flat
	it := record.Records(v, codecs)
	for it.Next() {
		out = append(out, flatten(it.Record))
	}
	if err := it.Err(); err != nil {
		tb.Fatalf("Records: %v", err)
	}
	return out
}

func flatten(r record.Record) flat {
	f := flat{Offset: r.Offset, Timestamp: r.Timestamp, Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value)}
	for h := range r.Headers.All() {
		f.Headers = append(f.Headers, record.Header{Key: bytes.Clone(h.Key), Value: bytes.Clone(h.Value)})
	}
	return f
}

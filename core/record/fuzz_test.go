package record_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// fuzzLimit keeps fuzzed decompression small.
const fuzzLimit = 1 << 20

func seeds(f *testing.F) {
	golden, err := hex.DecodeString(leaderChangeHex)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	for codec := record.None; codec <= record.Zstd; codec++ {
		v := batch(f, codec, 4, 40)
		f.Add([]byte(v))
		f.Add(append(bytes.Clone(v), v[:50]...))
	}
	f.Add([]byte(raw(1, 12, 0, 0, 0, 1, 1, 0)))
}

// FuzzNext cuts any bytes into batches: the parts join to the whole, and every view is what it claims to be.
func FuzzNext(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		for rest := b; ; {
			v, after, err := record.Next(rest)
			if err != nil {
				if size, err2 := record.SizeOf(rest); err == record.ErrTruncated && err2 == nil && size <= len(rest) {
					t.Fatalf("truncated, but %d bytes hold a batch of %d", len(rest), size)
				}
				return
			}
			if v == nil {
				if len(rest) != 0 {
					t.Fatalf("nothing found in %d bytes", len(rest))
				}
				return
			}
			if len(v) != v.Size() || len(v) < record.HeaderSize || !bytes.Equal(append(bytes.Clone(v), after...), rest) {
				t.Fatalf("view of %d bytes, Size %d, rest %d of %d", len(v), v.Size(), len(after), len(rest))
			}
			if v.Check() == nil && v.LastOffset() < v.BaseOffset() {
				t.Fatal("Check passed a batch that ends before it begins")
			}
			rest = after
		}
	})
}

// FuzzValidate gives the bytes a right checksum, so that the walk is reached. What passes can be read, rewritten
// under each codec, and passes again.
func FuzzValidate(f *testing.F) {
	seeds(f)
	codecs, others := record.NewCodecs(fuzzLimit), record.NewCodecs(0)
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		if v, _, err := record.Next(b); err == nil && v != nil {
			resealed(v)
		}
		before := bytes.Clone(b)
		found, refusal := record.Validate(b, rules(), codecs)
		if !bytes.Equal(b, before) {
			t.Fatal("Validate changed the bytes")
		}
		if refusal != nil {
			if refusal.Code == core.NoError || refusal.Message == "" {
				t.Fatalf("a refusal without reason: %+v", refusal)
			}
			return
		}
		v := found.Batch
		all := collect(t, v, codecs)
		if len(all) != int(v.Count()) {
			t.Fatalf("%d records, count %d", len(all), v.Count())
		}
		if p, ok, err := record.Latest(v, codecs); err != nil || !ok ||
			max(p.Timestamp, core.NoTimestamp) != found.MaxTimestamp {
			t.Fatalf("Latest = %+v, %v, %v; Validate found %d", p, ok, err, found.MaxTimestamp)
		}
		out, err := others.Renumber(nil, v, record.LZ4, 0)
		if err != nil {
			t.Fatal(err)
		}
		again, refusal := record.Validate(out, rules(), others)
		if refusal != nil || again.Renumber || again.MaxTimestamp != found.MaxTimestamp {
			t.Fatalf("renumbered: %+v, %v", again, refusal)
		}
	})
}

// FuzzRecords walks whatever has the length of a header.
func FuzzRecords(f *testing.F) {
	seeds(f)
	codecs := record.NewCodecs(fuzzLimit)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < record.HeaderSize {
			return
		}
		n := 0
		it := record.Records(record.View(b), codecs)
		for it.Next() {
			n++
			headers := 0
			for h := range it.Record.Headers.All() {
				headers++
				_ = h
			}
			if headers != it.Record.Headers.Len() {
				t.Fatalf("%d headers of %d", headers, it.Record.Headers.Len())
			}
		}
		if it.Err() == nil && n != int(record.View(b).Count()) {
			t.Fatalf("ended well after %d of %d records", n, record.View(b).Count())
		}
	})
}

func fuzzCodec(f *testing.F, codec record.Codec) {
	whole := record.NewCodecs(0)
	for _, n := range []int{0, 1, 1000, 40_000} {
		f.Add(whole.Compress(nil, text(n), codec, 0))
	}
	f.Add(whole.Compress(nil, make([]byte, 2*fuzzLimit), codec, 0))
	f.Add(whole.Compress(whole.Compress(nil, []byte("ab"), codec, 0), []byte("cd"), codec, 0))
	codecs := record.NewCodecs(fuzzLimit)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := codecs.Decompress(b, codec)
		switch {
		case err != nil && got != nil:
			t.Fatal("bytes and an error")
		case len(got) > fuzzLimit:
			t.Fatalf("%d bytes, beyond the limit", len(got))
		case err != nil:
			return
		}
		kept := bytes.Clone(got)
		back, err := codecs.Decompress(codecs.Compress(nil, kept, codec, 0), codec)
		if err != nil || !bytes.Equal(back, kept) {
			t.Fatalf("does not round-trip: %v", err)
		}
		fresh, err := record.NewCodecs(fuzzLimit).Decompress(b, codec)
		if err != nil || !bytes.Equal(fresh, kept) {
			t.Fatalf("used and fresh codecs differ: %v", err)
		}
	})
}

func FuzzGzip(f *testing.F)   { fuzzCodec(f, record.Gzip) }
func FuzzSnappy(f *testing.F) { fuzzCodec(f, record.Snappy) }
func FuzzLZ4(f *testing.F)    { fuzzCodec(f, record.LZ4) }
func FuzzZstd(f *testing.F)   { fuzzCodec(f, record.Zstd) }

// FuzzControl reads any key and value as each control record, and writes back what it read.
func FuzzControl(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2}, []byte{0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 1, 0, 0})
	f.Add([]byte{0, 0, 0, 6}, []byte{0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		record.ParseControlKey(key)
		record.ParseEndTxn(value)
		record.ParseSnapshotHeader(value)
		record.ParseKRaftVersion(value)
		var b record.Builder
		b.Start(nil, 0)
		if m, ok := record.ParseLeaderChange(value); ok && m.Version <= 1 {
			b.AppendLeaderChange(now, &m)
			_, v := b.Finish()
			if again, ok := record.ParseLeaderChange(collect(t, v, nil)[0].Value); !ok || len(again.Voters) != len(m.Voters) {
				t.Fatalf("%+v came back as %+v", m, again)
			}
			b.Start(nil, 0)
		}
		if m, ok := record.ParseKRaftVoters(value); ok {
			b.AppendKRaftVoters(now, m)
			_, v := b.Finish()
			if again, ok := record.ParseKRaftVoters(collect(t, v, nil)[0].Value); !ok || len(again) != len(m) {
				t.Fatalf("%+v came back as %+v", m, again)
			}
		}
	})
}

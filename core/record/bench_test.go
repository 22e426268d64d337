package record_test

import (
	"testing"

	"ottla.dev/core/record"
)

// batchFor fills a batch of about 64 KiB with records of a size.
func batchFor(b *testing.B, codec record.Codec, recordSize int) record.View {
	return batch(b, codec, max(1, 64<<10/recordSize), recordSize)
}

func benchValidate(b *testing.B, codec record.Codec, recordSize int) {
	r, codecs := rules(), record.NewCodecs(0)
	var w record.Builder
	w.Start(nil, 0)
	values := text(64 << 10)
	for at := 0; at+recordSize <= len(values); at += recordSize {
		w.Append(now, values[at:at+10], values[at:at+recordSize])
	}
	_, plain := w.Finish()
	v, err := codecs.Recompress(nil, plain, codec, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := record.Validate(v, r, codecs); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate100B(b *testing.B)      { benchValidate(b, record.None, 100) }
func BenchmarkValidate1KB(b *testing.B)       { benchValidate(b, record.None, 1000) }
func BenchmarkValidate1KBGzip(b *testing.B)   { benchValidate(b, record.Gzip, 1000) }
func BenchmarkValidate1KBSnappy(b *testing.B) { benchValidate(b, record.Snappy, 1000) }
func BenchmarkValidate1KBLZ4(b *testing.B)    { benchValidate(b, record.LZ4, 1000) }
func BenchmarkValidate1KBZstd(b *testing.B)   { benchValidate(b, record.Zstd, 1000) }

// BenchmarkCheckHeader is the part that followers and the hot path cannot do without: mostly the checksum.
func BenchmarkCheckHeader(b *testing.B) {
	v, r := batchFor(b, record.None, 1000), rules()
	b.SetBytes(int64(len(v)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := record.CheckHeader(v, r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecords walks the records as a consumer or a coordinator does.
func BenchmarkRecords(b *testing.B) {
	v := batchFor(b, record.None, 100)
	b.SetBytes(int64(len(v)))
	b.ReportAllocs()
	for b.Loop() {
		it := record.Records(v, nil)
		for it.Next() {
		}
		if it.Err() != nil {
			b.Fatal(it.Err())
		}
	}
}

func BenchmarkBuilder(b *testing.B) {
	var w record.Builder
	var buf []byte
	key, value := make([]byte, 16), make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		w.Start(buf[:0], 0)
		for range 100 {
			w.Append(now, key, value)
		}
		buf, _ = w.Finish()
	}
	b.SetBytes(int64(len(buf)))
}

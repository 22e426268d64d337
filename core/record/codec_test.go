package record_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"pgregory.net/rapid"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// text is compressible bytes, different at every place.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]byte, n)
	for i := range out {
		out[i] = "abcdefgh"[r.IntN(8)]
	}
	return out
}

func TestCodecsRoundTrip(t *testing.T) {
	codecs := record.NewCodecs(0)
	for _, size := range []int{0, 1, 100, 32 << 10, 32<<10 + 1, 300_000} {
		want := text(size)
		for codec := record.None; codec <= record.Zstd; codec++ {
			for _, level := range []record.Level{record.DefaultLevel, 1, 9} {
				packed := codecs.Compress([]byte("before"), want, codec, level)
				if !bytes.HasPrefix(packed, []byte("before")) {
					t.Fatalf("%v: Compress does not append", codec)
				}
				got, err := codecs.Decompress(packed[len("before"):], codec)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%v level %d, %d bytes: %d bytes back, %v", codec, level, size, len(got), err)
				}
			}
		}
	}
}

func TestEveryLevelOfKafkaWorks(t *testing.T) {
	codecs, want := record.NewCodecs(0), text(5000)
	for codec := record.Gzip; codec <= record.Zstd; codec++ {
		for level := record.Level(-7); level <= 23; level++ {
			if !record.ValidLevel(codec, level) {
				continue
			}
			got, err := codecs.Decompress(codecs.Compress(nil, want, codec, level), codec)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v level %d: %v", codec, level, err)
			}
		}
	}
	for _, bad := range []struct {
		codec record.Codec
		level record.Level
	}{
		{record.Gzip, 10}, {record.Gzip, -2}, {record.LZ4, 18}, {record.LZ4, -1}, {record.Zstd, 23},
		{record.Zstd, -131073},
	} {
		if record.ValidLevel(bad.codec, bad.level) {
			t.Errorf("ValidLevel(%v, %d) = true", bad.codec, bad.level)
		}
	}
}

// TestCodecsReadOtherWriters feeds what other implementations and other settings produce.
func TestCodecsReadOtherWriters(t *testing.T) {
	want := text(200_000)
	gz := func() []byte {
		var b bytes.Buffer
		w := stdgzip.NewWriter(&b)
		w.Write(want)
		w.Close()
		return b.Bytes()
	}
	lz := func(options ...lz4.Option) []byte {
		var b bytes.Buffer
		w := lz4.NewWriter(&b)
		if err := w.Apply(options...); err != nil {
			t.Fatal(err)
		}
		w.Write(want)
		w.Close()
		return b.Bytes()
	}
	zs := func(stream bool) []byte {
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		if !stream {
			return w.EncodeAll(want, nil)
		}
		for part := range bytes.SplitSeq(want, []byte("abc")) { // the frame then does not know its size
			w.Write(part)
			w.Write([]byte("abc"))
			w.Flush()
		}
		w.Close()
		return b.Bytes()
	}
	codecs := record.NewCodecs(0)
	for _, c := range []struct {
		name  string
		codec record.Codec
		in    []byte
		extra int
	}{
		{"gzip of the standard library", record.Gzip, gz(), 0},
		{"bare snappy block", record.Snappy, snappy.Encode(nil, want), 0},
		{"joined xerial streams", record.Snappy,
			codecs.Compress(codecs.Compress(nil, want[:1000], record.Snappy, 0), want[1000:], record.Snappy, 0), 0},
		{"lz4, all checksums, size, large blocks", record.LZ4, lz(lz4.ChecksumOption(true), lz4.BlockChecksumOption(true),
			lz4.SizeOption(uint64(len(want))), lz4.BlockSizeOption(lz4.Block4Mb)), 0},
		{"zstd with the size in the frame", record.Zstd, zs(false), 0},
		{"zstd stream of unknown size", record.Zstd, zs(true), 3},
	} {
		got, err := codecs.Decompress(c.in, c.codec)
		if err != nil || !bytes.Equal(got[:min(len(got), len(want))], want) || len(got) != len(want)+c.extra {
			t.Errorf("%s: %d bytes, %v", c.name, len(got), err)
		}
	}
}

// TestOthersReadOurFrames holds the formats against the documented bytes and other decoders.
func TestOthersReadOurFrames(t *testing.T) {
	codecs, want := record.NewCodecs(0), text(100_000)
	xerial := codecs.Compress(nil, want, record.Snappy, 0)
	if !bytes.HasPrefix(xerial, []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01")) {
		t.Errorf("snappy begins with %x, not with the xerial header", xerial[:16])
	}
	var got []byte
	for rest := xerial[16:]; len(rest) > 0; {
		n := binary.BigEndian.Uint32(rest)
		block, err := snappy.DecodeStrict(nil, rest[4:4+n])
		if err != nil || len(block) > 32<<10 {
			t.Fatalf("block of %d bytes, %v", len(block), err)
		}
		got, rest = append(got, block...), rest[4+n:]
	}
	if !bytes.Equal(got, want) {
		t.Error("the xerial blocks do not join to the original")
	}
	z, err := stdgzip.NewReader(bytes.NewReader(codecs.Compress(nil, want, record.Gzip, 0)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, want) {
		t.Errorf("gzip: %d bytes, %v", len(got), err)
	}
	// Kafka's Lz4BlockOutputStream: version 1, independent blocks, no checksums, no size; 64 KiB.
	head := []byte{0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82}
	if l := codecs.Compress(nil, want, record.LZ4, 0); !bytes.HasPrefix(l, head) {
		t.Errorf("lz4 begins with %x", l[:7])
	}
}

func TestDecompressRefuses(t *testing.T) {
	lz := func(head ...byte) []byte { return append(head, make([]byte, 20)...) }
	for _, c := range []struct {
		name  string
		codec record.Codec
		in    []byte
		want  error
	}{
		{"unknown codec", 5, nil, record.ErrUnknownCodec},
		{"empty gzip", record.Gzip, nil, record.ErrCompressed},
		{"empty snappy", record.Snappy, nil, record.ErrCompressed},
		{"empty lz4", record.LZ4, nil, record.ErrCompressed},
		{"xerial header cut short", record.Snappy, []byte("\x82SNAPPY\x00\x00"), record.ErrCompressed},
		{"xerial block past the end", record.Snappy,
			[]byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x09a"), record.ErrCompressed},
		{"xerial block size of 4 GiB", record.Snappy,
			[]byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\xff\xff\xff\xffa"), record.ErrCompressed},
		{"snappy claim of 4 GiB", record.Snappy, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}, record.ErrCompressed},
		{"lz4 with dependent blocks", record.LZ4, lz(0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0), record.ErrCompressed},
		{"lz4 legacy frame", record.LZ4, lz(0x02, 0x21, 0x4c, 0x18), record.ErrCompressed},
		{"zstd claim of 2^62 bytes", record.Zstd,
			[]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x40, 1, 0, 0}, record.ErrCompressed},
	} {
		if got, err := record.NewCodecs(0).Decompress(c.in, c.codec); err != c.want {
			t.Errorf("%s: %x, %v; want %v", c.name, got, err, c.want)
		}
	}
}

// TestSnappyWithS2ExtensionsIsRefused: a repeat code stands where a snappy decoder reads offset 0.
func TestSnappyWithS2ExtensionsIsRefused(t *testing.T) {
	in := append(text(400), text(400)...)
	for i := 420; i < len(in); i += 40 {
		in[i] = '-' // so that one offset serves for many copies
	}
	packed := s2.EncodeBetter(nil, in)
	_, strictly := snappy.DecodeStrict(nil, packed)
	if got, err := snappy.Decode(nil, packed); strictly == nil || err != nil || !bytes.Equal(got, in) ||
		len(in) > 10*len(packed) {
		t.Fatal("the library wrote no extension, or packs too well: this test shows nothing")
	}
	if _, err := record.NewCodecs(0).Decompress(packed, record.Snappy); err != record.ErrCompressed {
		t.Errorf("Decompress = %v", err)
	}
}

func TestBombsAreCapped(t *testing.T) {
	const limit = 1 << 20
	bomb, whole := make([]byte, limit+1), record.NewCodecs(0)
	for codec := record.Gzip; codec <= record.Zstd; codec++ {
		small := record.NewCodecs(limit)
		if _, err := small.Decompress(whole.Compress(nil, bomb, codec, 0), codec); err != record.ErrTooLarge {
			t.Errorf("%v, one byte beyond the limit: %v", codec, err)
		}
		if got, err := small.Decompress(whole.Compress(nil, bomb[:limit], codec, 0), codec); err != nil || len(got) != limit {
			t.Errorf("%v, at the limit: %d bytes, %v", codec, len(got), err)
		}
	}
	// A zstd stream that hides its size, and a batch around it.
	var b bytes.Buffer
	w, _ := zstd.NewWriter(&b)
	for range 64 {
		w.Write(bomb)
	}
	w.Close()
	v := raw(1, b.Bytes()...)
	v[22] = 4
	_, err := record.Validate(resealed(v), rules(), record.NewCodecs(limit))
	if err == nil || err.Code != core.MessageTooLarge {
		t.Errorf("a batch of 64 MiB in %d bytes: %v", b.Len(), err)
	}
}

func TestCodecsAreReusableAfterBadInput(t *testing.T) {
	codecs, want := record.NewCodecs(1<<20), text(1000)
	for codec := record.Gzip; codec <= record.Zstd; codec++ {
		good := codecs.Compress(nil, want, codec, 0)
		for cut := range len(good) {
			codecs.Decompress(good[:cut], codec)
		}
		codecs.Decompress(codecs.Compress(nil, make([]byte, 2<<20), codec, 0), codec)
		if got, err := codecs.Decompress(good, codec); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: after bad input: %v", codec, err)
		}
	}
}

func TestWarmCodecsAllocateLittle(t *testing.T) {
	codecs := record.NewCodecs(0)
	for codec := record.Gzip; codec <= record.Zstd; codec++ {
		v, r := batch(t, codec, 50, 200), rules()
		if n := testing.AllocsPerRun(50, func() {
			if _, err := record.Validate(v, r, codecs); err != nil {
				t.Fatal(err)
			}
		}); n > 8 {
			t.Errorf("%v: Validate allocates %v times a batch, not a few", codec, n)
		} else {
			t.Logf("%v: %v allocations", codec, n)
		}
	}
}

func TestRecompressKeepsEverythingButTheCodec(t *testing.T) {
	codecs := record.NewCodecs(0)
	for from := record.None; from <= record.Zstd; from++ {
		for to := record.None; to <= record.Zstd; to++ {
			v := batch(t, from, 20, 300)
			v.SetBaseOffset(77)
			v.SetLogAppendTime(now + 5)
			out, refusal := codecs.Recompress([]byte("x"), v, to, record.DefaultLevel)
			if refusal != nil {
				t.Fatalf("%v to %v: %v", from, to, refusal)
			}
			w, rest, err := record.Next(out[1:])
			if err != nil || len(rest) != 0 || w.Check() != nil {
				t.Fatalf("%v to %v: Next %v, Check %v", from, to, err, w.Check())
			}
			if w.Codec() != to || w.Attributes()&^7 != v.Attributes()&^7 || w.LastOffset() != v.LastOffset() {
				t.Errorf("%v to %v: header changed", from, to)
			}
			if d := cmp.Diff(collect(t, v, codecs), collect(t, w, codecs)); d != "" {
				t.Errorf("%v to %v (-want +got):\n%s", from, to, d)
			}
		}
	}
}

func TestRenumberClosesTheGapsOfACleanedBatch(t *testing.T) {
	codecs := record.NewCodecs(0)
	var b record.Builder
	b.Start(nil, 10)
	b.AppendAt(12, now, []byte("a"), nil)
	b.AppendAt(17, now, []byte("b"), nil)
	b.Cover(30)
	_, v := b.Finish()
	out, err := codecs.Renumber(nil, v, record.None, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := record.View(out)
	if got := collect(t, w, nil); w.LastOffset() != 11 || w.Check() != nil || got[0].Offset != 10 || got[1].Offset != 11 {
		t.Errorf("last offset %d, %v, %+v", w.LastOffset(), w.Check(), got)
	}
}

func TestRenumberGivesConsecutiveOffsets(t *testing.T) {
	codecs := record.NewCodecs(0)
	for codec := record.None; codec <= record.Zstd; codec++ {
		var b record.Builder
		b.Start(nil, 0)
		b.SetCodec(codecs, codec, 0)
		b.AppendAt(0, now, []byte("a"), nil, record.Header{Key: []byte("h")})
		b.AppendAt(500, now+1, []byte("b"), []byte("v"), record.Header{Key: []byte("i"), Value: []byte("j")})
		_, v := b.Finish()
		binary.BigEndian.PutUint32(v[23:], 1)
		found, err := record.Validate(resealed(v), rules(), codecs)
		if err != nil || !found.Renumber {
			t.Fatalf("%v: %+v, %v", codec, found, err)
		}
		for to := record.None; to <= record.Zstd; to++ {
			out, err := codecs.Renumber(nil, found.Batch, to, 0)
			if err != nil {
				t.Fatal(err)
			}
			again, refusal := record.Validate(out, rules(), codecs)
			if refusal != nil || again.Renumber || again.Batch.Codec() != to {
				t.Errorf("%v to %v: %+v, %v", codec, to, again, refusal)
			}
			want := []flat{
				{0, now, []byte("a"), nil, []record.Header{{Key: []byte("h")}}},
				{1, now + 1, []byte("b"), []byte("v"), []record.Header{{Key: []byte("i"), Value: []byte("j")}}},
			}
			if d := cmp.Diff(want, collect(t, out, codecs)); d != "" {
				t.Errorf("%v to %v (-want +got):\n%s", codec, to, d)
			}
		}
	}
}

// TestBuilderRoundTrip builds any batch and reads it back.
func TestBuilderRoundTrip(t *testing.T) {
	codecs := record.NewCodecs(0)
	var b record.Builder
	rapid.Check(t, func(t *rapid.T) {
		blob := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 200))
		base := core.Offset(rapid.Int64Range(0, 1<<50).Draw(t, "base"))
		codec := record.Codec(rapid.IntRange(0, 4).Draw(t, "codec"))
		b.Start(nil, base)
		b.SetCodec(codecs, codec, 0)
		var want []flat
		next, largest := base, core.NoTimestamp
		for range rapid.IntRange(1, 20).Draw(t, "n") {
			f := flat{
				Offset:    next + core.Offset(rapid.IntRange(0, 3).Draw(t, "gap")),
				Timestamp: core.Timestamp(rapid.Int64Range(-1, 1<<60).Draw(t, "ts")),
				Key:       blob.Draw(t, "key"), Value: blob.Draw(t, "value"),
			}
			for range rapid.IntRange(0, 3).Draw(t, "headers") {
				f.Headers = append(f.Headers, record.Header{
					Key: rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "hk"), Value: blob.Draw(t, "hv"),
				})
			}
			size, room := b.Size(), -1
			if f.Offset == next { // Room speaks of the next offset
				room = b.Room(f.Timestamp, f.Key, f.Value, f.Headers...)
			}
			b.AppendAt(f.Offset, f.Timestamp, f.Key, f.Value, f.Headers...)
			if room >= 0 && b.Size() != size+room {
				t.Fatalf("Room = %d, but the record took %d bytes", room, b.Size()-size)
			}
			next, largest = f.Offset+1, max(largest, f.Timestamp)
			want = append(want, f)
		}
		_, v := b.Finish()
		if err := v.Check(); err != nil || v.NextOffset() != next || v.MaxTimestamp() != largest {
			t.Fatalf("Check = %v, next offset %d of %d, max timestamp %d of %d", err, v.NextOffset(), next,
				v.MaxTimestamp(), largest)
		}
		var got []flat
		it := record.Records(v, codecs)
		for it.Next() {
			got = append(got, flatten(it.Record))
		}
		if d := cmp.Diff(want, got, cmp.Comparer(sameBytes)); d != "" || it.Err() != nil {
			t.Fatalf("%v (-want +got):\n%s", it.Err(), d)
		}
		checkSearch(t, v, codecs, want, rapid.SampledFrom(want).Draw(t, "since").Timestamp)
	})
}

// sameBytes tells null from empty.
func sameBytes(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// checkSearch holds the searches by timestamp against the plain definition.
func checkSearch(t *rapid.T, v record.View, codecs *record.Codecs, all []flat, since core.Timestamp) {
	var first, latest *flat
	for i := range all {
		if first == nil && all[i].Timestamp >= since {
			first = &all[i]
		}
		if latest == nil || all[i].Timestamp > latest.Timestamp {
			latest = &all[i]
		}
	}
	p, found, err := record.FirstSince(v, codecs, since)
	if err != nil || !found || p.Offset != first.Offset || p.Timestamp != first.Timestamp {
		t.Fatalf("FirstSince(%d) = %+v, %v, %v; want %+v", since, p, found, err, first)
	}
	if _, found, err := record.FirstSince(v, codecs, latest.Timestamp+1); found || err != nil {
		t.Fatalf("FirstSince beyond the largest timestamp: %v, %v", found, err)
	}
	p, found, err = record.Latest(v, codecs)
	if err != nil || !found || p.Offset != latest.Offset || p.Timestamp != latest.Timestamp {
		t.Fatalf("Latest = %+v, %v, %v; want %+v", p, found, err, latest)
	}
}

func TestChecksumIsCastagnoli(t *testing.T) {
	v := batch(t, record.None, 3, 10)
	if want := crc32.Checksum(v[21:], crc32.MakeTable(crc32.Castagnoli)); v.CRC() != want {
		t.Errorf("CRC = %x, want %x", v.CRC(), want)
	}
}

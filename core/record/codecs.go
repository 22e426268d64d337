package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const (
	// DefaultDecompressedLimit is the most bytes that one batch may decompress to: what a producer could have sent
	// without compression in one request (socket.request.max.bytes). Kafka has no such limit.
	DefaultDecompressedLimit = 100 << 20
	// RetainedBuffer is the largest buffer in bytes that a [Codecs] keeps from one batch to the next.
	RetainedBuffer = 4 << 20

	leastBuffer = 64 << 10
	// idleReads is how often in a row a decompressor may give neither bytes nor an error.
	idleReads = 100
)

// Codecs holds the state of the compression codecs: tables, windows and one buffer for decompressed records. Each is
// made at its first use and used again. A Codecs belongs to one machine or job and is not for concurrent use; it
// starts no goroutines.
type Codecs struct {
	limit int
	plain []byte // what was decompressed last, and what views of it share
	redo  []byte // renumbered records on their way to being compressed

	src    bytes.Reader
	sink   sink
	gunzip *gzip.Reader
	gzip   *gzip.Writer
	gzipAt Level
	unlz4  *lz4.Reader
	lz4    *lz4.Writer
	unzstd *zstd.Decoder
	zstd   *zstd.Encoder
	zstdAt Level
}

// NewCodecs makes codecs that decompress batches up to limit bytes each; 0 stands for [DefaultDecompressedLimit].
func NewCodecs(limit int) *Codecs {
	if limit < 0 {
		panic("record: negative limit for decompressed records")
	}
	if limit == 0 {
		limit = DefaultDecompressedLimit
	}
	return &Codecs{limit: limit}
}

// Decompress undoes the codec. The result lies in a buffer of c and is good until c is used again, except for [None],
// where it is src itself. The error is a [CodecError].
func (c *Codecs) Decompress(src []byte, codec Codec) ([]byte, error) {
	if cap(c.plain) > RetainedBuffer {
		c.plain = nil
	}
	var fault CodecError
	switch codec {
	case None:
		return src, nil
	case Gzip:
		fault = c.readGzip(src)
	case Snappy:
		fault = c.readSnappy(src)
	case LZ4:
		fault = c.readLZ4(src)
	case Zstd:
		fault = c.readZstd(src)
	default:
		fault = ErrUnknownCodec
	}
	c.src.Reset(nil)
	if fault != 0 {
		return nil, fault
	}
	return c.plain, nil
}

func (c *Codecs) readGzip(src []byte) CodecError {
	c.src.Reset(src)
	if c.gunzip == nil {
		c.gunzip = new(gzip.Reader)
	}
	if c.gunzip.Reset(&c.src) != nil {
		return ErrCompressed
	}
	return c.drain(c.gunzip)
}

// The LZ4 frames that Kafka's clients read: the frame format proper, blocks that do not refer to each other
// (Kafka: Lz4BlockInputStream). Anything else would be stored only to stop every consumer.
const (
	lz4Magic             = 0x184D2204
	lz4FlagsAt           = 4
	lz4IndependentBlocks = 0x20
)

func (c *Codecs) readLZ4(src []byte) CodecError {
	if len(src) <= lz4FlagsAt || binary.LittleEndian.Uint32(src) != lz4Magic ||
		src[lz4FlagsAt]&lz4IndependentBlocks == 0 {
		return ErrCompressed
	}
	c.src.Reset(src)
	if c.unlz4 == nil {
		c.unlz4 = lz4.NewReader(&c.src)
	} else {
		c.unlz4.Reset(&c.src)
	}
	return c.drain(c.unlz4)
}

// drain reads r to its end into c.plain, and no further than the limit.
func (c *Codecs) drain(r io.Reader) CodecError {
	buf := c.plain[:0]
	defer func() { c.plain = buf }()
	for idle := 0; idle < idleReads; idle++ {
		if len(buf) == cap(buf) {
			buf = c.grow(buf)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > c.limit:
			return ErrTooLarge
		case err == io.EOF:
			return 0
		case err != nil:
			return ErrCompressed
		case n > 0:
			idle = 0
		}
	}
	return ErrCompressed
}

// grow doubles a full buffer. One byte beyond the limit is enough to see that it was passed.
func (c *Codecs) grow(buf []byte) []byte {
	bigger := make([]byte, len(buf), min(max(2*cap(buf), leastBuffer), c.limit+1))
	copy(bigger, buf)
	return bigger
}

const (
	// zstdWindow is the largest window in bytes that zstd's own decoder accepts without being told otherwise.
	zstdWindow = 128 << 20
	// zstdBlock and zstdLeastBlock bound what a frame can claim: a block of 4 bytes stands for 128 KiB at most.
	zstdBlock      = 128 << 10
	zstdLeastBlock = 4
)

// readZstd decompresses into a buffer of fixed size and starts over with a larger one, so that what a frame's header
// claims allocates nothing. The library's own limit would do for the size, but it also refuses small frames that
// state a large window, as every streaming producer does.
func (c *Codecs) readZstd(src []byte) CodecError {
	if c.unzstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(max(c.limit, zstdWindow))), zstd.WithDecoderMaxWindow(zstdWindow),
			zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			panic("record: zstd decoder options: " + err.Error())
		}
		c.unzstd = d
	}
	possible := (len(src)/zstdLeastBlock + 1) * zstdBlock
	most := min(c.limit, possible)
	room := min(most, max(cap(c.plain), leastBuffer, c.zstdClaim(src)))
	for {
		if cap(c.plain) < room {
			c.plain = make([]byte, 0, room)
		}
		out, err := c.unzstd.DecodeAll(src, c.plain[:0:room])
		switch {
		case err == nil:
			// Keep the whole buffer, of which out is the part that was used.
			if len(out) == 0 || &out[0] == &c.plain[:1][0] {
				out = c.plain[:len(out)]
			}
			c.plain = out
			return 0
		case !lacksRoom(err), room == possible:
			return ErrCompressed
		case room == most:
			return ErrTooLarge
		}
		room = min(most, 2*room)
	}
}

// lacksRoom reports whether a larger buffer may help. Where a frame does not state its size, as librdkafka's do not,
// the library says this of a full buffer in two ways, and only one of them has a name.
func lacksRoom(err error) bool {
	return errors.Is(err, zstd.ErrDecoderSizeExceeded) || strings.Contains(err.Error(), "bigger than max block size")
}

// zstdClaim is the size that the first frame's header claims for its content, 0 if none.
func (c *Codecs) zstdClaim(src []byte) int {
	var h zstd.Header
	if h.Decode(src) != nil || !h.HasFCS {
		return 0
	}
	return int(min(h.FrameContentSize, uint64(c.limit)))
}

// sink is a growing slice as an io.Writer.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// Compress appends src, compressed, to dst. The level must be one that [ValidLevel] accepts.
func (c *Codecs) Compress(dst, src []byte, codec Codec, level Level) []byte {
	if !codec.known() || !ValidLevel(codec, level) {
		panic("record: compressing with " + codec.String() + " at a level that it does not have")
	}
	switch codec {
	case Gzip:
		return c.writeGzip(dst, src, level)
	case Snappy:
		return appendSnappy(dst, src)
	case LZ4:
		return c.writeLZ4(dst, src, level)
	case Zstd:
		return c.writeZstd(dst, src, level)
	}
	return append(dst, src...)
}

func (c *Codecs) writeGzip(dst, src []byte, level Level) []byte {
	if level == DefaultLevel {
		level = gzipDefaultLevel
	}
	c.sink.b = dst
	if c.gzip == nil || c.gzipAt != level {
		w, err := gzip.NewWriterLevel(&c.sink, int(level))
		if err != nil {
			panic("record: gzip level: " + err.Error())
		}
		c.gzip, c.gzipAt = w, level
	} else {
		c.gzip.Reset(&c.sink)
	}
	return c.flush(c.gzip, src)
}

func (c *Codecs) writeLZ4(dst, src []byte, level Level) []byte {
	c.sink.b = dst
	if c.lz4 == nil {
		c.lz4 = lz4.NewWriter(&c.sink)
	} else {
		c.lz4.Reset(&c.sink)
	}
	// As Kafka's Lz4BlockOutputStream: blocks of 64 KiB, no checksum of the content.
	err := c.lz4.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false),
		lz4.CompressionLevelOption(lz4Level(level)))
	if err != nil {
		panic("record: lz4 options: " + err.Error())
	}
	return c.flush(c.lz4, src)
}

// lz4Level maps Kafka's levels: its default, 9, is the fast compressor, the others are degrees of the thorough one,
// of which the library has nine.
func lz4Level(l Level) lz4.CompressionLevel {
	if l == DefaultLevel || l == lz4DefaultLevel {
		return lz4.Fast
	}
	return lz4.Level1 << (min(l, lz4DefaultLevel) - 1)
}

func (c *Codecs) flush(w io.WriteCloser, src []byte) []byte {
	if _, err := w.Write(src); err != nil {
		panic("record: compressing into memory: " + err.Error())
	}
	if err := w.Close(); err != nil {
		panic("record: compressing into memory: " + err.Error())
	}
	b := c.sink.b
	c.sink.b = nil
	return b
}

func (c *Codecs) writeZstd(dst, src []byte, level Level) []byte {
	if level == DefaultLevel {
		level = zstdDefaultLevel
	}
	if c.zstd == nil || c.zstdAt != level {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
			zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true),
			zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(int(level))))
		if err != nil {
			panic("record: zstd encoder options: " + err.Error())
		}
		c.zstd, c.zstdAt = w, level
	}
	return c.zstd.EncodeAll(src, dst)
}

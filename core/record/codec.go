package record

import "strconv"

// Codec is a compression codec, with Kafka's number (Kafka: CompressionType).
type Codec int8

// The codecs.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// ZstdProduceVersion is the first version of the Produce request that may carry zstd (KIP-110).
const ZstdProduceVersion int16 = 7

// String gives the codec's name as compression.type spells it.
func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	}
	return "codec " + strconv.Itoa(int(c))
}

func (c Codec) known() bool { return c >= None && c <= Zstd }

// Level is a compression level as the topic settings compression.gzip.level, compression.lz4.level and
// compression.zstd.level number them. Snappy has none.
type Level int32

// DefaultLevel stands for the codec's own default (KIP-390). No codec has a level 0 of another meaning.
const DefaultLevel Level = 0

// The levels that Kafka takes (Kafka: CompressionType).
const (
	gzipDefaultLevel Level = -1
	gzipMinLevel     Level = 1
	gzipMaxLevel     Level = 9
	lz4DefaultLevel  Level = 9
	lz4MinLevel      Level = 1
	lz4MaxLevel      Level = 17
	zstdDefaultLevel Level = 3
	zstdMinLevel     Level = -131072
	zstdMaxLevel     Level = 22
)

// ValidLevel reports whether the codec has the level.
func ValidLevel(c Codec, l Level) bool {
	if l == DefaultLevel {
		return true
	}
	switch c {
	case Gzip:
		return l == gzipDefaultLevel || l >= gzipMinLevel && l <= gzipMaxLevel
	case LZ4:
		return l >= lz4MinLevel && l <= lz4MaxLevel
	case Zstd:
		return l >= zstdMinLevel && l <= zstdMaxLevel
	}
	return true
}

// CodecError says why bytes were not decompressed. The values are compared with ==.
type CodecError uint8

// The kinds of [CodecError].
const (
	// ErrCompressed: the bytes are not what the codec writes.
	ErrCompressed CodecError = iota + 1
	// ErrTooLarge: decompressed, the bytes would exceed the limit of the [Codecs].
	ErrTooLarge
	// ErrUnknownCodec: the codec has a number that Kafka has not given out.
	ErrUnknownCodec
)

// Error gives the fault in words.
func (e CodecError) Error() string {
	switch e {
	case ErrTooLarge:
		return "records are larger than allowed once decompressed"
	case ErrUnknownCodec:
		return "unknown compression codec"
	}
	return "compressed records cannot be decompressed"
}

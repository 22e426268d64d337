package nodetest

import (
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
)

// decompressor is franz-go's, but for zstd: franz-go's own decoders are closed by the garbage collector, which is
// outside of the bubble in which their channels were made, and that ends the process.
type decompressor struct {
	others kgo.Decompressor

	mu   sync.Mutex
	zstd *zstd.Decoder
}

func newDecompressor() *decompressor { return &decompressor{others: kgo.DefaultDecompressor()} }

// Decompress decompresses a batch.
func (d *decompressor) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if codec != kgo.CodecZstd {
		return d.others.Decompress(src, codec)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.zstd == nil {
		var err error
		if d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true)); err != nil {
			return nil, err
		}
	}
	return d.zstd.DecodeAll(src, nil)
}

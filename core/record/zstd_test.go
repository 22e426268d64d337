package record

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestZstdWithoutContentSize decompresses what streaming producers write: frames that do not say how large they become.
// librdkafka's were refused when they became larger than the buffer that decompression begins with.
func TestZstdWithoutContentSize(t *testing.T) {
	for _, size := range []int{1, leastBuffer - 1, leastBuffer, leastBuffer + 1, 170_290, 1 << 20, 3<<20 + 5} {
		plain := bytes.Repeat([]byte(`{"text": "compressible compressible"}`), size/37+1)[:size]
		var frame bytes.Buffer
		w, err := zstd.NewWriter(&frame, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		// Written piece by piece and flushed, the size is not known when the header is written.
		for rest := plain; len(rest) > 0; {
			n := min(len(rest), 50_000)
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		var h zstd.Header
		if err := h.Decode(frame.Bytes()); err != nil || h.HasFCS {
			t.Fatalf("the frame states its size: %+v, %v", h, err)
		}
		got, err := NewCodecs(0).Decompress(frame.Bytes(), Zstd)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: got %d bytes, %v", size, len(got), err)
		}
	}
}

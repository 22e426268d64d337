package server

import (
	"bytes"
	"testing"
	"time"
)

// settled waits until the server has read n frames, and checks that it reads no more.
func settled(t *testing.T, w *world, n int64) {
	t.Helper()
	eventually(t, "the frames to be read", func() bool { return w.FramesIn.Load() >= n })
	time.Sleep(50 * time.Millisecond)
	if got := w.FramesIn.Load(); got != n {
		t.Errorf("%d frames were read, %d should have been", got, n)
	}
}

// sendKept sends frames of a size that the shard keeps.
func sendKept(t *testing.T, w *world, size, n int) (answer func()) {
	c, body := w.dial(t), bytes.Repeat([]byte{'h'}, size)
	for range n {
		go c.Write(frame(body))
	}
	return func() {
		for range n {
			expect(t, c, body)
		}
	}
}

func TestWhoHasLentALargeFrameReadsNoFurtherWhileManyBytesAreLent(t *testing.T) {
	w := start(t, defaults())
	const large = lentMost/4 + 1
	answered := sendKept(t, w, large, 7)
	settled(t, w, 4) // the fourth makes it more than the bound
	// Whoever has lent none may lend one, and small ones at all times.
	other, small := sendKept(t, w, large, 2), sendKept(t, w, gateBytes, 20)
	settled(t, w, 4+1+20)
	// When theirs are given back they read on.
	release := w.dial(t)
	for _, answered := range []func(){answered, other, small} {
		done := make(chan struct{})
		go func() { defer close(done); answered() }()
		for open := true; open; {
			release.Write(frame([]byte{'r'}))
			expect(t, release, []byte{'r'})
			select {
			case <-done:
				open = false
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	eventually(t, "the bytes to be given back", func() bool { return w.lent.Load() == 0 })
}

func TestAClientReadsAheadAsLongAsFewBytesAreLent(t *testing.T) {
	w := start(t, defaults())
	answered := sendKept(t, w, lentMost/16, 12)
	settled(t, w, 12)
	release := w.dial(t)
	release.Write(frame([]byte{'r'}))
	expect(t, release, []byte{'r'})
	answered()
}

func TestBytesThatAreLentToAClientThatVanishesAreCountedNoMore(t *testing.T) {
	w := start(t, defaults())
	c := w.dial(t)
	c.Write(frame(bytes.Repeat([]byte{'h'}, lentMost/2)))
	settled(t, w, 1)
	c.Close()
	release := w.dial(t)
	release.Write(frame([]byte{'r'}))
	expect(t, release, []byte{'r'})
	eventually(t, "the bytes to be given back", func() bool { return w.lent.Load() == 0 })
}

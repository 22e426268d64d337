package server

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAnswersComeInTheOrderOfPipelinedRequests(t *testing.T) {
	for _, op := range []byte("esa") {
		t.Run(string(op), func(t *testing.T) {
			w := start(t, defaults())
			c := w.dial(t)
			const requests = 500
			go func() {
				var all []byte
				for i := range requests {
					all = append(all, frame(fmt.Appendf([]byte{op}, "%d", i))...)
				}
				// Cut anywhere: frames and their sizes arrive in pieces.
				for len(all) > 0 {
					n := min(len(all), 1+rand.IntN(300))
					if _, err := c.Write(all[:n]); err != nil {
						return
					}
					all = all[n:]
				}
			}()
			for i := range requests {
				expect(t, c, fmt.Appendf([]byte{op}, "%d", i))
			}
		})
	}
}

func TestFramesOfAllSizesArriveWhole(t *testing.T) {
	w := start(t, defaults())
	c := w.dial(t)
	for _, size := range []int{1, 4091, 4092, 4093, 65532, 65536, 65537, 100, 1 << 20, 1<<20 + 5, 8 << 20, 3, 2 << 20} {
		body := bytes.Repeat([]byte{byte(size)}, size)
		body[0] = 'e'
		go c.Write(frame(body))
		expect(t, c, body)
	}
}

func TestAFrameOfAForbiddenSizeClosesTheConnectionAlone(t *testing.T) {
	w := start(t, defaults())
	other := w.dial(t)
	for _, head := range [][]byte{{0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 0}, {0, 0x80, 0, 1}, {0x7f, 0xff, 0xff, 0xff}} {
		c := w.dial(t)
		c.Write(head)
		expectEnd(t, c)
	}
	other.Write(frame([]byte("e still here")))
	expect(t, other, []byte("e still here"))
}

func TestASizeFieldAloneAllocatesNothing(t *testing.T) {
	w := start(t, defaults())
	for range 20 {
		c := w.dial(t)
		c.Write([]byte{0, 0x7f, 0, 0, 'e'})
	}
	eventually(t, "the sizes to be read", func() bool { return w.QueuedBytes() > 0 })
	// One of them has the whole budget's permission, the others wait for it.
	if made := w.buffers.made.Load(); made > 20*2*gateBytes {
		t.Errorf("%d bytes of buffers for 20 requests that have not arrived", made)
	}
}

// rangesOf asks for ranges of the file, of all sizes, and checks what comes.
func rangesOf(t *testing.T, w *world) {
	c := w.dial(t)
	for _, r := range [][2]int{{0, 1}, {1, 4096}, {4097, 0}, {99, copyMost + 1}, {5, mapLeast}, {100, 1 << 20},
		{0, 5 << 20}, {3, 5<<20 - 3}, {5<<20 - 1, 1}} {
		c.Write(rangeRequest(r[0], r[1]))
		expect(t, c, w.content[r[0]:r[0]+r[1]])
	}
}

func TestLargeRangesAreMappedForClientsOnThisMachine(t *testing.T) {
	w := start(t, defaults())
	rangesOf(t, w)
	const large = mapLeast + 1<<20 + 5<<20 + 5<<20 - 3
	// What is left of a large one is a small one.
	if got := w.Sent[byMapping].Load(); got > large || got < large-4*mapLeast || w.Sent[bySendfile].Load() != 0 {
		t.Errorf("of %d bytes in large ranges %d were mapped and %d sent by sendfile", large, got,
			w.Sent[bySendfile].Load())
	}
}

func TestMappingsEndWithTheirRanges(t *testing.T) {
	const others = viewsMost + 1
	for _, there := range []int64{0, others} { // with as many others nobody keeps one while it waits
		w := start(t, defaults())
		w.ranges.views.Add(there)
		slow, gone := w.dial(t), w.dial(t)
		for range 4 {
			slow.Write(rangeRequest(0, 5<<20))
			gone.Write(rangeRequest(0, 5<<20))
		}
		eventually(t, "ranges to be mapped", func() bool { return w.Sent[byMapping].Load() > 0 })
		if there == others {
			eventually(t, "the mappings to end while clients wait", func() bool { return w.ranges.views.Load() == there })
		}
		gone.Close()
		for range 4 {
			expect(t, slow, w.content)
		}
		eventually(t, "all mappings to end", func() bool { return w.ranges.views.Load() == there })
	}
}

func TestRangesThatAreNotInMemoryAreNotMapped(t *testing.T) {
	w := start(t, defaults())
	f, err := os.Open(w.broker.shard.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Sync()
	if unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) != nil {
		t.Skip("pages cannot be dropped here")
	}
	c := w.dial(t)
	c.Write(rangeRequest(0, 5<<20))
	expect(t, c, w.content)
	if w.Sent[bySendfile].Load() == 0 {
		t.Skip("the file system of the test has no disk")
	}
	c.Write(rangeRequest(0, 5<<20))
	expect(t, c, w.content)
	if w.Sent[byMapping].Load() == 0 {
		t.Error("nothing was mapped that had been read")
	}
}

func TestRangesGoToOtherMachinesBySendfile(t *testing.T) {
	w := start(t, defaults())
	w.ranges.far.Store(true)
	rangesOf(t, w)
	const large = copyMost + 1 + mapLeast + 1<<20 + 5<<20 + 5<<20 - 3
	if got := w.Sent[bySendfile].Load(); got > large || got < large-5*copyMost || w.Sent[byMapping].Load() != 0 {
		t.Errorf("of %d bytes in large ranges %d were sent by sendfile and %d mapped", large, got,
			w.Sent[byMapping].Load())
	}
}

func TestRangesAreSentByCopyingWhereThereIsNoSendfile(t *testing.T) {
	w := start(t, defaults())
	w.ranges.copying.Store(true)
	rangesOf(t, w)
	if w.Sent[bySendfile].Load() != 0 || w.Sent[byMapping].Load() != 0 {
		t.Error("the kernel was asked to read by itself")
	}
}

func TestAnAnswerOfManyPiecesLeavesInOrder(t *testing.T) {
	w := start(t, defaults())
	c := w.dial(t)
	var request, want []byte
	for i := range 300 { // requests that come together are answered together
		size := []int{0, 1, 100, 5000, copyMost, mapLeast - 1, mapLeast, 1 << 20}[i%8]
		request = append(request, rangeRequest(i, size)...)
		want = binary.BigEndian.AppendUint32(want, uint32(size))
		want = append(want, w.content[i:i+size]...)
	}
	go c.Write(request)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("300 answers of %d bytes came wrong, %v", len(want), err)
	}
}

func TestARangeBeyondTheFileClosesTheConnection(t *testing.T) {
	w := start(t, defaults())
	c := w.dial(t)
	c.Write(rangeRequest(5<<20-10, 20))
	io.ReadFull(c, make([]byte, 14))
	expectEnd(t, c)
}

func TestAnUnknownFileClosesTheConnectionAfterTheAnswersBefore(t *testing.T) {
	w := start(t, defaults())
	c := w.dial(t)
	c.Write(append(frame([]byte("a first")), frame([]byte("u"))...))
	expect(t, c, []byte("a first"))
	expectEnd(t, c)
}

func TestAFileThatIsRemovedMeanwhileIsSentWhole(t *testing.T) {
	w := start(t, defaults())
	c := w.dial(t)
	c.Write(rangeRequest(0, 5<<20)) // more than the sockets take
	io.ReadFull(c, make([]byte, 4))
	if err := os.Remove(w.broker.shard.path); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.LimitReader(c, 5<<20))
	if err != nil || !bytes.Equal(got, w.content) {
		t.Errorf("%d bytes of a removed file, %v", len(got), err)
	}
}

func TestAClientThatDoesNotReadDelaysNobody(t *testing.T) {
	w := start(t, defaults())
	slow := w.dial(t)
	// More than the sockets take, through the shard, and file ranges behind it.
	for range 8 {
		slow.Write(rangeRequest(0, 5<<20))
	}
	slow.Write(frame(append([]byte{'s'}, make([]byte, 1<<20)...)))
	quick := w.dial(t)
	for i := range 200 {
		body := fmt.Appendf([]byte{'s'}, "%d", i)
		quick.Write(frame(body))
		expect(t, quick, body)
	}
	for range 8 {
		expect(t, slow, w.content)
	}
	expect(t, slow, append([]byte{'s'}, make([]byte, 1<<20)...))
}

func TestAClientThatNeverReadsIsClosed(t *testing.T) {
	cfg := defaults()
	cfg.IdleTimeout = 200 * time.Millisecond
	w := start(t, cfg)
	c := w.dial(t)
	c.Write(bytes.Repeat(rangeRequest(0, 5<<20), 8))
	eventually(t, "the connection to end", func() bool { return w.Connections() == 0 })
}

func TestAnIdleConnectionIsClosedAndABusyOneIsNot(t *testing.T) {
	cfg := defaults()
	cfg.IdleTimeout = 150 * time.Millisecond
	w := start(t, cfg)
	idle, busy := w.dial(t), w.dial(t)
	for end := time.Now().Add(3 * cfg.IdleTimeout); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		busy.Write(frame([]byte("e")))
		expect(t, busy, []byte("e"))
	}
	expectEnd(t, idle)
	busy.Write(frame([]byte("e")))
	expect(t, busy, []byte("e"))
}

func TestAnIdleConnectionHoldsNoBuffer(t *testing.T) {
	w := start(t, defaults())
	c := w.dial(t)
	body := append([]byte{'e'}, make([]byte, 1<<20)...)
	c.Write(frame(body))
	expect(t, c, body)
	eventually(t, "the buffers to be back", func() bool {
		return w.QueuedBytes() == 0 && w.buffers.retained.Load() >= 1<<20
	})
}

func TestAClientThatEndsItsDirectionGetsItsAnswers(t *testing.T) {
	for _, op := range []string{"e", "s", "a"} {
		w := start(t, defaults())
		c := w.dial(t)
		for range 3 {
			c.Write(frame([]byte(op)))
		}
		c.CloseWrite()
		for range 3 {
			expect(t, c, []byte(op))
		}
		expectEnd(t, c)
	}
}

func TestASessionClosesAfterItsLastAnswer(t *testing.T) {
	w := start(t, defaults())
	c := w.dial(t)
	c.Write(frame([]byte("x")))
	expect(t, c, []byte("bye"))
	expectEnd(t, c)
}

func TestClientsThatVanishLeaveNothingBehind(t *testing.T) {
	w := start(t, defaults())
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() {
			c := w.dial(t)
			c.Write(rangeRequest(0, 5<<20))
			c.Write(frame(append([]byte("sae"[i%3:]), make([]byte, 100<<10)...)))
			io.CopyN(io.Discard, c, int64(rand.IntN(1<<20)))
			c.SetLinger(0)
			c.Close()
		})
	}
	wait.Wait()
	eventually(t, "all connections to end", func() bool { return w.Connections() == 0 })
}

func TestConnectionsBeyondTheLimitsAreClosed(t *testing.T) {
	for name, limit := range map[string]func(*Config){
		"max.connections":                  func(c *Config) { c.MaxConnections = 2 },
		"max.connections.per.ip":           func(c *Config) { c.MaxPerHost = 2 },
		"max.connections.per.ip.overrides": func(c *Config) { c.HostLimits = map[string]int{"127.0.0.1": 2} },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := defaults()
			limit(&cfg)
			w := start(t, cfg)
			first, second := w.dial(t), w.dial(t)
			for _, c := range []io.ReadWriter{first, second} {
				c.Write(frame([]byte("e")))
				expect(t, c, []byte("e"))
			}
			expectEnd(t, w.dial(t))
			first.Close()
			eventually(t, "the place to be free", func() bool { return w.Connections() == 1 })
			third := w.dial(t)
			third.Write(frame([]byte("e")))
			expect(t, third, []byte("e"))
		})
	}
}

func TestLargeFramesWaitForTheBudgetAndSmallOnesDoNot(t *testing.T) {
	cfg := defaults()
	cfg.QueuedBytes = 1 << 20
	w := start(t, cfg)
	holder := w.dial(t)
	holder.Write([]byte{0, 0x20, 0, 0, 'e'}) // 2 MiB announced
	eventually(t, "the budget to be taken", func() bool { return w.QueuedBytes() == 2<<20 })
	large, small := w.dial(t), w.dial(t)
	body := append([]byte{'e'}, make([]byte, 128<<10)...)
	go large.Write(frame(body))
	small.Write(frame([]byte("e")))
	expect(t, small, []byte("e"))
	if got := w.QueuedBytes(); got != 2<<20 {
		t.Errorf("%d bytes in use while the budget is exceeded", got)
	}
	holder.Close()
	expect(t, large, body)
}

func TestManyClientsAtOnce(t *testing.T) {
	w := start(t, defaults())
	var wait sync.WaitGroup
	for i := range 16 {
		c := w.dial(t)
		wait.Go(func() {
			for j := range 100 {
				body := append([]byte{"esa"[(i+j)%3]}, bytes.Repeat([]byte{byte(i)}, j*37)...)
				c.Write(frame(body))
				expect(t, c, body)
			}
		})
	}
	wait.Wait()
}

func TestAPortInUseIsNamed(t *testing.T) {
	w := start(t, defaults())
	_, err := w.Bind("PLAINTEXT", w.address)
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte(w.address)) {
		t.Errorf("Bind = %v, want an error naming %s", err, w.address)
	}
}

package proxy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"ottla.dev/netsim"
)

// rig is a fabric of three hosts with a path from 0 to 1 and a listener behind it.
type rig struct {
	t      *testing.T
	fabric *Fabric
	addr   string
	server net.Listener
}

const short = 80 * time.Millisecond // long enough for bytes that are not held up

func newRig(t *testing.T, schedule string) *rig {
	t.Helper()
	t.Parallel()
	s, err := netsim.Parse(schedule, 3)
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(3, 1, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	addr, err := f.Path(0, 1, "", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t, f, addr, l}
}

// pair is a connection through the path, both ends.
func (r *rig) pair() (client, server *peer) {
	r.t.Helper()
	c, err := net.DialTimeout("tcp", r.addr, 5*time.Second)
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := r.server.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close(); s.Close() })
	for until := time.Now().Add(5 * time.Second); !r.carries(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			r.t.Fatal("the path does not know of its connection")
		}
	}
	return &peer{r.t, c.(*net.TCPConn)}, &peer{r.t, s.(*net.TCPConn)}
}

func (r *rig) carries() bool {
	r.fabric.mu.Lock()
	defer r.fabric.mu.Unlock()
	return len(r.fabric.paths[0].open()) == r.fabric.Connections()
}

func (r *rig) begin(w netsim.Window) int {
	r.t.Helper()
	handle, err := r.fabric.Begin(w)
	if err != nil {
		r.t.Fatal(err)
	}
	return handle
}

// peer is one end, with what tests say about it.
type peer struct {
	t *testing.T
	*net.TCPConn
}

func (p *peer) send(s string) {
	p.t.Helper()
	if _, err := p.Write([]byte(s)); err != nil {
		p.t.Errorf("sending %q: %v", s, err)
	}
}

func (p *peer) gets(want string) {
	p.t.Helper()
	p.SetReadDeadline(time.Now().Add(5 * time.Second))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(p, got); err != nil || string(got) != want {
		p.t.Errorf("got %q, %v, want %q", got[:n], err, want)
	}
}

func (p *peer) getsNothing() {
	p.t.Helper()
	p.SetReadDeadline(time.Now().Add(short))
	if n, err := p.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Errorf("got %d bytes, %v", n, err)
	}
}

// isReset wants no more bytes, and a reset.
func (p *peer) isReset() {
	p.t.Helper()
	p.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := p.Read(make([]byte, 100)); !errors.Is(err, syscall.ECONNRESET) {
		p.t.Errorf("%d bytes, %v instead of a reset", n, err)
	}
}

func TestBytesAndTheirEndPass(t *testing.T) {
	r := newRig(t, "settings delay-mean=1ms")
	client, server := r.pair()
	sent := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(sent)
	var both sync.WaitGroup
	pass := func(from, to *peer) {
		both.Go(func() { from.Write(sent); from.CloseWrite() })
		both.Go(func() {
			if got, err := io.ReadAll(to); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	pass(client, server)
	pass(server, client)
	both.Wait()
	for until := time.Now().Add(5 * time.Second); r.fabric.Connections() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the connection is still there")
		}
	}
}

func TestResetsPass(t *testing.T) {
	r := newRig(t, "")
	client, server := r.pair()
	client.SetLinger(0)
	client.Close()
	server.isReset()
}

func TestATargetThatIsNotThere(t *testing.T) {
	r := newRig(t, "")
	r.server.Close()
	c, err := net.Dial("tcp", r.addr)
	if err == nil {
		defer c.Close()
		(&peer{t, c.(*net.TCPConn)}).isReset()
	} else if !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
}

func TestDelays(t *testing.T) {
	r := newRig(t, "settings delay-min=30ms delay-mean=30ms\npath src=1 dst=0 delay-min=50ms delay-mean=50ms")
	client, server := r.pair()
	began := time.Now()
	client.send("ping")
	server.gets("ping")
	there := time.Since(began)
	server.send("pong")
	client.gets("pong")
	if all := time.Since(began); there < 30*time.Millisecond || all < 80*time.Millisecond || all > 2*time.Second {
		t.Errorf("%v, %v", there, all)
	}
}

func TestSlow(t *testing.T) {
	r := newRig(t, "")
	client, server := r.pair()
	r.begin(netsim.Window{Kind: netsim.Slow, Hosts: []netsim.Host{0}, Bandwidth: 500_000})
	began := time.Now()
	go client.Write(make([]byte, 100_000))
	server.gets(string(make([]byte, 100_000)))
	if took := time.Since(began); took < 150*time.Millisecond {
		t.Errorf("100 kB at 500 kB/s in %v", took)
	}
	if r.fabric.Fired(netsim.Slow) == 0 {
		t.Error("not counted")
	}
}

func TestAPartitionHoldsBytes(t *testing.T) {
	r := newRig(t, "")
	client, server := r.pair()
	h := r.begin(netsim.Window{Kind: netsim.Isolate, Hosts: []netsim.Host{1}})
	client.send("a")
	server.send("b")
	server.getsNothing()
	client.getsNothing()
	r.fabric.Finish(h)
	server.gets("a")
	client.gets("b")
	if r.fabric.Fired(netsim.Isolate) != 2 {
		t.Errorf("counted %d", r.fabric.Fired(netsim.Isolate))
	}
}

func TestAnEndWaitsBehindAPartitionToo(t *testing.T) {
	r := newRig(t, "")
	client, server := r.pair()
	r.begin(netsim.Window{Kind: netsim.Partition, Hosts: []netsim.Host{0}, Peers: []netsim.Host{1}})
	client.SetLinger(0)
	client.Close()
	server.getsNothing()
	r.fabric.Heal()
	server.isReset()
}

func TestOneWay(t *testing.T) {
	r := newRig(t, "")
	client, server := r.pair()
	r.begin(netsim.Window{Kind: netsim.OneWay, Hosts: []netsim.Host{0}, To: 3 * short})
	client.send("held up")
	server.send("passes")
	client.gets("passes")
	server.getsNothing()
	server.gets("held up")
}

func TestOtherHostsAreNotConcerned(t *testing.T) {
	r := newRig(t, "")
	client, server := r.pair()
	r.begin(netsim.Window{Kind: netsim.Isolate, Hosts: []netsim.Host{2}})
	client.send("passes")
	server.gets("passes")
}

func TestRefuse(t *testing.T) {
	r := newRig(t, "")
	client, server := r.pair()
	h := r.begin(netsim.Window{Kind: netsim.Refuse})
	var err error
	for until := time.Now().Add(5 * time.Second); err == nil && time.Now().Before(until); time.Sleep(time.Millisecond) {
		var c net.Conn
		if c, err = net.Dial("tcp", r.addr); err == nil {
			c.Close() // the listener is about to close
			if s, err := r.server.Accept(); err == nil {
				s.Close()
			}
		}
	}
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("%v", err)
	}
	client.send("established ones stay")
	server.gets("established ones stay")
	r.fabric.Finish(h)
	again(t, r)
}

// again dials until it works.
func again(t *testing.T, r *rig) {
	t.Helper()
	var err error
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", r.addr, 5*time.Second); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("after the fault: %v", err)
}

func TestHangingDials(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs a queue that can be full")
	}
	for name, w := range map[string]netsim.Window{
		"hang":      {Kind: netsim.Hang, Hosts: []netsim.Host{0}},
		"partition": {Kind: netsim.OneWay, Hosts: []netsim.Host{1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "")
			h := r.begin(w)
			time.Sleep(short) // the queue is filled
			if c, err := net.DialTimeout("tcp", r.addr, 2*short); err == nil {
				t.Errorf("connected to %v", c.RemoteAddr())
			}
			late := make(chan error, 1)
			go func() {
				c, err := net.DialTimeout("tcp", r.addr, 5*time.Second)
				if err == nil {
					defer c.Close()
				}
				late <- err
			}()
			time.Sleep(short)
			r.fabric.Finish(h)
			again(t, r)
			if err := <-late; err != nil {
				t.Errorf("the system did not try again: %v", err)
			}
		})
	}
}

func TestStrikes(t *testing.T) {
	struck := func(t *testing.T, k netsim.Kind) (client, server *peer, r *rig) {
		r = newRig(t, "")
		client, server = r.pair()
		if n := r.fabric.Strike(k, 0, 1); n != 1 {
			t.Fatalf("struck %d", n)
		}
		return client, server, r
	}
	t.Run("both sides learn a reset", func(t *testing.T) {
		client, server, _ := struck(t, netsim.Reset)
		client.isReset()
		server.isReset()
	})
	t.Run("one side learns, the other when it sends", func(t *testing.T) {
		client, server, _ := struck(t, netsim.ResetOne)
		knows, ignorant := client, server
		client.SetReadDeadline(time.Now().Add(short))
		if _, err := client.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			knows, ignorant = server, client
		}
		if knows != client {
			knows.isReset()
		}
		ignorant.getsNothing()
		ignorant.send("x")
		ignorant.isReset()
	})
	t.Run("half-open swallows, and healing ends it", func(t *testing.T) {
		client, server, r := struck(t, netsim.HalfOpen)
		client.send("x")
		server.getsNothing()
		client.send("y")
		server.send("z")
		client.getsNothing()
		r.fabric.Heal()
		client.isReset()
		server.isReset()
	})
	t.Run("half-open ends of themselves are not passed on", func(t *testing.T) {
		client, server, _ := struck(t, netsim.HalfOpen)
		client.Close()
		server.getsNothing()
	})
	t.Run("an answer is lost, its request is not", func(t *testing.T) {
		client, server, r := struck(t, netsim.LoseAnswer)
		client.send("request")
		server.gets("request")
		server.send("answer")
		client.isReset()
		server.isReset()
		if r.fabric.Fired(netsim.LoseAnswer) != 1 {
			t.Error("not counted")
		}
	})
	t.Run("a part arrives", func(t *testing.T) {
		client, server, _ := struck(t, netsim.Fragment)
		client.send("abcdefghij")
		client.isReset()
		server.SetReadDeadline(time.Now().Add(5 * time.Second))
		got, err := io.ReadAll(server)
		if !errors.Is(err, syscall.ECONNRESET) || len(got) == 0 || len(got) > 9 || string(got) != "abcdefghij"[:len(got)] {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestASenderGivesUpAfterTheWriteTimeout(t *testing.T) {
	r := newRig(t, "settings write-timeout=100ms")
	client, server := r.pair()
	r.begin(netsim.Window{Kind: netsim.Clog})
	client.send("x")
	client.isReset()
	server.getsNothing()
	r.fabric.Heal()
	server.send("y")
	server.isReset()
}

func TestAScheduleRunsByTheClock(t *testing.T) {
	r := newRig(t, "partition from=100ms to=300ms hosts=0\nreset from=400ms to=10s one-in=1")
	client, server := r.pair()
	began := time.Now()
	r.fabric.Start()
	client.send("first")
	server.gets("first")
	time.Sleep(150*time.Millisecond - time.Since(began))
	client.send("second")
	server.gets("second")
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("arrived after %v", took)
	}
	time.Sleep(450*time.Millisecond - time.Since(began))
	client.send("third")
	server.isReset()
}

func TestBuffersAreBounded(t *testing.T) {
	r := newRig(t, "settings queue=10000")
	client, _ := r.pair()
	r.begin(netsim.Window{Kind: netsim.Clog})
	client.SetWriteDeadline(time.Now().Add(2 * short))
	n, err := client.Write(make([]byte, 64<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n > 16<<20 {
		t.Errorf("%d bytes are swallowed, %v", n, err)
	}
}

func TestCloseStopsEverything(t *testing.T) {
	before := runtime.NumGoroutine()
	s, _ := netsim.Parse("", 3)
	f, err := New(3, 1, s)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr, err := f.Path(0, 1, "", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Path(2, 1, "", "127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i == 1 {
			f.Begin(netsim.Window{Kind: netsim.OneWay, Hosts: []netsim.Host{1}, Peers: []netsim.Host{2}})
		}
	}
	f.Begin(netsim.Window{Kind: netsim.Hang, Hosts: []netsim.Host{2}})
	f.Close()
	for until := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
	}
	again, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the address is still taken: %v", err)
	}
	again.Close()
	if _, err := f.Path(0, 1, "", "127.0.0.1:1"); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

// TestEveryConnectionCarriesAPrefix runs a drawn schedule under clients that come and go, and checks all bytes.
func TestEveryConnectionCarriesAPrefix(t *testing.T) {
	t.Parallel()
	const lasts = 1500 * time.Millisecond
	s := netsim.Draw(11, netsim.DefaultBudget(3, 2, lasts))
	s.Settings.WriteTimeout = 200 * time.Millisecond
	s.Windows = append(s.Windows, netsim.Window{Kind: netsim.Reset, To: lasts, OneIn: 200},
		netsim.Window{Kind: netsim.Fragment, To: lasts, OneIn: 200},
		netsim.Window{Kind: netsim.Clog, From: lasts / 3, To: lasts / 2, Every: 20 * time.Millisecond})
	s.Settings.Link.DelayMean, s.Settings.Link.DelayMin = time.Millisecond, 0
	f, err := New(3, 1, s)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() { echo(t, l, &all) })
	f.Start()
	until := time.Now().Add(lasts)
	passed := make([]int, 3)
	for i, from := range []netsim.Host{0, 2, 0} {
		addr, err := f.Path(from, 1, "", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for time.Now().Before(until) {
				passed[i] += converse(t, addr)
			}
		})
	}
	time.Sleep(time.Until(until))
	f.Heal()
	f.Close()
	l.Close()
	all.Wait()
	if passed[0]+passed[1]+passed[2] < 1000 {
		t.Errorf("only %v bytes came back", passed)
	}
}

// echo answers with what it gets, which must be the bytes that count up.
func echo(t *testing.T, l net.Listener, all *sync.WaitGroup) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			defer c.Close()
			buf, at := make([]byte, 4096), 0
			for {
				n, err := c.Read(buf)
				if !counts(buf[:n], &at) {
					t.Error("the server got other bytes than were sent")
				}
				if err != nil {
					return
				}
				if _, err = c.Write(buf[:n]); err != nil {
					return
				}
			}
		})
	}
}

func counts(b []byte, at *int) bool {
	for _, x := range b {
		if x != byte(*at%251) {
			return false
		}
		*at++
	}
	return true
}

// converse sends bytes that count up and reads them again, until the connection ends or nothing comes.
func converse(t *testing.T, addr string) (passed int) {
	c, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
	if err != nil {
		time.Sleep(time.Millisecond)
		return 0
	}
	defer c.Close()
	sent := 0
	for sent < 50_000 {
		b := make([]byte, 100)
		for i := range b {
			b[i] = byte((sent + i) % 251)
		}
		if _, err := c.Write(b); err != nil {
			return passed
		}
		sent += len(b)
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := io.ReadFull(c, b)
		if !counts(b[:n], &passed) {
			t.Error("the client got other bytes than it sent")
		}
		if err != nil {
			return passed
		}
	}
	return passed
}

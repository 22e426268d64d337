package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"ottla.dev/core"
	"ottla.dev/node/disk"
	"ottla.dev/node/run"
)

// fakeBroker is a control and a shard that do little, and sessions that do what their frames say:
//
//	e…          answer the frame itself
//	s…          the same, by way of the shard
//	a…          the same by way of the shard, reading the next request meanwhile
//	h…          the same, but the shard keeps it until it gets an r
//	r…          answer the frame itself behind all that the shard has kept
//	f pos len   answer a range of the shard's file (two 8-byte numbers)
//	u           answer a range of a file that the shard does not have
//	x           answer "bye" and close
//	n…          answer nothing
type fakeBroker struct {
	t        testing.TB
	shard    *fakeShard
	started  atomic.Int64
	finished atomic.Int64
}

type echo struct{ frame []byte }

func (e *echo) AppendText(dst []byte) []byte { return append(dst, "echo"...) }

type fakeShard struct {
	core.Outbox
	path string
	kept []core.Send
}

func (s *fakeShard) Deadline() (time.Duration, bool) { return 0, false }
func (s *fakeShard) Drain(out *core.Outbox)          { move(&s.Outbox, out) }

func (s *fakeShard) Step(_ core.Instant, in core.Input) {
	switch m := in.Message.(type) {
	case *echo:
		if m.frame[0] == 'h' {
			s.kept = append(s.kept, core.Send{To: in.From, Message: m})
			return
		}
		if m.frame[0] == 'r' {
			for _, k := range s.kept {
				s.Send(k.To, k.Message)
			}
			s.kept = nil
		}
		s.Send(in.From, m)
	case *open:
		s.File(core.FileOp{Kind: core.OpOpen, File: 7, Path: s.path})
	}
}

type open struct{}

func (*open) AppendText(dst []byte) []byte { return append(dst, "open"...) }

type fakeControl struct{ core.Outbox }

func (c *fakeControl) Deadline() (time.Duration, bool) { return 0, false }
func (c *fakeControl) Drain(out *core.Outbox)          { move(&c.Outbox, out) }

func (c *fakeControl) Step(_ core.Instant, in core.Input) {
	if in.Kind == core.InputStart {
		c.Send(core.Shard(0), &open{})
		c.Listen = true
	}
}

// fakeSession checks the order of its answers and that it hears of each once.
type fakeSession struct {
	core.Outbox
	broker  *fakeBroker
	t       testing.TB
	token   uint64
	heard   uint64
	waiting int
	gone    bool
	done    bool
	frames  map[uint64][]byte
}

func (s *fakeSession) Deadline() (time.Duration, bool) { return 0, false }
func (s *fakeSession) Drain(out *core.Outbox)          { move(&s.Outbox, out) }

func (s *fakeSession) Step(_ core.Instant, in core.Input) {
	switch in.Kind {
	case core.InputStart:
		s.broker.started.Add(1)
		s.Resume = true
	case core.InputFrame:
		s.take(in.Frame)
	case core.InputMessage:
		m := in.Message.(*echo)
		s.waiting--
		s.reply(m.frame, core.Part{Bytes: prefix(len(m.frame))}, core.Part{Bytes: m.frame})
		if m.frame[0] == 's' || m.frame[0] == 'r' {
			s.Resume = true
		}
	case core.InputAnswered:
		if s.heard++; s.heard != in.Token {
			s.t.Errorf("answer %d is reported in place of %d", in.Token, s.heard)
		}
		s.Release(s.frames[in.Token])
		delete(s.frames, in.Token)
	case core.InputDisconnected:
		if s.gone {
			s.t.Error("a session was disconnected twice")
		}
		s.gone = true
	}
	if s.gone && !s.done && s.waiting == 0 && len(s.frames) == 0 {
		s.done = true
		s.broker.finished.Add(1)
		s.Close = true
	}
}

func (s *fakeSession) take(frame []byte) {
	switch frame[0] {
	case 'e':
		s.reply(frame, core.Part{Bytes: prefix(len(frame))}, core.Part{Bytes: frame})
		s.Resume = true
	case 's', 'a', 'h', 'r':
		s.waiting++
		s.Send(core.Shard(0), &echo{frame: frame})
		s.Resume = frame[0] == 'a' || frame[0] == 'h'
	case 'f':
		pos, size := binary.BigEndian.Uint64(frame[1:]), binary.BigEndian.Uint64(frame[9:])
		s.reply(frame, core.Part{Bytes: prefix(int(size))},
			core.Part{Owner: core.Shard(0), File: 7, Pos: int64(pos), Len: int64(size)})
		s.Resume = true
	case 'u':
		s.reply(frame, core.Part{Owner: core.Shard(0), File: 8, Len: 1})
	case 'x':
		s.reply(frame, core.Part{Bytes: prefix(3)}, core.Part{Bytes: []byte("bye")})
		s.Close = true
	case 'n':
		s.Release(frame)
		s.Resume = true
	}
}

func (s *fakeSession) reply(frame []byte, parts ...core.Part) {
	s.token++
	s.frames[s.token] = frame
	s.Answer(s.token, parts...)
}

func prefix(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// move is Drain for machines that embed their outbox.
func move(from, to *core.Outbox) {
	base := len(to.Parts)
	for _, a := range from.Answers {
		to.Answers = append(to.Answers, core.Answer{Token: a.Token, From: a.From + base, To: a.To + base})
	}
	to.Parts = append(to.Parts, from.Parts...)
	to.Files = append(to.Files, from.Files...)
	to.Sends = append(to.Sends, from.Sends...)
	to.Releases = append(to.Releases, from.Releases...)
	to.Resume = to.Resume || from.Resume
	to.Close = to.Close || from.Close
	to.Listen = to.Listen || from.Listen
	from.Reset()
}

func (b *fakeBroker) NewSession(uint32, string) core.Machine {
	return &fakeSession{broker: b, frames: map[uint64][]byte{}, t: b.t}
}

type fakeHost struct{ t testing.TB }

func (h fakeHost) Listen()                         {}
func (h fakeHost) ListenQuorum()                   {}
func (h fakeHost) Stopped()                        {}
func (h fakeHost) Halt(_ core.Address, why string) { h.t.Error(why) }
func (h fakeHost) Note(core.Address, core.Note)    {}
func (h fakeHost) Offline(string)                  {}

// world is a running server.
type world struct {
	*Server
	broker  *fakeBroker
	disk    *disk.Disk
	address string
	content []byte // of the shard's file
}

func defaults() Config {
	return Config{MaxRequest: 8 << 20, MaxConnections: 1 << 20, MaxPerHost: 1 << 20, IdleTimeout: 10 * time.Second,
		ReceiveBuffer: -1, SendBuffer: -1, QueuedBytes: 64 << 20, RetainedBytes: 16 << 20}
}

func start(t testing.TB, cfg Config) *world {
	dir := t.TempDir()
	content := make([]byte, 5<<20)
	for i := range content {
		content[i] = byte(i * 7 >> 3)
	}
	path := filepath.Join(dir, "segment")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := disk.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	e := run.New(fakeHost{t}, d.FS())
	control, shard := d.Table(e), d.Table(e)
	b := &fakeBroker{t: t, shard: &fakeShard{path: path}}
	e.AddControl(&fakeControl{}, control)
	e.AddShard(b.shard, shard)
	files := func(a core.Address) *disk.Table {
		if a != core.Shard(0) {
			panic(fmt.Sprint("files of ", a))
		}
		return shard
	}
	s := New(cfg, e, b, files, slog.New(slog.DiscardHandler))
	addr, err := s.Bind("PLAINTEXT", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.Start()
	s.Accept(func(string) bool { return true })
	w := &world{Server: s, broker: b, disk: d, address: addr.String(), content: content}
	t.Cleanup(func() { w.stop(t) })
	return w
}

// stop closes the server and checks that every session came to its end and gave everything back.
func (w *world) stop(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
	eventually(t, "every session to finish", func() bool {
		return w.broker.started.Load() == w.broker.finished.Load() && w.engine.Sessions() == 0
	})
	if n := w.QueuedBytes(); n != 0 {
		t.Errorf("%d bytes of the budget were not given back", n)
	}
	if n := w.Connections(); n != 0 {
		t.Errorf("%d connections are still counted", n)
	}
	w.disk.Close()
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Errorf("waited in vain for %s", what)
}

func (w *world) dial(t testing.TB) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.TCPConn)
}

func frame(body []byte) []byte { return append(prefix(len(body)), body...) }

func rangeRequest(pos, size int) []byte {
	body := binary.BigEndian.AppendUint64([]byte{'f'}, uint64(pos))
	return frame(binary.BigEndian.AppendUint64(body, uint64(size)))
}

// expect reads an answer and compares it.
func expect(t testing.TB, c io.Reader, want []byte) {
	t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		t.Fatalf("read the answer's size: %v", err)
	}
	got := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("an answer of %d bytes differs from the %d wanted", len(got), len(want))
	}
}

// expectEnd wants the connection closed without another byte.
func expectEnd(t testing.TB, c io.Reader) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("the connection is still open: %d bytes, %v", n, err)
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Fatalf("the connection was not closed: %v", err)
	}
}

package server

import (
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"ottla.dev/core"
	"ottla.dev/node/run"
)

// unsentAhead is how many bytes of answers may wait for the client while its next request is read.
const unsentAhead = 64 << 10

// lingerAfterEnd is how long a client that has stopped sending may still wait for the answers under way.
const lingerAfterEnd = 30 * time.Second

// lentMost is how many bytes of large frames all sessions may have while connections read on that have lent one. The
// others' next requests wait in the kernel until the disk has taken one of theirs: read ahead, they would be written no
// sooner, and hold memory that grows with the number of connections.
const lentMost = 8 << 20

// conn is one client connection.
type conn struct {
	server  *Server
	socket  net.Conn
	stream  Stream // nil if the socket is the kernel's
	raw     syscall.RawConn
	session *run.Actor
	host    string
	near    bool // the client is on this machine

	// The reading goroutine's own.
	buf        *buffer
	from, to   int // the unread bytes of buf
	expect     int // the size that the next read is prepared for
	largest    int // the largest frame that has arrived whole
	frameTimed bool
	readSome   func(fd uintptr) bool
	readCount  int
	readErr    error

	over atomic.Bool // set with dead, for those who must not wait for the lock

	mu      sync.Mutex
	turn    sync.Cond // the reading goroutine waits for its turn
	waiting bool
	resumed bool
	closing bool
	dead    bool
	lent    []lent
	queue   []piece // answers that nobody has begun to write
	unsent  int64   // bytes of answers that have not left
	writing bool    // somebody owns the fields below

	// The writer's own, guarded by writing.
	pieces    []piece
	next      int // the first of pieces that has not left
	blocking  bool
	progress  bool
	writeSome func(fd uintptr) bool
	writeErr  error
	again     bool      // the socket is full
	allowed   time.Time // when the deadline of a wait was set last
	worker    *run.Worker
}

// lent is a frame that belongs to the session.
type lent struct {
	frame    []byte
	buf      *buffer
	reserved int64
}

func newConn(s *Server, socket net.Conn, host string) (*conn, error) {
	waits, ok := socket.(syscall.Conn)
	if !ok {
		return nil, errors.New("a connection without a descriptor, which is no Stream")
	}
	raw, err := waits.SyscallConn()
	if err != nil {
		return nil, err
	}
	stream, _ := socket.(Stream)
	c := &conn{server: s, socket: socket, stream: stream, raw: raw, host: host, near: onThisMachine(socket),
		expect: 1 << smallestClass}
	c.turn.L = &c.mu
	c.readSome = c.tryRead
	c.writeSome = c.tryWrite
	return c, nil
}

// onThisMachine reports whether both ends of a connection have the same address, or one that never leaves the machine.
func onThisMachine(socket net.Conn) bool {
	here, ok := socket.LocalAddr().(*net.TCPAddr)
	if !ok {
		return false
	}
	there, ok := socket.RemoteAddr().(*net.TCPAddr)
	return ok && (there.IP.IsLoopback() || there.IP.Equal(here.IP))
}

// serve reads frames until the connection ends.
func (c *conn) serve() {
	e := c.server.engine
	e.Deliver(c.session, core.Input{Kind: core.InputStart, Peer: c.host})
	if !c.server.opened(c) {
		c.kill()
		return
	}
	var err error
	for c.awaitTurn() {
		var frame []byte
		if frame, err = c.readFrame(); err != nil {
			break
		}
		c.server.FramesIn.Add(1)
		e.Deliver(c.session, core.Input{Kind: core.InputFrame, Frame: frame})
	}
	var size frameSizeError
	if err == errEnd || errors.As(err, &size) {
		c.awaitAnswers()
	}
	w := e.Worker()
	c.fail(w, err)
	e.Finish(w)
	c.dropBuffer()
}

// awaitTurn waits until the session wants a frame and the client has taken enough of the answers before.
func (c *conn) awaitTurn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.dead && (!c.resumed || c.closing || c.unsent > unsentAhead || c.ahead()) {
		c.wait()
	}
	c.resumed = false
	return !c.dead
}

// ahead reports whether this connection has read enough for now. It may always lend one large frame, so that it never
// waits for other connections; what it waits for is that the session gives back one of its own, which takes nothing
// that this connection would have to read. It needs the lock.
func (c *conn) ahead() bool {
	return c.server.lent.Load() > lentMost && slices.ContainsFunc(c.lent, func(l lent) bool { return l.reserved > 0 })
}

// awaitAnswers lets requests come to their answers although no more are read: the client has closed its own direction,
// or what it sent behind them is no frame.
func (c *conn) awaitAnswers() {
	timer := time.AfterFunc(lingerAfterEnd, c.kill)
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.dead && (len(c.lent) > 0 || c.unsent > 0) {
		c.wait()
	}
}

func (c *conn) wait() {
	c.waiting = true
	c.turn.Wait()
	c.waiting = false
}

// wakeReader needs the lock.
func (c *conn) wakeReader() {
	if c.waiting {
		c.turn.Signal()
	}
}

// kill ends the connection from outside.
func (c *conn) kill() {
	w := c.server.engine.Worker()
	c.fail(w, errKilled)
	c.server.engine.Finish(w)
}

// fail ends the connection, once: the session is told, and answers that have not left never will.
func (c *conn) fail(w *run.Worker, reason error) {
	c.mu.Lock()
	if c.dead {
		c.mu.Unlock()
		return
	}
	c.dead = true
	c.over.Store(true)
	c.wakeReader()
	c.mu.Unlock()
	c.socket.Close()
	c.server.budget.wake()
	c.server.ended(c, reason)
	w.Post(c.session, core.Input{Kind: core.InputDisconnected})
	c.Flush(w, true)
}

// Execute takes over the session's effects on its connection.
func (c *conn) Execute(out *core.Outbox) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range out.Answers {
		c.enqueue(a, out.Parts[a.From:a.To])
	}
	for _, frame := range out.Releases {
		c.takeBack(frame)
	}
	c.resumed = c.resumed || out.Resume
	c.closing = c.closing || out.Close
	if out.Resume || len(out.Releases) > 0 {
		c.wakeReader()
	}
	return (len(c.queue) > 0 || c.closing) && !c.writing
}

// takeBack ends the session's use of a frame. It needs the lock.
func (c *conn) takeBack(frame []byte) {
	for i := range c.lent {
		l := c.lent[i]
		if unsafe.SliceData(l.frame) != unsafe.SliceData(frame) {
			continue
		}
		c.lent = append(c.lent[:i], c.lent[i+1:]...)
		c.giveBack(l)
		return
	}
	panic("server: the session gives back a frame that it does not have")
}

// giveBack needs the lock.
func (c *conn) giveBack(l lent) {
	if checking {
		for i := range l.frame {
			l.frame[i] = 0xdb
		}
	}
	c.unref(l.buf)
	c.settle(l)
}

// settle ends a large frame's share of the budget.
func (c *conn) settle(l lent) {
	if l.reserved > 0 {
		c.server.lent.Add(-l.reserved)
		c.server.budget.release(l.reserved)
	}
}

// unref needs the lock.
func (c *conn) unref(b *buffer) {
	b.refs--
	if b.refs == 0 {
		c.server.buffers.put(b)
	}
}

// Retired gives back what a session that is finished still holds. Its buffers go to the garbage collector: if the
// session's machines broke their promise and still use them, nobody else must.
func (c *conn) Retired() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if checking && len(c.lent) > 0 {
		panic("server: a session is finished and holds frames")
	}
	for _, l := range c.lent {
		c.settle(l)
	}
	c.lent = nil
}

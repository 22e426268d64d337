package peer

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"ottla.dev/core"
)

const (
	// dialTimeout bounds how long a connection may take to come about. Machines have shorter timeouts of their own.
	dialTimeout = 10 * time.Second
	// maxFrame is the largest response in bytes that is believed; a longer one is taken for a broken stream.
	maxFrame = 512 << 20
	// maxQueued is how many bytes may wait to leave on one link. A peer that takes nothing is given up beyond it.
	maxQueued = 64 << 20
)

// Deliver pushes an input to the machine that owns the links and runs it.
type Deliver func(core.Input)

// Dial makes a connection to an address, as [net.Dialer.DialContext] does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Links holds the connections of one machine.
type Links struct {
	deliver Deliver
	dial    Dial

	frames frames

	mu     sync.Mutex
	open   map[core.LinkID]*link
	closed bool
	group  sync.WaitGroup
}

// New returns the links of the machine that deliver leads to. A nil dial dials directly.
func New(deliver Deliver, dial Dial) *Links {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return &Links{deliver: deliver, dial: dial, open: map[core.LinkID]*link{}}
}

// Release takes back the memory of frames that were delivered.
func (l *Links) Release(frames [][]byte) {
	for _, frame := range frames {
		l.frames.put(frame)
	}
}

// Execute executes operations in order. It never waits for the network.
func (l *Links) Execute(ops []core.LinkOp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range ops {
		op := &ops[i]
		switch op.Kind {
		case core.LinkOpen:
			l.start(op)
		case core.LinkSend:
			if c := l.open[op.Link]; c != nil {
				c.send(op.Bytes)
			}
		case core.LinkClose:
			if c := l.open[op.Link]; c != nil {
				delete(l.open, op.Link)
				c.end()
			}
		}
	}
}

func (l *Links) start(op *core.LinkOp) {
	if l.open[op.Link] != nil {
		panic(fmt.Sprintf("peer: link %d is opened twice", op.Link))
	}
	if l.closed {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	c := &link{id: op.Link, cancel: cancel}
	c.wake.L = &c.mu
	l.open[op.Link] = c
	l.group.Add(1)
	address := op.Address // the operation is the machine's again when this returns
	go func() {
		defer l.group.Done()
		defer cancel()
		l.down(c, l.run(ctx, c, address))
	}()
}

// run makes the connection, then reads frames until it breaks.
func (l *Links) run(ctx context.Context, c *link, address string) error {
	conn, err := l.dial(ctx, "tcp", address)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w: %w", core.ErrRefused, err)
	}
	if err != nil {
		return err
	}
	if !c.connected(conn) {
		conn.Close()
		return errEnded
	}
	l.deliver(core.Input{Kind: core.InputLinkUp, Link: c.id})
	l.group.Add(1)
	go func() {
		defer l.group.Done()
		c.write(conn)
	}()
	defer c.end()
	in := bufio.NewReaderSize(conn, readAhead)
	for {
		frame, err := readFrame(in, l.frames.get)
		if err != nil {
			return err
		}
		l.deliver(core.Input{Kind: core.InputLinkFrame, Link: c.id, Frame: frame})
	}
}

// errEnded is why a link ended that its owner has closed.
var errEnded = errors.New("link closed")

// readAhead is how much is read together with a frame's length: small frames whole, of large ones a little that has to
// be moved.
const readAhead = 4 << 10

func readFrame(r io.Reader, memory func(int) []byte) ([]byte, error) {
	var prefix [4]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(prefix[:]))
	if n < 4 || n > maxFrame {
		return nil, fmt.Errorf("a response of %d bytes", n)
	}
	frame := memory(int(n))
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, err
	}
	return frame, nil
}

// down tells the owner, unless it has closed the link itself.
func (l *Links) down(c *link, err error) {
	l.mu.Lock()
	known := l.open[c.id] == c
	delete(l.open, c.id)
	closed := l.closed
	l.mu.Unlock()
	if known && !closed {
		l.deliver(core.Input{Kind: core.InputLinkDown, Link: c.id, Err: err})
	}
}

// Close ends all links and waits for their goroutines. Nothing is delivered afterwards.
func (l *Links) Close() {
	l.mu.Lock()
	l.closed = true
	for _, c := range l.open {
		c.end()
	}
	l.mu.Unlock()
	l.group.Wait()
}

// link is one connection, or the attempt to make it.
type link struct {
	id     core.LinkID
	cancel context.CancelFunc

	mu     sync.Mutex
	wake   sync.Cond
	conn   net.Conn
	queue  []byte // requests that have not left
	spare  []byte
	ending bool
}

// connected notes the connection. It reports false if the link was ended meanwhile.
func (c *link) connected(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	return !c.ending
}

func (c *link) send(bytes []byte) {
	c.mu.Lock()
	c.queue = append(c.queue, bytes...)
	full := len(c.queue) > maxQueued
	c.mu.Unlock()
	c.wake.Signal()
	if full {
		c.end()
	}
}

// write sends what is queued, all that has gathered at a time.
func (c *link) write(conn net.Conn) {
	for {
		c.mu.Lock()
		for len(c.queue) == 0 && !c.ending {
			c.wake.Wait()
		}
		if c.ending {
			c.mu.Unlock()
			return
		}
		out := c.queue
		c.queue, c.spare = c.spare[:0], nil
		c.mu.Unlock()
		_, err := conn.Write(out)
		c.mu.Lock()
		if cap(out) <= maxSpare {
			c.spare = out
		}
		c.mu.Unlock()
		if err != nil {
			c.end()
			return
		}
	}
}

// maxSpare is the largest send buffer in bytes that is kept for later.
const maxSpare = 1 << 20

// end breaks the connection, or the attempt; reader and writer find out.
func (c *link) end() {
	c.mu.Lock()
	c.ending = true
	conn := c.conn
	c.mu.Unlock()
	c.cancel()
	c.wake.Broadcast()
	if conn != nil {
		conn.Close()
	}
}

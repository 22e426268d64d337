package server

import (
	"time"

	"golang.org/x/sys/unix"

	"ottla.dev/core"
	"ottla.dev/node/disk"
	"ottla.dev/node/run"
)

// piece is a part of an answer on its way out.
type piece struct {
	bytes []byte
	file  *disk.File
	fd    int
	pos   int64
	left  int64 // bytes of the file's range that have not left
	way   way   // how the range's front leaves
	// view is the mapping that ends at viewEnd in the file, nil if there is none.
	view    []byte
	viewEnd int64
	// present is a position in the file up to which the range was in memory.
	present int64
	err     error // the range cannot be read
	last    bool  // the answer token ends here
	token   uint64
}

// enqueue appends an answer and keeps its files open. It needs the lock.
func (c *conn) enqueue(a core.Answer, parts []core.Part) {
	first := len(c.queue)
	for i := range parts {
		if c.dead {
			break
		}
		c.enqueuePart(&parts[i])
	}
	if len(c.queue) == first {
		c.queue = append(c.queue, piece{})
	}
	end := &c.queue[len(c.queue)-1]
	end.last, end.token = true, a.Token
}

func (c *conn) enqueuePart(p *core.Part) {
	if p.File == 0 {
		if len(p.Bytes) > 0 {
			c.queue = append(c.queue, piece{bytes: p.Bytes})
			c.unsent += int64(len(p.Bytes))
		}
		return
	}
	if p.Len == 0 {
		return
	}
	file, fd, err := c.server.files(p.Owner).Acquire(p.File)
	if err != nil {
		c.queue = append(c.queue, piece{err: err})
		return
	}
	c.queue = append(c.queue, piece{file: file, fd: fd, pos: p.Pos, left: p.Len})
	c.unsent += p.Len
}

// Flush writes what the socket takes at once. If other connections wait for this worker it does not touch files, which
// may have to come from the disk; that, and waiting for the client, is left to a goroutine of the connection's own.
func (c *conn) Flush(w *run.Worker, alone bool) {
	c.mu.Lock()
	if c.writing {
		c.mu.Unlock()
		return // the writer looks at the queue again before it ends
	}
	c.writing = true
	c.mu.Unlock()
	c.blocking = false
	for c.load(w) {
		if !alone && c.hasFiles() {
			go c.writeOn()
			return
		}
		if c.attempt(w); c.again {
			go c.writeOn()
			return
		}
	}
}

// writeOn goes on writing where Flush stopped, and waits for the client.
func (c *conn) writeOn() {
	e := c.server.engine
	c.blocking = true
	for more := true; more; {
		w := e.Worker()
		c.allow(c.server.config.IdleTimeout)
		if more = c.load(w); more {
			c.attempt(w)
		}
		e.Finish(w)
	}
}

// allow sets when waiting for the client ends, a little later than idle from now, so that the next waits need not move
// it: that costs a look at the timers, and there is a wait for every few megabytes.
func (c *conn) allow(idle time.Duration) {
	now := time.Now()
	if idle <= 0 || now.Sub(c.allowed) < idle/16 {
		return
	}
	c.allowed = now
	c.socket.SetWriteDeadline(now.Add(idle + idle/16))
}

// load makes sure that there is a piece to write. With nothing left it gives up writing, closes the connection if the
// session wants that, and reports false. A dead connection's pieces are let go here.
func (c *conn) load(w *run.Worker) bool {
	if c.next < len(c.pieces) && !c.over.Load() {
		return true
	}
	c.mu.Lock()
	for {
		if c.dead {
			c.discard(w)
		}
		if c.next < len(c.pieces) {
			panic("server: pieces left to write")
		}
		clear(c.pieces)
		c.pieces, c.next = c.pieces[:0], 0
		if len(c.queue) == 0 {
			break
		}
		c.pieces, c.queue = c.queue, c.pieces
		if !c.dead {
			c.mu.Unlock()
			return true
		}
	}
	if c.blocking && !c.dead {
		c.socket.SetWriteDeadline(time.Time{})
		c.allowed = time.Time{}
	}
	c.writing = false
	closing := c.closing && !c.dead
	c.mu.Unlock()
	if closing {
		c.fail(w, errKilled)
	}
	return false
}

// discard lets go of everything that will not leave any more. It needs the lock.
func (c *conn) discard(w *run.Worker) {
	for ; c.next < len(c.pieces); c.next++ {
		c.done(w, &c.pieces[c.next])
	}
	c.unsent = 0
}

// done ends a piece: its file may close, and after the last one of an answer the session learns of it.
func (c *conn) done(w *run.Worker, p *piece) {
	if p.file != nil {
		c.server.ranges.unmap(p)
		p.file.Release()
		p.file = nil
	}
	if p.last {
		w.Post(c.session, core.Input{Kind: core.InputAnswered, Token: p.token})
	}
	p.bytes = nil
}

func (c *conn) hasFiles() bool {
	for i := c.next; i < len(c.pieces); i++ {
		if c.pieces[i].file != nil {
			return true
		}
	}
	return false
}

// attempt writes until the pieces or the socket's room end. While blocking, it waits for the socket until it has made
// some progress.
func (c *conn) attempt(w *run.Worker) {
	c.worker, c.again, c.progress, c.writeErr = w, false, false, nil
	err := c.raw.Write(c.writeSome)
	c.worker = nil
	if err == nil {
		err = c.writeErr
	}
	if err != nil {
		c.fail(w, err)
	}
}

// tryWrite writes pieces to the socket. It returns false to wait for room.
func (c *conn) tryWrite(fd uintptr) bool {
	for c.next < len(c.pieces) {
		n, err := c.push(int(fd), &c.pieces[c.next])
		if n > 0 {
			c.progress = true
			c.advance(n)
		}
		switch err {
		case nil, unix.EINTR:
		case unix.EAGAIN:
			c.again = true
			if c.server.ranges.views.Load() > viewsMost {
				c.unmapAll()
			}
			return !c.blocking || c.progress
		default:
			c.writeErr = err
			return true
		}
	}
	c.again = false
	return true
}

// unmapAll ends the mappings of pieces that have not left.
func (c *conn) unmapAll() {
	for i := c.next; i < len(c.pieces); i++ {
		c.server.ranges.unmap(&c.pieces[i])
	}
}

// push hands the socket the piece and those behind it, as many as one call can send. It returns how many bytes went.
func (c *conn) push(fd int, p *piece) (int, error) {
	switch {
	case p.err != nil:
		return 0, p.err
	case p.file == nil && len(p.bytes) == 0:
		c.advance(0)
		return 0, nil
	case c.stream != nil && p.file == nil:
		return c.stream.WriteNow(p.bytes)
	}
	r := &c.server.ranges
	g := r.begin()
	defer r.end(g)
	if c.stream != nil {
		n, err := readRange(p, g.chunk[:min(p.left, gatherBytes)])
		if err != nil {
			return 0, err
		}
		return c.stream.WriteNow(g.chunk[:n])
	}
	if err := g.fill(c); err != nil {
		return 0, err
	}
	if g.count == 0 {
		return r.sendfile(fd, p)
	}
	return g.send(fd)
}

// advance takes n bytes that have left off the front of the pieces, and ends the pieces that are empty now.
func (c *conn) advance(n int) {
	c.mu.Lock()
	before := c.unsent
	c.unsent -= int64(n)
	if c.unsent == 0 || before > unsentAhead && c.unsent <= unsentAhead {
		c.wakeReader() // which waits for nothing in between
	}
	c.mu.Unlock()
	for c.next < len(c.pieces) {
		p := &c.pieces[c.next]
		if p.err != nil {
			return
		}
		if p.file != nil {
			took := min(int64(n), p.left)
			c.server.Sent[p.way].Add(took)
			p.pos, p.left, n = p.pos+took, p.left-took, n-int(took)
			if p.left > 0 {
				if p.view != nil && p.pos == p.viewEnd {
					c.server.ranges.unmap(p)
				}
				return
			}
		} else {
			took := min(n, len(p.bytes))
			c.server.Sent[byCopy].Add(int64(took))
			p.bytes, n = p.bytes[took:], n-took
			if len(p.bytes) > 0 {
				return
			}
		}
		if p.last {
			c.server.FramesOut.Add(1)
		}
		c.done(c.worker, p)
		c.next++
	}
}

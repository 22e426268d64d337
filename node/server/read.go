package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// gateBytes is the largest frame that is read without a share of the budget, so that the small requests on which
	// the progress of others depends (fetches of followers, heartbeats) never wait behind large ones.
	gateBytes = 64 << 10
	// frameGrace and frameRate bound the time that the rest of a frame may take: a client that announces a large frame
	// and sends it slowly would otherwise hold its share of the budget for as long as it likes.
	frameGrace = 30 * time.Second
	frameRate  = 64 << 10 // bytes a second
)

var (
	errEnd    = errors.New("the client has closed the connection")
	errKilled = errors.New("the broker has closed the connection")
	errIdle   = errors.New("no request for connections.max.idle.ms")
	errSlow   = errors.New("a request took too long to arrive")
)

// frameSizeError is a size that no request may have.
type frameSizeError int32

func (e frameSizeError) Error() string {
	return fmt.Sprintf("a request of %d bytes, which is not between 1 and socket.request.max.bytes", int32(e))
}

// readFrame waits for the next frame and lends it to the session.
func (c *conn) readFrame() ([]byte, error) {
	reserved := int64(0)
	for {
		size, known := c.frameSize()
		if known {
			if size <= 0 || size > c.server.config.MaxRequest {
				return nil, frameSizeError(size)
			}
			if c.to-c.from >= 4+int(size) {
				return c.lend(int(size), reserved), nil
			}
			if size > gateBytes && reserved == 0 {
				if !c.server.budget.acquire(int64(size), c.over.Load) {
					return nil, errKilled
				}
				reserved = int64(size)
			}
			c.makeRoom(4 + int(size))
		} else if c.to > c.from {
			c.makeRoom(4)
		}
		if err := c.fill(int(size)); err != nil {
			if reserved > 0 {
				c.server.budget.release(reserved)
			}
			return nil, err
		}
	}
}

// frameSize reads the length prefix, if it has arrived.
func (c *conn) frameSize() (int32, bool) {
	if c.to-c.from < 4 {
		return 0, false
	}
	return int32(binary.BigEndian.Uint32(c.buf.data[c.from:])), true
}

// lend hands out the frame at the front. It may share its buffer with frames behind it.
func (c *conn) lend(size int, reserved int64) []byte {
	total := 4 + size
	frame := c.buf.data[c.from+4 : c.from+total : c.from+total]
	c.from += total
	c.largest = max(c.largest, total)
	c.expect = total
	if total <= gateBytes/2 {
		c.expect = 2 * total // pipelined requests arrive together
	}
	if c.frameTimed {
		c.frameTimed = false
		c.timeOut(c.server.config.IdleTimeout)
	}
	if size > gateBytes && reserved == 0 {
		// The frame arrived whole with the one before it. It is in memory already; waiting would free nothing.
		reserved = int64(size)
		c.server.budget.force(reserved)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf.refs++
	c.lent = append(c.lent, lent{frame, c.buf, reserved})
	c.server.lent.Add(reserved)
	if c.from == c.to {
		c.unref(c.buf)
		c.buf, c.from, c.to = nil, 0, 0
	}
	return frame
}

// makeRoom moves the unread bytes to a larger buffer if this one cannot take the frame of total bytes. The new one is
// as large as the frame if this connection has sent such frames before, and otherwise at most twice what has arrived.
func (c *conn) makeRoom(total int) {
	arrived := c.to - c.from
	if c.from+total <= len(c.buf.data) {
		return
	}
	trusted := max(gateBytes, c.largest, 2*arrived)
	if c.to < len(c.buf.data) && c.from+min(total, trusted) <= len(c.buf.data) {
		return
	}
	bigger := c.server.buffers.get(min(total, trusted))
	copy(bigger.data, c.buf.data[c.from:c.to])
	c.mu.Lock()
	c.unref(c.buf)
	c.mu.Unlock()
	c.buf, c.from, c.to = bigger, 0, arrived
}

// fill waits for bytes and reads what has come. Size is that of the frame being read, 0 if it has not begun.
func (c *conn) fill(size int) error {
	start := time.Now()
	if c.to > c.from && !c.frameTimed {
		c.frameTimed = true
		c.timeOut(frameGrace + time.Duration(size/frameRate)*time.Second)
	}
	for {
		err := c.raw.Read(c.readSome)
		switch {
		case err == nil && c.readErr != nil:
			return c.readErr
		case err == nil && c.readCount == 0:
			return errEnd
		case err == nil:
			c.to += c.readCount
			c.server.BytesIn.Add(int64(c.readCount))
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case c.frameTimed:
			return errSlow
		}
		// The deadline was set for an earlier wait.
		left := c.server.config.IdleTimeout - time.Since(start)
		if left <= 0 {
			return errIdle
		}
		c.timeOut(left)
	}
}

// tryRead reads into a buffer that it borrows for the attempt: a connection that waits for a request holds none.
func (c *conn) tryRead(fd uintptr) bool {
	if c.buf == nil {
		c.buf = c.server.buffers.get(c.expect)
	}
	for {
		c.readCount, c.readErr = c.receive(int(fd), c.buf.data[c.to:])
		switch c.readErr {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			if c.to == c.from {
				c.dropBuffer()
			}
			return false
		}
		return true
	}
}

// dropBuffer gives the reading buffer back. Frames that were lent from it keep it alive.
func (c *conn) dropBuffer() {
	if c.buf == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unref(c.buf)
	c.buf, c.from, c.to = nil, 0, 0
}

// timeOut sets when reading gives up; a negative time is never.
func (c *conn) timeOut(after time.Duration) {
	if after < 0 {
		c.socket.SetReadDeadline(time.Time{})
		return
	}
	c.socket.SetReadDeadline(time.Now().Add(after))
}

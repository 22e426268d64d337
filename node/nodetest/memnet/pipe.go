package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// room is how many bytes may be on their way in one direction of a connection: what TCP's buffers hold.
const room = 256 << 10

// pipe is one direction of a connection. Its writer is at one host and its reader at another.
type pipe struct {
	network *Network
	way     way

	mu    sync.Mutex
	cond  sync.Cond
	held  bool          // nothing arrives
	delay time.Duration // of what is written from now on

	bytes    []byte // from next on those that nobody has read
	next     int
	parcels  []parcel  // what bytes consists of, in order
	arrival  time.Time // of the last parcel
	ended    bool      // the writer has closed, which arrives behind the last parcel
	deaf     bool      // the reader has closed
	broken   bool      // the connection was reset
	arriving *time.Timer

	reading, writing deadline
}

// parcel is so many bytes that arrive at one time.
type parcel struct {
	size int
	at   time.Time
}

// deadline is when waiting ends, never if zero.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// pipeLocked makes a pipe. It needs the network's lock.
func (n *Network) pipeLocked(w way) *pipe {
	p := &pipe{network: n, way: w, held: n.heldLocked(w), delay: n.delayLocked(w)}
	p.cond.L = &p.mu
	return p
}

func (p *pipe) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cond.Broadcast()
}

// update takes over what has changed between the hosts.
func (p *pipe) update(held bool, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held, p.delay = held, delay
	p.cond.Broadcast()
}

func (p *pipe) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = true
	p.bytes, p.next, p.parcels = nil, 0, nil
	p.cond.Broadcast()
}

// setDeadline sets one of the pipe's deadlines.
func (p *pipe) setDeadline(d *deadline, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d.at = at
	switch {
	case at.IsZero():
		if d.timer != nil {
			d.timer.Stop()
		}
	case d.timer == nil:
		d.timer = time.AfterFunc(time.Until(at), p.wake)
	default:
		d.timer.Reset(time.Until(at))
	}
	p.cond.Broadcast()
}

// readable returns how many parcels have arrived. It fails with EAGAIN if none has, and says in how much time one will:
// never, if zero.
func (p *pipe) readable() (parcels int, soon time.Duration, err error) {
	switch {
	case p.deaf:
		return 0, 0, net.ErrClosed
	case p.reading.passed():
		return 0, 0, os.ErrDeadlineExceeded
	case p.held:
		return 0, 0, syscall.EAGAIN
	case p.broken:
		return 0, 0, syscall.ECONNRESET
	case len(p.parcels) == 0 && !p.ended:
		return 0, 0, syscall.EAGAIN
	}
	now := time.Now()
	for parcels < len(p.parcels) && !p.parcels[parcels].at.After(now) {
		parcels++
	}
	if parcels > 0 {
		return parcels, 0, nil
	}
	due := p.arrival // of the end
	if len(p.parcels) > 0 {
		due = p.parcels[0].at
	}
	if wait := due.Sub(now); wait > 0 {
		return 0, wait, syscall.EAGAIN
	}
	return 0, 0, io.EOF
}

// read reads what has arrived.
func (p *pipe) read(b []byte) (n int, soon time.Duration, err error) {
	parcels, soon, err := p.readable()
	if err != nil {
		return 0, soon, err
	}
	return p.take(b, parcels), 0, nil
}

// take moves bytes of the first parcels.
func (p *pipe) take(b []byte, parcels int) int {
	n := 0
	for n < len(b) && parcels > 0 {
		first := &p.parcels[0]
		took := copy(b[n:], p.bytes[p.next:p.next+first.size])
		p.next, n = p.next+took, n+took
		if first.size -= took; first.size > 0 {
			break
		}
		p.parcels = p.parcels[1:]
		parcels--
	}
	if p.next == len(p.bytes) {
		p.bytes, p.next, p.parcels = p.bytes[:0], 0, nil
	}
	p.cond.Broadcast()
	return n
}

// writable returns how much room there is, or fails with EAGAIN.
func (p *pipe) writable() (int, error) {
	free := room - (len(p.bytes) - p.next)
	switch {
	case p.ended:
		return 0, net.ErrClosed
	case p.writing.passed():
		return 0, os.ErrDeadlineExceeded
	case (p.broken || p.deaf) && !p.held:
		return 0, syscall.EPIPE
	case free <= 0:
		return 0, syscall.EAGAIN
	}
	return free, nil
}

// write takes what there is room for, or fails with EAGAIN.
func (p *pipe) write(b []byte) (int, error) {
	free, err := p.writable()
	if err != nil || len(b) == 0 {
		return 0, err
	}
	b = b[:min(len(b), free)]
	if p.next > len(p.bytes)/2 && p.next > 0 {
		p.bytes = p.bytes[:copy(p.bytes, p.bytes[p.next:])]
		p.next = 0
	}
	p.bytes = append(p.bytes, b...)
	p.arrives(len(b))
	p.cond.Broadcast()
	return len(b), nil
}

// arrives notes when what was just written will be there: not before what was written earlier.
func (p *pipe) arrives(size int) {
	if at := time.Now().Add(p.delay); at.After(p.arrival) {
		p.arrival = at
	}
	if last := len(p.parcels) - 1; last >= 0 && p.parcels[last].at.Equal(p.arrival) {
		p.parcels[last].size += size
	} else if size > 0 {
		p.parcels = append(p.parcels, parcel{size, p.arrival})
	}
}

// await waits until try does not fail with EAGAIN. It needs the lock.
func (p *pipe) await(try func() (time.Duration, error)) error {
	for {
		soon, err := try()
		if err != syscall.EAGAIN {
			return err
		}
		p.wait(soon)
	}
}

// wait waits until something changes, or arrives soon.
func (p *pipe) wait(soon time.Duration) {
	if soon > 0 {
		if p.arriving == nil {
			p.arriving = time.AfterFunc(soon, p.wake)
		} else {
			p.arriving.Reset(soon)
		}
	}
	p.cond.Wait()
}

// closeWriter ends the pipe behind what was written.
func (p *pipe) closeWriter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.ended = true
		p.arrives(0)
	}
	p.finish()
}

// closeReader lets go of everything that is on its way.
func (p *pipe) closeReader() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = true
	p.bytes, p.next, p.parcels = nil, 0, nil
	p.finish()
}

// finish wakes those who wait, and ends the timers of a pipe that nobody uses any more.
func (p *pipe) finish() {
	p.cond.Broadcast()
	if !p.ended || !p.deaf {
		return
	}
	for _, t := range []*time.Timer{p.arriving, p.reading.timer, p.writing.timer} {
		if t != nil {
			t.Stop()
		}
	}
}

package proxy

import (
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"ottla.dev/netsim"
)

const (
	// readMax is the largest number of bytes that are read, and struck, at once.
	readMax = 32 << 10
	// readMin is that of very slow paths.
	readMin = 256
	// queueMax is how many bytes wait in a direction without a Queue of its own.
	queueMax = 256 << 10
)

// ending says how a direction goes on after bytes.
type ending uint8

const (
	goesOn   ending = iota
	inOrder         // the reader of the bytes sees their end
	asReset         // and the other side is reset
	inSilent        // nobody is told
)

// chunk is what was read at once.
type chunk struct {
	bytes []byte
	due   time.Time
	end   ending
}

// pump carries the bytes of one side to the other.
type pump struct {
	tunnel *tunnel
	dir    int
	kick   chan struct{} // for the writer: something has changed
	room   chan struct{} // for the reader

	mu    sync.Mutex
	queue []chunk
	bytes int
	last  time.Time // due of the last chunk
	stuck time.Time // since when the first bytes could have left; zero if they could leave
	over  bool      // nobody writes any more
}

func newPump(t *tunnel, dir int) *pump {
	return &pump{tunnel: t, dir: dir, kick: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// read reads until an end, which it puts into the queue.
func (p *pump) read() {
	buf := make([]byte, readMax)
	for p.waitRoom() {
		n, err := p.tunnel.conns[p.dir].Read(buf[:p.atOnce()])
		if n > 0 {
			if end := p.take(buf[:n]); end != goesOn {
				p.put(nil, end)
				return
			}
		}
		if err != nil {
			p.put(nil, p.endingOf(err))
			return
		}
	}
	p.put(nil, inSilent)
}

func (p *pump) endingOf(err error) ending {
	switch {
	case p.tunnel.dark.Load() || p.tunnel.ended[p.dir].Load():
		return inSilent
	case errors.Is(err, io.EOF):
		return inOrder
	}
	return asReset
}

// atOnce is how much is read at once: a twentieth of a second's worth of a slow path.
func (p *pump) atOnce() int {
	link := p.tunnel.path.now[p.dir].Load().On(p.tunnel.path.links[p.dir])
	if link.Bandwidth == 0 {
		return readMax
	}
	return int(min(max(link.Bandwidth/20, readMin), readMax))
}

// waitRoom waits until the queue has room, and is false if it is no use any more.
func (p *pump) waitRoom() bool {
	limit := int(min(p.tunnel.path.links[p.dir].Queue, queueMax))
	if limit == 0 {
		limit = queueMax
	}
	for {
		p.mu.Lock()
		free, over := p.bytes < limit || p.tunnel.dark.Load(), p.over
		p.mu.Unlock()
		if free || over {
			return !over
		}
		select {
		case <-p.room:
		case <-p.tunnel.path.fabric.done.Done():
			return false
		}
	}
}

// take puts bytes into the queue, or what a fault leaves of them.
func (p *pump) take(b []byte) ending {
	t := p.tunnel
	fabric := t.path.fabric
	k := netsim.Kind(t.doom[p.dir].Swap(0))
	if k == 0 && !t.dark.Load() {
		k = t.path.drawStrike(p.dir)
	}
	if k == netsim.LoseAnswer && p.dir == 0 || k == netsim.Fragment && len(b) < 2 {
		k = 0
	}
	if k != 0 {
		fabric.fired[k].Add(1)
	}
	keep, side := 0, 0
	if k == netsim.Fragment || k == netsim.ResetOne {
		fabric.draw(func(r *rand.Rand) { keep, side = 1+r.IntN(max(len(b)-1, 1)), r.IntN(2) })
	}
	t.strike(k, side)
	switch {
	case t.dark.Load():
		p.swallow()
		return goesOn
	case k == netsim.Reset:
		return inSilent
	case k == netsim.LoseAnswer:
		t.reset(p.dir)
		return asReset
	case k == netsim.Fragment:
		p.put(b[:keep], goesOn)
		t.reset(p.dir)
		return asReset
	}
	p.put(b, goesOn)
	return goesOn
}

// swallow notes that bytes were lost for which no acknowledgement will come.
func (p *pump) swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stuck.IsZero() {
		p.stuck = time.Now()
	}
	nudge(p.kick)
}

func (p *pump) put(b []byte, end ending) {
	c := chunk{end: end}
	if end == goesOn {
		c.bytes = append(make([]byte, 0, len(b)), b...)
		c.due = p.tunnel.path.due(p.dir, len(b))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.due.Before(p.last) {
		c.due = p.last
	}
	p.last = c.due
	p.queue = append(p.queue, c)
	p.bytes += len(b)
	nudge(p.kick)
}

// write writes what is due to the other side, until an end.
func (p *pump) write() {
	t := p.tunnel
	for {
		c, ok := p.next()
		if !ok {
			break
		}
		var err error
		switch to := t.conns[1-p.dir]; c.end {
		case goesOn:
			_, err = to.Write(c.bytes)
		case inOrder:
			err = to.CloseWrite()
		case asReset:
			t.reset(1 - p.dir)
		}
		if err != nil {
			t.reset(p.dir) // as a system answers bytes for a connection that is gone
		}
		if err != nil || c.end != goesOn {
			break
		}
	}
	p.mu.Lock()
	p.over, p.queue, p.bytes = true, nil, 0
	p.mu.Unlock()
	nudge(p.room)
}

// next waits for the next chunk that may leave.
func (p *pump) next() (c chunk, ok bool) {
	for {
		wait, ready, over := p.look()
		if over {
			return c, false
		}
		if ready {
			return p.pop(), true
		}
		var timer *time.Timer
		var due <-chan time.Time
		if wait > 0 {
			timer = time.NewTimer(wait)
			due = timer.C
		}
		select {
		case <-p.kick:
		case <-due:
		case <-p.tunnel.path.fabric.done.Done():
			return c, false
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// look says whether the first chunk may leave, else how long to wait for it, 0 being until something changes. It is
// over if nothing will leave any more.
func (p *pump) look() (wait time.Duration, ready, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	path, dark := p.tunnel.path, p.tunnel.dark.Load()
	now := time.Now()
	blocked := path.now[p.dir].Load().Blocked
	switch {
	case dark && len(p.queue) > 0 && p.queue[len(p.queue)-1].end != goesOn:
		return 0, false, true
	case dark && p.stuck.IsZero() && len(p.queue) == 0, !dark && len(p.queue) == 0:
		return 0, false, false
	case !dark && p.queue[0].end == inSilent:
		return 0, true, false
	case !dark && now.Before(p.queue[0].due):
		return p.queue[0].due.Sub(now), false, false
	case !dark && blocked == 0:
		p.stuck = time.Time{}
		return 0, true, false
	}
	if p.stuck.IsZero() {
		p.stuck = now
		if !dark {
			path.fabric.fired[blocked].Add(1)
		}
	}
	timeout := path.fabric.schedule.Settings.WriteTimeout
	if timeout == 0 {
		return 0, false, false
	}
	if left := p.stuck.Add(timeout).Sub(now); left > 0 {
		return left, false, false
	}
	p.tunnel.reset(p.dir)
	return 0, false, true
}

func (p *pump) pop() chunk {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.queue[0]
	p.queue[0] = chunk{}
	p.queue = p.queue[1:]
	p.bytes -= len(c.bytes)
	nudge(p.room)
	return c
}

package proxy

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"ottla.dev/netsim"
)

// mode is what a path does with dials.
type mode uint8

const (
	modeServe mode = iota
	modeHang
	modeRefuse
)

// path is the way of the connections that one host dials to another. Direction 0 is that of the dialer's bytes.
type path struct {
	fabric   *Fabric
	from, to netsim.Host
	target   string
	port     *port // of the goroutine that serves
	links    [2]netsim.Link
	now      [2]atomic.Pointer[netsim.Condition]
	poke     chan struct{} // the mode has changed

	mu      sync.Mutex
	mode    mode
	l       *net.TCPListener // whose Accept a change of mode must end
	free    [2]time.Time     // when the bytes under way have left
	tunnels map[*tunnel]struct{}
}

func newPath(f *Fabric, from, to netsim.Host, listen, target string) (*path, error) {
	port, err := newPort(listen)
	if err != nil {
		return nil, err
	}
	p := &path{fabric: f, from: from, to: to, target: target, port: port, poke: make(chan struct{}, 1),
		links: [2]netsim.Link{f.schedule.LinkOf(from, to), f.schedule.LinkOf(to, from)}, tunnels: map[*tunnel]struct{}{}}
	// The port answers from the moment its address is known.
	if err := port.listen(); err != nil {
		port.release()
		return nil, err
	}
	p.l = port.l
	return p, nil
}

// refresh finds the path's condition and lets everybody who waits for a change look again.
func (p *path) refresh(windows []netsim.Window, at time.Duration) {
	forward := netsim.ConditionAt(windows, at, p.from, p.to)
	back := netsim.ConditionAt(windows, at, p.to, p.from)
	p.now[0].Store(p.withKinds(forward, windows))
	p.now[1].Store(p.withKinds(back, windows))
	next := modeServe
	switch {
	case forward.Blocked != 0 || back.Blocked != 0 || forward.Connect == netsim.Hang:
		next = modeHang
	case forward.Connect == netsim.Refuse:
		next = modeRefuse
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if next != p.mode {
		p.mode = next
		if forward.Connect != 0 {
			p.fabric.fired[forward.Connect].Add(1)
		}
		if p.l != nil {
			p.l.SetDeadline(time.Unix(1, 0))
		}
		nudge(p.poke)
	}
	for t := range p.tunnels {
		nudge(t.pumps[0].kick)
		nudge(t.pumps[1].kick)
	}
}

// withKinds replaces the indexes of windows, which do not outlive the lock, by what is drawn from them later.
func (p *path) withKinds(c netsim.Condition, windows []netsim.Window) *netsim.Condition {
	packed := make([]int, 0, 2*len(c.Strikes))
	for _, i := range c.Strikes {
		packed = append(packed, int(windows[i].Kind), int(min(windows[i].OneIn, 1<<62)))
	}
	c.Strikes = packed
	return &c
}

// drawStrike decides whether bytes of a direction are struck.
func (p *path) drawStrike(dir int) (k netsim.Kind) {
	c := p.now[dir].Load()
	if len(c.Strikes) == 0 || c.Blocked != 0 {
		return 0
	}
	p.fabric.draw(func(r *rand.Rand) {
		for i := 0; i < len(c.Strikes) && k == 0; i += 2 {
			if r.IntN(c.Strikes[i+1]) == 0 {
				k = netsim.Kind(c.Strikes[i])
			}
		}
	})
	return k
}

// due draws when bytes that were just read arrive.
func (p *path) due(dir, size int) time.Time {
	c := p.now[dir].Load()
	link := c.On(p.links[dir])
	if c.Delay > 0 || c.Bandwidth > 0 {
		p.fabric.fired[netsim.Slow].Add(1)
	}
	at := time.Now()
	if link.Bandwidth > 0 {
		p.mu.Lock()
		if p.free[dir].After(at) {
			at = p.free[dir]
		}
		at = at.Add(time.Duration(int64(size) * int64(time.Second) / link.Bandwidth))
		p.free[dir] = at
		p.mu.Unlock()
	}
	at = at.Add(link.DelayMin)
	if extra := link.DelayMean - link.DelayMin; extra > 0 {
		p.fabric.draw(func(r *rand.Rand) { at = at.Add(time.Duration(r.ExpFloat64() * float64(extra))) })
	}
	return at
}

// open are the connections of the path.
func (p *path) open() (all []*tunnel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for t := range p.tunnels {
		all = append(all, t)
	}
	return all
}

// serve takes dials, or not, as the mode says, until the fabric is closed.
func (p *path) serve() {
	defer p.fabric.running.Done()
	defer p.port.release()
	stop := make(chan struct{})
	defer close(stop)
	p.fabric.running.Add(1)
	go func() { // ends the Accept under way
		defer p.fabric.running.Done()
		select {
		case <-p.fabric.done.Done():
		case <-stop:
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.l != nil {
			p.l.SetDeadline(time.Unix(1, 0))
		}
	}()
	for was := modeServe; p.fabric.done.Err() == nil; {
		now := p.wanted()
		was = p.change(was, now)
		switch {
		case p.wanted() != now:
		case was != modeServe:
			p.wait(was != now)
		default:
			if c, err := p.port.l.AcceptTCP(); err == nil && !p.port.filler(c) {
				p.carry(c)
			} else if err == nil {
				c.Close()
			}
		}
	}
}

func (p *path) wanted() mode {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode
}

// change brings the port from one mode into another, and returns the one that it is in.
func (p *path) change(was, now mode) mode {
	if now == modeRefuse {
		p.setListener(nil)
		p.port.refuse()
		return now
	}
	if p.port.listen() != nil {
		return modeRefuse // somebody else has the address
	}
	switch {
	case now == modeHang && was != modeHang:
		p.port.hang()
	case now == modeServe && was == modeHang:
		p.port.unhang()
	}
	p.setListener(p.port.l)
	return now
}

// setListener makes l the one whose Accept a later change of mode ends.
func (p *path) setListener(l *net.TCPListener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.l = l
	if l != nil {
		l.SetDeadline(time.Time{})
		if p.fabric.done.Err() != nil {
			l.SetDeadline(time.Unix(1, 0))
		}
	}
}

// listenAgain is how long a path waits that could not listen.
const listenAgain = 50 * time.Millisecond

// wait waits for another mode, or a little if the last one could not be had.
func (p *path) wait(failed bool) {
	var again <-chan time.Time
	if failed {
		again = time.After(listenAgain)
	}
	select {
	case <-p.poke:
	case <-again:
	case <-p.fabric.done.Done():
	}
}

package netsim

import (
	"errors"
	"time"
)

// MaxPayload is the largest size of a payload in bytes.
const MaxPayload = 1 << 30

var (
	// ErrFull says that too many bytes are under way; a Writable event follows.
	ErrFull = errors.New("netsim: too many bytes under way")
	// ErrGone says that the end is over, was closed, or is not connected yet.
	ErrGone = errors.New("netsim: no such end")
)

// Net is a network of hosts. It has one owner, who calls it with times that never go back.
type Net[P any] struct {
	hosts     int
	settings  Settings
	rng       stream
	now       time.Duration
	timers    timers[P]
	links     []link[P]
	down      []bool
	listeners map[Address]bool
	conns     map[uint64]*conn[P]
	lastConn  uint64
	windows   []Window
	strikes   []stream // one a window
	healed    int      // windows before the first
	edge      timer[P]
	counts    Counts
}

// Counts say what has happened.
type Counts struct {
	Dials, Connected  uint64
	Delivered, Bytes  uint64 // payloads
	Dropped           uint64 // packets that were under way and never arrive
	Resets, TimedOuts uint64 // ends that were told so
	// Fired is how often a fault kept, slowed, refused or struck something.
	Fired [Kinds]uint64
}

// New returns a network with so many hosts, numbered from 0, under a schedule. It draws from streams of the seed. The
// schedule must pass Schedule.Check, or New panics.
func New[P any](hosts int, seed uint64, s *Schedule) *Net[P] {
	if err := s.Check(hosts); err != nil {
		panic(err.Error())
	}
	n := &Net[P]{hosts: hosts, settings: s.Settings.withDefaults(), rng: stream{seed}.fork(0),
		links: make([]link[P], hosts*hosts), down: make([]bool, hosts),
		listeners: map[Address]bool{}, conns: map[uint64]*conn[P]{}}
	n.edge.kind = timerEdge
	for i := range n.links {
		n.links[i].base = n.settings.Link
		if i/hosts == i%hosts {
			n.links[i].base = Link{Queue: n.settings.Link.Queue}
		}
	}
	for _, p := range s.Paths {
		n.link(p.From, p.To).base = p.Link
	}
	for _, w := range s.Windows {
		n.add(w)
	}
	n.refresh(0)
	return n
}

func (n *Net[P]) advance(now time.Duration) {
	if now < n.now {
		panic("netsim: time goes back")
	}
	n.now = now
}

// Counts returns what has happened so far.
func (n *Net[P]) Counts() Counts { return n.counts }

// Conns is how many connections are known to at least one side, or have packets under way.
func (n *Net[P]) Conns() int { return len(n.conns) }

// Next is when something happens next. Call Step then.
func (n *Net[P]) Next() (at time.Duration, ok bool) {
	t := n.timers.first()
	if t == nil {
		return 0, false
	}
	return t.at, true
}

// Step returns the next event until now, if there is one.
func (n *Net[P]) Step(now time.Duration) (e Event[P], ok bool) {
	n.advance(now)
	for {
		t := n.timers.first()
		if t == nil || t.at > now {
			return e, false
		}
		if n.fire(t, &e) {
			return e, true
		}
	}
}

// Deliver appends all events until now to dst. An event for an end that its owner closes while it goes through them
// is to be left out; with Step that cannot happen.
func (n *Net[P]) Deliver(now time.Duration, dst []Event[P]) []Event[P] {
	for {
		e, ok := n.Step(now)
		if !ok {
			return dst
		}
		dst = append(dst, e)
	}
}

// Listen makes a host accept what is dialed to an address. It panics if it does already.
func (n *Net[P]) Listen(a Address) {
	if n.listeners[a] || n.down[a.Host] {
		panic("netsim: a second listener, or one without power")
	}
	n.listeners[a] = true
}

// Unlisten ends it. Connections stay.
func (n *Net[P]) Unlisten(a Address) { delete(n.listeners, a) }

// Dial begins a connection. Connected, Refused or TimedOut follows.
func (n *Net[P]) Dial(now time.Duration, from Host, to Address) End {
	n.advance(now)
	if n.down[from] {
		panic("netsim: a host without power dials")
	}
	n.counts.Dials++
	c := n.newConn(from, to)
	n.timers.arm(&c.dial, now+c.dirs[0].delay())
	n.timers.arm(&c.giveUp, now+n.settings.ConnectTimeout)
	return makeEnd(c.id, 0)
}

// Send sends a payload, which belongs to the network until it is delivered. Its size counts for bandwidth and queues.
// Errors are ErrFull and ErrGone. That there is none does not mean that anything arrives.
func (n *Net[P]) Send(now time.Duration, from End, payload P, size int) error {
	n.advance(now)
	if size <= 0 || size > MaxPayload {
		panic("netsim: a payload of no size")
	}
	c, side := n.conns[from.Conn()], from.side()
	if c == nil || c.ends[side].state != open {
		return ErrGone
	}
	d := &c.dirs[side]
	switch {
	case d.cut:
		n.counts.Dropped++
		return nil
	case d.bytes > 0 && d.bytes+int64(size) > d.link.now.queue():
		d.full = true
		return ErrFull
	}
	condition := &d.link.condition
	if condition.Delay > 0 || condition.Bandwidth > 0 {
		n.counts.Fired[Slow]++
	}
	d.bytes += int64(size)
	n.push(c, side, packetData, size, now).payload = payload
	if d.doom != 0 {
		n.strike(c, side, d.doom, now)
	}
	if len(condition.Strikes) > 0 && condition.Blocked == 0 {
		n.drawStrikes(c, side, now)
	}
	return nil
}

// Queued is how many bytes an end has sent that are not acknowledged.
func (n *Net[P]) Queued(e End) int64 {
	if c := n.conns[e.Conn()]; c != nil {
		return c.dirs[e.side()].bytes
	}
	return 0
}

// Open is true while the end may send.
func (n *Net[P]) Open(e End) bool {
	c := n.conns[e.Conn()]
	return c != nil && c.ends[e.side()].state == open
}

// Close ends an end in order: what it sent still goes out, then its peer is told. Nothing comes for it any more; what
// arrives is answered with a reset. Closing an end that is over does nothing.
func (n *Net[P]) Close(now time.Duration, e End) {
	n.advance(now)
	c, side := n.conns[e.Conn()], e.side()
	switch {
	case c == nil || c.ends[side].state > open:
	case c.ends[side].state == opening:
		n.forget(c)
	default:
		c.ends[side].state = closed
		n.push(c, side, packetClose, 0, now)
		if arrive := &c.dirs[1-side].arrive; arrive.place == halted && !c.dark {
			n.timers.arm(arrive, now)
		}
	}
}

// Abort ends an end with a reset. What is under way may arrive before the reset or be overtaken by it.
func (n *Net[P]) Abort(now time.Duration, e End) {
	n.advance(now)
	c, side := n.conns[e.Conn()], e.side()
	if c == nil || c.ends[side].state == gone {
		return
	}
	if side == 0 && c.stage != dialDone {
		n.forget(c)
		return
	}
	n.leave(c, side, now)
	d := &c.dirs[side]
	blocked := d.link.condition.Blocked
	switch {
	case c.ends[1-side].state == gone || c.dark:
	case blocked != 0 && !blocked.keeps(): // the reset is lost, and not sent again
	case blocked != 0 || d.rng.chance(1, 2):
		n.push(c, side, packetReset, 0, now)
	default:
		n.notify(c, 1-side, now+d.delay(), true)
	}
}

// Pause makes an end stop reading: what its peer sends waits, and its peer is told ErrFull some time.
func (n *Net[P]) Pause(e End) {
	if c := n.conns[e.Conn()]; c != nil && c.ends[e.side()].state <= open {
		c.ends[e.side()].paused = true
	}
}

// Resume ends a Pause.
func (n *Net[P]) Resume(now time.Duration, e End) {
	n.advance(now)
	c := n.conns[e.Conn()]
	if c == nil || !c.ends[e.side()].paused {
		return
	}
	c.ends[e.side()].paused = false
	if arrive := &c.dirs[1-e.side()].arrive; arrive.place == halted && !c.dark {
		n.timers.arm(arrive, now)
	}
}

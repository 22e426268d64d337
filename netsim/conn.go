package netsim

import "time"

// endState is what an end of a connection may do.
type endState uint8

const (
	opening endState = iota // the handshake is under way
	open
	closed // by its owner; what it sent still goes out
	gone   // knows of the connection no more and answers what arrives with a reset
)

// dialStage is how far a handshake is.
type dialStage uint8

const (
	dialAsks dialStage = iota
	dialAnswered
	dialDone
)

// end is one side of a connection.
type end[P any] struct {
	host     Host
	state    endState
	paused   bool     // does not read
	routed   bool     // the notice comes over the network and may be lost
	elicited bool     // the peer answers whatever it gets with a reset
	notice   timer[P] // of a reset
}

// direction is the way of the bytes of one side.
type direction[P any] struct {
	link  *link[P]
	rng   stream
	queue queue[P]
	// Invariant: unacked <= bytes.
	bytes   int64         // sent and not acknowledged
	unacked int64         // of these, arrived
	last    time.Duration // when the newest packet arrives
	full    bool          // the sender was told to wait
	cut     bool          // takes bytes that go nowhere, until the reset is noticed
	doom    Kind          // strikes the next send

	arrive, ack, expire timer[P]
}

// conn is a connection. Side 0 dialed, side 1 accepts.
type conn[P any] struct {
	id      uint64
	address Address
	stage   dialStage
	refused bool
	dark    bool // swallows everything
	ends    [2]end[P]
	dirs    [2]direction[P] // by sending side

	dial, giveUp timer[P]
}

func (n *Net[P]) newConn(from Host, to Address) *conn[P] {
	n.lastConn++
	c := &conn[P]{id: n.lastConn, address: to}
	forward, back := n.link(from, to.Host), n.link(to.Host, from)
	rng := n.rng.fork(uint64(from), uint64(to.Host), forward.dials)
	forward.dials++
	c.ends[0].host, c.ends[1].host = from, to.Host
	c.dirs[0].link, c.dirs[1].link = forward, back
	for side := range c.dirs {
		d := &c.dirs[side]
		d.rng = rng.fork(uint64(side))
		own := func(t *timer[P], kind timerKind) { t.kind, t.side, t.conn = kind, uint8(side), c }
		own(&d.arrive, timerArrive)
		own(&d.ack, timerAck)
		own(&d.expire, timerExpire)
		own(&c.ends[side].notice, timerNotice)
	}
	c.dial.kind, c.dial.conn = timerDial, c
	c.giveUp.kind, c.giveUp.conn = timerGiveUp, c
	n.conns[c.id] = c
	return c
}

// delay draws how long a packet of a direction is under way.
func (d *direction[P]) delay() time.Duration {
	l := &d.link.now
	return l.DelayMin + d.rng.exponential(l.DelayMean-l.DelayMin)
}

// push sends a packet at a time.
func (n *Net[P]) push(c *conn[P], side uint8, kind packetKind, size int, at time.Duration) *packet[P] {
	d := &c.dirs[side]
	departs := at
	if took := d.link.now.transmission(size); took > 0 {
		departs = max(at, d.link.free)
		d.link.free = departs + took
		departs = d.link.free
	}
	d.last = max(d.last, departs+d.delay())
	p := d.queue.push()
	p.kind, p.size, p.bytes, p.departs, p.arrives = kind, size, size, departs, d.last
	if d.queue.n == 1 {
		n.timers.arm(&d.arrive, p.arrives)
	}
	return p
}

// leave makes an end go: what it has under way in the network goes on, what would have to be sent again does not.
func (n *Net[P]) leave(c *conn[P], side uint8, at time.Duration) {
	e, d := &c.ends[side], &c.dirs[side]
	e.state, e.paused = gone, false
	n.timers.disarm(&e.notice, idle)
	n.timers.disarm(&d.expire, idle)
	n.timers.disarm(&d.ack, idle)
	blocked := d.link.condition.Blocked
	nothing := c.dark || blocked != 0 && !blocked.keeps()
	for d.queue.n > 0 && (nothing || d.queue.at(d.queue.n-1).departs > at) {
		n.counts.Dropped++
		d.queue.drop()
	}
	if d.queue.n == 0 {
		n.timers.disarm(&d.arrive, idle)
	}
	if arrive := &c.dirs[1-side].arrive; arrive.place == halted && !c.dark {
		n.timers.arm(arrive, at) // nobody waits for its reader any more
	}
	n.settle(c)
}

// settle forgets a connection that nobody knows of.
func (n *Net[P]) settle(c *conn[P]) {
	over := c.ends[0].state == gone && c.ends[1].state == gone
	if over && c.dirs[0].queue.n == 0 && c.dirs[1].queue.n == 0 {
		n.forget(c)
	}
}

func (n *Net[P]) forget(c *conn[P]) {
	for side := range c.dirs {
		d := &c.dirs[side]
		n.timers.disarm(&d.arrive, idle)
		n.timers.disarm(&d.ack, idle)
		n.timers.disarm(&d.expire, idle)
		n.timers.disarm(&c.ends[side].notice, idle)
		c.ends[side].state = gone
	}
	n.timers.disarm(&c.dial, idle)
	n.timers.disarm(&c.giveUp, idle)
	delete(n.conns, c.id)
}

// notify lets an end learn of a reset at a time, unless it will learn it sooner.
func (n *Net[P]) notify(c *conn[P], side uint8, at time.Duration, routed bool) {
	e := &c.ends[side]
	if e.state == gone || e.notice.place > 0 && e.notice.at <= at {
		return
	}
	e.routed = routed
	n.timers.arm(&e.notice, at)
}

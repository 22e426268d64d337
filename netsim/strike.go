package netsim

import "time"

// drawStrikes lets the windows that cover a send strike it.
func (n *Net[P]) drawStrikes(c *conn[P], side uint8, at time.Duration) {
	d := &c.dirs[side]
	for _, i := range d.link.condition.Strikes {
		if !d.cut && !c.dark && n.strikes[i].chance(1, n.windows[i].OneIn) {
			n.strike(c, side, n.windows[i].Kind, at)
		}
	}
}

// Strike lets a fault that strikes hit the connection of an end: LoseAnswer and Fragment with the next send of this
// end, the others at once, ResetOne so that this end learns it.
func (n *Net[P]) Strike(now time.Duration, k Kind, e End) {
	n.advance(now)
	if !k.Strikes() {
		panic("netsim: " + k.String() + " does not strike")
	}
	c, side := n.conns[e.Conn()], e.side()
	switch {
	case c == nil || c.ends[side].state != open:
	case k == LoseAnswer || k == Fragment:
		c.dirs[side].doom = k
	case k == ResetOne:
		n.fired(k)
		n.notify(c, side, now, false)
	default:
		n.strike(c, side, k, now)
	}
}

// strike hits a connection whose last sent packet, if the kind needs one, came from a side.
func (n *Net[P]) strike(c *conn[P], side uint8, k Kind, at time.Duration) {
	d, back := &c.dirs[side], &c.dirs[1-side]
	d.doom = 0
	switch k {
	case Reset:
		n.notify(c, side, at+back.delay(), false)
		n.notify(c, 1-side, at+d.delay(), false)
	case ResetOne:
		if d.rng.chance(1, 2) {
			n.notify(c, side, at+back.delay(), false)
		} else {
			n.notify(c, 1-side, at+d.delay(), false)
		}
	case HalfOpen:
		c.dark = true
	case LoseAnswer:
		if side == 0 {
			return
		}
		n.loseLast(d)
		// Both ends first get everything that was sent to them before.
		n.notify(c, side, max(at+back.delay(), back.last+1), false)
		n.notify(c, 1-side, max(at+d.delay(), d.last+1), false)
	case Fragment:
		p := d.queue.at(d.queue.n - 1)
		if p.size < 2 {
			return
		}
		p.bytes = 1 + int(d.rng.below(uint64(p.size-1)))
		d.cut = true
		n.notify(c, side, max(at+back.delay(), p.arrives), false)
	default:
		panic("netsim: " + k.String() + " does not strike")
	}
	n.fired(k)
}

// loseLast takes back the packet that was just sent, and all that follow.
func (n *Net[P]) loseLast(d *direction[P]) {
	d.bytes -= int64(d.queue.at(d.queue.n - 1).size)
	d.queue.drop()
	d.cut = true
	d.last = 0
	n.counts.Dropped++
	if d.queue.n == 0 {
		n.timers.disarm(&d.arrive, idle)
		return
	}
	d.last = d.queue.at(d.queue.n - 1).arrives
}

package netsim

import "time"

// fire lets a timer that came due happen, and reports whether there is an event for somebody.
func (n *Net[P]) fire(t *timer[P], e *Event[P]) bool {
	switch t.kind {
	case timerArrive:
		return n.arrive(t, e)
	case timerAck:
		return n.acknowledged(t, e)
	case timerExpire:
		return n.expire(t, e)
	case timerNotice:
		return n.noticed(t, e)
	case timerDial:
		return n.dialed(t, e)
	case timerGiveUp:
		n.timers.disarm(t, idle)
		n.counts.TimedOuts++
		n.tell(e, TimedOut, t)
		n.forget(t.conn)
		return true
	case timerEdge:
		n.refresh(t.at)
		return false
	}
	panic("netsim: a timer of no kind")
}

// tell fills in an event for the end at a timer's side.
func (n *Net[P]) tell(e *Event[P], kind EventKind, t *timer[P]) {
	c := t.conn
	n.tellSide(e, kind, c, t.side, t.at)
}

func (n *Net[P]) tellSide(e *Event[P], kind EventKind, c *conn[P], side uint8, at time.Duration) {
	e.Kind, e.At, e.End = kind, at, makeEnd(c.id, side)
	e.Host, e.Peer, e.Port = c.ends[side].host, c.ends[1-side].host, c.address.Port
}

// dialed goes on with a handshake: the question arrives, then its answer.
func (n *Net[P]) dialed(t *timer[P], e *Event[P]) bool {
	c, at := t.conn, t.at
	way := &c.dirs[c.stage]
	condition := &way.link.condition
	if why := condition.Blocked; why != 0 || c.stage == dialAsks && condition.Connect == Hang {
		if why == 0 {
			why = Hang
		}
		n.fired(why)
		t.side = uint8(c.stage) // whose delay is drawn when it is released
		n.park(way.link, t)
		return false
	}
	if c.stage == dialAsks {
		c.refused = !n.listeners[c.address]
		if condition.Connect == Refuse {
			n.fired(Refuse)
			c.refused = true
		}
		c.stage = dialAnswered
		n.timers.arm(t, at+c.dirs[1].delay())
		return false
	}
	n.timers.disarm(t, idle)
	n.timers.disarm(&c.giveUp, idle)
	if c.refused {
		n.tellSide(e, Refused, c, 0, at)
		n.forget(c)
		return true
	}
	c.stage = dialDone
	c.ends[0].state = open
	n.counts.Connected++
	n.push(c, 0, packetAccept, 0, at)
	n.tellSide(e, Connected, c, 0, at)
	return true
}

// arrive lets the head of a queue arrive, if the way is free and somebody reads.
func (n *Net[P]) arrive(t *timer[P], e *Event[P]) bool {
	c, at := t.conn, t.at
	d := &c.dirs[t.side]
	to := &c.ends[1-t.side]
	switch {
	case c.dark:
		n.swallow(t)
		return false
	case d.link.condition.Blocked != 0:
		n.stall(t)
		return false
	case to.paused && to.state == open:
		n.timers.disarm(t, halted)
		return false
	}
	p := *d.queue.head()
	d.queue.pop()
	if d.queue.n > 0 {
		n.timers.arm(t, max(at, d.queue.head().arrives))
	} else {
		n.timers.disarm(t, idle)
	}
	n.acknowledge(c, t.side, p.size, at)
	return n.receive(c, t.side, &p, at, e)
}

// swallow ends the way of a packet on a connection that swallows everything.
func (n *Net[P]) swallow(t *timer[P]) {
	n.fired(HalfOpen)
	if t.conn.ends[t.side].state == gone {
		n.leave(t.conn, t.side, t.at)
		return
	}
	n.timers.disarm(t, halted)
	n.await(t.conn, t.side, t.at)
}

// stall holds a direction whose link is blocked. Nobody sends again what an end sent that is gone.
func (n *Net[P]) stall(t *timer[P]) {
	c, why := t.conn, t.conn.dirs[t.side].link.condition.Blocked
	n.fired(why)
	if c.ends[t.side].state == gone && !why.keeps() {
		n.leave(c, t.side, t.at)
		return
	}
	n.park(c.dirs[t.side].link, t)
	n.await(c, t.side, t.at)
}

// receive gives a packet to the end that it was sent to by the other side.
func (n *Net[P]) receive(c *conn[P], side uint8, p *packet[P], at time.Duration, e *Event[P]) bool {
	to := &c.ends[1-side]
	switch p.kind {
	case packetAccept:
		if to.state == opening && n.listeners[c.address] {
			to.state = open
			n.tellSide(e, Accepted, c, 1, at)
			return true
		}
		to.state = gone
	case packetClose:
		told := to.state == open
		if told {
			n.tellSide(e, ClosedByPeer, c, 1-side, at)
		}
		n.leave(c, side, at)
		return told
	case packetReset:
		return n.reset(c, 1-side, at, e)
	case packetData:
		if to.state == open {
			n.tellSide(e, Arrived, c, 1-side, at)
			e.Payload, e.Size, e.Bytes = p.payload, p.size, p.bytes
			n.counts.Delivered++
			n.counts.Bytes += uint64(p.bytes)
			if p.bytes < p.size {
				e.Kind = Fragmented
				n.notify(c, 1-side, at, false)
			}
			return true
		}
	}
	n.counts.Dropped++
	if c.ends[side].state != gone {
		// The sender goes on sending what is not acknowledged until it gets a reset.
		c.ends[side].elicited = true
		n.notify(c, side, at+c.dirs[1-side].delay(), true)
	}
	n.settle(c)
	return false
}

// reset makes an end learn that its connection is over.
func (n *Net[P]) reset(c *conn[P], side uint8, at time.Duration, e *Event[P]) bool {
	told := c.ends[side].state == open
	if told {
		n.counts.Resets++
		n.tellSide(e, ResetByPeer, c, side, at)
	}
	n.leave(c, side, at)
	return told
}

func (n *Net[P]) noticed(t *timer[P], e *Event[P]) bool {
	c := t.conn
	n.timers.disarm(t, idle)
	blocked := c.dirs[1-t.side].link.condition.Blocked
	if c.ends[t.side].routed && (blocked != 0 || c.dark) {
		if blocked != 0 {
			n.fired(blocked)
		}
		if c.ends[t.side].elicited && !c.dark {
			n.park(c.dirs[1-t.side].link, t)
			n.await(c, t.side, t.at)
		}
		return false // a reset by itself is not sent again
	}
	return n.reset(c, t.side, t.at, e)
}

// acknowledge lets the sender know that bytes arrived: at once, if nobody can tell, or when the acknowledgement is
// back.
func (n *Net[P]) acknowledge(c *conn[P], side uint8, size int, at time.Duration) {
	d, back := &c.dirs[side], c.dirs[1-side].link
	if c.ends[side].state == gone {
		return
	}
	if back.condition.Blocked == 0 {
		n.timers.disarm(&d.expire, idle)
		if !d.full && d.unacked == 0 {
			d.bytes -= int64(size)
			return
		}
	}
	if size == 0 {
		return
	}
	d.unacked += int64(size)
	if d.ack.place == idle {
		n.timers.arm(&d.ack, at+back.now.DelayMin)
	}
}

func (n *Net[P]) acknowledged(t *timer[P], e *Event[P]) bool {
	c := t.conn
	d, back := &c.dirs[t.side], c.dirs[1-t.side].link
	if why := back.condition.Blocked; why != 0 {
		n.fired(why)
		n.park(back, t)
		n.await(c, t.side, t.at)
		return false
	}
	n.timers.disarm(t, idle)
	if d.arrive.place != parked {
		n.timers.disarm(&d.expire, idle)
	}
	d.bytes -= d.unacked
	d.unacked = 0
	if !d.full || d.bytes > d.link.now.queue()/2 || c.ends[t.side].state != open {
		return false
	}
	d.full = false
	n.tell(e, Writable, t)
	return true
}

// await starts the time after which a sender gives up, unless it runs.
func (n *Net[P]) await(c *conn[P], side uint8, at time.Duration) {
	if expire := &c.dirs[side].expire; c.ends[side].state != gone && expire.place == idle {
		n.timers.arm(expire, at+n.settings.WriteTimeout)
	}
}

func (n *Net[P]) expire(t *timer[P], e *Event[P]) bool {
	c := t.conn
	told := c.ends[t.side].state == open
	if told {
		n.counts.TimedOuts++
		n.tell(e, TimedOut, t)
	}
	n.leave(c, t.side, t.at)
	return told
}

func (n *Net[P]) fired(k Kind) {
	if k < kinds {
		n.counts.Fired[k]++
	}
}

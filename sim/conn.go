package sim

import (
	"encoding/binary"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/wire"
	"ottla.dev/sim/check"
	"ottla.dev/sim/disk"
	"ottla.dev/sim/fault"
)

// conn is one connection, as the broker's driver keeps it.
type conn struct {
	proc     *process
	actor    *actor
	slot     *slot // the client, whose conn may be another by now
	stream   []byte
	resumed  bool
	ended    bool // the client sends no more
	closing  bool // the session wants it closed when the answers are out
	told     bool // the session is told that it is over
	heard    bool // and has heard it, so that it closes for the last time
	lent     loans
	unsent   int           // answers that have not left
	arrives  time.Duration // of the client's last bytes
	leaves   time.Duration // of the last answer
	requests int
	client   bool   // not another broker
	wire     *wired // in a cluster
}

// connect opens a connection for a client, or refuses it.
func (n *node) connect(s *slot) {
	p := n.proc
	if p == nil || p.dead || !p.listening || n.closed {
		n.trace.Begin(n.now, "refused").Num("client", int64(s.index)).End()
		s.lose(nil)
		return
	}
	p.nextConn++
	id := p.nextConn
	c := &conn{proc: p, slot: s, client: true}
	c.actor = n.newActor(core.Session(id), p.session(id, wire.ClassClient))
	c.actor.conn = c
	p.sessions[id] = c.actor
	s.conn = c
	n.trace.Begin(n.now, "connect").Num("client", int64(s.index)).Word(c.actor.name).End()
	n.inOrder(p, c.actor, c.actor, core.Input{Kind: core.InputStart, Peer: "client"}, 0)
	s.actor.Connected()
}

// arrive takes bytes of the client.
func (n *node) arrive(c *conn, b []byte) {
	if c.told || c.proc.dead {
		return
	}
	c.stream = extended(c.stream, b)
	n.pump(c)
}

// end takes the client's end of the connection: a reset is known at once, an orderly end after everything before it.
func (n *node) end(c *conn, reset bool) {
	c.ended = true
	if reset {
		n.disconnect(c)
		return
	}
	n.after(graceAfterEnd, func() { n.disconnect(c) })
	n.pump(c)
}

// graceAfterEnd is how long answers may be under way to a client that sends no more: a fetch can wait for weeks.
const graceAfterEnd = 5 * time.Second

// pump gives the session its next frame if it wants one.
func (n *node) pump(c *conn) {
	if !c.resumed || c.closing || c.told || c.proc.dead {
		return
	}
	if len(c.stream) >= 4 {
		size := int(int32(binary.BigEndian.Uint32(c.stream)))
		if size <= 0 || size > maxFrame {
			n.disconnect(c)
			return
		}
		if len(c.stream) >= 4+size {
			var frame []byte
			frame, c.stream = split(c.stream, 4+size)
			frame = frame[4:]
			c.resumed = false
			c.lent.lend(frame)
			c.requests++
			in := core.Input{Kind: core.InputFrame, Frame: frame}
			n.inOrder(c.proc, c.actor, c.actor, in, n.soon(n.plan.Delays.Message))
			return
		}
	}
	if c.ended && len(c.lent) == 0 && c.unsent == 0 {
		n.disconnect(c)
	}
}

// disconnect ends a connection for both sides.
func (n *node) disconnect(c *conn) {
	if c.told || c.proc.dead {
		return
	}
	c.told = true
	n.inOrder(c.proc, c.actor, c.actor, core.Input{Kind: core.InputDisconnected}, n.soon(n.plan.Delays.Message))
	if c.wire != nil {
		n.closeEnd(c.wire, n.schedule.Chance(1, 4))
		return
	}
	n.after(n.soon(n.plan.Delays.Network), func() { c.slot.lose(c) })
}

// connEffects executes what a session wants of its connection.
func (n *node) connEffects(c *conn, out *core.Outbox) {
	for _, a := range out.Answers {
		n.answer(c, a.Token, out.Parts[a.From:a.To])
	}
	for _, frame := range out.Releases {
		n.takeBack(c.actor, &c.lent, frame)
	}
	c.resumed = c.resumed || out.Resume
	if out.Close {
		if c.heard {
			n.forget(c)
			return
		}
		c.closing = true
		if c.unsent == 0 {
			n.disconnect(c)
		}
	}
	n.pump(c)
}

// takeBack ends a machine's use of a frame: its bytes are rubbish from now on.
func (n *node) takeBack(a *actor, lent *loans, frame []byte) {
	if !lent.end(frame) {
		n.fail(check.Correctness, "frames", a.name+" gives back a frame that it does not have")
		return
	}
	disk.Scribble(frame, 0xde)
}

// forget drops a session that is finished.
func (n *node) forget(c *conn) {
	if len(c.lent) > 0 || c.unsent > 0 {
		n.fail(check.Correctness, "frames", c.actor.address.String()+" ends although it holds frames or answers")
	}
	delete(c.proc.sessions, c.actor.address.Index)
}

// piece is a part of an answer; a range is found when the answer is made and read when it leaves.
type piece struct {
	bytes  []byte
	size   int64
	ranged bool
	file   disk.Range
}

// leaving is an answer that has not left yet. It is used again.
type leaving struct {
	conn   *conn
	token  uint64
	pieces []piece
}

func (n *node) answer(c *conn, token uint64, parts []core.Part) {
	var l *leaving
	if k := len(n.left); k > 0 {
		l, n.left = n.left[k-1], n.left[:k-1]
	} else {
		l = &leaving{}
	}
	l.conn, l.token = c, token
	for _, p := range parts {
		x := piece{bytes: p.Bytes, size: int64(len(p.Bytes))}
		if p.Bytes == nil && p.Len > 0 {
			x.ranged, x.size = true, p.Len
			x.file = c.proc.actor(p.Owner).table.Range(p.File, p.Pos, p.Len)
		}
		l.pieces = append(l.pieces, x)
	}
	c.unsent++
	n.stats.Answers++
	c.leaves = max(c.leaves, n.now+n.soon(n.plan.Delays.Network))
	e := n.events.new()
	e.at, e.kind, e.leaving = c.leaves, eventLeave, l
	n.events.push(e)
}

// leave sends an answer to the client, or loses it with its process.
func (w *World) leave(l *leaving) {
	if p := l.conn.proc; !p.dead {
		p.node.sendAnswer(l)
	}
	clear(l.pieces)
	*l = leaving{pieces: l.pieces[:0]}
	w.left = append(w.left, l)
}

// bytes reads the pieces of an answer.
func (l *leaving) bytes() (frame []byte, err error) {
	size := int64(0)
	for i := range l.pieces {
		size += l.pieces[i].size
	}
	frame = make([]byte, 0, size)
	for i := range l.pieces {
		if l.pieces[i].ranged {
			frame, err = l.pieces[i].file.Append(frame)
		} else {
			frame = append(frame, l.pieces[i].bytes...)
		}
		if err != nil {
			return frame, err
		}
	}
	return frame, nil
}

// sendAnswer sends an answer to the client, or loses it with the connection.
func (n *node) sendAnswer(l *leaving) {
	c := l.conn
	c.unsent--
	in := core.Input{Kind: core.InputAnswered, Token: l.token}
	n.inOrder(c.proc, c.actor, c.actor, in, n.soon(n.plan.Delays.Message))
	if c.told {
		return
	}
	frame, err := l.bytes()
	cut := n.strikes(fault.CutAnswers)
	if cut {
		n.fire(fault.CutAnswers.String())
	}
	if err != nil || cut {
		n.trace.Begin(n.now, "cut").Word(c.actor.name).Err(err).End()
		n.disconnect(c)
		return
	}
	if c.wire != nil {
		n.send(c.wire, frame)
	} else {
		c.slot.deliver(c, frame)
	}
	if c.closing && c.unsent == 0 {
		n.disconnect(c)
	}
	n.pump(c)
}

// hangUpAll lets the clients of a process that has ended know, sooner or later.
func (n *node) hangUpAll(p *process) {
	for _, s := range n.slots {
		if c := s.conn; c != nil && c.proc == p {
			delay := n.soon(n.plan.Delays.Network)
			if n.schedule.Chance(1, 8) {
				delay += n.soon(4 * time.Second) // half-open for a while
			}
			n.after(delay, func() { s.lose(c) })
		}
	}
}

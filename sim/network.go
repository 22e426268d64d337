package sim

import (
	"encoding/binary"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/wire"
	"ottla.dev/netsim"
	"ottla.dev/sim/fault"
)

// The ports of every broker.
const (
	clientPort     = 9092
	controllerPort = 9093
)

// network carries the bytes between several machines and their clients. The machines are its first hosts, in their
// order, and the clients come behind them.
type network struct {
	*netsim.Net[[]byte]
	wires map[netsim.End]*wired
	due   time.Duration // of the next look at the network that is in the queue, or core.Never
	look  func()        // takes what has happened in the network
	// newest is the newest end that was seen.
	newest netsim.End
}

// wired is one end of a connection: a client's, a broker's link, or a session's.
type wired struct {
	end     netsim.End
	host    netsim.Host
	slot    *slot       // of a client
	actor   *actor      // of a link
	link    core.LinkID // of a link
	conn    *conn       // of a session
	proc    *process    // of a link and a session
	up      bool
	waiting [][]byte // to be sent
	closing bool     // once they are
	stream  []byte   // bytes that are no whole frame yet
	last    time.Duration
	doomed  bool // the next answer is lost with the connection
	// kept is what comes late, at held; all that is behind it waits.
	kept *netsim.Event[[]byte]
	held time.Duration
}

func (w *World) addNetwork() {
	stream := w.plan.Stream(fault.StreamNet)
	w.net = &network{Net: netsim.New[[]byte](w.plan.Hosts(), stream.Uint64(), w.plan.Net),
		wires: map[netsim.End]*wired{}, due: core.Never, look: w.lookAtNet}
}

// watchNet makes sure that the network is looked at when something happens in it.
func (w *World) watchNet() {
	if w.net == nil {
		return
	}
	at, ok := w.net.Next()
	if !ok || at >= w.net.due {
		return
	}
	at = max(at, w.now)
	w.net.due = at
	w.after(at-w.now, w.net.look)
}

// lookAtNet takes what has happened in the network until now.
func (w *World) lookAtNet() {
	if w.net.due == w.now {
		w.net.due = core.Never
	}
	for {
		e, ok := w.net.Step(w.now)
		if !ok {
			return
		}
		w.happens(&e)
	}
}

// happens takes an event of the network to whom it concerns.
func (w *World) happens(e *netsim.Event[[]byte]) {
	w.trace.Begin(w.now, "net").Text(func(dst []byte) []byte { return e.AppendText(dst) }).End()
	w.net.newest = max(w.net.newest, e.End)
	if e.Kind == netsim.Accepted {
		w.nodes[e.Host].accept(e)
		return
	}
	x := w.net.wires[e.End]
	if x == nil || w.forgotten(e) {
		return
	}
	if w.late(x, e) {
		return
	}
	if e.Kind.Final() {
		delete(w.net.wires, e.End)
	}
	if x.orphan() {
		if e.Kind == netsim.Writable {
			w.flush(x)
		}
		return
	}
	if e.Kind == netsim.Arrived && x.doomed {
		w.lose(x)
		return
	}
	if e.Kind == netsim.Arrived || e.Kind == netsim.Fragmented {
		w.tap.arrives(int(e.Peer), int(e.Host), e.Payload)
	}
	switch e.Kind {
	case netsim.Connected:
		x.up = true
		w.connected(x)
		w.flush(x)
	case netsim.Arrived:
		w.arrived(x, e.Payload)
	case netsim.Fragmented:
		w.arrived(x, e.Payload[:e.Bytes])
	case netsim.Writable:
		w.flush(x)
	case netsim.ClosedByPeer:
		if x.conn != nil {
			x.proc.node.end(x.conn, false)
			return
		}
		w.closeEnd(x, false)
		w.broken(x, core.ErrNotExist)
	case netsim.Refused:
		w.broken(x, core.ErrRefused)
	case netsim.TimedOut, netsim.ResetByPeer:
		w.broken(x, core.ErrNotExist)
	}
}

// forgotten reports whether something arrives that a machine has sent before it lost its disk. With the machine goes
// what it had still to send: a heartbeat that was under way for long would bring a broker back to life whose data are
// gone, and that has no new registration yet.
func (w *World) forgotten(e *netsim.Event[[]byte]) bool {
	peer := int(e.Peer)
	return (e.Kind == netsim.Arrived || e.Kind == netsim.Fragmented) && peer < len(w.nodes) &&
		e.End < w.nodes[peer].firstEnd
}

func (w *World) connected(x *wired) {
	if x.slot != nil {
		x.slot.actor.Connected()
		return
	}
	w.tell(x, core.Input{Kind: core.InputLinkUp, Link: x.link})
}

// broken tells whose end it is that the connection is over, and why.
func (w *World) broken(x *wired, why error) {
	switch {
	case x.slot != nil:
		if x.slot.wire == x {
			x.slot.wire = nil
			w.trace.Begin(w.now, "lost").Num("client", int64(x.slot.index)).End()
			x.slot.actor.Closed()
		}
	case x.conn != nil:
		x.proc.node.disconnect(x.conn)
	default:
		w.tell(x, core.Input{Kind: core.InputLinkDown, Link: x.link, Err: why})
		delete(x.actor.wires, x.link)
	}
}

// tell gives the owner of a link news of it, in order.
func (w *World) tell(x *wired, in core.Input) {
	if x.proc.dead {
		return
	}
	x.last = max(x.last, w.now+w.soon(w.plan.Delays.Message))
	x.proc.node.input(x.proc, x.actor, in, x.last-w.now)
}

func (w *World) arrived(x *wired, b []byte) {
	if x.conn != nil {
		x.proc.node.arrive(x.conn, b)
		return
	}
	x.stream = extended(x.stream, b)
	for len(x.stream) >= 4 {
		size := int(binary.BigEndian.Uint32(x.stream))
		if size > maxFrame || len(x.stream) < 4+size {
			return
		}
		var frame []byte
		frame, x.stream = split(x.stream, 4+size)
		if x.slot != nil {
			if x.slot.wire != x {
				return
			}
			x.slot.actor.Received(frame)
			continue
		}
		x.actor.lent.lend(frame[4:])
		w.tell(x, core.Input{Kind: core.InputLinkFrame, Link: x.link, Frame: frame[4:]})
	}
}

// extended is a stream and the bytes behind it, which belong to it from now on: mostly there is nothing before them.
func extended(stream, b []byte) []byte {
	if len(stream) == 0 {
		return b
	}
	return append(stream, b...)
}

// split cuts a stream in two of which each has its bytes for itself.
func split(stream []byte, size int) (first, rest []byte) {
	if len(stream) == size {
		return stream[:size:size], nil
	}
	return slices.Clone(stream[:size]), append(stream[:0], stream[size:]...)
}

// send sends bytes, which belong to the network from now on, when there is room for them.
func (w *World) send(x *wired, b []byte) {
	w.tap.sends(x.end, nil, x.conn != nil, b)
	if x.up && len(x.waiting) == 0 && w.net.Send(w.now, x.end, b, len(b)) != netsim.ErrFull {
		return
	}
	x.waiting = append(x.waiting, b)
	if x.up {
		w.flush(x)
	}
}

func (w *World) flush(x *wired) {
	for len(x.waiting) > 0 {
		err := w.net.Send(w.now, x.end, x.waiting[0], len(x.waiting[0]))
		if err == netsim.ErrFull {
			return
		}
		x.waiting = x.waiting[1:]
	}
	if x.closing {
		x.closing = false
		w.net.Close(w.now, x.end)
	}
}

// closeEnd ends an end that nobody is to hear of again.
func (w *World) closeEnd(x *wired, reset bool) {
	delete(w.net.wires, x.end)
	switch {
	case reset:
		w.net.Abort(w.now, x.end)
	case len(x.waiting) > 0 && w.net.Open(x.end):
		w.net.wires[x.end] = &wired{end: x.end, host: x.host, waiting: x.waiting, closing: true, up: true}
	default:
		w.net.Close(w.now, x.end)
	}
}

// orphan reports whether nobody wants to hear of the end any more: it only sends what waits.
func (x *wired) orphan() bool { return x.slot == nil && x.conn == nil && x.actor == nil }

// accept makes a session of a connection.
func (n *node) accept(e *netsim.Event[[]byte]) {
	p := n.proc
	if !n.alive() {
		n.net.Abort(n.now, e.End)
		return
	}
	classes := wire.ClassClient
	if e.Port == controllerPort {
		classes |= wire.ClassBroker | wire.ClassRaft
	}
	p.nextConn++
	id := p.nextConn
	c := &conn{proc: p, client: int(e.Peer) >= len(n.nodes)}
	c.actor = n.newActor(core.Session(id), p.session(id, classes))
	c.actor.conn = c
	p.sessions[id] = c.actor
	c.wire = &wired{end: e.End, host: e.Host, conn: c, proc: p, up: true}
	n.net.wires[e.End] = c.wire
	n.trace.Begin(n.now, "accept").Num("peer", int64(e.Peer)).Word(c.actor.name).End()
	n.inOrder(p, c.actor, c.actor, core.Input{Kind: core.InputStart, Peer: "client"}, 0)
}

// links executes what a machine wants of its connections to other brokers.
func (n *node) links(p *process, a *actor, ops []core.LinkOp) {
	if n.net == nil {
		panic("sim: a broker that is alone opens links")
	}
	for i := range ops {
		op := &ops[i]
		x := a.wires[op.Link]
		switch op.Kind {
		case core.LinkOpen:
			n.trace.Begin(n.now, "open").Word(a.name).Num("link", int64(op.Link)).Word(op.Address).End()
			host, port := parseAddress(op.Address)
			end := n.net.Dial(n.now, netsim.Host(n.index), netsim.Address{Host: host, Port: port})
			n.net.newest = max(n.net.newest, end)
			x = &wired{end: end, host: netsim.Host(n.index), actor: a, link: op.Link, proc: p}
			a.wires[op.Link], n.net.wires[end] = x, x
		case core.LinkSend:
			if x != nil {
				x.doomed = x.doomed || n.loses(op.Bytes)
				n.cells.sends(a, op)
				n.send(x, slices.Clone(op.Bytes))
			}
		case core.LinkClose:
			if x != nil {
				delete(a.wires, op.Link)
				n.closeEnd(x, n.schedule.Chance(1, 4))
			}
		}
	}
}

// hostName is what brokers call a machine.
func hostName(index int) string { return "b" + strconv.Itoa(index) }

func parseAddress(address string) (netsim.Host, uint16) {
	name, port, _ := strings.Cut(address, ":")
	host, err := strconv.Atoi(strings.TrimPrefix(name, "b"))
	number, err2 := strconv.Atoi(port)
	if err != nil || err2 != nil {
		panic("sim: no such address: " + address)
	}
	return netsim.Host(host), uint16(number)
}

// unplug ends a machine's connections with its process.
func (n *node) unplug(kind fault.StopKind) {
	if n.net == nil {
		return
	}
	host := netsim.Host(n.index)
	if kind == fault.Crash {
		n.net.Vanish(n.now, host)
		n.vanished = true
	} else {
		n.net.Kill(n.now, host)
	}
	maps.DeleteFunc(n.net.wires, func(_ netsim.End, x *wired) bool { return x.host == host })
}

// plugIn gives a machine that was without power its network again.
func (n *node) plugIn() {
	if n.vanished {
		n.vanished = false
		n.net.Return(n.now, netsim.Host(n.index))
	}
}

func (n *node) listenOn(port uint16) {
	if n.net != nil {
		n.net.Listen(netsim.Address{Host: netsim.Host(n.index), Port: port})
	}
}

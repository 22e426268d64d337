package sim

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/netsim"
	"ottla.dev/sim/check"
	"ottla.dev/sim/fault"
	"ottla.dev/sim/workload"
)

// slot is a client's place in the world: it is the client's network and clock.
type slot struct {
	world  *World
	index  int
	name   string
	actor  workload.Actor
	conn   *conn
	wire   *wired        // in a cluster
	toward time.Duration // when the last bytes from the broker arrive
	left   int           // requests until the client begins nothing more; 0: no such end
}

func (w *World) addClient(i int, random core.PRNG) {
	s := &slot{world: w, index: i, name: w.plan.Clients[i].Kind.String(), left: w.plan.Clients[i].Requests}
	s.actor = workload.New(s, i, w.plan, random, w.ledger, w.history)
	w.slots = append(w.slots, s)
}

// addSetup adds the client that makes the topics, starts the others, and reads everything back at the end.
func (w *World) addSetup(random core.PRNG) {
	s := &slot{world: w, index: len(w.plan.Clients), name: "auditor"}
	others := w.slots
	start := func() {
		for _, o := range others {
			o.actor.Start()
		}
	}
	idle := func() bool {
		return !slices.ContainsFunc(others, func(o *slot) bool { return !o.actor.Idle() })
	}
	s.actor = workload.NewAuditor(s, s.index, w.plan, random, w.ledger, w.history, start, idle, w.audited)
	w.slots = append(w.slots, s)
	w.after(0, s.actor.Start)
}

// Now implements [workload.Net].
func (s *slot) Now() time.Duration { return s.world.now }

// Wall implements [workload.Net].
func (s *slot) Wall() core.Timestamp { return s.world.nodes[0].wall() }

// Dial implements [workload.Net].
func (s *slot) Dial(to int) {
	if w := s.world; w.net != nil {
		s.dial(to)
		return
	}
	s.world.after(s.world.soon(s.world.plan.Delays.Network), func() { s.world.nodes[0].connect(s) })
}

// dial connects to a broker over the network.
func (s *slot) dial(to int) {
	w := s.world
	if w.closed {
		w.after(time.Millisecond, s.actor.Closed)
		return
	}
	host := netsim.Host(len(w.nodes) + s.index)
	end := w.net.Dial(w.now, host, netsim.Address{Host: netsim.Host(to), Port: clientPort})
	s.wire = &wired{end: end, host: host, slot: s}
	w.net.wires[end] = s.wire
}

// Send implements [workload.Net].
func (s *slot) Send(b []byte) {
	c, w := s.conn, s.world
	w.stats.Requests++
	if s.left > 0 {
		if s.left--; s.left == 0 {
			w.after(0, s.actor.Finish)
		}
	}
	if s.wire != nil {
		w.send(s.wire, b)
		return
	}
	if c == nil {
		return
	}
	w.tap.sends(0, c, false, b)
	c.arrives = max(c.arrives, w.now+w.slowNet(w.soon(w.plan.Delays.Network)))
	w.after(c.arrives-w.now, func() {
		w.tap.arrives(len(w.nodes)+s.index, 0, b)
		c.proc.node.arrive(c, b)
	})
}

// Hang implements [workload.Net].
func (s *slot) Hang(reset bool) {
	c, w := s.conn, s.world
	if s.wire != nil {
		w.closeEnd(s.wire, reset)
		s.wire = nil
		return
	}
	if c == nil {
		return
	}
	s.conn = nil
	at := max(c.arrives-w.now, 0)
	if reset {
		at = w.soon(w.plan.Delays.Network)
	}
	w.after(at, func() { c.proc.node.end(c, reset) })
}

// After implements [workload.Net].
func (s *slot) After(d time.Duration, f func()) { s.world.after(d, f) }

// Fired implements [workload.Net].
func (s *slot) Fired(what string) { s.world.fire(what) }

// Directory implements [workload.Net].
func (s *slot) Directory(id core.BrokerID) core.UUID { return s.world.directory(id) }

// VotersChange implements [workload.Net].
func (s *slot) VotersChange(d time.Duration) { s.world.votersChange(d) }

// Damaged implements [workload.Net].
func (s *slot) Damaged(machine int) bool {
	w := s.world
	if machine < 0 {
		return w.rots.victim != nil
	}
	n := w.nodes[machine]
	return w.rots.victim == n || n.repairedAt > 0 && w.now < n.repairedAt+lateAnswer
}

// lateAnswer is how long an answer may be under way.
const lateAnswer = 10 * time.Second

// Answered implements [workload.Net].
func (s *slot) Answered(broker int, api int16) {
	s.world.nodes[broker].meet(moment{on: fault.Answers, api: api})
}

// Confirmations implements [workload.Net].
func (s *slot) Confirmations(broker int, p core.TopicPartition) (uint64, bool) {
	return s.world.observer.cluster.Confirmations(broker, p)
}

// Short implements [workload.Net].
func (s *slot) Short(p core.TopicPartition) bool { return s.world.observer.cluster.Short(p) }

// Serves implements [workload.Net].
func (s *slot) Serves(broker int, p core.TopicPartition) (uint64, bool) {
	return s.world.observer.cluster.Serves(broker, p)
}

// Epoch implements [workload.Net].
func (s *slot) Epoch(broker int, id core.TopicIDPartition) (core.LeaderEpoch, bool) {
	return s.world.observer.cluster.Epoch(broker, id)
}

// Bounds implements [workload.Net].
func (s *slot) Bounds(broker int, id core.TopicIDPartition) (check.Bounds, bool) {
	return s.world.observer.cluster.Bounds(broker, id)
}

// deliver brings the client an answer.
func (s *slot) deliver(c *conn, frame []byte) {
	w := s.world
	w.tap.sends(0, c, true, frame)
	s.toward = max(s.toward, w.now+w.slowNet(w.soon(w.plan.Delays.Network)))
	w.after(s.toward-w.now, func() {
		// An answer that comes when a later process is open already is lost: its client would not know what it says.
		if s.conn == c && c.proc.number >= c.proc.node.opened {
			w.trace.Begin(w.now, "received").Num("client", int64(s.index)).Num("bytes", int64(len(frame))).End()
			w.tap.arrives(0, len(w.nodes)+s.index, frame)
			s.actor.Received(frame)
		}
	})
}

// lose tells the client that a connection, or the attempt of one, is over.
func (s *slot) lose(c *conn) {
	if s.conn != c {
		return
	}
	// Answers on their way arrive before the end of the connection does, or not at all.
	if c != nil && s.toward > s.world.now && s.world.schedule.Chance(1, 2) {
		s.world.after(s.toward-s.world.now, func() { s.lose(c) })
		return
	}
	s.conn = nil
	s.world.trace.Begin(s.world.now, "lost").Num("client", int64(s.index)).End()
	s.actor.Closed()
}

package netsim

import (
	"slices"
	"time"
)

// link is the way from one host to another.
type link[P any] struct {
	base      Link
	now       Link // under the condition
	condition Condition
	free      time.Duration // when all that was sent has left
	dials     uint64
	parked    []parking[P]
}

// parking is a timer that waits for the link. It is stale if the timer was armed since.
type parking[P any] struct {
	timer *timer[P]
	seq   uint64
}

func (n *Net[P]) link(from, to Host) *link[P] { return &n.links[int(from)*n.hosts+int(to)] }

// park takes a timer that has come due until the link changes.
func (n *Net[P]) park(l *link[P], t *timer[P]) {
	n.timers.disarm(t, parked)
	l.parked = append(l.parked, parking[P]{t, t.seq})
}

// refresh finds the condition of all links at a time, and releases what those that have changed held.
func (n *Net[P]) refresh(at time.Duration) {
	for i := range n.links {
		from, to := Host(i/n.hosts), Host(i%n.hosts)
		l := &n.links[i]
		before := l.condition
		l.condition = ConditionAt(n.windows, at, from, to)
		if from != to && (n.down[from] || n.down[to]) {
			l.condition.Blocked = hostDown
		}
		l.now = l.condition.On(l.base)
		if before.Blocked != l.condition.Blocked || before.Connect != l.condition.Connect {
			n.release(l, before.Blocked, at)
		}
	}
	n.timers.disarm(&n.edge, idle)
	if next, ok := NextEdge(n.windows, at); ok {
		n.timers.arm(&n.edge, next)
	}
}

// release lets go what a link held. Each connection keeps its order, among them it is drawn anew.
func (n *Net[P]) release(l *link[P], was Kind, at time.Duration) {
	held := l.parked
	l.parked = nil
	for _, p := range held {
		if p.timer.place != parked || p.timer.seq != p.seq {
			continue
		}
		d := &p.timer.conn.dirs[p.timer.side]
		wait := d.delay()
		if !was.keeps() {
			wait += d.rng.span(0, n.settings.RetransmitMax)
		}
		n.timers.arm(p.timer, at+wait)
	}
}

// Begin starts a fault at once; its From is set. It lasts until its To, if that is not zero, or until Finish of the
// handle that Begin returns.
func (n *Net[P]) Begin(now time.Duration, w Window) (handle int) {
	n.advance(now)
	w.From = now
	if w.To == 0 {
		w.To = Never
	}
	if err := w.Check(n.hosts); err != nil {
		panic(err.Error())
	}
	n.add(w)
	n.refresh(now)
	return n.healed + len(n.windows) - 1
}

// Finish ends a fault that Begin started.
func (n *Net[P]) Finish(now time.Duration, handle int) {
	n.advance(now)
	if i := handle - n.healed; i >= 0 {
		w := &n.windows[i]
		w.To = max(w.From, min(w.To, now))
		n.refresh(now)
	}
}

func (n *Net[P]) add(w Window) {
	n.windows = append(n.windows, w)
	// A window draws by what it is, not by where it stands, so that others may be taken away.
	n.strikes = append(n.strikes, n.rng.fork(uint64(w.Kind), uint64(w.From), w.OneIn))
}

// Heal ends all faults, those to come too. What they held goes on; connections that swallow everything are reset. Hosts
// that vanished are their owner's affair.
func (n *Net[P]) Heal(now time.Duration) {
	n.advance(now)
	n.healed += len(n.windows)
	n.windows, n.strikes = nil, nil
	n.refresh(now)
	for _, c := range n.connections() {
		for side := range c.dirs {
			c.dirs[side].doom = 0
			if c.dark {
				n.notify(c, uint8(side), now+c.dirs[1-side].delay(), false)
			}
		}
	}
}

// connections are all connections in the order of dialing.
func (n *Net[P]) connections() []*conn[P] {
	all := make([]*conn[P], 0, len(n.conns))
	//core:unordered sorted below
	for _, c := range n.conns {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *conn[P]) int { return int(a.id - b.id) })
	return all
}

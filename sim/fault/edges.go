package fault

import (
	"math"
	"slices"
	"time"

	"ottla.dev/core"
)

// drawEdges draws what lies at the edges of what there is: sequence numbers about to wrap, sessions that hardly last,
// groups that are soon full, offsets that expire, and clients that do what others don't.
func (p *Plan) drawEdges(r *core.PRNG) {
	clients, settings := r.Fork(1), r.Fork(2)
	p.edgeClients(&clients)
	p.edgeSettings(&settings)
}

// nearWrap is how many records before the largest sequence number a producer begins at most.
const nearWrap = 200

func (p *Plan) edgeClients(r *core.PRNG) {
	brief := r.Chance(1, 5)
	for i := range p.Clients {
		c := &p.Clients[i]
		switch {
		case c.Kind == Producer && c.Idempotent && r.Chance(1, 3):
			c.Sequence = int32(math.MaxInt32 - r.Below(nearWrap))
		case c.Kind == Member && brief:
			c.Session = between(r, briefest, 600*time.Millisecond)
		case c.Kind == Operator && r.Chance(1, 2):
			c.Pause = 5 * time.Millisecond // a reassignment is over soon
		}
	}
	if brief {
		p.set("group.min.session.timeout.ms", int64(briefest/time.Millisecond))
	}
	if r.Chance(1, 2) {
		p.Clients = append(p.Clients, Client{Kind: Stranger, Old: r.Chance(1, 4),
			Pause: pick(r, 20*time.Millisecond, 50*time.Millisecond, 200*time.Millisecond)})
	}
}

// nearLast is how many epochs before the largest one a producer begins at most.
const nearLast = 5

// drawWraps draws producers that soon have no epoch left, and take another producer id.
func (p *Plan) drawWraps(r *core.PRNG) {
	for i := range p.Clients {
		if c := &p.Clients[i]; c.Kind == Producer && c.Idempotent && r.Chance(1, 4) {
			c.Epoch, c.Bump = int16(math.MaxInt16-r.Below(nearLast)), int(r.Between(3, 30))
		}
	}
}

// drawOdd draws who asks for what is just outside of what is allowed.
func (p *Plan) drawOdd(r *core.PRNG) {
	for i := range p.Clients {
		if c := &p.Clients[i]; c.Kind == Consumer || c.Kind == Admin {
			c.Odd = int(r.Between(8, 40))
		}
	}
}

// briefest is the shortest session of a group's member.
const briefest = 50 * time.Millisecond

func (p *Plan) edgeSettings(r *core.PRNG) {
	// A group without members and offsets is forgotten then, and one that comes back begins with generation 1 again, which
	// judges of members would take for the old one.
	members := slices.ContainsFunc(p.Clients, func(c Client) bool { return c.Kind == Member })
	if !members && r.Chance(3, 4) {
		p.set("offsets.retention.check.interval.ms", pick[int64](r, 300, 3000))
	}
	if r.Chance(1, 4) {
		p.set("group.max.size", r.Between(1, 3))
	}
	for i := range p.Faults {
		w := &p.Faults[i]
		if (w.Kind == ReadError || w.Kind == WriteError || w.Kind == SyncError) && r.Chance(2, 3) { // or it strikes nobody
			w.Rate, w.To = uint64(r.Between(1, 8)), min(w.To+between(r, time.Second, 4*time.Second), p.Duration)
		}
	}
	preferred := slices.ContainsFunc(p.Operations, func(o Operation) bool { return o.Kind == ElectPreferred })
	if preferred && r.Chance(2, 3) {
		p.set("leader.imbalance.check.interval.seconds", 300) // so that there is something left to elect
	}
	for i := range p.Operations {
		o := &p.Operations[i]
		if i > 0 && o.Kind == CancelReassign && r.Chance(1, 2) { // before it is complete
			o.At = min(o.At, p.Operations[i-1].At+between(r, 0, 20*time.Millisecond))
		}
	}
}

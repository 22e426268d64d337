package fault

import (
	"slices"
	"time"

	"ottla.dev/core"
)

// drawRare prepares what an operator asks for in this world and would nearly always be refused: a reassignment can be
// cancelled while one of its brokers is away, a broker unregistered when its session is over, and a leader be elected
// out of those who lack something when all others are gone.
func (p *Plan) drawRare(r *core.PRNG) {
	cancels, forgets, corners, patience := r.Fork(1), r.Fork(2), r.Fork(3), r.Fork(4)
	for i := range p.Clients {
		if c := &p.Clients[i]; c.Kind == Operator && patience.Chance(4, 5) {
			c.Pause, c.Patience = min(c.Pause, 20*time.Millisecond), between(&patience, time.Second, 3*time.Second)
		}
	}
	if p.on(CancelReassign) && p.Brokers > p.LeastReplicas() && len(p.Rots) == 0 && cancels.Chance(3, 4) {
		p.drawCancels(&cancels)
	}
	if p.on(UnregisterBroker) && forgets.Chance(3, 4) {
		p.drawForgotten(&forgets)
	}
	if dead := p.dispensable(); p.Brokers < 2 || len(dead) < 2 {
		p.Operations = slices.DeleteFunc(p.Operations, func(o Operation) bool { return o.Kind == ElectUnclean })
	} else if p.on(ElectUnclean) && corners.Chance(4, 5) {
		p.drawCorner(&corners, dead)
	}
	if len(p.Operations) == 0 {
		p.Operations = nil // as a plan that is read has it
	}
	slices.SortStableFunc(p.Operations, func(a, b Operation) int { return int(a.At - b.At) })
}

func (p *Plan) on(k OperationKind) bool {
	return slices.ContainsFunc(p.Operations, func(o Operation) bool { return o.Kind == k })
}

// dispensable lists the brokers without which the others have a controller.
func (p *Plan) dispensable() []int {
	var list []int
	for i := range p.Brokers {
		if !p.Machines[i].Voter || len(p.Voters()) >= 3 {
			list = append(list, i)
		}
	}
	return list
}

// down draws a machine's stop at a time, for a while.
func (p *Plan) down(r *core.PRNG, node int, at, d time.Duration) {
	p.Stops = append(p.Stops, Stop{Kind: pick(r, Crash, Kill), Node: node, At: at, Down: d})
}

// drawCancels draws reassignments that wait for a broker that is away, and are cancelled meanwhile. The broker has no
// replica before.
func (p *Plan) drawCancels(r *core.PRNG) {
	for range r.Between(2, 3) {
		at, node := between(r, 6*time.Second, p.Duration), int(r.Below(uint64(p.Brokers)))
		p.down(r, node, at, between(r, time.Second, 3*time.Second))
		o := Operation{Kind: Reassign, At: at - between(r, time.Second, 2*time.Second),
			Topic: int(r.Below(uint64(len(p.Topics))))}
		t := &p.Topics[o.Topic]
		o.Partition = int32(r.Below(uint64(t.Partitions)))
		least := max(p.LeastReplicas(), 1)
		for i := range min(max(int(t.ReplicationFactor()), least), p.Brokers-1) {
			o.Brokers = append(o.Brokers, int32((node+1+i)%p.Brokers+1))
		}
		p.Operations = append(p.Operations, o)
		o.At, o.Brokers = at+between(r, 20*time.Millisecond, 200*time.Millisecond), append(slices.Clone(o.Brokers),
			int32(node+1))
		p.Operations = append(p.Operations, o)
		o.Kind, o.Brokers, o.At = CancelReassign, nil, o.At+between(r, 0, 500*time.Millisecond)
		p.Operations = append(p.Operations, o)
	}
}

// drawForgotten draws brokers that are away for longer than their sessions last, and unregistered then.
func (p *Plan) drawForgotten(r *core.PRNG) {
	for range r.Between(1, 3) {
		latest := max(p.Duration-p.SessionTimeout()-3*time.Second, 5*time.Second)
		at, node := between(r, 4*time.Second, latest), int(r.Below(uint64(p.Brokers)))
		gone := at + p.SessionTimeout() + between(r, 300*time.Millisecond, 2*time.Second)
		p.Duration = max(p.Duration, gone+time.Second)
		p.down(r, node, at, gone-at+between(r, 500*time.Millisecond, 5*time.Second))
		p.Operations = append(p.Operations, Operation{Kind: UnregisterBroker, At: gone, Brokers: []int32{int32(node + 1)}})
	}
}

// drawCorner draws a partition of two replicas: one of them leaves the ISR, the other one dies, the first one comes
// back, and is to lead.
func (p *Plan) drawCorner(r *core.PRNG, dead []int) {
	session := p.SessionTimeout()
	first := int(r.Below(uint64(len(dead))))
	last := dead[first]
	stale := dead[(first+1+int(r.Below(uint64(len(dead)-1))))%len(dead)]
	topic := slices.IndexFunc(p.Operations, func(o Operation) bool { return o.Kind == ElectUnclean })
	o := Operation{Kind: Reassign, At: 3 * time.Second, Topic: p.Operations[topic].Topic}
	o.Partition = int32(r.Below(uint64(p.Topics[o.Topic].Partitions)))
	o.Brokers = []int32{int32(last + 1), int32(stale + 1)}
	p.Operations = slices.DeleteFunc(p.Operations, func(other Operation) bool {
		return other.Kind == Reassign && other.Topic == o.Topic && other.Partition == o.Partition
	})
	p.Operations = append(p.Operations, o)
	at := o.At + between(r, 3*time.Second, 5*time.Second)
	p.Stops = slices.DeleteFunc(p.Stops, func(s Stop) bool {
		return (s.Node == stale || s.Node == last) && s.At > at-time.Second && s.At < at+3*session
	})
	alone := at + session + between(r, time.Second, 3*time.Second)
	back := alone + between(r, 200*time.Millisecond, time.Second)
	p.down(r, stale, at, back-at)
	p.down(r, last, alone, between(r, 6*time.Second, 10*time.Second)+session)
	p.Duration = max(p.Duration, back+session+6*time.Second)
	o.Kind, o.Brokers = ElectUnclean, nil
	for o.At = back + session; o.At < back+session+5*time.Second; o.At += between(r, 500*time.Millisecond, time.Second) {
		p.Operations = append(p.Operations, o)
	}
}

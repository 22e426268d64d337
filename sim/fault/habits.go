package fault

import (
	"slices"
	"time"

	"ottla.dev/core"
)

// drawHabits draws what clients do that went wrong elsewhere: members that come back as new processes, and commit late;
// static ones, two of which may think that they are the same; producers with several epochs; consumers that name
// leader epochs; offsets that are deleted.
func (p *Plan) drawHabits(r *core.PRNG) {
	if r.Chance(1, 2) {
		p.set(groupsForgotten, pick[int64](r, 200, 2000))
	}
	if set := func(s Setting) bool { return s.Name == "min.insync.replicas" }; p.Brokers > 1 &&
		!slices.ContainsFunc(p.Static, set) && r.Chance(1, 3) {
		p.static("min.insync.replicas", 2) // of topics that say nothing of their own, like that of the offsets
	}
	static, restarts, late := r.Chance(1, 2), r.Chance(1, 2), r.Chance(2, 3)
	bumps, names, deletes := r.Chance(1, 2), r.Chance(2, 3), r.Chance(1, 2)
	for i := range p.Clients {
		c := &p.Clients[i]
		switch c.Kind {
		case Member:
			if static && r.Chance(2, 3) {
				c.Instance = pick(r, "a", "b", "c")
			}
			if restarts {
				c.Restart = int(r.Between(10, 60))
			}
			if late {
				c.Late = int(r.Between(1, 4))
			}
		case Producer:
			if bumps && c.Idempotent {
				c.Bump = int(r.Between(5, 60))
			}
		case Consumer:
			c.Epochs = names
		case Committer:
			if deletes && r.Chance(1, 2) {
				c.Delete = int(r.Between(4, 20))
			}
		default:
		}
	}
}

// groupsForgotten is how often brokers look for groups that may be forgotten.
const groupsForgotten = "offsets.retention.check.interval.ms"

// ForgetsGroups reports whether groups without members and offsets may be forgotten.
func (p *Plan) ForgetsGroups() bool {
	return slices.ContainsFunc(p.Static, func(s Setting) bool { return s.Name == groupsForgotten })
}

// Deletes reports whether somebody deletes what is committed in a group.
func (p *Plan) Deletes(group string) bool {
	return slices.ContainsFunc(p.Clients, func(c Client) bool { return c.Group == group && c.Delete > 0 })
}

// drawMoves draws in one cluster of five many changes of leaders, there and back again, most of them where little else
// goes wrong.
func (p *Plan) drawMoves(r *core.PRNG) {
	if p.Brokers < 2 || !r.Chance(1, 5) {
		return
	}
	var topics []int
	for i := range p.Topics {
		if p.Topics[i].ReplicationFactor() > 1 {
			topics = append(topics, i)
		}
	}
	if len(topics) == 0 {
		return
	}
	if r.Chance(2, 3) {
		p.Stops, p.Net.Windows = nil, nil
		p.Faults = slices.DeleteFunc(p.Faults, func(w Window) bool { return w.Kind != Pause && w.Kind != SlowDisk })
		if len(p.Faults) == 0 {
			p.Faults = nil // as a plan that is read has it
		}
	}
	if !slices.ContainsFunc(p.Clients, func(c Client) bool { return c.Kind == Operator }) {
		p.Clients = append(p.Clients, Client{Kind: Operator, Pause: 20 * time.Millisecond})
	}
	topic := pick(r, topics...)
	t := &p.Topics[topic]
	part := int32(r.Below(uint64(t.Partitions)))
	ids := make([]int32, t.ReplicationFactor())
	offsets := r.Chance(1, 3)
	if offsets {
		part, ids = 0, make([]int32, min(p.Brokers, maxReplicas))
	}
	first := r.Below(uint64(p.Brokers))
	for i := range ids {
		ids[i] = int32((first+uint64(i))%uint64(p.Brokers)) + 1
	}
	most := pick(r, 300*time.Millisecond, 2*time.Second)
	// Brokers that stand still for less than a session hear of several changes at once.
	for range r.Below(8) {
		w := Window{Kind: Pause, Node: int(r.Below(uint64(p.Brokers))), From: between(r, 4*time.Second, p.Duration), Rate: 1}
		w.To = min(w.From+between(r, 200*time.Millisecond, 1400*time.Millisecond), p.Duration)
		p.Faults = append(p.Faults, w)
	}
	for at := 4 * time.Second; ; {
		if at += between(r, most/10, most); at > p.Duration {
			break
		}
		ids = append(slices.Clone(ids[1:]), ids[0])
		move := Operation{Kind: Reassign, At: at, Topic: topic, Partition: part, Brokers: ids, Offsets: offsets}
		elect := Operation{Kind: ElectPreferred, At: at + between(r, 0, most/4), Topic: topic, Partition: part,
			Offsets: offsets}
		p.Operations = append(p.Operations, move, elect)
	}
	slices.SortStableFunc(p.Operations, func(a, b Operation) int { return int(a.At - b.At) })
}

package fault

import (
	"slices"
	"strconv"
	"time"

	"ottla.dev/core"
	"ottla.dev/netsim"
)

// drawStalls draws disks that take a long time for a sync now and then, as all do: what else happens meanwhile is what
// otherwise is over long before. Sessions that are as brief as the disks permit would end with each of them.
func (p *Plan) drawStalls(r *core.PRNG) {
	if p.Clustered() && p.SessionTimeout() <= longestBrief || !r.Chance(1, 3) {
		return
	}
	p.Delays.Stall = pick(r, 30*time.Millisecond, 100*time.Millisecond, 400*time.Millisecond)
}

// The sessions of members that stand still now and then, where the plan has none for them yet.
const (
	leastRested = 5 * time.Second
	mostRested  = 9 * time.Second
)

// drawRests draws in half of the worlds with members that some of them stand still now and then for longer than a
// rebalance waits for them, and mostly for less than their sessions last, as static members are made for.
func (p *Plan) drawRests(r *core.PRNG) {
	if !r.Chance(1, 2) {
		return
	}
	for i := range p.Clients {
		c := &p.Clients[i]
		if c.Kind != Member || !r.Chance(1, 2) {
			continue
		}
		c.Rest = int(r.Between(5, 40))
		if c.Instance == "" && r.Chance(2, 3) {
			c.Instance = "alone-" + strconv.Itoa(i)
		}
		if c.Session == 0 && c.Instance != "" {
			c.Session = between(r, leastRested, mostRested)
		}
	}
}

// An outage lasts for longer than a leader waits for the answer to a proposal.
const (
	leastOutage = 11 * time.Second
	mostOutage  = 20 * time.Second
)

// drawOutage draws in some clusters whose controllers have machines of their own that no broker reaches them for a
// while. The brokers go on with what they know, and one of them may end or stand still meanwhile.
func (p *Plan) drawOutage(r *core.PRNG) {
	var controllers, brokers []netsim.Host
	for i := range p.Machines {
		switch m := &p.Machines[i]; {
		case m.Broker && m.Controller:
			return
		case m.Broker:
			brokers = append(brokers, netsim.Host(i))
		default:
			controllers = append(controllers, netsim.Host(i))
		}
	}
	if len(controllers) == 0 || len(brokers) < 2 || p.Net == nil || !r.Chance(1, 3) {
		return
	}
	from := between(r, 5*time.Second, max(p.Duration/2, 6*time.Second))
	to := from + between(r, leastOutage, mostOutage)
	p.Duration = max(p.Duration, to+3*time.Second)
	p.Net.Windows = append(p.Net.Windows, netsim.Window{Kind: netsim.Partition, From: from, To: to,
		Hosts: controllers, Peers: brokers})
	for range r.Between(1, 2) {
		node, at := int(pick(r, brokers...)), between(r, from, from+4*time.Second)
		away := between(r, time.Second, to-at)
		if r.Chance(1, 2) {
			p.Stops = append(p.Stops, Stop{Kind: pick(r, Crash, Kill), Node: node, At: at, Down: away})
			continue
		}
		p.Faults = append(p.Faults, Window{Kind: Pause, Node: node, From: at, To: at + away, Rate: 1})
	}
	slices.SortStableFunc(p.Stops, func(a, b Stop) int { return int(a.At - b.At) })
}

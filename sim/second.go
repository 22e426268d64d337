package sim

import (
	"slices"

	"ottla.dev/core"
	"ottla.dev/sim/fault"
)

// planSecond has those struck later whom a machine needs that was just damaged: counted from its next start, if it is
// down.
func (n *node) planSecond(r *fault.Rot) {
	switch {
	case r.Then.Whom == 0:
	case n.alive():
		n.after(r.Then.After, func() { n.strikeOthers(r) })
	default:
		n.second = r
	}
}

// strikeOthers strikes those whom a damaged machine needs.
func (n *node) strikeOthers(r *fault.Rot) {
	var list []*node
	if r.Then.Whom != fault.Leaders {
		list = append(list, n.activeController())
	}
	if r.Then.Whom != fault.Controller {
		list = append(list, n.someLeader())
	}
	for i, o := range list {
		if o != nil && o != n && !slices.Contains(list[:i], o) {
			o.strikeSecond(&r.Then)
		}
	}
}

func (n *node) strikeSecond(s *fault.Second) {
	if !n.alive() || n.healed || n.stopping > 0 || n.stopDue || n.needed() {
		return
	}
	n.begin("second").Word(s.Whom.String()).Word(s.Kind.String()).End()
	n.fire(firedSecond)
	n.hit(s.Kind, s.Down)
}

// someLeader draws a machine that leads a partition of which this one has a replica, by what the active controller
// knows.
func (n *node) someLeader() *node {
	c := n.activeController()
	if c == nil {
		return nil
	}
	var found []*node
	self := core.BrokerID(n.index + 1)
	for t := range c.proc.see.InspectControl().Image.Topics() {
		for _, p := range t.Partitions {
			if p.HasReplica(self) && p.Leader != core.NoBroker && p.Leader != self {
				found = append(found, n.nodes[p.Leader-1])
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found[n.rots.random.Below(uint64(len(found)))]
}

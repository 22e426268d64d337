package partition

import (
	"slices"

	"ottla.dev/core"
)

// The controller of the cluster, with KIP-966's eligible leader replicas. A broker that crashed keeps its place: what
// counts was synced. One whose disk was wiped does not.

// decide makes a new version of the metadata, changed by f.
func (c *cluster) decide(f func(*image)) {
	old := c.current()
	img := image{minISR: c.minISR, brokers: slices.Clone(old.brokers)}
	for _, p := range old.parts {
		p.isr, p.elr = slices.Clone(p.isr), slices.Clone(p.elr)
		img.parts = append(img.parts, p)
	}
	f(&img)
	for i := range img.parts {
		p, was := &img.parts[i], &old.parts[i]
		if len(p.isr) >= c.minISR {
			p.elr = nil
		}
		if p.leader != was.leader {
			p.epoch++
		}
		if p.leader != was.leader || !slices.Equal(p.isr, was.isr) || !slices.Equal(p.elr, was.elr) {
			p.partitionEpoch++
			c.say("controller: p%d leader %d epoch %d isr %v elr %v version %d", i, p.leader, p.epoch, p.isr, p.elr,
				p.partitionEpoch)
		}
	}
	c.versions = append(c.versions, img)
}

func without1(list []core.BrokerID, id core.BrokerID) []core.BrokerID {
	return slices.DeleteFunc(slices.Clone(list), func(x core.BrokerID) bool { return x == id })
}

// setISR changes an ISR: members that leave one that is too small stay eligible.
func (c *cluster) setISR(p *partState, isr []core.BrokerID) {
	eligible := append(slices.Clone(p.isr), p.elr...)
	p.isr, p.elr = isr, nil
	for _, id := range eligible {
		if !slices.Contains(isr, id) && !slices.Contains(p.elr, id) && len(isr) < c.minISR {
			p.elr = append(p.elr, id)
		}
	}
	slices.Sort(p.elr)
	slices.Sort(p.isr)
}

// elect gives a partition without a live leader one, if it can.
func (c *cluster) elect(img *image, p *partState) {
	alive := func(id core.BrokerID) bool { return !img.brokers[id].fenced }
	if p.leader != core.NoBroker && alive(p.leader) && slices.Contains(p.isr, p.leader) {
		return
	}
	p.leader = core.NoBroker
	for _, id := range append(slices.Clone(p.isr), p.elr...) {
		if alive(id) {
			p.leader = id
			if !slices.Contains(p.isr, id) {
				c.setISR(p, append(slices.Clone(p.isr), id))
			}
			return
		}
	}
}

// fence takes a broker out of everything.
func (c *cluster) fence(id core.BrokerID) {
	c.say("controller: fence %d", id)
	c.decide(func(img *image) {
		img.brokers[id].fenced = true
		for i := range img.parts {
			p := &img.parts[i]
			if slices.Contains(p.isr, id) {
				isr := without1(p.isr, id)
				c.setISR(p, isr)
				if len(isr) == 0 && !slices.Contains(p.elr, id) {
					p.elr = append(p.elr, id)
				}
			}
			c.elect(img, p)
		}
	})
}

// register takes a new incarnation of a broker, fenced for now.
func (c *cluster) register(n *node) {
	c.fence(n.id)
	c.decide(func(img *image) { img.brokers[n.id].epoch = n.epoch })
	n.wiped = false
}

// forget takes the broker of a wiped disk out of all lists.
func (c *cluster) forget(n *node) {
	c.fence(n.id)
	c.decide(func(img *image) {
		for i := range img.parts {
			img.parts[i].elr = without1(img.parts[i].elr, n.id)
		}
	})
}

func (c *cluster) unfence(id core.BrokerID) {
	c.say("controller: unfence %d", id)
	c.decide(func(img *image) {
		img.brokers[id].fenced = false
		for i := range img.parts {
			c.elect(img, &img.parts[i])
		}
	})
}

// require changes min.insync.replicas.
func (c *cluster) require(minISR int) {
	c.say("controller: min.insync.replicas %d", minISR)
	c.minISR = minISR
	c.decide(func(*image) {})
}

// move elects another member of the ISR, as a preferred election does.
func (c *cluster) move(part int) {
	c.decide(func(img *image) {
		p := &img.parts[part]
		to := p.isr[c.rng.Below(uint64(len(p.isr)))]
		if !img.brokers[to].fenced {
			p.leader = to
		}
	})
}

// confirm says whether a broker leads a partition in an epoch.
func (c *cluster) confirm(from *node, epoch core.BrokerEpoch, d *Doubt) core.ErrorCode {
	p := &c.current().parts[slices.Index(c.partitions, d.ID)]
	switch {
	case c.current().brokers[from.id].epoch != epoch:
		return core.StaleBrokerEpoch
	case d.LeaderEpoch < p.epoch:
		return core.FencedLeaderEpoch
	case d.PartitionEpoch < p.partitionEpoch:
		return core.InvalidUpdateVersion
	}
	return core.NoError
}

func (c *cluster) alterPartition(from *node, epoch core.BrokerEpoch, s *Proposal) (core.ErrorCode, Decided) {
	img := c.current()
	i := slices.Index(c.partitions, s.ID)
	p := &img.parts[i]
	switch {
	case img.brokers[from.id].epoch != epoch:
		return core.StaleBrokerEpoch, Decided{}
	case s.LeaderEpoch < p.epoch:
		return core.FencedLeaderEpoch, Decided{}
	case p.leader != from.id:
		return core.InvalidRequest, Decided{}
	case s.PartitionEpoch < p.partitionEpoch:
		return core.InvalidUpdateVersion, Decided{}
	}
	for k, id := range s.ISR {
		if b := img.brokers[id]; b.fenced || s.Epochs[k] != -1 && s.Epochs[k] != b.epoch {
			return core.IneligibleReplica, Decided{}
		}
	}
	c.decide(func(img *image) { c.setISR(&img.parts[i], slices.Clone(s.ISR)) })
	p = &c.current().parts[i]
	return core.NoError, Decided{LeaderEpoch: p.epoch, PartitionEpoch: p.partitionEpoch, ISR: slices.Clone(p.isr)}
}

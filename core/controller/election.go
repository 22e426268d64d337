package controller

import (
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// outage is why leaders and ISRs are looked at anew. The image still shows the broker as it was before, so the outage
// says what the records of the same batch will make of it. The first three are each a broker or core.NoBroker.
type outage struct {
	removed core.BrokerID // is being fenced, shut down or unregistered: leaves ISRs and leaderships
	added   core.BrokerID // is being unfenced: may lead again
	unclean core.BrokerID // came back without a clean shutdown: its log may lack what it acknowledged (KIP-966)
	// lost says which directories of the removed broker failed or are gone, nil for none. A replica there is not to be
	// trusted, whatever the broker says of its others.
	lost func(core.UUID) bool
	// onlyLost leaves the removed broker's other replicas alone.
	onlyLost bool
}

func noOutage() outage {
	return outage{removed: core.NoBroker, added: core.NoBroker, unclean: core.NoBroker}
}

func removal(b core.BrokerID) outage {
	o := noOutage()
	o.removed = b
	return o
}

func addition(b core.BrokerID) outage {
	o := noOutage()
	o.added = b
	return o
}

func uncleanReturn(b core.BrokerID) outage {
	o := noOutage()
	o.unclean = b
	return o
}

// at is what the outage means to one partition.
func (o outage) at(p *metadata.Partition) outage {
	if o.lost == nil {
		return o
	}
	directory, ok := p.Directory(o.removed)
	switch {
	case ok && o.lost(directory):
		o.unclean = o.removed
	case o.onlyLost:
		return noOutage()
	}
	return o
}

func (o outage) touches(p *metadata.Partition) bool {
	if o.added != core.NoBroker {
		return p.Leader == core.NoBroker && p.HasReplica(o.added)
	}
	return o.removed != core.NoBroker && (p.Leader == o.removed || p.InSync(o.removed)) ||
		o.unclean != core.NoBroker && (p.InSync(o.unclean) || slices.Contains(p.ELR, o.unclean))
}

// reelect gives a change for every partition that an outage touches, in the order of topic names and partitions
// (Kafka: ReplicationControlManager.generateLeaderAndIsrUpdates).
func (c *Controller) reelect(img *metadata.Image, o outage) []metadata.Record {
	var records []metadata.Record
	for t := range img.Topics() {
		var r rules // looked up only for topics that the outage touches
		for _, p := range t.Partitions {
			here := o.at(p)
			if !here.touches(p) {
				continue
			}
			if r.minISR == 0 {
				r = c.rulesOf(img, t.Name)
			}
			n := newTransition(img, t.ID, p, r)
			n.outage, n.purpose = here, r.automatic()
			n.isr = without(p.ISR, here.removed, here.unclean)
			if change := c.run(n); change != nil {
				records = append(records, change)
			}
		}
	}
	return records
}

// run runs a transition and counts it if it loses data.
func (c *Controller) run(t *transition) *metadata.PartitionChangeRecord {
	change := t.run()
	if t.unclean {
		c.uncleanElections++
	}
	c.Reached.Join(&t.reached)
	return change
}

// UncleanElections counts the elections since [New] whose winner may lack committed records.
func (c *Controller) UncleanElections() uint64 { return c.uncleanElections }

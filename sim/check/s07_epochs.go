package check

import (
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/record"
)

// watchEpoch is S7 of replicas: a broker's leader epoch of a partition does not go back, not even in a restart.
func (c *Cluster) watchEpoch(was, s *Sighting) {
	if was.Life > 0 && s.Epoch < was.Epoch {
		c.wrong("partition-epoch", s.Node, s.Name.String()+": the leader epoch went back from "+epochText(was.Epoch)+
			" to "+epochText(s.Epoch))
	}
	if was.Life == s.Life && was.Appointed && s.Appointed && was.Epoch == s.Epoch &&
		s.Lead.PartitionEpoch < was.Lead.PartitionEpoch {
		c.wrong("partition-epoch", s.Node, s.Name.String()+": the partition epoch went back from "+
			strconv.Itoa(int(was.Lead.PartitionEpoch))+" to "+strconv.Itoa(int(s.Lead.PartitionEpoch)))
	}
}

// watchQuorumEpoch is S7 of the quorum: a node's epoch does not go back, over restarts that which it has saved.
func (c *Cluster) watchQuorumEpoch(was, s *QuorumSighting) {
	least := was.Saved.Epoch
	if was.Life == s.Life {
		least = was.Epoch
	}
	if s.Epoch < least {
		c.wrong("quorum-epoch", s.Node, "the quorum's epoch went back from "+epochText(least)+" to "+epochText(s.Epoch))
	}
}

// watchMetadataEpochs is S7 of the metadata: a partition's epochs do not go back from one image to the next, a change
// of the leader is a new leader epoch (S1).
func (c *Cluster) watchMetadataEpochs(node int, name string, was, is *metadata.Partition) {
	switch {
	case is.LeaderEpoch < was.LeaderEpoch || is.PartitionEpoch < was.PartitionEpoch:
		c.wrong("partition-epoch", node, name+": the committed epochs went back")
	case is.Leader != was.Leader && is.LeaderEpoch == was.LeaderEpoch:
		c.wrong("two-leaders", node, name+": broker "+strconv.Itoa(int(is.Leader))+" takes the lead from broker "+
			strconv.Itoa(int(was.Leader))+" without a new leader epoch")
	}
}

// watchBrokerEpochs judges registrations. One process may come to have two epochs, because it registers again: when
// an operator has unregistered it, or when another process of the broker, whose request was late, has registered
// meanwhile. Then that one is seen between the two, or is in the log if all was committed at once: a controller that
// stood still finds the requests of several processes, in any order.
func (c *Cluster) watchBrokerEpochs(node int, was, is *metadata.Image) {
	for _, b := range is.Brokers() {
		before := was.Broker(b.ID)
		switch {
		case before == nil:
		case b.Epoch < before.Epoch:
			c.wrong("broker-epoch", node, "the epoch of broker "+strconv.Itoa(int(b.ID))+" went back")
		case b.Epoch != before.Epoch && b.Incarnation == before.Incarnation && !c.ledger.plan.Unregisters() &&
			!c.anotherRegistered(node, b, was.Offset(), is.Offset()):
			c.wrong("broker-epoch", node, "the same process of broker "+strconv.Itoa(int(b.ID))+" has two epochs")
		case b.Epoch == before.Epoch && b.Incarnation != before.Incarnation:
			c.wrong("broker-epoch", node, "two processes of broker "+strconv.Itoa(int(b.ID))+" have one epoch")
		}
	}
}

// anotherRegistered reports whether another process of a broker has registered after an offset and up to another, as
// the metadata log of a machine says; also if that does not go back so far.
func (c *Cluster) anotherRegistered(node int, b *metadata.Broker, after, to core.Offset) bool {
	folder := c.brokers[node].cursor.folder()
	if folder == "" {
		return true // it was not read since it was damaged
	}
	found, codecs := false, record.Codecs{}
	start, _ := eachBatch(segments(c.disks[node], folder), func(v record.View, _ segment, _ int64) {
		if v.LastOffset() <= after || v.BaseOffset() > to || v.IsControl() {
			return
		}
		for it := record.Records(v, &codecs); it.Next(); {
			if r, err := metadata.Decode(it.Record.Value); err == nil {
				other, ok := r.(*metadata.RegisterBrokerRecord)
				found = found || ok && other.Broker == b.ID && other.Incarnation != b.Incarnation
			}
		}
	})
	return found || start > after+1
}

// brokerText is how messages name a broker.
func brokerText(b core.BrokerID) string { return "broker " + strconv.Itoa(int(b)) }

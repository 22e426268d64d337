package check

import (
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// held is what a replica of a machine had when its files were damaged. It is followed until the damage is repaired:
// what the replica lacks is cut off only where another one leads, and nobody relies on it before it has all of it
// again.
type held struct {
	committed core.Offset // everything below it was committed, and synced here
	vouched   core.Offset // and called synced by a checkpoint that is not damaged; 0 if it was judged
	// promised is the lowest high watermark of a leader since: one that was just elected may know of less than was
	// committed, until its ISR has all that it has.
	promised core.Offset
	lost     bool // the controller has been told
	led      bool // the machine has known a leader elsewhere since
}

// watchStandings follows what the committed metadata say of a damaged machine's replicas.
func (c *Cluster) watchStandings(node int, was, image *metadata.Image) {
	for at := range c.brokers {
		d := c.brokers[at].damage
		if d == nil {
			continue
		}
		self := core.BrokerID(at + 1)
		//core:unordered each is judged alone, and the first that is wrong ends the simulation
		for id, h := range d.held {
			before, now := partitionOf(was, id), partitionOf(image, id)
			if now == nil || !now.HasReplica(self) {
				delete(d.held, id)
				continue
			}
			lost := isLost(now, self)
			if h.lost && !lost && before != nil {
				c.judgeRegained(node, at, id, h)
				c.judgeMended(node, at, id)
			}
			h.lost = lost && (h.lost || before != nil && !isLost(before, self))
		}
		c.watchJoined(node, at, d, was, image)
	}
}

func partitionOf(image *metadata.Image, id core.TopicIDPartition) *metadata.Partition {
	t := image.TopicByID(id.Topic)
	if t == nil {
		return nil
	}
	return t.Partition(id.Partition)
}

func isLost(p *metadata.Partition, b core.BrokerID) bool {
	dir, ok := p.Directory(b)
	return ok && dir == metadata.LostDirectory()
}

// judgeRegained judges a replica that is to be relied on again, by its own word.
func (c *Cluster) judgeRegained(node, at int, id core.TopicIDPartition, h *held) {
	x, r := c.committed.of(id), c.replicas[replicaKey{at, id}]
	must := min(h.committed, h.promised)
	if x.lossy || x.unclean != core.NoLeaderEpoch || r == nil || r.Life == 0 || r.Leading || r.Synced >= must ||
		r.Start >= must {
		return
	}
	c.wrong("regained", node, r.Name.String()+": "+brokerText(core.BrokerID(at+1))+" is relied on again, with a log that "+
		"is synced up to offset "+offsetText(r.Synced)+", and had, before the damage, all that was committed up to "+
		offsetText(must))
}

// judgeMended judges the checkpoints of a machine whose replica is to be relied on again: were those still there that
// were damaged, its next start would doubt the replica, perhaps when nobody else is in sync any more.
func (c *Cluster) judgeMended(node, at int, id core.TopicIDPartition) {
	r := c.replicas[replicaKey{at, id}]
	if r == nil || r.Life == 0 || r.dir == "" || r.Leading {
		return
	}
	if why := Checkpoints(c.disks[at], r.dir[:strings.LastIndexByte(r.dir, '/')]); why != "" {
		c.wrong("regained", node, r.Name.String()+": "+brokerText(core.BrokerID(at+1))+" is relied on again, and "+why)
	}
}

// promisedBy is the high watermark of whoever leads a partition, 0 if that is not known.
func (c *Cluster) promisedBy(id core.TopicIDPartition) core.Offset {
	if c.images.latest == nil {
		return 0
	}
	p := partitionOf(c.images.latest, id)
	if p == nil || p.Leader == core.NoBroker {
		return 0
	}
	if r := c.replicas[replicaKey{int(p.Leader) - 1, id}]; r != nil && r.Leading && r.Epoch == p.LeaderEpoch {
		return r.HighWatermark
	}
	return 0
}

// begins notes with what a leader begins.
func (c *Cluster) begins(s *Sighting) {
	for node := range c.brokers {
		if d := c.brokers[node].damage; d != nil && d.held[s.ID] != nil {
			h := d.held[s.ID]
			h.promised = min(h.promised, s.HighWatermark)
		}
	}
}

// watchJoined judges a broker that may be elected from now on: its controller knows of every replica that it has found
// damaged when it opened its logs.
func (c *Cluster) watchJoined(node, at int, d *damage, was, image *metadata.Image) {
	self := core.BrokerID(at + 1)
	before, now := was.Broker(self), image.Broker(self)
	if now == nil || now.Fenced || now.Epoch <= d.epoch || before != nil && !before.Fenced && before.Epoch == now.Epoch {
		return
	}
	b := &c.brokers[at]
	for _, slots := range b.shards {
		for _, s := range slots {
			id := s.replica.ID()
			h, p := d.held[id], partitionOf(image, id)
			if h == nil || p == nil || !p.HasReplica(self) || isLost(p, self) || s.replica.Suspected() == nil ||
				s.replica.Online() || s.seen.Life == b.life {
				continue
			}
			c.wrong("unfenced", node, brokerText(self)+" is unfenced, and the controller was not told that its replica of "+
				s.replica.Name().String()+" was found damaged")
		}
	}
}

// watchLed notes of which partitions a damaged machine knows that the controller does not rely on its replica, and that
// another one leads.
func (c *Cluster) watchLed(node int, image *metadata.Image) {
	d := c.brokers[node].damage
	if d == nil {
		return
	}
	self := core.BrokerID(node + 1)
	//core:unordered each is handled alone
	for id, h := range d.held {
		if p := partitionOf(image, id); p != nil && isLost(p, self) && p.Leader != core.NoBroker && p.Leader != self {
			h.led = true
		}
	}
}

// watchCutEarly judges a log that was opened up to where the damage begins, when it is seen first: until the
// controller knows that it is damaged, and another replica leads, it may be all that there is.
func (c *Cluster) watchCutEarly(s *Sighting, dir string) {
	d := c.brokers[s.Node].damage
	if d == nil {
		return
	}
	h := d.held[s.ID]
	if h == nil || s.End >= h.vouched || s.Start >= h.vouched {
		return
	}
	if x := c.committed.of(s.ID); !h.led && x.unclean == core.NoLeaderEpoch && !x.lossy {
		c.wrong("cut-early", s.Node, s.Name.String()+": what was damaged is cut off at offset "+offsetText(s.End)+
			", offset "+offsetText(h.vouched-1)+" was committed and synced there, and the broker has not known that another "+
			"one leads and the controller was told")
	}
	if at := pointsIn(c.disks[s.Node], dir+recoveryPoints)[s.Name.String()]; at > s.End {
		c.wrong("points", s.Node, s.Name.String()+": what was damaged is cut off at offset "+offsetText(s.End)+
			", and the checkpoint still vouches for everything below "+offsetText(at))
	}
	h.vouched = 0
}

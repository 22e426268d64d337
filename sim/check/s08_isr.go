package check

import (
	"slices"
	"strconv"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// watchISR is S8: ISR, ELR and leader of a partition in the committed metadata fit together, and whoever enters the ISR
// or may lead has everything that was committed. Was is nil for a new partition.
func (c *Cluster) watchISR(node int, image *metadata.Image, id core.TopicIDPartition, name string,
	was, p *metadata.Partition) {
	c.sound(node, name, p)
	c.soundDisks(node, image, name, p)
	if was != nil && p.PartitionEpoch == was.PartitionEpoch+1 {
		c.reassigned(node, name, was, p)
	}
	if p.Leader != core.NoBroker {
		for _, b := range p.ISR {
			if m := image.Broker(b); m == nil || !m.Active() {
				c.wrong("isr", node, name+": "+brokerText(b)+" is in the ISR, and is fenced or shuts down")
			}
		}
	}
	x := c.committed.of(id)
	if was == nil || x.lossy || p.RecoveryState == metadata.Recovering {
		return
	}
	end := x.end
	for _, b := range p.ISR {
		if !slices.Contains(was.ISR, b) && (c.lacks(b, id, end) || c.bare(image, b, id, end)) {
			c.wrong("isr", node, name+": "+brokerText(b)+" enters the ISR without offset "+offsetText(end-1)+
				", which was committed")
		}
	}
	c.watchDeleted(node, id, name, was, p)
	for _, b := range p.ELR {
		if !slices.Contains(was.ELR, b) && c.lacks(b, id, end) {
			c.wrong("elr", node, name+": "+brokerText(b)+" is eligible to lead without offset "+offsetText(end-1)+
				", which was committed")
		}
	}
	c.withinMaximal(node, id, name, p)
}

// watchDeleted judges who enters the ISR by what DeleteRecords was told to be gone (KIP-107): when it leads, that must
// not be back.
func (c *Cluster) watchDeleted(node int, id core.TopicIDPartition, name string, was, p *metadata.Partition) {
	tp := core.TopicPartition{Topic: name[:strings.LastIndexByte(name, '-')], Partition: p.ID}
	x := c.ledger.Partition(tp)
	if x == nil || c.ledger.Forgiven(tp) || c.committed.of(id).unclean >= 0 {
		return // an unclean election may have made one leader that had not deleted it
	}
	for _, b := range p.ISR {
		r := c.replicas[replicaKey{int(b) - 1, id}]
		if r != nil && r.Life > 0 && !slices.Contains(was.ISR, b) && r.Told < x.gone {
			c.wrong("isr", node, name+": "+brokerText(b)+" enters the ISR with a log that begins at "+offsetText(r.Told)+
				", and everything below "+offsetText(x.gone)+" was deleted on request")
		}
	}
}

// eligibleHave judges the eligible leader replicas when more is committed: they are eligible because nothing is
// committed without them. Of the leader itself, which may be deposed and eligible, S6 says whether it has it: what
// was seen of it last is from before this step.
func (c *Cluster) eligibleHave(s *Sighting) {
	if c.images.latest == nil || s.Caching {
		return
	}
	t := c.images.latest.TopicByID(s.ID.Topic)
	if t == nil || t.Partition(s.ID.Partition) == nil {
		return
	}
	for _, b := range t.Partition(s.ID.Partition).ELR {
		if int(b)-1 != s.Node && c.lacks(b, s.ID, s.HighWatermark) {
			c.wrong("elr", s.Node, s.Name.String()+": the high watermark moves to "+offsetText(s.HighWatermark)+
				", which "+brokerText(b)+" lacks, and it is eligible to lead")
		}
	}
}

// bare reports whether a machine that has lost its disk does not have everything below an offset on its new one: what
// an earlier incarnation had does not count (KIP-903). One that was registered before is not judged: a heartbeat that
// was long under way may unfence it, and the next registration ends it.
func (c *Cluster) bare(image *metadata.Image, id core.BrokerID, p core.TopicIDPartition, end core.Offset) bool {
	node := int(id) - 1
	if end == 0 || node < 0 || node >= len(c.brokers) || !c.brokers[node].wiped || c.brokers[node].rotten {
		return false
	}
	if b := image.Broker(id); b == nil || b.Epoch <= c.brokers[node].lostAt {
		return false
	}
	r := c.replicas[replicaKey{node, p}]
	return r == nil || r.durable() < end
}

// watchReturns is S8 of incarnations: a broker that comes back without having shut down cleanly may lack what it has
// acknowledged, and is in no ISR and not eligible to lead, before it has shown that it has everything (KIP-966,
// KAFKA-15586).
func (c *Cluster) watchReturns(node int, was, image *metadata.Image) {
	if image.FeatureLevel(eligibleReplicas) == 0 || !c.ledger.plan.Clustered() {
		return // a broker that is alone has an id of its own
	}
	for _, b := range image.Brokers() {
		at, before := int(b.ID)-1, was.Broker(b.ID)
		if before == nil || before.Epoch == b.Epoch || !b.Fenced || at >= len(c.brokers) || !c.brokers[at].unclean {
			continue
		}
		for t := range image.Topics() {
			for _, p := range t.Partitions {
				if slices.Contains(p.ELR, b.ID) || slices.Contains(p.ISR, b.ID) {
					c.wrong("elr", node, core.TopicPartition{Topic: t.Name, Partition: p.ID}.String()+": "+brokerText(b.ID)+
						" has come back after a crash, and is still in the ISR or eligible to lead")
				}
			}
		}
	}
}

// eligibleReplicas is the feature of KIP-966.
const eligibleReplicas = "eligible.leader.replicas.version"

// watchCounted judges the leader's ISR against the controller's whenever it changes its mind: who may be in the ISR is
// counted until the metadata say otherwise (KIP-497).
func (c *Cluster) watchCounted(was, s *Sighting) {
	if c.images.latest == nil || !s.Appointed ||
		was.Life == s.Life && was.Lead.Pending == s.Lead.Pending && was.Lead.PartitionEpoch == s.Lead.PartitionEpoch {
		return
	}
	t := c.images.latest.TopicByID(s.ID.Topic)
	if t == nil {
		return
	}
	p := t.Partition(s.ID.Partition)
	if p == nil || int(p.Leader)-1 != s.Node || p.LeaderEpoch != s.Epoch || s.Lead.PartitionEpoch >= p.PartitionEpoch {
		return
	}
	for _, b := range p.ISR {
		if !slices.Contains(s.Lead.ISR, b) && (s.Lead.Pending == nil || !slices.Contains(s.Lead.Pending.ISR, b)) {
			c.wrong("isr", s.Node, s.Name.String()+": "+brokerText(b)+" is in the ISR, and the leader counts it no more")
		}
	}
}

// reassigned judges the end of a reassignment: all its targets are in sync (KAFKA-15665), unless it was cancelled.
func (c *Cluster) reassigned(node int, name string, was, p *metadata.Partition) {
	if len(was.Adding)+len(was.Removing) == 0 || len(p.Adding)+len(p.Removing) > 0 {
		return
	}
	for _, b := range was.Adding {
		if !p.HasReplica(b) {
			return
		}
	}
	for _, b := range was.Removing {
		if p.HasReplica(b) {
			return
		}
	}
	for _, b := range p.Replicas {
		if !p.InSync(b) {
			c.wrong("isr", node, name+": its reassignment is complete, and "+brokerText(b)+" is not in sync")
		}
	}
}

// sound judges a partition by itself.
func (c *Cluster) sound(node int, name string, p *metadata.Partition) {
	for _, b := range slices.Concat(p.ISR, p.ELR) {
		if !p.HasReplica(b) {
			c.wrong("isr", node, name+": "+brokerText(b)+" is in sync and no replica")
		}
	}
	for _, b := range p.ELR {
		if slices.Contains(p.ISR, b) {
			c.wrong("isr", node, name+": "+brokerText(b)+" is in the ISR and in the ELR")
		}
	}
	if p.Leader != core.NoBroker && !slices.Contains(p.ISR, p.Leader) {
		c.wrong("isr", node, name+": the leader "+strconv.Itoa(int(p.Leader))+" is not in the ISR")
	}
}

// soundDisks is S8 of disks: nobody is in sync or eligible to lead whose replica counts as lost, or is in a log
// directory that its broker does not use (KIP-858). Without eligible leader replicas the last ISR stays, as the trace
// of who may lead.
func (c *Cluster) soundDisks(node int, image *metadata.Image, name string, p *metadata.Partition) {
	if image.FeatureLevel(eligibleReplicas) == 0 {
		return
	}
	for _, b := range slices.Concat(p.ISR, p.ELR) {
		m, dir := image.Broker(b), metadata.UnassignedDirectory()
		if d, ok := p.Directory(b); ok {
			dir = d
		}
		switch {
		case isLost(p, b):
			c.wrong("isr", node, name+": "+brokerText(b)+" is in sync or eligible to lead, and has lost its replica")
		case m != nil && !m.HasOnline(dir):
			c.wrong("isr", node, name+": "+brokerText(b)+" is in sync or eligible to lead, with its replica in a "+
				"log directory that it does not use")
		}
	}
}

// watchDirectories is the same of all partitions when a broker's log directories have changed, most often because one
// has failed: no replica in it is relied on from the same moment on (KIP-112).
func (c *Cluster) watchDirectories(node int, was, image *metadata.Image) {
	changed := func(b *metadata.Broker) bool {
		before := was.Broker(b.ID)
		return before != nil && !slices.Equal(before.LogDirs, b.LogDirs)
	}
	if !slices.ContainsFunc(image.Brokers(), changed) {
		return
	}
	for t := range image.Topics() {
		for _, p := range t.Partitions {
			c.soundDisks(node, image, core.TopicPartition{Topic: t.Name, Partition: p.ID}.String(), p)
		}
	}
}

// withinMaximal judges the controller's ISR against the leader's: the leader counts everybody who may be in it
// (KIP-497). A leader that knows of a later state is not asked.
func (c *Cluster) withinMaximal(node int, id core.TopicIDPartition, name string, p *metadata.Partition) {
	at := int(p.Leader) - 1
	if at < 0 || at >= len(c.brokers) {
		return
	}
	r := c.replicas[replicaKey{at, id}]
	if r == nil || r.Life != c.brokers[at].life || !r.Appointed || r.Epoch != p.LeaderEpoch ||
		r.Lead.PartitionEpoch >= p.PartitionEpoch {
		return
	}
	for _, b := range p.ISR {
		if !slices.Contains(r.Lead.ISR, b) && (r.Lead.Pending == nil || !slices.Contains(r.Lead.Pending.ISR, b)) {
			c.wrong("isr", node, name+": "+brokerText(b)+" is in the ISR, and the leader does not count it")
		}
	}
}

// Short reports whether a partition has a leader, and a replica that is not in sync.
func (c *Cluster) Short(name core.TopicPartition) bool {
	if c.images.latest == nil {
		return false
	}
	t := c.images.latest.TopicByName(name.Topic)
	if t == nil {
		return false
	}
	p := t.Partition(name.Partition)
	return p != nil && p.Leader != core.NoBroker && len(p.ISR) < len(p.Replicas)
}

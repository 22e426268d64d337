package check

import (
	"slices"
	"strconv"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/broker"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
	"ottla.dev/core/record"
	"ottla.dev/sim/disk"
)

// Cluster judges several brokers from outside, between their steps. Letters are those of the catalogue of invariants.
type Cluster struct {
	fail    Fail
	ledger  *Ledger
	leaders map[core.LeaderEpoch]int                   // of the quorum, by epoch (S1)
	led     map[ledKey]int                             // of partitions, by epoch (S1)
	newest  map[core.TopicIDPartition]core.LeaderEpoch // that any broker knows to be committed
	batches map[batchKey]uint32                        // what an offset of an epoch holds (S3)
	images  map[core.Offset]uint64                     // hash of the metadata at an offset (S11)
	brokers []seenBroker
	// Lossy is told of an unclean election that is reported, where somebody has allowed it, before anything is judged by
	// what it may have lost.
	Lossy    func(core.TopicPartition)
	replicas map[replicaKey]seenReplica
}

type ledKey struct {
	id    core.TopicIDPartition
	epoch core.LeaderEpoch
}

// batchKey names a batch. Topics that come and go are left out: their folders' names come again.
type batchKey struct {
	name  string
	epoch core.LeaderEpoch
	base  core.Offset
}

type seenBroker struct {
	life    int
	epoch   core.LeaderEpoch // of the quorum, in this life
	saved   core.LeaderEpoch // as it was made durable, over all lives
	image   *metadata.Image
	applied core.Offset
	looks   int
}

type replicaKey struct {
	node int
	id   core.TopicIDPartition
}

type seenReplica struct {
	life  int
	epoch core.LeaderEpoch // over all lives
	hw    core.Offset      // in this life
	look  int              // the last that has shown it: a replica may go and come back
}

// NewCluster returns the judge of a number of brokers.
func NewCluster(nodes int, l *Ledger, fail Fail) *Cluster {
	return &Cluster{fail: fail, ledger: l, leaders: map[core.LeaderEpoch]int{}, led: map[ledKey]int{},
		newest: map[core.TopicIDPartition]core.LeaderEpoch{}, batches: map[batchKey]uint32{},
		images: map[core.Offset]uint64{}, brokers: make([]seenBroker, nodes), replicas: map[replicaKey]seenReplica{}}
}

func (c *Cluster) wrong(check string, node int, text string) {
	c.fail(Correctness, check, "broker "+strconv.Itoa(node+1)+": "+text)
}

// Look judges a broker of which a life runs.
func (c *Cluster) Look(node, life int, p *broker.Probe) {
	b := &c.brokers[node]
	b.looks++
	if b.life != life {
		b.life, b.image, b.applied, b.epoch = life, nil, core.NoOffset, b.saved
	}
	if p.Quorum == nil {
		return
	}
	c.quorum(node, b, p)
	if p.Image != nil && p.Image != b.image {
		b.image = p.Image
		c.image(node, b, p.Image)
	}
	for _, r := range p.Replicas {
		c.replica(node, life, r)
	}
}

// quorum judges epochs of the metadata quorum: they do not go back (S7), and one node leads in each (S1).
func (c *Cluster) quorum(node int, b *seenBroker, p *broker.Probe) {
	epoch := p.Quorum.Epoch()
	if epoch < b.epoch {
		c.wrong("quorum-epoch", node, "the quorum's epoch went back from "+epochText(b.epoch)+" to "+epochText(epoch))
	}
	b.epoch, b.saved = epoch, max(b.saved, p.Quorum.State().Epoch)
	if !p.Quorum.Active() {
		return
	}
	if other, ok := c.leaders[epoch]; ok && other != node {
		c.wrong("two-controllers", node, "leads the quorum in epoch "+epochText(epoch)+", as broker "+
			strconv.Itoa(other+1)+" did")
	}
	c.leaders[epoch] = node
}

// image judges committed metadata: equal offsets are equal images (S11), they do not go back, and every partition is
// sound (S8).
func (c *Cluster) image(node int, b *seenBroker, image *metadata.Image) {
	if image.Offset() < b.applied {
		c.wrong("image", node, "the committed metadata went back from offset "+offsetText(b.applied)+" to "+
			offsetText(image.Offset()))
	}
	b.applied = image.Offset()
	sum := hashImage(image)
	if was, ok := c.images[image.Offset()]; ok && was != sum {
		c.wrong("image", node, "the metadata at offset "+offsetText(image.Offset())+" are not those that another broker has")
	}
	c.images[image.Offset()] = sum
	for t := range image.Topics() {
		for _, p := range t.Partitions {
			id := core.TopicIDPartition{Topic: t.ID, Partition: p.ID}
			c.newest[id] = max(c.newest[id], p.LeaderEpoch)
			c.sound(node, t.Name, p)
			if name := (core.TopicPartition{Topic: t.Name, Partition: p.ID}); p.RecoveryState == metadata.Recovering &&
				c.ledger.Unclean(name) {
				c.Lossy(name)
			}
		}
	}
}

func hashImage(image *metadata.Image) uint64 {
	sum := uint64(14695981039346656037)
	var b []byte
	for _, r := range metadata.Snapshot(image) {
		b = metadata.AppendRecord(b[:0], r)
		for _, x := range b {
			sum = (sum ^ uint64(x)) * 1099511628211
		}
	}
	return sum
}

// sound judges a partition of the committed metadata (S8).
func (c *Cluster) sound(node int, topic string, p *metadata.Partition) {
	name := core.TopicPartition{Topic: topic, Partition: p.ID}.String()
	for _, b := range slices.Concat(p.ISR, p.ELR) {
		if !p.HasReplica(b) {
			c.wrong("isr", node, name+": broker "+strconv.Itoa(int(b))+" is in sync and no replica")
		}
	}
	for _, b := range p.ELR {
		if slices.Contains(p.ISR, b) {
			c.wrong("isr", node, name+": broker "+strconv.Itoa(int(b))+" is in the ISR and in the ELR")
		}
	}
	if p.Leader != core.NoBroker && !slices.Contains(p.ISR, p.Leader) {
		c.wrong("isr", node, name+": the leader "+strconv.Itoa(int(p.Leader))+" is not in the ISR")
	}
}

// replica judges one replica: one leader an epoch (S1), epochs that do not go back (S7), a high watermark that does not
// go back in a life, within the log (S6), and nothing cut off below it (S9). A leader of the newest epoch holds all
// that was acknowledged or read (S5).
func (c *Cluster) replica(node, life int, r *partition.Replica) {
	if !r.Online() {
		return
	}
	key := replicaKey{node, r.ID()}
	seen := c.replicas[key]
	look := c.brokers[node].looks
	if seen.life != life || seen.look != look-1 || c.ledger.Forgiven(r.Name()) {
		seen.life, seen.hw = life, 0
	}
	seen.look = look
	name, end, hw := r.Name().String(), r.Log().LogEndOffset(), r.HighWatermark()
	switch {
	case r.LeaderEpoch() < seen.epoch:
		c.wrong("partition-epoch", node, name+": the leader epoch went back from "+epochText(seen.epoch)+" to "+
			epochText(r.LeaderEpoch()))
	case hw < seen.hw && !(hw == end && r.Log().Start() == end):
		// A log that begins anew, because the leader's starts behind its end, may have to begin a little earlier than it
		// had thought: where the batch begins that the leader's log start offset lies in.
		c.wrong("high-watermark", node, name+": the high watermark went back from "+offsetText(seen.hw)+" to "+
			offsetText(hw))
	case end < hw:
		c.wrong("high-watermark", node, name+": the log ends at "+offsetText(end)+", below the high watermark "+
			offsetText(hw))
	}
	seen.epoch, seen.hw = r.LeaderEpoch(), hw
	c.replicas[key] = seen
	if !r.Leading() {
		return
	}
	at := ledKey{r.ID(), r.LeaderEpoch()}
	if other, ok := c.led[at]; ok && other != node {
		c.wrong("two-leaders", node, name+": leads in epoch "+epochText(r.LeaderEpoch())+", as broker "+
			strconv.Itoa(other+1)+" did")
	}
	c.led[at] = node
	if p := c.ledger.Partition(r.Name()); p != nil && r.LeaderEpoch() >= c.newest[r.ID()] && end < p.Known() {
		c.wrong("lost-write", node, name+": leads in epoch "+epochText(r.LeaderEpoch())+" with a log that ends at "+
			offsetText(end)+", and offset "+offsetText(p.Known()-1)+" was acknowledged or read")
	}
}

// Scan reads all logs of a broker: an offset of an epoch is the same bytes everywhere, for ever (S3).
func (c *Cluster) Scan(node int, d *disk.Disk, dir string) {
	entries, err := d.List(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.Dir || !isPartition(e.Name) || strings.HasPrefix(e.Name, ephemeral) {
			continue
		}
		eachBatch(segments(d, dir+"/"+e.Name), func(v record.View, _ segment, _ int64) {
			key := batchKey{e.Name, v.LeaderEpoch(), v.BaseOffset()}
			was, ok := c.batches[key]
			if ok && was != v.CRC() {
				c.wrong("replicas-differ", node, e.Name+" holds another batch at offset "+offsetText(key.base)+" of epoch "+
					epochText(key.epoch))
			}
			c.batches[key] = v.CRC()
		})
	}
}

// Settled says what stands in the way of a cluster at rest (L1), nothing if it has come to that.
func Settled(all []broker.Probe) string {
	controllers := 0
	for i := range all {
		p := &all[i]
		who := " broker " + strconv.Itoa(i+1)
		if p.Controller {
			controllers++
		}
		if p.Image == nil || p.Image.Offset() != all[0].Image.Offset() {
			return who + " has other metadata than broker 1;"
		}
		for t := range p.Image.Topics() {
			for _, part := range t.Partitions {
				if part.Leader == core.NoBroker || len(part.ISR) != len(part.Replicas) {
					name := core.TopicPartition{Topic: t.Name, Partition: part.ID}.String()
					return " " + name + " is led by " + strconv.Itoa(int(part.Leader)) + " with " + strconv.Itoa(len(part.ISR)) +
						" of " + strconv.Itoa(len(part.Replicas)) + " replicas in sync;"
				}
			}
		}
	}
	if controllers != 1 {
		return " there are " + strconv.Itoa(controllers) + " controllers;"
	}
	return ""
}

func epochText(e core.LeaderEpoch) string { return strconv.Itoa(int(e)) }

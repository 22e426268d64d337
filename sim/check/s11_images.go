package check

import (
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// images is S11: the committed metadata at an offset are the same at every broker, whether they come from a snapshot or
// from the log, and no broker's go back.
type images struct {
	hashes map[core.Offset]uint64
	latest *metadata.Image // by offset, that anybody has seen
}

// judgeImage judges the metadata that a broker has come to know. Was is what it knew before in this life, or nil.
func (c *Cluster) judgeImage(node int, was, image *metadata.Image) {
	at := image.Offset()
	if was != nil && at < was.Offset() {
		c.wrong("image", node, "the committed metadata went back from offset "+offsetText(was.Offset())+" to "+
			offsetText(at))
	}
	b := &c.brokers[node]
	if was == nil || at%wholly == 0 || !alike(was, image) {
		b.imageSum = hashImage(image)
	}
	sum := b.imageSum
	if other, ok := c.images.hashes[at]; ok && other != sum {
		c.wrong("image", node, "the metadata at offset "+offsetText(at)+" are not those that another broker has")
	}
	c.images.hashes[at] = sum
	c.watchLed(node, image)
	if image.InTransaction() || c.images.latest != nil && at <= c.images.latest.Offset() {
		return
	}
	latest := c.images.latest
	c.images.latest = image
	c.watchTold(image)
	if latest != nil {
		c.watchBrokerEpochs(node, latest, image)
		c.watchReturns(node, latest, image)
		c.watchDirectories(node, latest, image)
		c.watchUnfencing(node, latest, image)
		c.watchStandings(node, latest, image)
	}
	for t := range image.Topics() {
		var before *metadata.Topic
		if latest != nil {
			if before = latest.TopicByID(t.ID); before == t {
				continue // nothing has changed in it
			}
		}
		for _, p := range t.Partitions {
			c.judgePartition(node, image, t, before, p)
		}
	}
}

func (c *Cluster) judgePartition(node int, image *metadata.Image, t, before *metadata.Topic, p *metadata.Partition) {
	id := core.TopicIDPartition{Topic: t.ID, Partition: p.ID}
	name := core.TopicPartition{Topic: t.Name, Partition: p.ID}.String()
	var was *metadata.Partition
	if before != nil {
		was = before.Partition(p.ID)
	}
	if was == p {
		return
	}
	x := c.committed.of(id)
	x.newest = max(x.newest, p.LeaderEpoch)
	if tp := (core.TopicPartition{Topic: t.Name, Partition: p.ID}); p.RecoveryState == metadata.Recovering {
		if c.ledger.Unclean(tp) && c.Lossy != nil {
			c.Lossy(tp)
		}
		if c.ledger.allowsUnclean(tp.Topic) && (was == nil || was.LeaderEpoch != p.LeaderEpoch) {
			x.unclean, x.lossy = p.LeaderEpoch, true
		}
	}
	if was != nil {
		c.watchMetadataEpochs(node, name, was, p)
		for _, b := range was.Replicas {
			if !p.HasReplica(b) {
				if r := c.replicas[replicaKey{int(b) - 1, id}]; r != nil {
					r.loose = true
				}
			}
		}
	}
	c.watchRenewals(x, name, was, p)
	c.watchISR(node, image, id, name, was, p)
}

// wholly is one offset in so many at which an image is read again although all its parts were in the one before: no
// part of an image is ever changed.
const wholly = 16

// alike reports whether two images have the same parts, and not only equal ones. Most records of a quorum at rest say
// that nothing has changed.
func alike(was, image *metadata.Image) bool {
	was, image = was.Stable(), image.Stable()
	if was.NextProducerID() != image.NextProducerID() || was.TopicCount() != image.TopicCount() ||
		!slices.Equal(was.Brokers(), image.Brokers()) || !slices.Equal(was.Controllers(), image.Controllers()) ||
		!slices.Equal(was.Features(), image.Features()) {
		return false
	}
	for t := range image.Topics() {
		if was.TopicByID(t.ID) != t {
			return false
		}
	}
	count := 0
	for resource, set := range image.AllConfigs() {
		if was.Configs(resource) != set {
			return false
		}
		count++
	}
	for range was.AllConfigs() {
		count--
	}
	return count == 0
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

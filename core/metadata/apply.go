package metadata

import (
	"fmt"
	"slices"

	"ottla.dev/core"
)

// Apply replays records that follow img in the log, at consecutive offsets up to last, all from a batch of the given
// leader epoch. It returns the image after them; img stays as it was and shares what the records left alone. Without
// records it moves the offset on, past a control batch.
//
// Records of the committed log always apply. An error says that they contradict the image (an unknown topic, a stale
// broker epoch ...), so the log or this program is wrong, and nothing of them is applied.
func (img *Image) Apply(last core.Offset, epoch core.LeaderEpoch, records ...Record) (*Image, error) {
	first := last - core.Offset(len(records)) + 1
	if first <= img.offset && (len(records) > 0 || last < img.offset) {
		return nil, fmt.Errorf("metadata: records at offsets %d to %d do not follow offset %d", first, last,
			img.offset)
	}
	d := delta{next: *img}
	for i, r := range records {
		if err := d.apply(r); err != nil {
			return nil, fmt.Errorf("metadata: record at offset %d: %w", first+core.Offset(i), err)
		}
		d.next.offset, d.next.epoch = first+core.Offset(i), epoch
	}
	d.next.offset, d.next.epoch = last, epoch
	return d.image(), nil
}

// Load replays the records of a snapshot whose last contained offset and epoch are given (the snapshot's name has the
// offset after it).
func Load(clusterID string, last core.Offset, epoch core.LeaderEpoch, records []Record) (*Image, error) {
	d := delta{next: *NewImage(clusterID)}
	for i, r := range records {
		if err := d.apply(r); err != nil {
			return nil, fmt.Errorf("metadata: record %d of the snapshot at offset %d: %w", i, last, err)
		}
	}
	if d.next.InTransaction() {
		return nil, fmt.Errorf("metadata: the snapshot at offset %d ends inside a metadata transaction", last)
	}
	d.next.offset, d.next.epoch = last, epoch
	return d.image(), nil
}

// delta is an image under construction. What it made itself it may change in place; what it shares with an image before
// it copies first. Without that, a batch that creates a topic of n partitions would copy its partition list n times.
type delta struct {
	next   Image
	topics map[core.UUID]*Topic // made by this delta, not yet shared with anyone
}

// image ends the delta: from here on its topics are shared.
func (d *delta) image() *Image {
	img := d.next
	d.topics = nil
	return &img
}

func (d *delta) apply(r Record) error {
	switch r := r.(type) {
	case *RegisterBrokerRecord:
		return d.registerBroker(r)
	case *UnregisterBrokerRecord:
		return d.unregisterBroker(r)
	case *TopicRecord:
		return d.createTopic(r)
	case *PartitionRecord:
		return d.setPartition(r)
	case *ConfigRecord:
		return d.setConfig(r)
	case *PartitionChangeRecord:
		return d.changePartition(r)
	case *FenceBrokerRecord:
		return d.changeBroker(r.Broker, r.Epoch, func(b *Broker) { b.Fenced = true })
	case *UnfenceBrokerRecord:
		return d.changeBroker(r.Broker, r.Epoch, func(b *Broker) { b.Fenced = false })
	case *RemoveTopicRecord:
		return d.removeTopic(r)
	case *FeatureLevelRecord:
		return d.setFeature(r)
	case *ProducerIDsRecord:
		return d.setNextProducerID(r)
	case *BrokerRegistrationChangeRecord:
		return d.changeRegistration(r)
	case *NoOpRecord:
		return nil
	case *BeginTransactionRecord:
		return d.beginTransaction()
	case *EndTransactionRecord:
		return d.endTransaction()
	case *AbortTransactionRecord:
		return d.abortTransaction()
	case *RegisterControllerRecord:
		return d.registerController(r)
	case *ClearELRRecord:
		return d.clearELR(r)
	}
	panic(fmt.Sprintf("metadata: no replay for records of type %d", r.Type()))
}

func (d *delta) beginTransaction() error {
	if d.next.beforeTxn != nil {
		return fmt.Errorf("a metadata transaction begins inside another")
	}
	before := d.next
	d.topics = nil // from here on before shares them
	d.next.beforeTxn = &before
	return nil
}

func (d *delta) endTransaction() error {
	if d.next.beforeTxn == nil {
		return fmt.Errorf("a metadata transaction ends that did not begin")
	}
	d.next.beforeTxn = nil
	return nil
}

func (d *delta) abortTransaction() error {
	if d.next.beforeTxn == nil {
		return fmt.Errorf("a metadata transaction aborts that did not begin")
	}
	d.next = *d.next.beforeTxn
	d.topics = nil
	return nil
}

func (d *delta) setFeature(r *FeatureLevelRecord) error {
	if r.Level < 0 {
		return fmt.Errorf("feature %q at level %d", r.Name, r.Level)
	}
	features := slices.Clone(d.next.features)
	i, found := findFeature(features, r.Name)
	switch {
	case r.Level == 0 && found:
		features = slices.Delete(features, i, i+1)
	case r.Level == 0:
	case found:
		features[i].Level = r.Level
	default:
		features = slices.Insert(features, i, Feature{Name: r.Name, Level: r.Level})
	}
	d.next.features = features
	return nil
}

func (d *delta) setNextProducerID(r *ProducerIDsRecord) error {
	if r.Next <= d.next.nextProducerID {
		return fmt.Errorf("producer ids go back from %d to %d", d.next.nextProducerID, r.Next)
	}
	d.next.nextProducerID = r.Next
	return nil
}

func (d *delta) setConfig(r *ConfigRecord) error {
	key := Resource{Type: r.ResourceType, Name: r.ResourceName}
	set, found := d.next.configs.get(key)
	switch next := set.With(r.Name, r.Value); {
	case next != nil:
		d.next.configs = d.next.configs.insert(key, next)
	case found:
		d.next.configs = d.next.configs.remove(key)
	}
	return nil
}

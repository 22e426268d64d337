package metadata

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
	"strings"

	"ottla.dev/core"
)

// Image is the cluster's metadata after all records up to [Image.Offset]. It never changes.
type Image struct {
	clusterID string
	offset    core.Offset
	epoch     core.LeaderEpoch

	// Invariants: brokers and controllers ascend by id, features by name; every topic stands in both topic trees under
	// its name and its id; no configuration set in configs is empty.
	brokers        []*Broker
	controllers    []*Controller
	features       []Feature
	topicsByName   tree[topicName, *Topic]
	topicsByID     tree[topicID, *Topic]
	configs        tree[Resource, *ConfigSet]
	partitions     int // over all topics
	nextProducerID core.ProducerID

	// beforeTxn is the image to go back to if the metadata transaction in progress aborts; nil outside of one.
	beforeTxn *Image
}

// NewImage is the image of an empty log. The cluster id is not in the log: it comes from meta.properties (KIP-631).
func NewImage(clusterID string) *Image {
	return &Image{clusterID: clusterID, offset: core.NoOffset, epoch: core.NoLeaderEpoch}
}

type topicName string

func (a topicName) Compare(b topicName) int { return strings.Compare(string(a), string(b)) }

type topicID core.UUID

func (a topicID) Compare(b topicID) int { return bytes.Compare(a[:], b[:]) }

// Compare orders resources by type, then by name.
func (r Resource) Compare(b Resource) int {
	if c := cmp.Compare(r.Type, b.Type); c != 0 {
		return c
	}
	return strings.Compare(r.Name, b.Name)
}

// Topic is a topic and its partitions. Immutable.
type Topic struct {
	Name string
	ID   core.UUID
	// Partitions ascend by id. Their ids are 0, 1, 2 ... without gaps, except between the records that create them.
	Partitions []*Partition
}

// Partition returns the partition with the given id, or nil.
func (t *Topic) Partition(id core.PartitionID) *Partition {
	if id >= 0 && int(id) < len(t.Partitions) && t.Partitions[id].ID == id {
		return t.Partitions[id]
	}
	if i, ok := t.find(id); ok {
		return t.Partitions[i]
	}
	return nil
}

func (t *Topic) find(id core.PartitionID) (int, bool) {
	return slices.BinarySearchFunc(t.Partitions, id, func(p *Partition, id core.PartitionID) int {
		return cmp.Compare(p.ID, id)
	})
}

// Partition is the state of one partition (Kafka: PartitionRegistration). Immutable.
type Partition struct {
	ID             core.PartitionID
	Replicas       []core.BrokerID // the first is the preferred leader
	Directories    []core.UUID     // of each of Replicas
	ISR            []core.BrokerID
	ELR            []core.BrokerID // eligible leader replicas (KIP-966)
	LastKnownELR   []core.BrokerID
	Removing       []core.BrokerID
	Adding         []core.BrokerID
	Leader         core.BrokerID // core.NoBroker: offline
	RecoveryState  RecoveryState
	LeaderEpoch    core.LeaderEpoch
	PartitionEpoch core.PartitionEpoch
}

// PreferredLeader is the first replica.
func (p *Partition) PreferredLeader() core.BrokerID {
	if len(p.Replicas) == 0 {
		return core.NoBroker
	}
	return p.Replicas[0]
}

// HasReplica reports whether the broker holds a replica of the partition.
func (p *Partition) HasReplica(b core.BrokerID) bool { return slices.Contains(p.Replicas, b) }

// InSync reports whether the broker is in the ISR.
func (p *Partition) InSync(b core.BrokerID) bool { return slices.Contains(p.ISR, b) }

// Directory is the log directory of the broker's replica; false if it has none.
func (p *Partition) Directory(b core.BrokerID) (core.UUID, bool) {
	i := slices.Index(p.Replicas, b)
	if i < 0 {
		return core.UUID{}, false
	}
	return p.Directories[i], true
}

// Broker is a broker's registration. Immutable.
type Broker struct {
	ID                   core.BrokerID
	Epoch                core.BrokerEpoch
	Incarnation          core.UUID
	Endpoints            []Endpoint
	Features             []FeatureRange
	Rack                 string // "": no rack
	LogDirs              []core.UUID
	Fenced               bool
	InControlledShutdown bool
}

// Active reports whether the broker may lead and join ISRs: it is neither fenced nor on its way down.
func (b *Broker) Active() bool { return !b.Fenced && !b.InControlledShutdown }

// HasOnline reports whether a log directory of the broker is in use, as far as is known (Kafka: DirectoryId.isOnline).
func (b *Broker) HasOnline(directory core.UUID) bool { return Online(b.LogDirs, directory) }

// Online reports whether a log directory is in use by a broker that has said that it uses these; none: it has not said.
func Online(used []core.UUID, directory core.UUID) bool {
	switch directory {
	case UnassignedDirectory(), MigratingDirectory():
		return true
	case LostDirectory():
		return false
	}
	return len(used) == 0 || slices.Contains(used, directory)
}

// Endpoint returns the broker's listener of that name.
func (b *Broker) Endpoint(listener string) (Endpoint, bool) {
	for _, e := range b.Endpoints {
		if e.Name == listener {
			return e, true
		}
	}
	return Endpoint{}, false
}

// Controller is a controller's registration. Immutable.
type Controller struct {
	ID               core.BrokerID
	Incarnation      core.UUID
	ZKMigrationReady bool
	Endpoints        []Endpoint
	Features         []FeatureRange
}

// Feature is a feature finalized at a level above 0.
type Feature struct {
	Name  string
	Level int16
}

// Config is one configuration of a resource, by Kafka's name and in Kafka's text form.
type Config struct {
	Name  string
	Value string
}

// ConfigSet is the configurations set on one resource, ascending by name. Immutable; the nil set is empty.
type ConfigSet struct {
	entries []Config
}

// Get returns the value set for a name.
func (s *ConfigSet) Get(name string) (string, bool) {
	if s == nil {
		return "", false
	}
	if i, ok := s.find(name); ok {
		return s.entries[i].Value, true
	}
	return "", false
}

// All returns the configurations in ascending order of their names.
func (s *ConfigSet) All() []Config {
	if s == nil {
		return nil
	}
	return s.entries
}

func (s *ConfigSet) find(name string) (int, bool) {
	return slices.BinarySearchFunc(s.entries, name, func(c Config, name string) int {
		return strings.Compare(c.Name, name)
	})
}

// With returns the set with name set to value, or without name if value is nil; the nil set if nothing is left.
func (s *ConfigSet) With(name string, value *string) *ConfigSet {
	next := &ConfigSet{}
	i, found := 0, false
	if s != nil {
		i, found = s.find(name)
		next.entries = slices.Clone(s.entries)
	}
	switch {
	case value == nil && found:
		next.entries = slices.Delete(next.entries, i, i+1)
	case value != nil && found:
		next.entries[i].Value = *value
	case value != nil:
		next.entries = slices.Insert(next.entries, i, Config{Name: name, Value: *value})
	}
	if len(next.entries) == 0 {
		return nil
	}
	return next
}

// ClusterID is the id that the cluster was formatted with.
func (img *Image) ClusterID() string { return img.clusterID }

// Offset is the offset of the last record applied, or core.NoOffset.
func (img *Image) Offset() core.Offset { return img.offset }

// Epoch is the leader epoch of the batch that held the last record applied, or core.NoLeaderEpoch.
func (img *Image) Epoch() core.LeaderEpoch { return img.epoch }

// InTransaction reports whether a metadata transaction is in progress. Such an image serves to apply further records;
// what the rest of the broker may see is [Image.Stable].
func (img *Image) InTransaction() bool { return img.beforeTxn != nil }

// Stable is the image without the metadata transaction in progress, or img itself.
func (img *Image) Stable() *Image {
	if img.beforeTxn != nil {
		return img.beforeTxn
	}
	return img
}

// TopicByName returns the topic of that name, or nil. It does not allocate.
func (img *Image) TopicByName(name string) *Topic {
	t, _ := img.topicsByName.get(topicName(name))
	return t
}

// TopicByID returns the topic with that id, or nil. It does not allocate.
func (img *Image) TopicByID(id core.UUID) *Topic {
	t, _ := img.topicsByID.get(topicID(id))
	return t
}

// Partition returns the partition of a topic given by name, or nil. It does not allocate.
func (img *Image) Partition(topic string, id core.PartitionID) *Partition {
	if t := img.TopicByName(topic); t != nil {
		return t.Partition(id)
	}
	return nil
}

// Topics walks all topics in ascending order of their names.
func (img *Image) Topics() iter.Seq[*Topic] {
	return func(yield func(*Topic) bool) {
		img.topicsByName.each(func(_ topicName, t *Topic) bool { return yield(t) })
	}
}

// TopicsFrom walks the topics whose names are not less than name, in ascending order (DescribeTopicPartitions' cursor).
func (img *Image) TopicsFrom(name string) iter.Seq[*Topic] {
	return func(yield func(*Topic) bool) {
		img.topicsByName.from(topicName(name), func(_ topicName, t *Topic) bool { return yield(t) })
	}
}

// TopicCount is the number of topics.
func (img *Image) TopicCount() int { return img.topicsByName.size }

// PartitionCount is the number of partitions of all topics.
func (img *Image) PartitionCount() int { return img.partitions }

// Broker returns a broker's registration, or nil. It does not allocate.
func (img *Image) Broker(id core.BrokerID) *Broker {
	if i, ok := findBroker(img.brokers, id); ok {
		return img.brokers[i]
	}
	return nil
}

// Brokers returns all registrations in ascending order of their ids.
func (img *Image) Brokers() []*Broker { return img.brokers }

// Controllers returns all controllers' registrations in ascending order of their ids.
func (img *Image) Controllers() []*Controller { return img.controllers }

// Features returns the finalized features in ascending order of their names.
func (img *Image) Features() []Feature { return img.features }

// FeatureLevel is the level that a feature is finalized at, 0 if it is not.
func (img *Image) FeatureLevel(name string) int16 {
	if i, ok := findFeature(img.features, name); ok {
		return img.features[i].Level
	}
	return 0
}

// Configs returns what is set on a resource; the result is nil, which is an empty set, if nothing is.
func (img *Image) Configs(r Resource) *ConfigSet {
	s, _ := img.configs.get(r)
	return s
}

// AllConfigs walks the resources that have configurations, in ascending order of type and name.
func (img *Image) AllConfigs() iter.Seq2[Resource, *ConfigSet] {
	return func(yield func(Resource, *ConfigSet) bool) { img.configs.each(yield) }
}

// NextProducerID is the first producer id that no block given out contains.
func (img *Image) NextProducerID() core.ProducerID { return img.nextProducerID }

func findBroker(brokers []*Broker, id core.BrokerID) (int, bool) {
	return slices.BinarySearchFunc(brokers, id, func(b *Broker, id core.BrokerID) int { return cmp.Compare(b.ID, id) })
}

func findController(cs []*Controller, id core.BrokerID) (int, bool) {
	return slices.BinarySearchFunc(cs, id, func(c *Controller, id core.BrokerID) int { return cmp.Compare(c.ID, id) })
}

func findFeature(features []Feature, name string) (int, bool) {
	return slices.BinarySearchFunc(features, name, func(f Feature, name string) int {
		return strings.Compare(f.Name, name)
	})
}

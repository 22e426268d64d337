package api

import (
	"ottla.dev/core"
	"ottla.dev/core/config"
	"ottla.dev/core/controller"
	"ottla.dev/core/metadata"
	"ottla.dev/core/record"
)

// Cluster is what a session knows of the cluster: the committed metadata and the settings that follow from it. It never
// changes; control sends a new one.
type Cluster struct {
	ID     string
	Self   core.BrokerID
	Shards uint32
	// Leader leads the metadata quorum, and decides; NoBroker if that is not known.
	Leader core.BrokerID
	Image  *metadata.Image
	// Controllers are the quorum's voters, and KRaftVersion says whether they are in the log.
	Controllers  []record.Voter
	KRaftVersion int16
	// Settings are the broker's, resolved from Static and the image.
	Settings *config.Broker
	// Static is what server.properties and the command line say.
	Static map[string]string
	// LogDirs are the log directories, in the order of log.dirs.
	LogDirs []LogDir
}

// LogDir is a log directory of this broker.
type LogDir struct {
	Path string
	// ID is the directory.id, zero if it could not be read.
	ID core.UUID
	// Offline is why the directory is not used any more, nil if it is.
	Offline error
}

// Layers are the values that were set for a topic (none for the name "") and for this broker.
func (c *Cluster) Layers(topic string) config.Layers {
	l := config.Layers{
		Broker:  configMap(c.Image, metadata.BrokerResource(c.Self)),
		Cluster: configMap(c.Image, metadata.Resource{Type: metadata.ResourceBroker}),
		Static:  c.Static,
	}
	if topic != "" {
		l.Topic = configMap(c.Image, metadata.Resource{Type: metadata.ResourceTopic, Name: topic})
	}
	return l
}

func configMap(img *metadata.Image, r metadata.Resource) map[string]string {
	set := img.Configs(r).All()
	if len(set) == 0 {
		return nil
	}
	m := make(map[string]string, len(set))
	for _, c := range set {
		m[c.Name] = c.Value
	}
	return m
}

// Names of the topics that belong to the broker (Kafka: Topic).
const (
	ConsumerOffsetsTopic  = "__consumer_offsets"
	TransactionStateTopic = "__transaction_state"
	MetadataTopic         = "__cluster_metadata"
)

// IsInternal reports whether clients must not produce to a topic.
func IsInternal(topic string) bool {
	return topic == ConsumerOffsetsTopic || topic == TransactionStateTopic || topic == MetadataTopic
}

// ShardOf is the shard that owns a partition. It goes by the topic's name, so that a topic that is created again
// comes to the shard that is still removing its predecessor's folder. Neighbouring partitions go to neighbouring
// shards.
func (c *Cluster) ShardOf(topic string, p core.PartitionID) core.Address {
	h := uint32(2166136261) // FNV-1a
	for i := range len(topic) {
		h = (h ^ uint32(topic[i])) * 16777619
	}
	return core.Shard((h + uint32(p)) % c.Shards)
}

// Resolve finds a partition that a request names by topic name. The code is UnknownTopicOrPartition if there is none.
func (c *Cluster) Resolve(topic string, partition int32) (core.TopicIDPartition, core.ErrorCode) {
	t := c.Image.TopicByName(topic)
	if t == nil || t.Partition(core.PartitionID(partition)) == nil {
		return core.TopicIDPartition{}, core.UnknownTopicOrPartition
	}
	return core.TopicIDPartition{Topic: t.ID, Partition: core.PartitionID(partition)}, core.NoError
}

// Controller is the broker that is described as the controller: the quorum's leader if clients reach it, or else this
// broker, which sends on what it is asked.
func (c *Cluster) Controller() core.BrokerID {
	if b := c.Image.Broker(c.Leader); b != nil && !b.Fenced {
		return c.Leader
	}
	return c.Self
}

// Through is the broker to which a client of Metadata is told to send what needs the controller: this one, which sends
// it on, or, if it is the controller itself, another one. Kafka's brokers name any broker that lives
// (KRaftMetadataCache.getRandomAliveBrokerId). A client that is told of the controller has nobody else to ask when just
// that process dies: it dials it again, waits, and asks for metadata anew, for most of a second after the cluster has
// another controller.
func (c *Cluster) Through() core.BrokerID {
	if b := c.Image.Broker(c.Self); b != nil && !b.Fenced && c.Self != c.Leader {
		return c.Self
	}
	first, next := core.NoBroker, core.NoBroker // of those that live: of all, and of those with higher ids
	for _, b := range c.Image.Brokers() {
		if b.Fenced || b.ID == c.Self || b.ID == c.Leader {
			continue
		}
		if first == core.NoBroker {
			first = b.ID
		}
		if next == core.NoBroker && b.ID > c.Self {
			next = b.ID
		}
	}
	switch {
	case next != core.NoBroker:
		return next
	case first != core.NoBroker:
		return first
	}
	return c.Controller()
}

// listener is the name of the listener whose addresses are given to clients.
const listener = "PLAINTEXT"

// endpoint is where clients reach a broker; port -1 if it has no listener for them.
func endpoint(b *metadata.Broker) (host string, port int32) {
	if e, ok := b.Endpoint(listener); ok {
		return e.Host, int32(e.Port)
	}
	if len(b.Endpoints) > 0 {
		return b.Endpoints[0].Host, int32(b.Endpoints[0].Port)
	}
	return "", -1
}

func rack(b *metadata.Broker) *string {
	if b.Rack == "" {
		return nil
	}
	return &b.Rack
}

func int32s(ids []core.BrokerID) []int32 {
	out := make([]int32, len(ids))
	for i, id := range ids {
		out[i] = int32(id)
	}
	return out
}

// offline returns the replicas that are on brokers that are not active, or in log directories that have failed (Kafka:
// KRaftMetadataCache.isReplicaOffline).
func (c *Cluster) offline(p *metadata.Partition) []int32 {
	out := []int32{}
	for _, id := range p.Replicas {
		b := c.Image.Broker(id)
		if b == nil || b.Fenced {
			out = append(out, int32(id))
		} else if dir, ok := p.Directory(id); ok && !b.HasOnline(dir) {
			out = append(out, int32(id))
		}
	}
	return out
}

// Operations on resources as DescribeCluster, Metadata and DescribeGroups answer them when asked: without an authorizer
// everything is allowed (Kafka: AclEntry.supportedOperations).
const (
	topicOperations   = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11
	clusterOperations = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12
	notAsked          = -2147483648
)

// validTopicName reports whether Kafka takes a topic name (Kafka: Topic.validate).
func validTopicName(name string) bool { return controller.ValidTopicName(name) }

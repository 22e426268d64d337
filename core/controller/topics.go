package controller

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// creation is a CreateTopics request being decided.
type creation struct {
	c         *Controller
	img       *metadata.Image
	internal  bool
	placer    *placer
	collision collisions
	records   []metadata.Record
}

func (c *Controller) createTopics(img *metadata.Image, req *kmsg.CreateTopicsRequest, internal bool) Decision {
	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	k := creation{c: c, img: img, internal: internal, collision: collisions{img: img}}
	wholly := c.refuseSize(req)
	again := repeated(req.Topics, func(t kmsg.CreateTopicsRequestTopic) string { return t.Topic })
	answered := make(map[string]bool, len(req.Topics))
	for i := range req.Topics {
		t := &req.Topics[i]
		if answered[t.Topic] {
			continue // one answer a name: the repeated ones are all refused by the first
		}
		answered[t.Topic] = true
		refused := wholly
		if refused == nil && again[t.Topic] {
			refused = refuse(core.InvalidRequest, "Duplicate topic name.")
		}
		resp.Topics = append(resp.Topics, k.topic(t, refused))
	}
	if len(k.records) > MaxRecordsPerRequest {
		k.records = nil
		for i := range resp.Topics {
			resp.Topics[i] = answeredTopic(resp.Topics[i].Topic, tooManyRecords())
		}
	}
	if req.ValidateOnly {
		k.records = nil
	}
	return Decision{k.records, resp}
}

// refuseSize refuses the request as a whole if it asks for too many partitions, before any work is done for them
// (Kafka: validateTotalNumberOfPartitions).
func (c *Controller) refuseSize(req *kmsg.CreateTopicsRequest) *refusal {
	total := int64(0)
	for _, t := range req.Topics {
		switch {
		case len(t.ReplicaAssignment) > 0:
			total += int64(len(t.ReplicaAssignment))
		case t.NumPartitions == -1:
			total += int64(c.Settings.NumPartitions)
		case t.NumPartitions > 0:
			total += int64(t.NumPartitions)
		}
	}
	if total > MaxPartitionsPerRequest {
		return refuse(core.PolicyViolation, "Excessively large number of partitions per request.")
	}
	return nil
}

func answeredTopic(name string, r *refusal) kmsg.CreateTopicsResponseTopic {
	out := kmsg.NewCreateTopicsResponseTopic()
	out.Topic = name
	out.Configs = []kmsg.CreateTopicsResponseTopicConfig{} // Kafka's clients do not expect null
	out.ErrorCode, out.ErrorMessage = r.fields()
	return out
}

// topic decides one topic, appending its records if it can be created.
func (k *creation) topic(t *kmsg.CreateTopicsRequestTopic, refused *refusal) kmsg.CreateTopicsResponseTopic {
	if refused == nil {
		refused = k.refuseName(t.Topic)
	}
	var configs []metadata.Config
	if refused == nil {
		configs, refused = k.topicConfigs(t)
	}
	var partitions [][]core.BrokerID
	if refused == nil {
		partitions, refused = k.assignment(t)
	}
	if refused != nil {
		return answeredTopic(t.Topic, refused)
	}
	id := k.newTopicID()
	k.append(t.Topic, id, configs, partitions)
	k.collision.add(t.Topic)
	out := answeredTopic(t.Topic, nil)
	out.TopicID = id
	out.NumPartitions = int32(len(partitions))
	out.ReplicationFactor = int16(len(partitions[0]))
	out.Configs = append(out.Configs, k.c.configs.EffectiveTopic(k.img, configs)...)
	return out
}

func (k *creation) refuseName(name string) *refusal {
	switch {
	case name == clusterMetadataTopic:
		return refuse(core.InvalidRequest, "Creation of internal topic %s is prohibited.", clusterMetadataTopic)
	case k.img.TopicByName(name) != nil:
		return refuse(core.TopicAlreadyExists, "Topic %s already exists.", quote(name))
	}
	if r := refuseTopicName(name); r != nil {
		return r
	}
	return k.collision.refuse(name)
}

// topicConfigs gives the configurations asked for, ascending by name; of a repeated name the last one counts.
func (k *creation) topicConfigs(t *kmsg.CreateTopicsRequestTopic) ([]metadata.Config, *refusal) {
	var null []string
	set := make(map[string]string, len(t.Configs))
	for _, c := range t.Configs {
		if c.Value == nil {
			null = append(null, quote(c.Name))
			continue
		}
		set[c.Name] = *c.Value
	}
	if len(null) > 0 {
		return nil, refuse(core.InvalidConfig, "Null value not supported for topic configs: %s", joinSome(null))
	}
	configs := make([]metadata.Config, 0, len(set))
	//core:unordered sorted below
	for name, value := range set {
		configs = append(configs, metadata.Config{Name: name, Value: value})
	}
	slices.SortFunc(configs, func(a, b metadata.Config) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range configs {
		if r := refuseLength(c.Name, c.Value); r != nil {
			return nil, r
		}
		if k.internal {
			continue
		}
		resource := metadata.Resource{Type: metadata.ResourceTopic, Name: t.Topic}
		if err := k.c.configs.Check(resource, c.Name, c.Value); err != nil {
			return nil, refuse(core.InvalidConfig, "%s", err.Error())
		}
	}
	if err := k.c.configs.CheckTopic(k.img, configs); err != nil && !k.internal {
		return nil, refuse(core.InvalidConfig, "%s", err.Error())
	}
	return configs, nil
}

// joinedMax bounds how many names a message lists.
const joinedMax = 20

func joinSome(names []string) string {
	if len(names) > joinedMax {
		return strings.Join(names[:joinedMax], ",") + ",..."
	}
	return strings.Join(names, ",")
}

// assignment gives the replicas of each partition, by the request's own assignment or by placement.
func (k *creation) assignment(t *kmsg.CreateTopicsRequestTopic) ([][]core.BrokerID, *refusal) {
	switch {
	case len(t.ReplicaAssignment) > 0:
		return k.manualAssignment(t)
	case t.ReplicationFactor < -1 || t.ReplicationFactor == 0:
		return nil, refuse(core.InvalidReplicationFactor,
			"Replication factor must be larger than 0, or -1 to use the default value.")
	case t.NumPartitions < -1 || t.NumPartitions == 0:
		return nil, refuse(core.InvalidPartitions, "Number of partitions was set to an invalid non-positive value.")
	}
	partitions, factor := t.NumPartitions, t.ReplicationFactor
	if partitions == -1 {
		partitions = k.c.Settings.NumPartitions
	}
	if factor == -1 {
		factor = k.c.Settings.DefaultReplicationFactor
	}
	if k.placer == nil {
		k.placer = newPlacer(k.img, &k.c.random)
	}
	if r := k.placer.refuse(int(factor)); r != nil {
		return nil, r
	}
	placed := make([][]core.BrokerID, partitions)
	for i := range placed {
		placed[i] = k.placer.place(int(factor))
	}
	return placed, nil
}

func (k *creation) manualAssignment(t *kmsg.CreateTopicsRequestTopic) ([][]core.BrokerID, *refusal) {
	switch {
	case t.ReplicationFactor != -1:
		return nil, refuse(core.InvalidRequest,
			"A manual partition assignment was specified, but replication factor was not set to -1.")
	case t.NumPartitions != -1:
		return nil, refuse(core.InvalidRequest,
			"A manual partition assignment was specified, but numPartitions was not set to -1.")
	}
	partitions := make([][]core.BrokerID, len(t.ReplicaAssignment))
	factor := len(t.ReplicaAssignment[0].Replicas)
	for _, a := range t.ReplicaAssignment {
		if a.Partition < 0 || int(a.Partition) >= len(partitions) {
			return nil, refuse(core.InvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence")
		}
		if partitions[a.Partition] != nil {
			return nil, refuse(core.InvalidReplicaAssignment,
				"Found multiple manual partition assignments for partition %d", a.Partition)
		}
		replicas := brokerIDs(a.Replicas)
		if r := refuseAssignment(k.img, core.PartitionID(a.Partition), replicas, factor); r != nil {
			return nil, r
		}
		partitions[a.Partition] = replicas
	}
	return partitions, nil
}

// newTopicID draws an id that no topic has. Ids reserved by Kafka do not come from the generator.
func (k *creation) newTopicID() core.UUID {
	for {
		id := k.c.random.UUID()
		if k.img.TopicByID(id) == nil {
			return id
		}
	}
}

// append adds a topic's records: the topic, its configurations, its partitions, in Kafka's order.
func (k *creation) append(name string, id core.UUID, configs []metadata.Config, partitions [][]core.BrokerID) {
	k.records = append(k.records, &metadata.TopicRecord{Name: name, ID: id})
	for _, c := range configs {
		value := c.Value
		k.records = append(k.records, &metadata.ConfigRecord{
			ResourceType: metadata.ResourceTopic, ResourceName: name, Name: c.Name, Value: &value,
		})
	}
	for i, replicas := range partitions {
		k.records = append(k.records, newPartition(k.img, id, core.PartitionID(i), replicas))
	}
}

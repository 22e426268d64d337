package metadata

import "ottla.dev/core"

// TopicRecord creates a topic without partitions.
type TopicRecord struct {
	Name string
	ID   core.UUID
}

// Type is TypeTopic.
func (*TopicRecord) Type() RecordType { return TypeTopic }

func (r *TopicRecord) fields(c *codec) {
	c.string(&r.Name)
	c.uuid(&r.ID)
	c.tags()
}

// PartitionRecord creates a partition, or replaces it whole.
type PartitionRecord struct {
	Partition      core.PartitionID
	Topic          core.UUID
	Replicas       []core.BrokerID // the first is the preferred leader
	ISR            []core.BrokerID
	Removing       []core.BrokerID
	Adding         []core.BrokerID
	Leader         core.BrokerID
	RecoveryState  RecoveryState
	LeaderEpoch    core.LeaderEpoch
	PartitionEpoch core.PartitionEpoch
	Directories    []core.UUID     // one for each of Replicas; version 1
	ELR            []core.BrokerID // eligible leader replicas (KIP-966); nil: none; version 2
	LastKnownELR   []core.BrokerID // nil: none; version 2
}

// Type is TypePartition.
func (*PartitionRecord) Type() RecordType { return TypePartition }

func (r *PartitionRecord) fields(c *codec) {
	int32Field(c, &r.Partition)
	c.uuid(&r.Topic)
	c.brokers(&r.Replicas)
	c.brokers(&r.ISR)
	c.brokers(&r.Removing)
	c.brokers(&r.Adding)
	int32Field(c, &r.Leader)
	int32Field(c, &r.LeaderEpoch)
	int32Field(c, &r.PartitionEpoch)
	if c.version >= 1 {
		c.uuids(&r.Directories)
	}
	tags := []tag{{0, r.RecoveryState != Recovered, func(c *codec) { c.int8((*int8)(&r.RecoveryState)) }}}
	if c.version >= 2 {
		tags = append(tags,
			tag{1, r.ELR != nil, func(c *codec) { c.nullableBrokers(&r.ELR) }},
			tag{2, r.LastKnownELR != nil, func(c *codec) { c.nullableBrokers(&r.LastKnownELR) }})
	}
	c.tags(tags...)
}

// PartitionChangeRecord changes parts of a partition's state. A nil slice leaves its part unchanged. Every change adds
// one to the partition epoch; naming a leader, even the same one, adds one to the leader epoch.
type PartitionChangeRecord struct {
	Partition     core.PartitionID
	Topic         core.UUID
	ISR           []core.BrokerID
	Leader        core.BrokerID // LeaderUnchanged, or core.NoBroker, or a broker
	Replicas      []core.BrokerID
	Removing      []core.BrokerID
	Adding        []core.BrokerID
	RecoveryState RecoveryState   // RecoveryUnchanged, or the new state
	Directories   []core.UUID     // version 1
	ELR           []core.BrokerID // version 2
	LastKnownELR  []core.BrokerID // version 2
}

// NewPartitionChange returns a change of one partition that changes nothing yet.
func NewPartitionChange(topic core.UUID, partition core.PartitionID) *PartitionChangeRecord {
	return &PartitionChangeRecord{
		Partition: partition, Topic: topic, Leader: LeaderUnchanged, RecoveryState: RecoveryUnchanged,
	}
}

// Type is TypePartitionChange.
func (*PartitionChangeRecord) Type() RecordType { return TypePartitionChange }

func (r *PartitionChangeRecord) fields(c *codec) {
	int32Field(c, &r.Partition)
	c.uuid(&r.Topic)
	tags := []tag{
		{0, r.ISR != nil, func(c *codec) { c.nullableBrokers(&r.ISR) }},
		{1, r.Leader != LeaderUnchanged, func(c *codec) { int32Field(c, &r.Leader) }},
		{2, r.Replicas != nil, func(c *codec) { c.nullableBrokers(&r.Replicas) }},
		{3, r.Removing != nil, func(c *codec) { c.nullableBrokers(&r.Removing) }},
		{4, r.Adding != nil, func(c *codec) { c.nullableBrokers(&r.Adding) }},
		{5, r.RecoveryState != RecoveryUnchanged, func(c *codec) { c.int8((*int8)(&r.RecoveryState)) }},
	}
	if c.version >= 2 {
		tags = append(tags,
			tag{6, r.ELR != nil, func(c *codec) { c.nullableBrokers(&r.ELR) }},
			tag{7, r.LastKnownELR != nil, func(c *codec) { c.nullableBrokers(&r.LastKnownELR) }})
	}
	if c.version >= 1 {
		tags = append(tags, tag{8, r.Directories != nil, func(c *codec) { c.nullableUUIDs(&r.Directories) }})
	}
	c.tags(tags...)
}

// RemoveTopicRecord removes a topic, its partitions and its configuration.
type RemoveTopicRecord struct {
	Topic core.UUID
}

// Type is TypeRemoveTopic.
func (*RemoveTopicRecord) Type() RecordType { return TypeRemoveTopic }

func (r *RemoveTopicRecord) fields(c *codec) {
	c.uuid(&r.Topic)
	c.tags()
}

// ClearELRRecord empties the eligible leader replicas of one topic, or of all if the name is empty.
type ClearELRRecord struct {
	TopicName string
}

// Type is TypeClearELR.
func (*ClearELRRecord) Type() RecordType { return TypeClearELR }

func (r *ClearELRRecord) fields(c *codec) {
	c.string(&r.TopicName)
	c.tags()
}

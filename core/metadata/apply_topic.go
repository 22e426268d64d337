package metadata

import (
	"fmt"
	"slices"

	"ottla.dev/core"
)

func (d *delta) createTopic(r *TopicRecord) error {
	switch {
	case r.Name == "":
		return fmt.Errorf("a topic has no name")
	case r.ID.IsZero():
		return fmt.Errorf("topic %q has no id", r.Name)
	case d.next.TopicByName(r.Name) != nil:
		return fmt.Errorf("topic %q exists", r.Name)
	case d.next.TopicByID(r.ID) != nil:
		return fmt.Errorf("topic id %s exists", r.ID)
	}
	d.putTopic(&Topic{Name: r.Name, ID: r.ID})
	return nil
}

// putTopic puts a topic that this delta alone holds into both trees.
func (d *delta) putTopic(t *Topic) {
	if d.topics == nil {
		d.topics = make(map[core.UUID]*Topic)
	}
	d.topics[t.ID] = t
	d.next.topicsByName = d.next.topicsByName.insert(topicName(t.Name), t)
	d.next.topicsByID = d.next.topicsByID.insert(topicID(t.ID), t)
}

// writableTopic returns a topic that may be changed in place, copying it the first time; nil if there is none.
func (d *delta) writableTopic(id core.UUID) *Topic {
	if t := d.topics[id]; t != nil {
		return t
	}
	t := d.next.TopicByID(id)
	if t == nil {
		return nil
	}
	t = &Topic{Name: t.Name, ID: t.ID, Partitions: slices.Clone(t.Partitions)}
	d.putTopic(t)
	return t
}

func (d *delta) removeTopic(r *RemoveTopicRecord) error {
	t := d.next.TopicByID(r.Topic)
	if t == nil {
		return fmt.Errorf("no topic has the id %s", r.Topic)
	}
	delete(d.topics, t.ID)
	d.next.topicsByName = d.next.topicsByName.remove(topicName(t.Name))
	d.next.topicsByID = d.next.topicsByID.remove(topicID(t.ID))
	d.next.configs = d.next.configs.remove(Resource{Type: ResourceTopic, Name: t.Name})
	d.next.partitions -= len(t.Partitions)
	return nil
}

func (d *delta) setPartition(r *PartitionRecord) error {
	if r.Partition < 0 {
		return fmt.Errorf("partition %d", r.Partition)
	}
	p := &Partition{
		ID: r.Partition, Replicas: r.Replicas, Directories: r.Directories, ISR: r.ISR, ELR: r.ELR,
		LastKnownELR: r.LastKnownELR, Removing: r.Removing, Adding: r.Adding, Leader: r.Leader,
		RecoveryState: r.RecoveryState, LeaderEpoch: r.LeaderEpoch, PartitionEpoch: r.PartitionEpoch,
	}
	if err := p.normalize(); err != nil {
		return fmt.Errorf("partition %s-%d: %w", r.Topic, r.Partition, err)
	}
	t := d.writableTopic(r.Topic)
	if t == nil {
		return fmt.Errorf("no topic has the id %s", r.Topic)
	}
	i, found := t.find(p.ID)
	if found {
		t.Partitions[i] = p
		return nil
	}
	t.Partitions = slices.Insert(t.Partitions, i, p)
	d.next.partitions++
	return nil
}

// normalize checks a partition's state and gives it directories if it has none, as records of version 0 do
// (Kafka: PartitionRegistration.defaultToMigrating).
func (p *Partition) normalize() error {
	if p.RecoveryState != Recovered && p.RecoveryState != Recovering {
		return fmt.Errorf("leader recovery state %d", p.RecoveryState)
	}
	if !slices.ContainsFunc(p.Directories, func(u core.UUID) bool { return u != MigratingDirectory() }) {
		p.Directories = make([]core.UUID, len(p.Replicas))
	}
	if len(p.Directories) != len(p.Replicas) {
		return fmt.Errorf("%d directories for %d replicas", len(p.Directories), len(p.Replicas))
	}
	return nil
}

func (d *delta) changePartition(r *PartitionChangeRecord) error {
	t := d.writableTopic(r.Topic)
	if t == nil {
		return fmt.Errorf("no topic has the id %s", r.Topic)
	}
	i, found := t.find(r.Partition)
	if !found {
		return fmt.Errorf("topic %q has no partition %d", t.Name, r.Partition)
	}
	next, err := t.Partitions[i].Change(r)
	if err != nil {
		return fmt.Errorf("partition %s-%d: %w", t.Name, r.Partition, err)
	}
	t.Partitions[i] = next
	return nil
}

// Change returns the partition after a change record (Kafka: PartitionRegistration.merge).
func (p *Partition) Change(r *PartitionChangeRecord) (*Partition, error) {
	next := *p
	set(&next.Replicas, r.Replicas)
	set(&next.Directories, r.Directories)
	set(&next.ISR, r.ISR)
	set(&next.ELR, r.ELR)
	set(&next.LastKnownELR, r.LastKnownELR)
	set(&next.Removing, r.Removing)
	set(&next.Adding, r.Adding)
	if r.Leader != LeaderUnchanged {
		next.Leader = r.Leader
		next.LeaderEpoch++
	}
	if r.RecoveryState != RecoveryUnchanged {
		next.RecoveryState = r.RecoveryState
	}
	next.PartitionEpoch++
	if err := next.normalize(); err != nil {
		return nil, err
	}
	return &next, nil
}

func set[T any](to *[]T, value []T) {
	if value != nil {
		*to = value
	}
}

func (d *delta) clearELR(r *ClearELRRecord) error {
	if r.TopicName != "" {
		t := d.next.TopicByName(r.TopicName)
		if t == nil {
			return fmt.Errorf("no topic has the name %q", r.TopicName)
		}
		return d.clearTopicELR(t)
	}
	// The walk goes over the trees as they are now; the trees that clearTopicELR makes are others.
	for t := range d.next.Topics() {
		if err := d.clearTopicELR(t); err != nil {
			return err
		}
	}
	return nil
}

func (d *delta) clearTopicELR(t *Topic) error {
	for _, p := range t.Partitions {
		if len(p.ELR) == 0 && len(p.LastKnownELR) == 0 {
			continue
		}
		change := NewPartitionChange(t.ID, p.ID)
		change.ELR, change.LastKnownELR = []core.BrokerID{}, []core.BrokerID{}
		if err := d.changePartition(change); err != nil {
			return err
		}
	}
	return nil
}

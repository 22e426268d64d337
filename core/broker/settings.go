package broker

import (
	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/config"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
)

// configure applies changed settings.
func (s *Shard) configure(r metadata.Resource) {
	s.concerned(r, func(replica *partition.Replica) {
		s.set.Configure(replica, s.settings(replica.Name().Topic), &s.out)
	})
	if r.Type == metadata.ResourceBroker {
		s.configureCoordinators()
	}
}

// configured draws the consequences for what the partitions commit.
func (s *Shard) configured(r metadata.Resource) {
	s.concerned(r, func(replica *partition.Replica) { s.set.Configured(s.now, replica, &s.out) })
}

// concerned gives the replicas that settings are about: a topic's, or a broker's, which are all, to yield.
func (s *Shard) concerned(r metadata.Resource, yield func(*partition.Replica)) {
	switch r.Type {
	case metadata.ResourceTopic:
		t := s.cluster.Image.TopicByName(r.Name)
		if t == nil {
			return
		}
		for _, p := range t.Partitions {
			if replica := s.set.Replica(core.TopicIDPartition{Topic: t.ID, Partition: p.ID}); replica != nil {
				yield(replica)
			}
		}
	case metadata.ResourceBroker:
		for _, replica := range s.set.Replicas() {
			yield(replica)
		}
	}
}

// resolved is what the settings of a topic come to in a state of the metadata.
type resolved struct {
	cluster *api.Cluster
	topic   string
	config.Topic
}

// settings resolves the settings of a topic, once for all of its partitions that are dealt with in a row.
func (s *Shard) settings(topic string) config.Topic {
	if s.resolved.cluster != s.cluster || s.resolved.topic != topic {
		s.resolved = resolved{s.cluster, topic, config.ResolveTopic(s.cluster.Layers(topic))}
	}
	return s.resolved.Topic
}

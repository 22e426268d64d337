package metadata

import "ottla.dev/core"

// Snapshot returns records that make an equal image when they are applied to an empty one. Offset and epoch are not
// among them: they are the snapshot's name. The level of metadata.version comes first, because readers need it for the
// rest; then everything in sorted order, so equal images give equal snapshots. The metadata transaction in progress is
// left out: take snapshots of [Image.Stable], whose offset is the one to name them by.
func Snapshot(img *Image) []Record {
	img = img.Stable()
	records := snapshotFeatures(nil, img)
	for _, c := range img.controllers {
		records = append(records, &RegisterControllerRecord{
			Controller: c.ID, Incarnation: c.Incarnation, ZKMigrationReady: c.ZKMigrationReady,
			Endpoints: c.Endpoints, Features: c.Features,
		})
	}
	for _, b := range img.brokers {
		records = append(records, b.Record())
	}
	for t := range img.Topics() {
		records = append(records, &TopicRecord{Name: t.Name, ID: t.ID})
		for _, p := range t.Partitions {
			records = append(records, p.Record(t.ID))
		}
	}
	for resource, set := range img.AllConfigs() {
		for i := range set.entries {
			records = append(records, &ConfigRecord{
				ResourceType: resource.Type, ResourceName: resource.Name,
				Name: set.entries[i].Name, Value: &set.entries[i].Value,
			})
		}
	}
	if img.nextProducerID > 0 {
		records = append(records, &ProducerIDsRecord{Broker: core.NoBroker, Epoch: -1, Next: img.nextProducerID})
	}
	return records
}

func snapshotFeatures(records []Record, img *Image) []Record {
	if level := img.FeatureLevel(MetadataVersion); level > 0 {
		records = append(records, &FeatureLevelRecord{Name: MetadataVersion, Level: level})
	}
	for _, f := range img.features {
		if f.Name != MetadataVersion {
			records = append(records, &FeatureLevelRecord{Name: f.Name, Level: f.Level})
		}
	}
	return records
}

// Record returns the record that gives this registration.
func (b *Broker) Record() *RegisterBrokerRecord {
	r := &RegisterBrokerRecord{
		Broker: b.ID, Incarnation: b.Incarnation, Epoch: b.Epoch, Endpoints: b.Endpoints, Features: b.Features,
		Fenced: b.Fenced, InControlledShutdown: b.InControlledShutdown, LogDirs: b.LogDirs,
	}
	if b.Rack != "" {
		rack := b.Rack
		r.Rack = &rack
	}
	return r
}

// Record returns the record that gives this partition its state, in the topic with the given id. Empty eligible leader
// replicas are left out, as Kafka leaves them out.
func (p *Partition) Record(topic core.UUID) *PartitionRecord {
	r := &PartitionRecord{
		Partition: p.ID, Topic: topic, Replicas: p.Replicas, ISR: p.ISR, Removing: p.Removing, Adding: p.Adding,
		Leader: p.Leader, RecoveryState: p.RecoveryState, LeaderEpoch: p.LeaderEpoch,
		PartitionEpoch: p.PartitionEpoch, Directories: p.Directories,
	}
	if len(p.ELR) > 0 {
		r.ELR = p.ELR
	}
	if len(p.LastKnownELR) > 0 {
		r.LastKnownELR = p.LastKnownELR
	}
	return r
}

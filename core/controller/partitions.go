package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

func (c *Controller) createPartitions(img *metadata.Image, req *kmsg.CreatePartitionsRequest) Decision {
	resp := req.ResponseKind().(*kmsg.CreatePartitionsResponse)
	again := repeated(req.Topics, func(t kmsg.CreatePartitionsRequestTopic) string { return t.Topic })
	answered := make(map[string]bool, len(req.Topics))
	var placer *placer
	var records []metadata.Record
	for i := range req.Topics {
		t := &req.Topics[i]
		if answered[t.Topic] {
			continue
		}
		answered[t.Topic] = true
		var added []metadata.Record
		refused := refusePartitions(img, t, again[t.Topic], MaxPartitionsPerRequest-len(records))
		if refused == nil {
			if placer == nil {
				placer = newPlacer(img, &c.random)
			}
			added, refused = addPartitions(img, t, placer)
		}
		out := kmsg.NewCreatePartitionsResponseTopic()
		out.Topic = t.Topic
		out.ErrorCode, out.ErrorMessage = refused.fields()
		resp.Topics = append(resp.Topics, out)
		records = append(records, added...)
	}
	if req.ValidateOnly {
		records = nil
	}
	return Decision{records, resp}
}

// refusePartitions refuses a topic's new partition count; room is how many partitions the request may still create.
func refusePartitions(img *metadata.Image, t *kmsg.CreatePartitionsRequestTopic, again bool, room int) *refusal {
	topic := img.TopicByName(t.Topic)
	switch {
	case again:
		return refuse(core.InvalidRequest, "Duplicate topic name.")
	case topic == nil:
		return refuseCode(core.UnknownTopicOrPartition)
	}
	have, want := len(topic.Partitions), int(t.Count)
	switch {
	case have == 0:
		return refuse(core.UnknownServerError, "Invalid state: topic %s appears to have no partitions.", quote(t.Topic))
	case want == have:
		return refuse(core.InvalidPartitions, "Topic already has %d partition(s).", have)
	case want < have:
		return refuse(core.InvalidPartitions,
			"The topic %s currently has %d partition(s); %d would not be an increase.", t.Topic, have, want)
	case t.Assignment != nil && len(t.Assignment) != want-have:
		return refuse(core.InvalidReplicaAssignment,
			"Attempted to add %d additional partition(s), but only %d assignment(s) were specified.",
			want-have, len(t.Assignment))
	case want-have > room:
		return refuse(core.PolicyViolation, "Excessively large number of partitions per request.")
	}
	return nil
}

func addPartitions(img *metadata.Image, t *kmsg.CreatePartitionsRequestTopic, p *placer) ([]metadata.Record, *refusal) {
	topic := img.TopicByName(t.Topic)
	factor := len(topic.Partitions[0].Replicas)
	if t.Assignment == nil {
		if r := p.refuse(factor); r != nil {
			return nil, r
		}
	}
	var records []metadata.Record
	for i := len(topic.Partitions); i < int(t.Count); i++ {
		id := core.PartitionID(i)
		var replicas []core.BrokerID
		if t.Assignment == nil {
			replicas = p.place(factor)
		} else {
			replicas = brokerIDs(t.Assignment[i-len(topic.Partitions)].Replicas)
			if r := refuseAssignment(img, id, replicas, factor); r != nil {
				return nil, r
			}
		}
		records = append(records, newPartition(img, topic.ID, id, replicas))
	}
	return records, nil
}

func brokerIDs(ids []int32) []core.BrokerID {
	brokers := make([]core.BrokerID, len(ids))
	for i, id := range ids {
		brokers[i] = core.BrokerID(id)
	}
	return brokers
}

// refuseAssignment checks the replicas that a request gives to a partition: as many as its siblings have, of different
// registered brokers, one of them fit to lead.
func refuseAssignment(img *metadata.Image, id core.PartitionID, replicas []core.BrokerID, factor int) *refusal {
	if len(replicas) == 0 {
		return refuse(core.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list.")
	}
	sorted := slices.Sorted(slices.Values(replicas))
	for i, b := range sorted {
		if img.Broker(b) == nil {
			return refuse(core.InvalidReplicaAssignment,
				"The manual partition assignment includes broker %d, but no such broker is registered.", b)
		}
		if i > 0 && b == sorted[i-1] {
			return refuse(core.InvalidReplicaAssignment,
				"The manual partition assignment includes the broker %d more than once.", b)
		}
	}
	if len(replicas) != factor {
		return refuse(core.InvalidReplicaAssignment, "The manual partition assignment includes a partition with %d "+
			"replica(s), but this is not consistent with previous partitions, which have %d replica(s).",
			len(replicas), factor)
	}
	if len(active(img, replicas)) == 0 {
		return refuse(core.InvalidReplicaAssignment, "All brokers specified in the manual partition assignment for "+
			"partition %d are fenced or in controlled shutdown.", id)
	}
	return nil
}

// active keeps the brokers that may be in an ISR, in their order.
func active(img *metadata.Image, replicas []core.BrokerID) []core.BrokerID {
	var isr []core.BrokerID
	for _, id := range replicas {
		if b := img.Broker(id); b != nil && b.Active() {
			isr = append(isr, id)
		}
	}
	return isr
}

// newPartition is the record of a partition that starts on the given replicas. All that are active are in sync: there
// is nothing to have missed.
func newPartition(
	img *metadata.Image, topic core.UUID, id core.PartitionID, replicas []core.BrokerID,
) *metadata.PartitionRecord {
	isr := active(img, replicas)
	if len(isr) == 0 {
		panic("controller: a new partition without an active replica")
	}
	directories := make([]core.UUID, len(replicas))
	for i, b := range replicas {
		directories[i] = defaultDirectory(img.Broker(b))
	}
	return &metadata.PartitionRecord{
		Partition: id, Topic: topic, Replicas: replicas, ISR: isr, Leader: isr[0], Directories: directories,
	}
}

// defaultDirectory is where a broker will put a new replica, as far as the controller can tell: with one log directory
// it is that one (KIP-858).
func defaultDirectory(b *metadata.Broker) core.UUID {
	switch len(b.LogDirs) {
	case 0:
		return metadata.MigratingDirectory()
	case 1:
		return b.LogDirs[0]
	}
	return metadata.UnassignedDirectory()
}

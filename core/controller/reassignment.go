package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// alterReassignments decides KIP-455's request: each partition gets new replicas, or, with null, its old ones back.
func (c *Controller) alterReassignments(img *metadata.Image, req *kmsg.AlterPartitionAssignmentsRequest) Decision {
	resp := req.ResponseKind().(*kmsg.AlterPartitionAssignmentsResponse)
	resp.AllowReplicationFactorChange = req.AllowReplicationFactorChange
	sameFactor := req.Version >= 1 && !req.AllowReplicationFactorChange
	d := c.draft(img)
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		out.Topic = in.Topic
		topic := img.TopicByName(in.Topic)
		var r rules
		if topic != nil {
			r = c.rulesOf(img, topic.Name)
		}
		for j := range in.Partitions {
			p := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			p.Partition = in.Partitions[j].Partition
			var refused *refusal
			if topic == nil {
				refused = refuse(core.UnknownTopicOrPartition, "Unable to find a topic named %s.", quote(in.Topic))
			} else {
				refused = d.reassign(topic, r, &in.Partitions[j], sameFactor)
			}
			p.ErrorCode, p.ErrorMessage = refused.fields()
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return Decision{d.records, resp}
}

func (d *draft) reassign(
	t *metadata.Topic, r rules, in *kmsg.AlterPartitionAssignmentsRequestTopicPartition, sameFactor bool,
) *refusal {
	p := d.partition(t, core.PartitionID(in.Partition))
	if p == nil {
		return refuse(core.UnknownTopicOrPartition, "Unable to find partition %s:%d.", t.Name, in.Partition)
	}
	n := newTransition(d.img, t.ID, p, r)
	if in.Replicas == nil {
		return d.revert(t, n)
	}
	target := brokerIDs(in.Replicas)
	if refused := refuseTarget(d.img, target); refused != nil {
		return refused
	}
	if have := len(without(p.Replicas, p.Removing...)); sameFactor && have != len(target) {
		return refuse(core.InvalidReplicationFactor, "The replication factor is changed from %d to %d", have, len(target))
	}
	aim(n, target)
	d.c.Reached.Add(probe.ReassignmentBegun)
	d.change(n)
	return nil
}

// refuseTarget checks the replicas that a partition is to get. They need not be up: it waits for them.
func refuseTarget(img *metadata.Image, target []core.BrokerID) *refusal {
	if len(target) == 0 {
		return refuse(core.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list.")
	}
	for _, b := range target {
		if img.Broker(b) == nil {
			return refuse(core.InvalidReplicaAssignment,
				"The manual partition assignment includes broker %d, but no such broker is registered.", b)
		}
	}
	if repeats(target) {
		return refuse(core.InvalidReplicaAssignment, "The manual partition assignment includes a broker more than once.")
	}
	return nil
}

// aim sets the replicas of a reassignment that begins: the target, and behind it those that go once the target is in
// sync (Kafka: PartitionReassignmentReplicas). If another one is in progress, replicas that it was adding and that stay
// in the target go on being added: a cancellation takes them out. Kafka forgets that they were not there at first, and
// leaves the earlier reassignment in progress if the target is all the replicas there are now.
func aim(n *transition, target []core.BrokerID) {
	p := n.before
	original := without(p.Replicas, p.Adding...)
	n.removing, n.adding = without(p.Replicas, target...), without(target, original...)
	slices.Sort(n.removing)
	slices.Sort(n.adding)
	n.replicas = slices.Concat(target, n.removing)
}

// revert cancels the reassignment in progress (Kafka: PartitionReassignmentRevert). If none of the old replicas is in
// sync, or eligible, that takes an unclean election. Kafka makes the first of them leader without saying that it was
// one.
func (d *draft) revert(t *metadata.Topic, n *transition) *refusal {
	p := n.before
	if len(p.Adding) == 0 && len(p.Removing) == 0 {
		return refuseCode(core.NoReassignmentInProgress)
	}
	n.replicas, n.isr = without(p.Replicas, p.Adding...), without(p.ISR, p.Adding...)
	n.removing, n.adding = []core.BrokerID{}, []core.BrokerID{}
	if len(n.replicas) == 0 {
		return refuse(core.InvalidReplicaAssignment, "Invalid replica assignment: addingReplicas contains all replicas.")
	}
	n.purpose = n.rules.automatic()
	if len(n.isr) == 0 {
		n.elr = n.eligible()
		if leader, _ := n.elect(); leader == core.NoBroker {
			return refuse(core.InvalidReplicaAssignment, "Unable to revert partition assignment for %s:%d because it "+
				"would require an unclean leader election.", t.Name, p.ID)
		}
	}
	d.c.Reached.Add(probe.ReassignmentCancelled)
	d.change(n)
	return nil
}

func (c *Controller) listReassignments(img *metadata.Image, req *kmsg.ListPartitionReassignmentsRequest) Decision {
	resp := req.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
	add := func(out kmsg.ListPartitionReassignmentsResponseTopic) {
		if len(out.Partitions) > 0 {
			resp.Topics = append(resp.Topics, out)
		}
	}
	if req.Topics == nil {
		for t := range img.Topics() {
			add(reassigning(t.Name, t.Partitions))
		}
		return Decision{nil, resp}
	}
	for _, in := range req.Topics {
		var partitions []*metadata.Partition
		for _, id := range in.Partitions {
			if p := img.Partition(in.Topic, core.PartitionID(id)); p != nil {
				partitions = append(partitions, p)
			}
		}
		add(reassigning(in.Topic, partitions))
	}
	return Decision{nil, resp}
}

func reassigning(topic string, partitions []*metadata.Partition) kmsg.ListPartitionReassignmentsResponseTopic {
	out := kmsg.NewListPartitionReassignmentsResponseTopic()
	out.Topic = topic
	for _, p := range partitions {
		if len(p.Adding) == 0 && len(p.Removing) == 0 {
			continue
		}
		o := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
		o.Partition = int32(p.ID)
		o.Replicas, o.AddingReplicas, o.RemovingReplicas = int32s(p.Replicas), int32s(p.Adding), int32s(p.Removing)
		out.Partitions = append(out.Partitions, o)
	}
	return out
}

func int32s(brokers []core.BrokerID) []int32 {
	ids := make([]int32, len(brokers))
	for i, b := range brokers {
		ids[i] = int32(b)
	}
	return ids
}

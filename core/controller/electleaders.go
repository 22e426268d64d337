package controller

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// The elections that an ElectLeaders request asks for (Kafka: ElectionType).
const (
	electPreferred int8 = 0
	electUnclean   int8 = 1
)

// electLeaders decides KIP-183's and KIP-460's request. Without topics it is about all partitions, and answers only for
// those that need the election.
func (c *Controller) electLeaders(img *metadata.Image, req *kmsg.ElectLeadersRequest) Decision {
	resp := req.ResponseKind().(*kmsg.ElectLeadersResponse)
	kind := req.ElectionType
	if req.Version == 0 {
		kind = electPreferred
	}
	if kind != electPreferred && kind != electUnclean {
		resp.ErrorCode = int16(core.InvalidRequest)
		return Decision{nil, resp}
	}
	d := c.draft(img)
	if req.Topics == nil {
		for t := range img.Topics() {
			if out := d.electAll(t, kind); len(out.Partitions) > 0 {
				resp.Topics = append(resp.Topics, out)
			}
		}
		return Decision{d.records, resp}
	}
	for i := range req.Topics {
		resp.Topics = append(resp.Topics, d.electSome(&req.Topics[i], kind))
	}
	return Decision{d.records, resp}
}

func (d *draft) electAll(t *metadata.Topic, kind int8) kmsg.ElectLeadersResponseTopic {
	out := kmsg.NewElectLeadersResponseTopic()
	out.Topic = t.Name
	var r rules
	for _, p := range t.Partitions {
		if !needsElection(p, kind) {
			continue
		}
		if r.minISR == 0 {
			r = d.c.rulesOf(d.img, t.Name)
		}
		out.Partitions = append(out.Partitions, elected(int32(p.ID), d.elect(t, r, p, kind)))
	}
	return out
}

func (d *draft) electSome(in *kmsg.ElectLeadersRequestTopic, kind int8) kmsg.ElectLeadersResponseTopic {
	out := kmsg.NewElectLeadersResponseTopic()
	out.Topic = in.Topic
	t := d.img.TopicByName(in.Topic)
	var r rules
	if t != nil {
		r = d.c.rulesOf(d.img, t.Name)
	}
	for _, id := range in.Partitions {
		var refused *refusal
		if t == nil {
			refused = refuse(core.UnknownTopicOrPartition, "No such topic as %s", quote(in.Topic))
		} else {
			switch p := d.partition(t, core.PartitionID(id)); {
			case p == nil:
				refused = refuse(core.UnknownTopicOrPartition, "No such partition as %s-%d", in.Topic, id)
			case !needsElection(p, kind):
				refused = refuseCode(core.ElectionNotNeeded)
			default:
				refused = d.elect(t, r, p, kind)
			}
		}
		out.Partitions = append(out.Partitions, elected(id, refused))
	}
	return out
}

func elected(id int32, r *refusal) kmsg.ElectLeadersResponseTopicPartition {
	out := kmsg.NewElectLeadersResponseTopicPartition()
	out.Partition = id
	out.ErrorCode, out.ErrorMessage = r.fields()
	return out
}

func needsElection(p *metadata.Partition, kind int8) bool {
	if kind == electUnclean {
		return p.Leader == core.NoBroker
	}
	return p.Leader != p.PreferredLeader()
}

// elect holds one election. An operator who asks for an unclean one needs no leave of the topic's configuration. Kafka
// also answers that a preferred election went well when it chose another leader, or none.
func (d *draft) elect(t *metadata.Topic, r rules, p *metadata.Partition, kind int8) *refusal {
	n := newTransition(d.img, t.ID, p, r)
	n.elr = n.eligible()
	if kind == electUnclean {
		n.purpose = acceptDamage
		if leader, _ := n.elect(); leader == core.NoBroker {
			return refuseCode(core.EligibleLeadersNotAvailable)
		}
	} else {
		n.purpose = restore
		if !n.mayLead(p.PreferredLeader()) {
			return refuseCode(core.PreferredLeaderNotAvailable)
		}
		d.c.Reached.Add(probe.PreferredElected)
	}
	d.change(n)
	return nil
}

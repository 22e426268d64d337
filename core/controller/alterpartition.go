package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// anyBrokerEpoch in an AlterPartition request leaves a member's incarnation unchecked (KIP-903): the leader does not
// know it, because the follower's Fetch requests are of versions that do not say it.
const anyBrokerEpoch core.BrokerEpoch = -1

// proposal is what a leader asks for one partition (KIP-497).
type proposal struct {
	from           core.BrokerID
	leaderEpoch    core.LeaderEpoch
	partitionEpoch core.PartitionEpoch
	recovery       metadata.RecoveryState
	isr            []core.BrokerID
	epochs         []core.BrokerEpoch // of isr
}

func proposalOf(req *kmsg.AlterPartitionRequest, p *kmsg.AlterPartitionRequestTopicPartition) *proposal {
	s := &proposal{
		from: core.BrokerID(req.BrokerID), leaderEpoch: core.LeaderEpoch(p.LeaderEpoch),
		partitionEpoch: core.PartitionEpoch(p.PartitionEpoch),
		recovery:       metadata.RecoveryState(p.LeaderRecoveryState),
	}
	if req.Version < 3 {
		s.isr = brokerIDs(p.NewISR)
		for range s.isr {
			s.epochs = append(s.epochs, anyBrokerEpoch)
		}
		return s
	}
	for _, m := range p.NewEpochISR {
		s.isr = append(s.isr, core.BrokerID(m.BrokerID))
		s.epochs = append(s.epochs, core.BrokerEpoch(m.BrokerEpoch))
	}
	return s
}

// alterPartition decides the ISRs that a leader proposes (Kafka: ReplicationControlManager.alterPartition). Versions 0
// and 1, with topic names, are not served.
func (c *Controller) alterPartition(img *metadata.Image, req *kmsg.AlterPartitionRequest) Decision {
	resp := req.ResponseKind().(*kmsg.AlterPartitionResponse)
	code := c.refuseBrokerEpoch(img, core.BrokerID(req.BrokerID), core.BrokerEpoch(req.BrokerEpoch))
	if req.Version < 2 {
		code = core.UnsupportedVersion
	}
	if code != core.NoError {
		resp.ErrorCode = int16(code)
		return Decision{nil, resp}
	}
	d := c.draft(img)
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewAlterPartitionResponseTopic()
		out.TopidID = in.TopicID
		topic := img.TopicByID(in.TopicID)
		var r rules
		if topic != nil {
			r = c.rulesOf(img, topic.Name)
		}
		for j := range in.Partitions {
			out.Partitions = append(out.Partitions, d.propose(topic, r, in.Partitions[j].Partition,
				proposalOf(req, &in.Partitions[j])))
		}
		resp.Topics = append(resp.Topics, out)
	}
	return Decision{d.records, resp}
}

func (d *draft) propose(
	topic *metadata.Topic, r rules, id int32, s *proposal,
) kmsg.AlterPartitionResponseTopicPartition {
	out := kmsg.NewAlterPartitionResponseTopicPartition()
	out.Partition = id
	if topic == nil {
		out.ErrorCode = int16(core.UnknownTopicID)
		return out
	}
	p := d.partition(topic, core.PartitionID(id))
	if code := s.refuse(d.img, p); code != core.NoError {
		d.c.noteRefused(code)
		if code == core.IneligibleReplica {
			d.renew(topic.ID, p)
		}
		out.ErrorCode = int16(code)
		return out
	}
	n := newTransition(d.img, topic.ID, p, r)
	n.purpose, n.isr, n.recovery = r.automatic(), s.isr, s.recovery
	p = d.change(n)
	if p.Leader != s.from {
		// The new ISR ended a reassignment that took the leader itself.
		out.ErrorCode = int16(core.NewLeaderElected)
		return out
	}
	out.LeaderID, out.LeaderEpoch, out.PartitionEpoch = int32(p.Leader), int32(p.LeaderEpoch), int32(p.PartitionEpoch)
	out.LeaderRecoveryState = int8(p.RecoveryState)
	out.ISR = make([]int32, len(p.ISR))
	for i, b := range p.ISR {
		out.ISR[i] = int32(b)
	}
	return out
}

// renew gives a partition a new epoch, and changes nothing else: no proposal from before it is taken any more. Of all
// refusals that of an ineligible replica alone may be another one's luck. The leader asks; its connection breaks, and
// the network keeps the request. It asks again, is refused, and counts the member no more. Then the member is eligible
// again, and the first request arrives: were its epoch still that of the partition, the member would be in an ISR that
// moves the high watermark without it. Kafka's controllers leave the epoch as it is.
func (d *draft) renew(topic core.UUID, p *metadata.Partition) {
	d.keep(p, metadata.NewPartitionChange(topic, p.ID))
}

func (c *Controller) noteRefused(code core.ErrorCode) {
	switch code {
	case core.FencedLeaderEpoch:
		c.Reached.Add(probe.DeposedISRRefused)
	case core.InvalidUpdateVersion:
		c.Reached.Add(probe.OldISRRefused)
	case core.IneligibleReplica:
		c.Reached.Add(probe.IneligibleRefused)
	default:
	}
}

// refuse checks a proposal against the partition as it is (Kafka: validateAlterPartitionData). Epochs that are ahead of
// the image mean that another controller has been elected.
func (s *proposal) refuse(img *metadata.Image, p *metadata.Partition) core.ErrorCode {
	switch {
	case p == nil:
		return core.UnknownTopicOrPartition
	case s.leaderEpoch > p.LeaderEpoch || s.partitionEpoch > p.PartitionEpoch:
		return core.NotController
	case s.leaderEpoch < p.LeaderEpoch:
		return core.FencedLeaderEpoch
	case s.from != p.Leader:
		return core.InvalidRequest
	case s.partitionEpoch < p.PartitionEpoch:
		return core.InvalidUpdateVersion
	case len(without(s.isr, p.Replicas...)) > 0, !slices.Contains(s.isr, p.Leader), repeats(s.isr):
		return core.InvalidRequest
	case s.recovery != metadata.Recovered && s.recovery != metadata.Recovering:
		return core.InvalidRequest
	case s.recovery == metadata.Recovering && (len(s.isr) > 1 || p.RecoveryState == metadata.Recovered):
		return core.InvalidRequest
	}
	for i, id := range s.isr {
		// KIP-841: who is fenced or on its way down is not to come back by a Fetch that was under way; KIP-903: nor is
		// an incarnation by what an earlier one had.
		b := img.Broker(id)
		if b == nil || !b.Active() || s.epochs[i] != anyBrokerEpoch && s.epochs[i] != b.Epoch {
			return core.IneligibleReplica
		}
		// Nor a replica that its broker has called damaged, before the broker says that it has everything again, or one in
		// a log directory that has failed: it kept up a moment ago, which is all that the leader knows.
		if directory, _ := p.Directory(id); !b.HasOnline(directory) {
			return core.IneligibleReplica
		}
	}
	return core.NoError
}

func repeats(list []core.BrokerID) bool {
	sorted := slices.Sorted(slices.Values(list))
	return len(slices.Compact(sorted)) < len(list)
}

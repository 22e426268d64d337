package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/metadata"
)

// reflects reports whether an image shows what a request has changed, as far as that can be told: a client that
// describes what it has just changed, at the broker that has answered, is not to see how it was before. Kafka promises
// this for nothing, and its tools poll; the wait is bounded, since another change may have come right after.
func reflects(img *metadata.Image, op *api.ControlOp) bool {
	switch resp := op.Response.(type) {
	case *kmsg.CreateTopicsResponse:
		if op.Request.(*kmsg.CreateTopicsRequest).ValidateOnly {
			return true
		}
		for i := range resp.Topics {
			if t := &resp.Topics[i]; t.ErrorCode == 0 && img.TopicByName(t.Topic) == nil {
				return false
			}
		}
	case *kmsg.DeleteTopicsResponse:
		for i := range resp.Topics {
			t := &resp.Topics[i]
			if t.ErrorCode == 0 && (img.TopicByID(t.TopicID) != nil ||
				core.UUID(t.TopicID).IsZero() && t.Topic != nil && img.TopicByName(*t.Topic) != nil) {
				return false
			}
		}
	case *kmsg.CreatePartitionsResponse:
		req := op.Request.(*kmsg.CreatePartitionsRequest)
		for i := range resp.Topics {
			if resp.Topics[i].ErrorCode != 0 || req.ValidateOnly {
				continue
			}
			for j := range req.Topics {
				t := img.TopicByName(req.Topics[j].Topic)
				if req.Topics[j].Topic == resp.Topics[i].Topic && t != nil && len(t.Partitions) < int(req.Topics[j].Count) {
					return false
				}
			}
		}
	case *kmsg.AlterConfigsResponse:
		return op.Request.(*kmsg.AlterConfigsRequest).ValidateOnly ||
			replacedConfigsReflected(img, op.Request.(*kmsg.AlterConfigsRequest), resp)
	case *kmsg.ElectLeadersResponse:
		return electionsReflected(img, op.Request.(*kmsg.ElectLeadersRequest), resp)
	case *kmsg.AlterPartitionAssignmentsResponse:
		return reassignmentsReflected(img, op.Request.(*kmsg.AlterPartitionAssignmentsRequest), resp)
	case *kmsg.UnregisterBrokerResponse:
		return resp.ErrorCode != 0 || img.Broker(core.BrokerID(op.Request.(*kmsg.UnregisterBrokerRequest).BrokerID)) == nil
	case *kmsg.IncrementalAlterConfigsResponse:
		return op.Request.(*kmsg.IncrementalAlterConfigsRequest).ValidateOnly ||
			configsReflected(img, op.Request.(*kmsg.IncrementalAlterConfigsRequest), resp)
	}
	return true
}

func configsReflected(img *metadata.Image, req *kmsg.IncrementalAlterConfigsRequest,
	resp *kmsg.IncrementalAlterConfigsResponse) bool {
	const set, remove = 0, 1
	for i := range req.Resources {
		r := &req.Resources[i]
		if i >= len(resp.Resources) || resp.Resources[i].ErrorCode != 0 {
			continue
		}
		has := img.Configs(metadata.Resource{Type: metadata.ResourceType(r.ResourceType), Name: r.ResourceName})
		for _, x := range r.Configs {
			value, ok := has.Get(x.Name)
			if x.Op == set && (!ok || x.Value != nil && value != *x.Value) || x.Op == remove && ok {
				return false
			}
		}
	}
	return true
}

func replacedConfigsReflected(img *metadata.Image, req *kmsg.AlterConfigsRequest,
	resp *kmsg.AlterConfigsResponse) bool {
	for i := range req.Resources {
		r := &req.Resources[i]
		if i >= len(resp.Resources) || resp.Resources[i].ErrorCode != 0 {
			continue
		}
		has := img.Configs(metadata.Resource{Type: metadata.ResourceType(r.ResourceType), Name: r.ResourceName})
		for _, x := range r.Configs {
			if value, ok := has.Get(x.Name); x.Value != nil && (!ok || value != *x.Value) {
				return false
			}
		}
		for _, set := range has.All() {
			if !slices.ContainsFunc(r.Configs, func(x kmsg.AlterConfigsRequestResourceConfig) bool {
				return x.Name == set.Name
			}) {
				return false
			}
		}
	}
	return true
}

func electionsReflected(img *metadata.Image, req *kmsg.ElectLeadersRequest, resp *kmsg.ElectLeadersResponse) bool {
	const preferred = 0
	for i := range resp.Topics {
		t := img.TopicByName(resp.Topics[i].Topic)
		for _, r := range resp.Topics[i].Partitions {
			if r.ErrorCode != 0 || t == nil || t.Partition(core.PartitionID(r.Partition)) == nil {
				continue
			}
			p := t.Partition(core.PartitionID(r.Partition))
			if p.Leader == core.NoBroker || req.ElectionType == preferred && p.Leader != p.Replicas[0] {
				return false
			}
		}
	}
	return true
}

// reassignmentsReflected looks for what is being moved to the targets, or is there already; without targets a
// reassignment was cancelled.
func reassignmentsReflected(img *metadata.Image, req *kmsg.AlterPartitionAssignmentsRequest,
	resp *kmsg.AlterPartitionAssignmentsResponse) bool {
	for i := range req.Topics {
		t := img.TopicByName(req.Topics[i].Topic)
		for j := range req.Topics[i].Partitions {
			want := &req.Topics[i].Partitions[j]
			if t == nil || t.Partition(core.PartitionID(want.Partition)) == nil || refusedReassignment(resp, i, j) {
				continue
			}
			p := t.Partition(core.PartitionID(want.Partition))
			if want.Replicas == nil {
				if len(p.Adding)+len(p.Removing) > 0 {
					return false
				}
				continue
			}
			for _, id := range p.Replicas {
				stays := slices.Contains(want.Replicas, int32(id))
				if !stays && !slices.Contains(p.Removing, id) {
					return false
				}
			}
			for _, id := range want.Replicas {
				if !slices.Contains(p.Replicas, core.BrokerID(id)) {
					return false
				}
			}
		}
	}
	return true
}

func refusedReassignment(resp *kmsg.AlterPartitionAssignmentsResponse, topic, partition int) bool {
	return resp.ErrorCode != 0 || topic >= len(resp.Topics) || partition >= len(resp.Topics[topic].Partitions) ||
		resp.Topics[topic].Partitions[partition].ErrorCode != 0
}

package api

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/group"
)

// FindCoordinator serves API key 10, v0-6: which broker coordinates a group. The first one to ask makes
// __consumer_offsets come into being, and its answer waits for that. v4 asks for many keys. Transactions and share
// groups are not served yet, which the answer says.
func FindCoordinator(c *Context) {
	req := c.Request.(*kmsg.FindCoordinatorRequest)
	resp := kmsg.NewPtrFindCoordinatorResponse()
	c.Response = resp
	answer := func() {
		keys := req.CoordinatorKeys
		if c.Version < 4 {
			keys = []string{req.CoordinatorKey}
		}
		resp.Coordinators = make([]kmsg.FindCoordinatorResponseCoordinator, 0, len(keys))
		for i, key := range keys {
			if i >= maxGroups {
				rc := kmsg.NewFindCoordinatorResponseCoordinator()
				rc.Key, rc.NodeID, rc.Port, rc.ErrorCode = key, -1, -1, int16(core.InvalidRequest)
				resp.Coordinators = append(resp.Coordinators, rc)
				continue
			}
			resp.Coordinators = append(resp.Coordinators, findCoordinator(c, req.CoordinatorType, key))
		}
		if c.Version < 4 {
			one := resp.Coordinators[0]
			resp.NodeID, resp.Host, resp.Port = one.NodeID, one.Host, one.Port
			resp.ErrorCode, resp.ErrorMessage, resp.Coordinators = one.ErrorCode, one.ErrorMessage, nil
		}
	}
	if req.CoordinatorType != coordinatorGroup || c.Cluster.Image.TopicByName(ConsumerOffsetsTopic) != nil {
		answer()
		return
	}
	createOffsetsTopic(c, answer)
}

// The kinds of coordinators (Kafka: CoordinatorType).
const (
	coordinatorGroup = 0
	coordinatorTxn   = 1
	coordinatorShare = 2
)

func createOffsetsTopic(c *Context, then func()) {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = req.MaxVersion()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic = ConsumerOffsetsTopic
	t.NumPartitions = c.Cluster.Settings.Group.OffsetsTopicPartitions
	brokers := int16(len(c.Cluster.Image.Brokers()))
	t.ReplicationFactor = min(c.Cluster.Settings.Group.OffsetsTopicReplicationFactor, brokers)
	set := func(name, value string) {
		cfg := kmsg.NewCreateTopicsRequestTopicConfig()
		cfg.Name, cfg.Value = name, &value
		t.Configs = append(t.Configs, cfg)
	}
	set("cleanup.policy", "compact")
	set("compression.type", "producer")
	set("segment.bytes", strconv.Itoa(int(c.Cluster.Settings.Group.OffsetsTopicSegmentBytes)))
	req.Topics = append(req.Topics, t)
	op := &ControlOp{Reply: c.Self, Call: c.Call, Request: req, ClientID: c.ClientID, Internal: true}
	c.control(op, func(*ControlOp) { then() })
}

func findCoordinator(c *Context, kind int8, key string) kmsg.FindCoordinatorResponseCoordinator {
	rc := kmsg.NewFindCoordinatorResponseCoordinator()
	rc.Key, rc.NodeID, rc.Port = key, -1, -1
	refuse := func(code core.ErrorCode, why string) kmsg.FindCoordinatorResponseCoordinator {
		rc.ErrorCode, rc.ErrorMessage = int16(code), &why
		return rc
	}
	switch kind {
	case coordinatorGroup:
	case coordinatorTxn:
		return refuse(core.InvalidRequest, "Transactions are not implemented by this version of Ottla.")
	case coordinatorShare:
		return refuse(core.InvalidRequest, "Share groups are not implemented by this version of Ottla.")
	default:
		return refuse(core.InvalidRequest, "Unknown coordinator type.")
	}
	offsets := c.Cluster.Image.TopicByName(ConsumerOffsetsTopic)
	if offsets == nil {
		return refuse(core.CoordinatorNotAvailable, core.CoordinatorNotAvailable.Description())
	}
	p := offsets.Partition(core.PartitionID(group.PartitionFor(key, int32(len(offsets.Partitions)))))
	b := c.Cluster.Image.Broker(p.Leader)
	if b == nil {
		return refuse(core.CoordinatorNotAvailable, core.CoordinatorNotAvailable.Description())
	}
	rc.NodeID = int32(b.ID)
	rc.Host, rc.Port = endpoint(b)
	return rc
}

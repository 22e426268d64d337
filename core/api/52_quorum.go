package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/wire"
)

// Quorum serves the API keys of the metadata quorum on the controller's listeners: 52 Vote, 53 BeginQuorumEpoch,
// 54 EndQuorumEpoch, 55 DescribeQuorum, 59 FetchSnapshot, 80 AddRaftVoter, 81 RemoveRaftVoter, 82 UpdateRaftVoter, and
// 1 Fetch of the metadata log. Without a response in the end the connection is closed. What clients may ask for, 55,
// 80 and 81, comes to brokers too, which send it on to the quorum's leader.
func Quorum(c *Context) {
	if !c.Direct {
		Controls(c)
		return
	}
	op := &QuorumOp{Reply: c.Self, Call: c.Call, Request: c.Request}
	c.Send(core.Control(), op, func(core.Message) { c.Response = op.Response })
}

// IsMetadataFetch reports whether a fetch is one of the metadata log, which the quorum answers.
func IsMetadataFetch(req *kmsg.FetchRequest) bool {
	for i := range req.Topics {
		t := &req.Topics[i]
		if t.Topic == MetadataTopic || core.UUID(t.TopicID) == core.MetadataTopicID() {
			return true
		}
	}
	return false
}

// NeedsMetadata reports whether requests of an API are answered from the metadata. All others can be served before a
// node knows any.
func NeedsMetadata(key wire.Key) bool {
	switch key {
	case wire.Vote, wire.BeginQuorumEpoch, wire.EndQuorumEpoch, wire.DescribeQuorum, wire.FetchSnapshot, wire.AddRaftVoter,
		wire.RemoveRaftVoter, wire.UpdateRaftVoter, wire.BrokerRegistration, wire.BrokerHeartbeat,
		wire.AllocateProducerIDs, wire.AlterPartition, wire.AssignReplicasToDirs, wire.UnregisterBroker,
		wire.CreateTopics, wire.CreatePartitions, wire.AlterConfigs, wire.IncrementalAlterConfigs, wire.UpdateFeatures,
		wire.DeleteTopics,
		wire.ElectLeaders, wire.AlterPartitionReassignments, wire.ListPartitionReassignments:
		return false
	}
	return true
}

package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/record"
	"ottla.dev/core/wire"
)

// Server is what the requests of one session share: the clock of the current step, the metadata, and memory that is
// used again from request to request.
type Server struct {
	Now      core.Instant
	Self     core.Address
	Cluster  *Cluster
	Out      *core.Outbox
	Random   core.PRNG
	Requests wire.Requests
	// Classes are the requests that the listener serves. One that serves ClassRaft is the controller's.
	Classes wire.Class
	// EarlyBytes is how large a Produce request is at least whose frame goes back before its answer; 0: none does.
	EarlyBytes int

	topics  Topics
	codecs  *record.Codecs
	rules   record.Rules // of the batch that is being checked
	client  string       // the client id of the last request
	fetches fetchSession
	produce wire.ProduceWriter
	fetch   wire.FetchWriter
	nodes   []wire.NodeEndpoint // the leaders that the answer under way names
}

// hint tells a client who leads a partition, as far as is known here, and has the answer say where that is, so that the
// client need not ask for metadata first (KIP-951). A broker that only believes itself to be the leader says nothing.
func (s *Server) hint(id core.TopicIDPartition) wire.LeaderHint {
	t := s.Cluster.Image.TopicByID(id.Topic)
	if t == nil || t.Partition(id.Partition) == nil {
		return wire.LeaderHint{}
	}
	p := t.Partition(id.Partition)
	b := s.Cluster.Image.Broker(p.Leader)
	if b == nil || b.Fenced || p.Leader == s.Cluster.Self {
		return wire.LeaderHint{}
	}
	host, port := endpoint(b)
	if !slices.ContainsFunc(s.nodes, func(n wire.NodeEndpoint) bool { return n.ID == p.Leader }) {
		s.nodes = append(s.nodes, wire.NodeEndpoint{ID: p.Leader, Host: host, Port: port, Rack: b.Rack})
	}
	return wire.LeaderHint{Set: true, Leader: p.Leader, Epoch: p.LeaderEpoch}
}

// Use makes all later answers come from cluster.
func (s *Server) Use(cluster *Cluster) {
	s.Cluster = cluster
	s.topics.Use(cluster)
}

// Codecs are the session's codecs, made when the first compressed batch comes.
func (s *Server) Codecs() *record.Codecs {
	if s.codecs == nil {
		s.codecs = record.NewCodecs(0)
	}
	return s.codecs
}

// Handler serves one API key.
type Handler func(*Context)

// HandlerFor returns the handler of an API key, or nil for those that are not served by [Context]: Produce and Fetch.
func HandlerFor(key wire.Key) Handler {
	switch key {
	case wire.ListOffsets:
		return ListOffsets
	case wire.Metadata:
		return Metadata
	case wire.OffsetCommit:
		return OffsetCommit
	case wire.OffsetFetch:
		return OffsetFetch
	case wire.FindCoordinator:
		return FindCoordinator
	case wire.Heartbeat:
		return Heartbeat
	case wire.JoinGroup, wire.LeaveGroup, wire.SyncGroup:
		return Group
	case wire.DescribeGroups:
		return DescribeGroups
	case wire.ListGroups:
		return ListGroups
	case wire.ApiVersions:
		return ApiVersions
	case wire.CreateTopics, wire.CreatePartitions, wire.AlterConfigs, wire.IncrementalAlterConfigs,
		wire.UpdateFeatures:
		return Controls
	case wire.ElectLeaders:
		return ElectLeaders
	case wire.AlterPartitionReassignments:
		return AlterPartitionReassignments
	case wire.ListPartitionReassignments:
		return ListPartitionReassignments
	case wire.BrokerRegistration, wire.BrokerHeartbeat, wire.AllocateProducerIDs, wire.AlterPartition,
		wire.AssignReplicasToDirs:
		return Controls
	case wire.Vote, wire.BeginQuorumEpoch, wire.EndQuorumEpoch, wire.FetchSnapshot, wire.DescribeQuorum,
		wire.AddRaftVoter, wire.RemoveRaftVoter, wire.UpdateRaftVoter:
		return Quorum
	case wire.UnregisterBroker:
		return UnregisterBroker
	case wire.DeleteTopics:
		return DeleteTopics
	case wire.DeleteRecords:
		return DeleteRecords
	case wire.InitProducerID:
		return InitProducerID
	case wire.OffsetForLeaderEpoch:
		return OffsetForLeaderEpoch
	case wire.DescribeConfigs:
		return DescribeConfigs
	case wire.DescribeLogDirs:
		return DescribeLogDirs
	case wire.DeleteGroups:
		return DeleteGroups
	case wire.OffsetDelete:
		return OffsetDelete
	case wire.DescribeCluster:
		return DescribeCluster
	case wire.DescribeProducers:
		return DescribeProducers
	case wire.ListConfigResources:
		return ListConfigResources
	case wire.DescribeTopicPartitions:
		return DescribeTopicPartitions
	}
	return nil
}

// Prepare fills the parts of a context that come from the session.
func (s *Server) Prepare(c *Context, h wire.Header, req kmsg.Request, call uint64, host string) {
	c.Now, c.Cluster, c.Version, c.Request, c.Response = s.Now, s.Cluster, h.Version, req, nil
	if s.client != string(h.ClientID) {
		s.client = string(h.ClientID)
	}
	c.ClientID, c.ClientHost, c.Self, c.Call = s.client, host, s.Self, call
	c.Direct, c.classes = s.Classes&wire.ClassRaft != 0, s.Classes
	c.Begin(s.Out)
}

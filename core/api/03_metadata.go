package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// Metadata serves API key 3, v0-13. No topics means all topics (in v0, where null cannot be said, an empty list does).
// Unknown topics are created where the request and auto.create.topics.enable allow; the answer then waits for them and
// is complete, where Kafka answers LEADER_NOT_AVAILABLE and has the client ask again. v10 adds topic ids, v12 asks by
// id.
func Metadata(c *Context) {
	req := c.Request.(*kmsg.MetadataRequest)
	if c.Version < 12 && slices.ContainsFunc(req.Topics, namedByID) {
		c.Response = refuseMetadata(req, core.InvalidRequest)
		return
	}
	req.Topics = distinctTopics(req.Topics)
	resp := kmsg.NewPtrMetadataResponse()
	c.Response = resp
	if create := missingTopics(c, req); len(create) > 0 {
		createMissing(c, create, func(failed map[string]core.ErrorCode) { fillMetadata(c, req, resp, failed) })
		return
	}
	fillMetadata(c, req, resp, nil)
}

// namedByID reports whether a request names a topic by its id, which v10 and v11 have room for and Kafka refuses.
func namedByID(t kmsg.MetadataRequestTopic) bool { return t.Topic == nil || t.TopicID != [16]byte{} }

// refuseMetadata refuses a request as a whole (Kafka: MetadataRequest.getErrorResponse).
func refuseMetadata(req *kmsg.MetadataRequest, code core.ErrorCode) kmsg.Response {
	resp := kmsg.NewPtrMetadataResponse()
	for _, t := range req.Topics {
		if t.Topic == nil {
			t.Topic = new(string) // the answers of these versions have no null for it
		}
		resp.Topics = append(resp.Topics, missingTopic(t.Topic, t.TopicID, code))
	}
	return resp
}

// distinctTopics leaves one of each topic, as Kafka does: a request of many small parts must not ask for the same large
// answer over and over. Null, which asks for all topics, stays null.
func distinctTopics(topics []kmsg.MetadataRequestTopic) []kmsg.MetadataRequestTopic {
	type key struct {
		id   core.UUID
		name string
	}
	seen := make(map[key]bool, len(topics))
	return slices.DeleteFunc(topics, func(t kmsg.MetadataRequestTopic) bool {
		k := key{id: t.TopicID}
		if k.id.IsZero() && t.Topic != nil {
			k.name = *t.Topic
		}
		again := seen[k]
		seen[k] = true
		return again
	})
}

// missingTopics lists the topics that a request names, that do not exist, and that it may create.
func missingTopics(c *Context, req *kmsg.MetadataRequest) []string {
	allowed := c.Cluster.Settings.AutoCreateTopics && (c.Version < 4 || req.AllowAutoTopicCreation)
	if !allowed {
		return nil
	}
	var names []string
	for i := range req.Topics {
		t := req.Topics[i].Topic
		if req.Topics[i].TopicID == [16]byte{} && t != nil && c.Cluster.Image.TopicByName(*t) == nil && !IsInternal(*t) {
			names = append(names, *t)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// createMissing creates topics with the broker's defaults and calls then with the codes of those that could not be.
func createMissing(c *Context, names []string, then func(failed map[string]core.ErrorCode)) {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = req.MaxVersion()
	for _, name := range names {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, -1, -1
		req.Topics = append(req.Topics, t)
	}
	c.Control(req, func(op *ControlOp) {
		failed := map[string]core.ErrorCode{}
		if op.Code != core.NoError {
			for _, name := range names {
				failed[name] = core.LeaderNotAvailable
			}
		} else {
			for _, t := range op.Response.(*kmsg.CreateTopicsResponse).Topics {
				if code := core.ErrorCode(t.ErrorCode); code != core.NoError && code != core.TopicAlreadyExists {
					failed[t.Topic] = code
				}
			}
		}
		then(failed)
	})
}

func fillMetadata(c *Context, req *kmsg.MetadataRequest, resp *kmsg.MetadataResponse,
	failed map[string]core.ErrorCode) {
	cl := c.Cluster
	resp.ClusterID = &cl.ID
	resp.ControllerID = int32(cl.Through())
	resp.AuthorizedOperations = notAsked
	if req.IncludeClusterAuthorizedOperations {
		resp.AuthorizedOperations = clusterOperations
	}
	for _, b := range cl.Image.Brokers() {
		if b.Fenced {
			continue
		}
		rb := kmsg.NewMetadataResponseBroker()
		rb.NodeID, rb.Rack = int32(b.ID), rack(b)
		rb.Host, rb.Port = endpoint(b)
		resp.Brokers = append(resp.Brokers, rb)
	}
	resp.Topics = []kmsg.MetadataResponseTopic{}
	if req.Topics == nil || c.Version == 0 && len(req.Topics) == 0 {
		for t := range cl.Image.Topics() {
			resp.Topics = append(resp.Topics, metadataTopic(c, t, req))
		}
		return
	}
	for i := range req.Topics {
		resp.Topics = append(resp.Topics, requestedTopic(c, &req.Topics[i], req, failed))
	}
}

func requestedTopic(c *Context, want *kmsg.MetadataRequestTopic, req *kmsg.MetadataRequest,
	failed map[string]core.ErrorCode) kmsg.MetadataResponseTopic {
	if want.TopicID != [16]byte{} || want.Topic == nil {
		if t := c.Cluster.Image.TopicByID(want.TopicID); t != nil {
			return metadataTopic(c, t, req)
		}
		return missingTopic(nil, want.TopicID, core.UnknownTopicID)
	}
	if t := c.Cluster.Image.TopicByName(*want.Topic); t != nil {
		return metadataTopic(c, t, req)
	}
	code := core.UnknownTopicOrPartition
	if f, ok := failed[*want.Topic]; ok {
		code = f
	} else if !validTopicName(*want.Topic) {
		code = core.InvalidTopicException
	}
	return missingTopic(want.Topic, core.UUID{}, code)
}

func missingTopic(name *string, id core.UUID, code core.ErrorCode) kmsg.MetadataResponseTopic {
	rt := kmsg.NewMetadataResponseTopic()
	rt.Topic, rt.TopicID, rt.ErrorCode = name, id, int16(code)
	rt.Partitions = []kmsg.MetadataResponseTopicPartition{}
	rt.AuthorizedOperations = notAsked
	return rt
}

func metadataTopic(c *Context, t *metadata.Topic, req *kmsg.MetadataRequest) kmsg.MetadataResponseTopic {
	rt := kmsg.NewMetadataResponseTopic()
	rt.Topic, rt.TopicID, rt.IsInternal = &t.Name, t.ID, IsInternal(t.Name)
	rt.AuthorizedOperations = notAsked
	if req.IncludeTopicAuthorizedOperations {
		rt.AuthorizedOperations = topicOperations
	}
	rt.Partitions = make([]kmsg.MetadataResponseTopicPartition, 0, len(t.Partitions))
	for _, p := range t.Partitions {
		rp := kmsg.NewMetadataResponseTopicPartition()
		rp.Partition, rp.Leader, rp.LeaderEpoch = int32(p.ID), int32(p.Leader), int32(p.LeaderEpoch)
		rp.Replicas, rp.ISR, rp.OfflineReplicas = int32s(p.Replicas), int32s(p.ISR), c.Cluster.offline(p)
		if b := c.Cluster.Image.Broker(p.Leader); b == nil || b.Fenced {
			// Clients cannot reach it (Kafka: KRaftMetadataCache.partitionMetadata).
			rp.Leader, rp.ErrorCode = int32(core.NoBroker), int16(core.LeaderNotAvailable)
		}
		rt.Partitions = append(rt.Partitions, rp)
	}
	return rt
}

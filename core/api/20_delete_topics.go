package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// DeleteTopics serves API key 20, v0-6 (by id from v6 on). With delete.topic.enable=false the controller refuses every
// topic, in versions before 3 with INVALID_REQUEST because their clients do not know TOPIC_DELETION_DISABLED.
func DeleteTopics(c *Context) { Controls(c) }

func refuseDeletes(req *kmsg.DeleteTopicsRequest, code core.ErrorCode) kmsg.Response {
	resp := kmsg.NewPtrDeleteTopicsResponse()
	add := func(name *string, id [16]byte) {
		t := kmsg.NewDeleteTopicsResponseTopic()
		t.Topic, t.TopicID, t.ErrorCode = name, id, int16(code)
		resp.Topics = append(resp.Topics, t)
	}
	for i := range req.TopicNames {
		add(&req.TopicNames[i], [16]byte{})
	}
	for i := range req.Topics {
		add(req.Topics[i].Topic, req.Topics[i].TopicID)
	}
	return resp
}

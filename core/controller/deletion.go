package controller

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

func (c *Controller) deleteTopics(img *metadata.Image, req *kmsg.DeleteTopicsRequest) Decision {
	resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
	wanted := req.Topics
	if req.Version < 6 {
		wanted = make([]kmsg.DeleteTopicsRequestTopic, len(req.TopicNames))
		for i := range req.TopicNames {
			wanted[i].Topic = &req.TopicNames[i]
		}
	}
	wholly := c.refuseDeletion(req.Version, len(wanted))
	again := repeated(wanted, keyOf)
	uses := usesOf(img, again)
	answered := make(map[topicKey]bool, len(wanted))
	var records []metadata.Record
	for _, t := range wanted {
		key := keyOf(t)
		if answered[key] {
			continue // one answer a topic, as repeated ones are all refused
		}
		answered[key] = true
		topic, refused := findForDeletion(img, key)
		switch {
		case wholly != nil:
			refused = wholly
		case refused == nil:
			refused = refuseRepeated(key, again[key], uses[topic.ID])
		}
		out := kmsg.NewDeleteTopicsResponseTopic()
		out.Topic, out.TopicID = t.Topic, t.TopicID
		if refused == nil {
			out.Topic, out.TopicID = &topic.Name, topic.ID
			records = append(records, &metadata.RemoveTopicRecord{Topic: topic.ID})
		}
		out.ErrorCode, out.ErrorMessage = refused.fields()
		resp.Topics = append(resp.Topics, out)
	}
	return Decision{records, resp}
}

// refuseDeletion refuses the request as a whole.
func (c *Controller) refuseDeletion(version int16, topics int) *refusal {
	switch {
	case !c.Settings.DeleteTopicEnable && version < 3:
		return refuse(core.InvalidRequest, "Topic deletion is disabled.") // their clients do not know the code
	case !c.Settings.DeleteTopicEnable:
		return refuseCode(core.TopicDeletionDisabled)
	case topics > MaxRecordsPerRequest:
		return tooManyRecords()
	}
	return nil
}

// refuseRepeated refuses a topic that the request names more than once: the same way, or by name and by id.
func refuseRepeated(key topicKey, again bool, uses int) *refusal {
	switch {
	case again && key.hasName:
		return refuse(core.InvalidRequest, "Duplicate topic name.")
	case again:
		return refuse(core.InvalidRequest, "Duplicate topic id.")
	case uses > 1:
		return refuse(core.InvalidRequest, "The provided topic name maps to an ID that was already supplied.")
	}
	return nil
}

// topicKey is how a DeleteTopics request names a topic.
type topicKey struct {
	name    string
	hasName bool
	id      core.UUID
}

func keyOf(t kmsg.DeleteTopicsRequestTopic) topicKey {
	key := topicKey{id: t.TopicID}
	if t.Topic != nil {
		key.name, key.hasName = *t.Topic, true
	}
	return key
}

// usesOf counts how many of the keys mean each topic: one may be named by its name and by its id.
func usesOf(img *metadata.Image, keys map[topicKey]bool) map[core.UUID]int {
	uses := make(map[core.UUID]int)
	//core:unordered counting
	for key := range keys {
		switch {
		case key.hasName && key.id.IsZero():
			if t := img.TopicByName(key.name); t != nil {
				uses[t.ID]++
			}
		case !key.hasName:
			uses[key.id]++
		}
	}
	return uses
}

func findForDeletion(img *metadata.Image, key topicKey) (*metadata.Topic, *refusal) {
	switch {
	case !key.hasName && key.id.IsZero():
		return nil, refuse(core.InvalidRequest, "Neither topic name nor id were specified.")
	case key.hasName && !key.id.IsZero():
		return nil, refuse(core.InvalidRequest, "You may not specify both topic name and topic id.")
	case key.hasName:
		if t := img.TopicByName(key.name); t != nil {
			return t, nil
		}
		return nil, refuseCode(core.UnknownTopicOrPartition)
	}
	if t := img.TopicByID(key.id); t != nil {
		return t, nil
	}
	return nil, refuseCode(core.UnknownTopicID)
}

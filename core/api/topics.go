package api

import (
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/config"
	"ottla.dev/core/metadata"
	"ottla.dev/core/record"
)

// Topic is a topic as the hot paths see it: its metadata and its resolved settings.
type Topic struct {
	*metadata.Topic
	Settings config.Topic
	Rules    record.Rules // all but the request's version and the time
	Internal bool
}

// Topics remembers resolved topics by name and id until the metadata changes. It belongs to one session. Lookups of
// known topics allocate nothing.
type Topics struct {
	cluster *Cluster
	byName  map[string]*Topic
	byID    map[core.UUID]*Topic
}

// Use makes lookups answer from cluster.
func (t *Topics) Use(cluster *Cluster) {
	t.cluster = cluster
	clear(t.byName)
	clear(t.byID)
}

// ByName returns a topic, or nil. The name may alias a frame: it is not kept.
func (t *Topics) ByName(name string) *Topic {
	if topic, ok := t.byName[name]; ok {
		return topic
	}
	return t.resolve(t.cluster.Image.TopicByName(name))
}

// ByID returns a topic, or nil.
func (t *Topics) ByID(id core.UUID) *Topic {
	if topic, ok := t.byID[id]; ok {
		return topic
	}
	return t.resolve(t.cluster.Image.TopicByID(id))
}

func (t *Topics) resolve(found *metadata.Topic) *Topic {
	if found == nil {
		return nil
	}
	if t.byName == nil {
		t.byName, t.byID = map[string]*Topic{}, map[core.UUID]*Topic{}
	}
	s := config.ResolveTopic(t.cluster.Layers(found.Name))
	topic := &Topic{Topic: found, Settings: s, Internal: IsInternal(found.Name), Rules: record.Rules{
		MaxMessageBytes: s.MaxMessageBytes,
		Compacted:       s.CleanupCompact,
		TimestampType:   record.TimestampType(s.TimestampType),
		BeforeMaxMs:     s.TimestampBeforeMaxMs,
		AfterMaxMs:      s.TimestampAfterMaxMs,
	}}
	t.byName[strings.Clone(found.Name)], t.byID[found.ID] = topic, topic
	return topic
}

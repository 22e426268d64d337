package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/config"
	"ottla.dev/core/metadata"
)

// configs tells the controller what core/config knows. It implements controller.Configs.
type configs struct {
	static map[string]string
	self   core.BrokerID
}

// Check implements controller.Configs.
func (c *configs) Check(r metadata.Resource, name, value string) error {
	if r.Type == metadata.ResourceTopic {
		return config.ValidateTopic(name, value)
	}
	return config.ValidateDynamicBroker(name, value, r.Name != "")
}

// CheckTopic implements controller.Configs.
func (c *configs) CheckTopic(img *metadata.Image, set []metadata.Config) error {
	if errs := config.CheckTopic(c.topicLayers(img, set)); len(errs) > 0 {
		return errs[0]
	}
	return nil
}

// IsList implements controller.Configs.
func (c *configs) IsList(t metadata.ResourceType, name string) bool {
	s, ok := lookup(t, name)
	return ok && s.Type() == config.List
}

// Default implements controller.Configs.
func (c *configs) Default(t metadata.ResourceType, name string) (string, bool) {
	s, ok := lookup(t, name)
	if !ok {
		return "", false
	}
	return s.Default()
}

func lookup(t metadata.ResourceType, name string) (config.Setting, bool) {
	if t == metadata.ResourceTopic {
		return config.LookupTopic(name)
	}
	return config.LookupBroker(name)
}

// EffectiveTopic implements controller.Configs.
func (c *configs) EffectiveTopic(img *metadata.Image, set []metadata.Config) []kmsg.CreateTopicsResponseTopicConfig {
	l := c.topicLayers(img, set)
	var out []kmsg.CreateTopicsResponseTopicConfig
	for _, d := range config.DescribeTopic(l, nil) {
		rc := kmsg.NewCreateTopicsResponseTopicConfig()
		rc.Name, rc.ReadOnly, rc.Source, rc.IsSensitive = d.Name, d.ReadOnly, int8(d.Source), d.Sensitive
		if !d.Null {
			rc.Value = &d.Value
		}
		out = append(out, rc)
	}
	return slices.Clip(out)
}

// MinInSyncReplicas implements controller.Configs.
func (c *configs) MinInSyncReplicas(img *metadata.Image, topic string) int {
	return int(config.MinInSyncReplicas(c.layers(img, topic)))
}

// UncleanLeaderElection implements controller.Configs.
func (c *configs) UncleanLeaderElection(img *metadata.Image, topic string) bool {
	return config.UncleanLeaderElection(c.layers(img, topic))
}

func (c *configs) layers(img *metadata.Image, topic string) config.Layers {
	view := api.Cluster{Image: img, Static: c.static, Self: c.self}
	return view.Layers(topic)
}

// topicLayers are the layers of a topic that is to have the given configurations.
func (c *configs) topicLayers(img *metadata.Image, set []metadata.Config) config.Layers {
	l := c.layers(img, "")
	l.Topic = make(map[string]string, len(set))
	for _, s := range set {
		l.Topic[s.Name] = s.Value
	}
	return l
}

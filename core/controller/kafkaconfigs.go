package controller

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/config"
	"ottla.dev/core/metadata"
)

// KafkaConfigs is [Configs] by the table of core/config.
type KafkaConfigs struct {
	// Node is the controller's own id: its dynamic configuration is the one that topics inherit in its answers, as in
	// Kafka (ConfigurationControlManager.currentControllerConfig).
	Node core.BrokerID
	// Static is what server.properties sets.
	Static map[string]string
}

// Check reports why the resource cannot have the configuration at that value.
func (k KafkaConfigs) Check(r metadata.Resource, name, value string) error {
	if r.Type == metadata.ResourceBroker {
		return config.ValidateDynamicBroker(name, value, r.Name != "")
	}
	return config.ValidateTopic(name, value)
}

// CheckTopic reports what is wrong with a topic's configurations taken together.
func (k KafkaConfigs) CheckTopic(img *metadata.Image, set []metadata.Config) error {
	if errs := config.CheckTopic(k.layers(img, set)); len(errs) > 0 {
		return errs[0]
	}
	return nil
}

// IsList reports whether the configuration is a list.
func (k KafkaConfigs) IsList(t metadata.ResourceType, name string) bool {
	s, ok := lookup(t, name)
	return ok && s.Type() == config.List
}

// Default is the value of a configuration that is set nowhere.
func (k KafkaConfigs) Default(t metadata.ResourceType, name string) (string, bool) {
	if s, ok := lookup(t, name); ok {
		return s.Default()
	}
	return "", false
}

func lookup(t metadata.ResourceType, name string) (config.Setting, bool) {
	if t == metadata.ResourceBroker {
		return config.LookupBroker(name)
	}
	return config.LookupTopic(name)
}

// EffectiveTopic lists all configurations of a topic that has the given ones set.
func (k KafkaConfigs) EffectiveTopic(
	img *metadata.Image, set []metadata.Config,
) []kmsg.CreateTopicsResponseTopicConfig {
	described := config.DescribeTopic(k.layers(img, set), nil)
	out := make([]kmsg.CreateTopicsResponseTopicConfig, len(described))
	for i, d := range described {
		out[i] = kmsg.NewCreateTopicsResponseTopicConfig()
		out[i].Name, out[i].Source = d.Name, int8(d.Source)
		out[i].ReadOnly, out[i].IsSensitive = d.ReadOnly, d.Sensitive
		if !d.Null {
			out[i].Value = &described[i].Value
		}
	}
	return out
}

// MinInSyncReplicas is a topic's min.insync.replicas in effect.
func (k KafkaConfigs) MinInSyncReplicas(img *metadata.Image, topic string) int {
	return int(k.resolve(img, topic).MinInSyncReplicas)
}

// UncleanLeaderElection is a topic's unclean.leader.election.enable in effect.
func (k KafkaConfigs) UncleanLeaderElection(img *metadata.Image, topic string) bool {
	return k.resolve(img, topic).UncleanLeaderElection
}

func (k KafkaConfigs) resolve(img *metadata.Image, topic string) config.Topic {
	set := img.Configs(metadata.Resource{Type: metadata.ResourceTopic, Name: topic})
	return config.ResolveTopic(k.layers(img, set.All()))
}

func (k KafkaConfigs) layers(img *metadata.Image, topic []metadata.Config) config.Layers {
	return config.Layers{
		Topic:   values(topic),
		Broker:  values(img.Configs(metadata.BrokerResource(k.Node)).All()),
		Cluster: values(img.Configs(metadata.Resource{Type: metadata.ResourceBroker}).All()),
		Static:  k.Static,
	}
}

func values(set []metadata.Config) map[string]string {
	m := make(map[string]string, len(set))
	for _, c := range set {
		m[c.Name] = c.Value
	}
	return m
}

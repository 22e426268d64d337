package controller

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

func realConfigs(t *testing.T) *cluster {
	k := newCluster(t)
	k.c.configs = KafkaConfigs{Node: 1, Static: map[string]string{"log.retention.ms": "777"}}
	return k.brokers(1)
}

func TestKafkasConfigsInEffect(t *testing.T) {
	k := realConfigs(t)
	if code := k.alter(brokerType, "", op{Name: "min.insync.replicas", Value: ptr("2")}); code != 0 {
		t.Fatal(code)
	}
	in := configured("t", "retention.bytes", ptr("5"))
	out := k.create(in).Topics[0]
	find := func(name string) kmsg.CreateTopicsResponseTopicConfig {
		i := slices.IndexFunc(out.Configs, func(c kmsg.CreateTopicsResponseTopicConfig) bool { return c.Name == name })
		if i < 0 {
			t.Fatalf("no %s among %d configs, error %s", name, len(out.Configs), text(out.ErrorMessage))
		}
		return out.Configs[i]
	}
	for _, c := range []struct {
		name, value string
		source      int8
	}{
		{"retention.bytes", "5", 1}, {"min.insync.replicas", "2", 3}, {"retention.ms", "777", 4},
		{"cleanup.policy", "delete", 5},
	} {
		if got := find(c.name); text(got.Value) != c.value || got.Source != c.source {
			t.Fatalf("%s = %s from %d", c.name, text(got.Value), got.Source)
		}
	}
	if n := k.c.configs.MinInSyncReplicas(k.img, "t"); n != 2 {
		t.Fatalf("min.insync.replicas %d", n)
	}
	k.alter(topicType, "t", op{Name: "min.insync.replicas", Value: ptr("3")})
	if k.c.configs.MinInSyncReplicas(k.img, "t") != 3 {
		t.Fatal("the topic's own value is not in effect")
	}
	if k.c.configs.UncleanLeaderElection(k.img, "t") {
		t.Fatal("unclean elections by default")
	}
}

func TestKafkasConfigsAreChecked(t *testing.T) {
	k := realConfigs(t)
	k.create(topic("t", 1, 1))
	for _, c := range []struct {
		rule string
		kind kmsg.ConfigResourceType
		name string
		op   op
		code core.ErrorCode
	}{
		{"unknown topic setting", topicType, "t", op{Name: "no.such", Value: ptr("1")}, core.InvalidConfig},
		{"bad topic value", topicType, "t", op{Name: "retention.ms", Value: ptr("soon")}, core.InvalidConfig},
		{"good topic value", topicType, "t", op{Name: "retention.ms", Value: ptr("1000")}, 0},
		{"a lag below the default maximum", topicType, "t", op{Name: "min.compaction.lag.ms", Value: ptr("5")}, 0},
		{"a maximal lag below the minimal one", topicType, "t", op{Name: "max.compaction.lag.ms", Value: ptr("4")},
			core.InvalidConfig},
		{"a list without its only word is empty", topicType, "t",
			op{Name: "cleanup.policy", Op: subtractOp, Value: ptr("delete")}, 0},
		{"appending to a number", topicType, "t", op{Name: "retention.ms", Op: appendOp, Value: ptr("1")},
			core.InvalidConfig},
		{"unknown broker setting", brokerType, "1", op{Name: "no.such", Value: ptr("1")}, core.InvalidRequest},
		{"read-only broker setting", brokerType, "1", op{Name: "node.id", Value: ptr("2")}, core.InvalidRequest},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if code := k.alter(c.kind, c.name, c.op); code != c.code {
				t.Fatalf("%v, want %v", code, c.code)
			}
		})
	}
	if k.c.configs.IsList(metadata.ResourceTopic, "no.such") {
		t.Fatal("an unknown setting is a list")
	}
}

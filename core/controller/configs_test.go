package controller

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

type op = kmsg.IncrementalAlterConfigsRequestResourceConfig

const (
	setOp      = kmsg.IncrementalAlterConfigOpSet
	deleteOp   = kmsg.IncrementalAlterConfigOpDelete
	appendOp   = kmsg.IncrementalAlterConfigOpAppend
	subtractOp = kmsg.IncrementalAlterConfigOpSubtract
)

func (k *cluster) alter(t kmsg.ConfigResourceType, name string, ops ...op) core.ErrorCode {
	k.t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: t, ResourceName: name, Configs: ops}}
	r := k.decide(req).(*kmsg.IncrementalAlterConfigsResponse).Resources
	if len(r) != 1 || r[0].ResourceType != t || r[0].ResourceName != name ||
		(r[0].ErrorCode == 0) != (r[0].ErrorMessage == nil) {
		k.t.Fatalf("%+v", r)
	}
	return core.ErrorCode(r[0].ErrorCode)
}

func (k *cluster) configs(t metadata.ResourceType, name string) string {
	return fmt.Sprint(k.img.Configs(metadata.Resource{Type: t, Name: name}).All())
}

const (
	topicType  = kmsg.ConfigResourceTypeTopic
	brokerType = kmsg.ConfigResourceTypeBroker
)

func TestIncrementalAlterConfigs(t *testing.T) {
	for _, c := range []struct {
		rule  string
		ops   []op
		code  core.ErrorCode
		after string
	}{
		{"set", []op{{Name: "retention.ms", Op: setOp, Value: ptr("5")}}, 0, "[{retention.ms 5}]"},
		{"set what is set", []op{{Name: "retention.ms", Op: setOp, Value: ptr("1")}}, 0, "[{retention.ms 1}]"},
		{"delete", []op{{Name: "retention.ms", Op: deleteOp}}, 0, "[]"},
		{"delete what is not set", []op{{Name: "cleanup.policy", Op: deleteOp}}, 0, "[{retention.ms 1}]"},
		{"delete an unknown config", []op{{Name: "no.such", Op: deleteOp}}, 0, "[{retention.ms 1}]"},
		{"append to the default", []op{{Name: "cleanup.policy", Op: appendOp, Value: ptr("compact")}}, 0,
			"[{cleanup.policy delete,compact} {retention.ms 1}]"},
		{"append what is there", []op{{Name: "cleanup.policy", Op: appendOp, Value: ptr("delete")}}, 0,
			"[{cleanup.policy delete} {retention.ms 1}]"},
		{"subtract", []op{{Name: "cleanup.policy", Op: subtractOp, Value: ptr("x,delete")}}, 0,
			"[{cleanup.policy } {retention.ms 1}]"},
		{"append to what is no list", []op{{Name: "retention.ms", Op: appendOp, Value: ptr("2")}}, core.InvalidConfig,
			"[{retention.ms 1}]"},
		{"an unknown config", []op{{Name: "no.such", Op: setOp, Value: ptr("2")}}, core.InvalidConfig, "[{retention.ms 1}]"},
		{"a bad value", []op{{Name: "retention.ms", Op: setOp, Value: ptr("bad")}}, core.InvalidConfig, "[{retention.ms 1}]"},
		{"a good and a bad value set nothing", []op{{Name: "cleanup.policy", Op: setOp, Value: ptr("compact")},
			{Name: "retention.ms", Op: setOp, Value: ptr("bad")}}, core.InvalidConfig, "[{retention.ms 1}]"},
		{"a null value", []op{{Name: "retention.ms", Op: setOp}}, core.InvalidRequest, "[{retention.ms 1}]"},
		{"a config twice", []op{{Name: "retention.ms", Op: setOp, Value: ptr("2")}, {Name: "retention.ms", Op: deleteOp}},
			core.InvalidRequest, "[{retention.ms 1}]"},
		{"an unknown operation", []op{{Name: "retention.ms", Op: 4, Value: ptr("2")}}, core.InvalidRequest,
			"[{retention.ms 1}]"},
		{"what does not go with what is set",
			[]op{{Name: "cleanup.policy", Op: setOp, Value: ptr("compact")}, {Name: "retention.ms", Value: ptr("forever")}},
			core.InvalidConfig, "[{retention.ms 1}]"},
		{"nothing", nil, 0, "[{retention.ms 1}]"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			k := newCluster(t).brokers(1)
			k.create(configured("t", "retention.ms", ptr("1")))
			if code := k.alter(topicType, "t", c.ops...); code != c.code {
				t.Fatalf("%v, want %v", code, c.code)
			}
			if got := k.configs(metadata.ResourceTopic, "t"); got != c.after {
				t.Fatalf("%s, want %s", got, c.after)
			}
		})
	}
}

func TestResourcesThatCannotBeAltered(t *testing.T) {
	good := op{Name: "retention.ms", Op: setOp, Value: ptr("5")}
	for _, c := range []struct {
		rule string
		kind kmsg.ConfigResourceType
		name string
		code core.ErrorCode
	}{
		{"a topic that does not exist", topicType, "x", core.UnknownTopicOrPartition},
		{"all topics", topicType, "", core.InvalidRequest},
		{"a topic with an illegal name", topicType, "a/b", core.InvalidTopicException},
		{"all brokers", brokerType, "", 0},
		{"a broker", brokerType, "1", 0},
		{"a broker that is not registered", brokerType, "2", core.BrokerIDNotRegistered},
		{"a broker's name that is no number", brokerType, "one", core.InvalidRequest},
		{"a negative broker", brokerType, "-1", core.InvalidRequest},
		{"a broker in another spelling", brokerType, "+1", core.InvalidRequest},
		{"a broker's loggers", kmsg.ConfigResourceTypeBrokerLogger, "1", core.InvalidRequest},
		{"an unknown resource type", 99, "t", core.InvalidRequest},
	} {
		t.Run(c.rule, func(t *testing.T) {
			k := newCluster(t).brokers(1)
			if code := k.alter(c.kind, c.name, good); code != c.code {
				t.Fatalf("%v, want %v", code, c.code)
			}
		})
	}
}

func TestABadBrokerConfigIsABadRequest(t *testing.T) {
	k := newCluster(t).brokers(1)
	if code := k.alter(brokerType, "1", op{Name: "num.io.threads", Value: ptr("bad")}); code != core.InvalidRequest {
		t.Fatal(code)
	}
}

func TestABrokerConfigMakesARecordEvenUnchanged(t *testing.T) {
	k := newCluster(t).brokers(1)
	for range 2 {
		before := k.img.Offset()
		k.alter(brokerType, "", op{Name: "num.io.threads", Value: ptr("3")})
		if k.img.Offset() != before+1 {
			t.Fatal("no record")
		}
	}
	before := k.img.Offset()
	k.create(configured("t", "retention.ms", ptr("1")))
	k.alter(topicType, "t", op{Name: "retention.ms", Value: ptr("1")})
	if k.img.Offset() != before+3 {
		t.Fatal("a topic's unchanged config made a record")
	}
}

func TestAResourceTwiceIsRefusedTwice(t *testing.T) {
	k := newCluster(t).brokers(1)
	k.create(topic("t", 1, 1), topic("u", 1, 1))
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	set := []op{{Name: "retention.ms", Op: setOp, Value: ptr("5")}}
	for _, name := range []string{"t", "u", "t"} {
		req.Resources = append(req.Resources,
			kmsg.IncrementalAlterConfigsRequestResource{ResourceType: topicType, ResourceName: name, Configs: set})
	}
	var codes []core.ErrorCode
	for _, r := range k.decide(req).(*kmsg.IncrementalAlterConfigsResponse).Resources {
		codes = append(codes, core.ErrorCode(r.ErrorCode))
	}
	if !slices.Equal(codes, []core.ErrorCode{core.InvalidRequest, 0, core.InvalidRequest}) {
		t.Fatal(codes)
	}
	if k.configs(metadata.ResourceTopic, "t") != "[]" || k.configs(metadata.ResourceTopic, "u") == "[]" {
		t.Fatal("the wrong ones were altered")
	}
}

func TestAlterConfigsReplacesAll(t *testing.T) {
	k := newCluster(t).brokers(1)
	k.create(configured("t", "retention.ms", ptr("1")))
	alter := func(validate bool, configs ...kmsg.AlterConfigsRequestResourceConfig) core.ErrorCode {
		req := kmsg.NewPtrAlterConfigsRequest()
		req.ValidateOnly = validate
		req.Resources = []kmsg.AlterConfigsRequestResource{{ResourceType: topicType, ResourceName: "t", Configs: configs}}
		return core.ErrorCode(k.decide(req).(*kmsg.AlterConfigsResponse).Resources[0].ErrorCode)
	}
	compact := kmsg.AlterConfigsRequestResourceConfig{Name: "cleanup.policy", Value: ptr("compact")}
	if code := alter(true, compact); code != 0 || k.configs(metadata.ResourceTopic, "t") != "[{retention.ms 1}]" {
		t.Fatalf("validation only: %v %s", code, k.configs(metadata.ResourceTopic, "t"))
	}
	unknown := kmsg.AlterConfigsRequestResourceConfig{Name: "no.such", Value: ptr("")}
	if code := alter(false, compact, unknown); code != core.InvalidConfig {
		t.Fatal(code)
	}
	if code := alter(false, kmsg.AlterConfigsRequestResourceConfig{Name: "cleanup.policy"}); code != core.InvalidRequest {
		t.Fatal(code)
	}
	for range 2 {
		code, got := alter(false, compact), k.configs(metadata.ResourceTopic, "t")
		if code != 0 || got != "[{cleanup.policy compact}]" {
			t.Fatalf("%v %s", code, got)
		}
	}
}

package controller

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// fakeConfigs knows four settings.
type fakeConfigs struct{ minISR int }

func (fakeConfigs) Check(r metadata.Resource, name, value string) error {
	switch name {
	case "retention.ms", "cleanup.policy", "num.io.threads", minInSyncReplicas:
		if value == "bad" {
			return errors.New("bad value")
		}
		return nil
	}
	return fmt.Errorf("unknown %s config %s", r.Type, name)
}

func (fakeConfigs) CheckTopic(_ *metadata.Image, set []metadata.Config) error {
	if len(set) == 2 && set[0].Value == "compact" && set[1].Value == "forever" {
		return errors.New("compact and forever do not go together")
	}
	return nil
}

func (fakeConfigs) IsList(_ metadata.ResourceType, name string) bool { return name == "cleanup.policy" }

func (fakeConfigs) Default(_ metadata.ResourceType, name string) (string, bool) {
	return "delete", name == "cleanup.policy"
}

func (fakeConfigs) EffectiveTopic(_ *metadata.Image, set []metadata.Config) []kmsg.CreateTopicsResponseTopicConfig {
	var out []kmsg.CreateTopicsResponseTopicConfig
	for _, c := range set {
		out = append(out, kmsg.CreateTopicsResponseTopicConfig{Name: c.Name, Value: &c.Value, Source: 1})
	}
	return out
}

func (f fakeConfigs) MinInSyncReplicas(img *metadata.Image, topic string) int {
	for _, r := range []metadata.Resource{{Type: metadata.ResourceTopic, Name: topic}, {Type: metadata.ResourceBroker}} {
		if text, ok := img.Configs(r).Get(minInSyncReplicas); ok {
			n, _ := strconv.Atoi(text)
			return n
		}
	}
	return max(1, f.minISR)
}

func (fakeConfigs) UncleanLeaderElection(_ *metadata.Image, t string) bool { return t == "unclean" }

const timeout = 9 * time.Second

func at(d time.Duration) core.Instant { return core.Instant{Mono: d} }

// cluster is a controller and its image, kept up by applying every decision.
type cluster struct {
	t   testing.TB
	c   *Controller
	img *metadata.Image
	now core.Instant
}

func newCluster(t testing.TB, features ...metadata.Feature) *cluster {
	settings := Settings{NumPartitions: 2, DefaultReplicationFactor: 1, DeleteTopicEnable: true, SessionTimeout: timeout}
	k := &cluster{t: t, c: New(settings, fakeConfigs{}, core.NewPRNG(1)), img: metadata.NewImage("cluster")}
	k.c.Activate(k.now, k.img)
	k.apply(Bootstrap(features...))
	return k
}

func (k *cluster) apply(records []metadata.Record) {
	k.t.Helper()
	for _, r := range records { // what is decided must be what is read back
		if _, err := metadata.Decode(metadata.AppendRecord(nil, r)); err != nil {
			k.t.Fatal(err)
		}
	}
	next, err := k.img.Apply(k.img.Offset()+core.Offset(len(records)), 1, records...)
	if err != nil {
		k.t.Fatalf("a decision's records do not apply: %v", err)
	}
	k.img = next
}

func (k *cluster) decide(req kmsg.Request) kmsg.Response {
	k.t.Helper()
	req.SetVersion(req.MaxVersion())
	return k.decideAt(req)
}

func (k *cluster) decideAt(req kmsg.Request) kmsg.Response {
	k.t.Helper()
	d := k.c.Decide(k.now, k.img, req)
	if d.Response.GetVersion() != req.GetVersion() {
		k.t.Fatalf("version %d answers version %d", d.Response.GetVersion(), req.GetVersion())
	}
	k.apply(d.Records)
	return d.Response
}

func (k *cluster) register(id int32, incarnation byte, previous int64) core.ErrorCode {
	k.t.Helper()
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.BrokerID, req.ClusterID, req.IncarnationID = id, "cluster", [16]byte{1, incarnation}
	req.PreviousBrokerEpoch = previous
	req.LogDirs = [][16]byte{{2, byte(id)}}
	req.Listeners = []kmsg.BrokerRegistrationRequestListener{{Name: "PLAINTEXT", Host: "h", Port: 9092}}
	req.Features = []kmsg.BrokerRegistrationRequestFeature{
		{Name: metadata.MetadataVersion, MinSupportedVersion: 7, MaxSupportedVersion: 29},
		{Name: eligibleLeaderReplicas, MaxSupportedVersion: 1},
	}
	if id >= 10 {
		rack := fmt.Sprintf("rack-%d", id/10)
		req.Rack = &rack
	}
	before := k.img
	resp := k.decide(req).(*kmsg.BrokerRegistrationResponse)
	if b := k.img.Broker(core.BrokerID(id)); resp.ErrorCode == 0 && int64(b.Epoch) != resp.BrokerEpoch {
		k.t.Fatalf("epoch %d answered, %d registered", resp.BrokerEpoch, b.Epoch)
	}
	if old := before.Broker(core.BrokerID(id)); resp.ErrorCode == 0 && resp.BrokerEpoch != int64(k.img.Offset()) &&
		(old == nil || old.Incarnation != req.IncarnationID) {
		k.t.Fatalf("the epoch is %d, the registration at %d", resp.BrokerEpoch, k.img.Offset())
	}
	return core.ErrorCode(resp.ErrorCode)
}

func (k *cluster) heartbeat(id int32, change func(*kmsg.BrokerHeartbeatRequest)) *kmsg.BrokerHeartbeatResponse {
	k.t.Helper()
	req := kmsg.NewPtrBrokerHeartbeatRequest()
	req.BrokerID, req.CurrentMetadataOffset = id, int64(k.img.Offset())
	if b := k.img.Broker(core.BrokerID(id)); b != nil {
		req.BrokerEpoch = int64(b.Epoch)
	}
	if change != nil {
		change(req)
	}
	return k.decide(req).(*kmsg.BrokerHeartbeatResponse)
}

// brokers registers brokers and unfences them.
func (k *cluster) brokers(ids ...int32) *cluster {
	k.t.Helper()
	for _, id := range ids {
		if code := k.register(id, 1, -1); code != 0 {
			k.t.Fatalf("registration of %d: %v", id, code)
		}
		if r := k.heartbeat(id, nil); r.ErrorCode != 0 || r.IsFenced {
			k.t.Fatalf("heartbeat of %d: %+v", id, r)
		}
	}
	return k
}

func topic(name string, partitions int32, factor int16) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, factor
	return t
}

func (k *cluster) create(topics ...kmsg.CreateTopicsRequestTopic) *kmsg.CreateTopicsResponse {
	k.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = topics
	return k.decide(req).(*kmsg.CreateTopicsResponse)
}

func ptr[T any](v T) *T { return &v }

func text(s *string) string {
	if s == nil {
		return "<null>"
	}
	return *s
}

func (k *cluster) partition(name string, id core.PartitionID) *metadata.Partition {
	k.t.Helper()
	p := k.img.Partition(name, id)
	if p == nil {
		k.t.Fatalf("no partition %s-%d", name, id)
	}
	return p
}

// state writes a partition's leadership on one line.
func (k *cluster) state(name string) string {
	p := k.partition(name, 0)
	return fmt.Sprintf("leader %d isr %v elr %v last %v epoch %d", p.Leader, p.ISR, p.ELR, p.LastKnownELR, p.LeaderEpoch)
}

func (k *cluster) wantState(name, want string) {
	k.t.Helper()
	if got := k.state(name); got != want {
		k.t.Fatalf("%s: %s, want %s", name, got, want)
	}
}

func TestARequestOfAnotherKindPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	newCluster(t).decide(kmsg.NewPtrFetchRequest())
}

func TestBootstrapBeginsWithTheMetadataVersion(t *testing.T) {
	k := newCluster(t, metadata.Feature{Name: "group.version", Level: 1})
	if k.img.FeatureLevel(metadata.MetadataVersion) != metadata.MaxMetadataVersion ||
		k.img.FeatureLevel("group.version") != 1 {
		t.Fatal(k.img.Features())
	}
}

func TestMessagesStayShortHoweverLongTheNames(t *testing.T) {
	k := newCluster(t).brokers(1)
	long := strings.Repeat("x", 40_000)
	bad := topic("t", 1, 1)
	for range 2000 {
		bad.Configs = append(bad.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: strings.Repeat("y", 1000)})
	}
	alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
	alter.Resources = []kmsg.IncrementalAlterConfigsRequestResource{
		{ResourceType: 2, ResourceName: long},
		{ResourceType: 4, ResourceName: long},
		{ResourceType: 2, ResourceName: "t", Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: long}}},
	}
	var messages []string
	for _, r := range k.create(topic(long, 1, 1), bad).Topics {
		messages = append(messages, text(r.ErrorMessage))
	}
	for _, r := range k.decide(alter).(*kmsg.IncrementalAlterConfigsResponse).Resources {
		messages = append(messages, text(r.ErrorMessage))
	}
	if len(messages) != 5 || slices.ContainsFunc(messages, func(m string) bool { return len(m) > 8000 || m == "<null>" }) {
		t.Fatalf("%d messages", len(messages))
	}
}

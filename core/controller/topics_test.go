package controller

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

func assigned(name string, partitions ...[]int32) kmsg.CreateTopicsRequestTopic {
	t := topic(name, -1, -1)
	for i, replicas := range partitions {
		t.ReplicaAssignment = append(t.ReplicaAssignment,
			kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: int32(i), Replicas: replicas})
	}
	return t
}

func with(t kmsg.CreateTopicsRequestTopic, change func(*kmsg.CreateTopicsRequestTopic)) kmsg.CreateTopicsRequestTopic {
	change(&t)
	return t
}

func configured(name, config string, value *string) kmsg.CreateTopicsRequestTopic {
	return with(topic(name, 1, 1), func(t *kmsg.CreateTopicsRequestTopic) {
		t.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: config, Value: value}}
	})
}

func TestCreateTopics(t *testing.T) {
	long := strings.Repeat("a", 249)
	for _, c := range []struct {
		rule  string
		topic kmsg.CreateTopicsRequestTopic
		code  core.ErrorCode
	}{
		{"a new topic is created", topic("new", 3, 2), 0},
		{"-1 partitions and replicas are the defaults", topic("new", -1, -1), 0},
		{"a name of 249 characters is legal", topic(long, 1, 1), 0},
		{"a name of 250 characters is not", topic(long+"a", 1, 1), core.InvalidTopicException},
		{"an empty name is not legal", topic("", 1, 1), core.InvalidTopicException},
		{"'.' is not a legal name", topic(".", 1, 1), core.InvalidTopicException},
		{"'..' is not a legal name", topic("..", 1, 1), core.InvalidTopicException},
		{"'...' is a legal name", topic("...", 1, 1), 0},
		{"a slash is not legal in a name", topic("a/b", 1, 1), core.InvalidTopicException},
		{"letters beyond ASCII are not legal", topic("é", 1, 1), core.InvalidTopicException},
		{"a name that differs from an existing one in . against _ collides", topic("with.dot", 1, 1),
			core.InvalidTopicException},
		{"an existing topic exists", topic("exists", 1, 1), core.TopicAlreadyExists},
		{"an existing topic with a collision character exists rather than collides", topic("with_dot", 1, 1),
			core.TopicAlreadyExists},
		{"the metadata log is not created", topic("__cluster_metadata", 1, 1), core.InvalidRequest},
		{"users may create the offsets topic", topic("__consumer_offsets", 1, 1), 0},
		{"0 partitions are invalid", topic("new", 0, 1), core.InvalidPartitions},
		{"-2 partitions are invalid", topic("new", -2, 1), core.InvalidPartitions},
		{"0 replicas are invalid", topic("new", 1, 0), core.InvalidReplicationFactor},
		{"-2 replicas are invalid", topic("new", 1, -2), core.InvalidReplicationFactor},
		{"a bad replication factor is told before bad partitions", topic("new", 0, 0), core.InvalidReplicationFactor},
		{"more replicas than brokers are invalid", topic("new", 1, 5), core.InvalidReplicationFactor},
		{"as many replicas as brokers are valid", topic("new", 1, 4), 0},
		{"a config is set", configured("new", "retention.ms", ptr("1")), 0},
		{"an unknown config is invalid", configured("new", "no.such", ptr("1")), core.InvalidConfig},
		{"a bad config value is invalid", configured("new", "retention.ms", ptr("bad")), core.InvalidConfig},
		{"configs that do not go together are invalid", with(configured("new", "retention.ms", ptr("forever")),
			func(t *kmsg.CreateTopicsRequestTopic) {
				t.Configs = append(t.Configs,
					kmsg.CreateTopicsRequestTopicConfig{Name: "cleanup.policy", Value: ptr("compact")})
			}), core.InvalidConfig},
		{"a null config value is invalid", configured("new", "retention.ms", nil), core.InvalidConfig},
		{"a config value that no record holds is invalid",
			configured("new", "retention.ms", ptr(strings.Repeat("1", 32768))), core.InvalidConfig},
		{"a manual assignment is taken", assigned("new", []int32{1, 2}, []int32{2, 3}), 0},
		{"a manual assignment with a replication factor is a bad request",
			with(assigned("new", []int32{1}), func(t *kmsg.CreateTopicsRequestTopic) { t.ReplicationFactor = 1 }),
			core.InvalidRequest},
		{"a manual assignment with a partition count is a bad request",
			with(assigned("new", []int32{1}), func(t *kmsg.CreateTopicsRequestTopic) { t.NumPartitions = 1 }),
			core.InvalidRequest},
		{"an assignment to no broker is invalid", assigned("new", []int32{}), core.InvalidReplicaAssignment},
		{"an assignment to an unknown broker is invalid", assigned("new", []int32{9}), core.InvalidReplicaAssignment},
		{"an assignment to a broker twice is invalid", assigned("new", []int32{1, 1}), core.InvalidReplicaAssignment},
		{"assignments of different sizes are invalid", assigned("new", []int32{1, 2}, []int32{3}),
			core.InvalidReplicaAssignment},
		{"assignments with a gap are invalid", with(assigned("new", []int32{1}), func(t *kmsg.CreateTopicsRequestTopic) {
			t.ReplicaAssignment[0].Partition = 1
		}), core.InvalidReplicaAssignment},
		{"two assignments of one partition are invalid",
			with(assigned("new", []int32{1}, []int32{2}), func(t *kmsg.CreateTopicsRequestTopic) {
				t.ReplicaAssignment[1].Partition = 0
			}), core.InvalidReplicaAssignment},
		{"an assignment to fenced brokers alone is invalid", assigned("new", []int32{4}), core.InvalidReplicaAssignment},
		{"an assignment to a fenced broker among others is taken", assigned("new", []int32{4, 1}), 0},
		{"10,000 partitions are too many records", topic("new", 10_000, 1), core.PolicyViolation},
		{"10,001 partitions are too many", topic("new", 10_001, 1), core.PolicyViolation},
		{"2^31-1 partitions are too many", topic("new", 1<<31-1, 1), core.PolicyViolation},
	} {
		t.Run(c.rule, func(t *testing.T) {
			k := newCluster(t).brokers(1, 2, 3)
			k.register(4, 1, -1) // fenced
			k.create(topic("exists", 1, 1), topic("with_dot", 1, 1))
			before := k.img.TopicCount()
			r := k.create(c.topic).Topics
			if len(r) != 1 || core.ErrorCode(r[0].ErrorCode) != c.code || r[0].Topic != c.topic.Topic {
				t.Fatalf("%+v %s, want %v", r, text(r[0].ErrorMessage), c.code)
			}
			created := k.img.TopicCount() - before
			if (c.code == 0) != (created == 1) || (c.code == 0) != (r[0].ErrorMessage == nil) {
				t.Fatalf("%d created, message %s", created, text(r[0].ErrorMessage))
			}
			if r[0].Configs == nil {
				t.Fatal("configs are null")
			}
		})
	}
}

func TestFencedBrokersServeLast(t *testing.T) {
	k := newCluster(t).brokers(1)
	k.register(4, 1, -1) // fenced
	if r := k.create(topic("t", 8, 2)).Topics[0]; r.ErrorCode != 0 {
		t.Fatal(text(r.ErrorMessage))
	}
	for _, p := range k.img.TopicByName("t").Partitions {
		if p.Leader != 1 || !slices.Equal(p.ISR, []core.BrokerID{1}) || !slices.Equal(p.Replicas, []core.BrokerID{1, 4}) {
			t.Fatalf("%+v", p)
		}
	}
	k = newCluster(t)
	k.register(4, 1, -1) // fenced
	if r := k.create(topic("t", 1, 1)).Topics[0]; core.ErrorCode(r.ErrorCode) != core.InvalidReplicationFactor {
		t.Fatalf("created on fenced brokers alone: %+v", r)
	}
}

func TestATopicAnswersWhatWasCreated(t *testing.T) {
	k := newCluster(t).brokers(1, 2)
	in := topic("t", -1, 2)
	in.Configs = []kmsg.CreateTopicsRequestTopicConfig{
		{Name: "retention.ms", Value: ptr("1")}, {Name: "cleanup.policy", Value: ptr("compact")},
		{Name: "retention.ms", Value: ptr("2")},
	}
	r := k.create(in).Topics[0]
	made := k.img.TopicByName("t")
	if made == nil || r.TopicID != made.ID || r.NumPartitions != 2 || r.ReplicationFactor != 2 || len(r.Configs) != 2 {
		t.Fatalf("%+v", r)
	}
	if made.ID.IsZero() || made.ID == core.MetadataTopicID() || strings.HasPrefix(made.ID.String(), "-") {
		t.Fatalf("reserved id %s", made.ID)
	}
	set := k.img.Configs(metadata.Resource{Type: metadata.ResourceTopic, Name: "t"})
	if v, _ := set.Get("retention.ms"); v != "2" || len(set.All()) != 2 {
		t.Fatalf("%+v", set.All())
	}
	p := made.Partition(1)
	if p.Leader != p.Replicas[0] || p.LeaderEpoch != 0 || p.PartitionEpoch != 0 || len(p.ISR) != 2 ||
		p.Directories[0] != (core.UUID{2, byte(p.Replicas[0])}) {
		t.Fatalf("%+v", p)
	}
}

func TestOneBadTopicDoesNotFailTheOthers(t *testing.T) {
	k := newCluster(t).brokers(1)
	r := k.create(topic("a", 1, 1), topic("b/", 1, 1), topic("c", 1, 9), topic("d", 1, 1), topic("d", 1, 1),
		topic("e.f", 1, 1), topic("e_f", 1, 1), configured("g", "no.such", ptr("")), topic("h", 1, 1))
	var got []string
	for _, topic := range r.Topics {
		got = append(got, topic.Topic+" "+core.ErrorCode(topic.ErrorCode).String())
	}
	want := []string{"a NONE", "b/ INVALID_TOPIC_EXCEPTION", "c INVALID_REPLICATION_FACTOR", "d INVALID_REQUEST",
		"e.f NONE", "e_f INVALID_TOPIC_EXCEPTION", "g INVALID_CONFIG", "h NONE"}
	if !slices.Equal(got, want) {
		t.Fatalf("%q\nwant %q", got, want)
	}
	var names []string
	for topic := range k.img.Topics() {
		names = append(names, topic.Name)
	}
	if !slices.Equal(names, []string{"a", "e.f", "h"}) {
		t.Fatalf("created %v", names)
	}
}

func TestTooManyPartitionsFailTheWholeRequest(t *testing.T) {
	k := newCluster(t).brokers(1)
	for _, r := range k.create(topic("a", 5000, 1), topic("b", 5001, 1)).Topics {
		if core.ErrorCode(r.ErrorCode) != core.PolicyViolation {
			t.Fatalf("%s: %v", r.Topic, r.ErrorCode)
		}
	}
	if k.img.TopicCount() != 0 {
		t.Fatal("something was created")
	}
}

func TestValidateOnlyCreatesNothing(t *testing.T) {
	k := newCluster(t).brokers(1)
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.ValidateOnly = []kmsg.CreateTopicsRequestTopic{topic("a", 3, 1), topic("b", 0, 1)}, true
	r := k.decide(req).(*kmsg.CreateTopicsResponse).Topics
	if r[0].ErrorCode != 0 || r[0].NumPartitions != 3 || core.ErrorCode(r[1].ErrorCode) != core.InvalidPartitions {
		t.Fatalf("%+v", r)
	}
	if k.img.TopicCount() != 0 {
		t.Fatal("created")
	}
}

func TestInternalTopicsTakeTheirConfigurationUnchecked(t *testing.T) {
	k := newCluster(t).brokers(1)
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = []kmsg.CreateTopicsRequestTopic{configured("__consumer_offsets", "internal.only", ptr("x"))}
	d := k.c.CreateInternalTopics(k.img, req)
	k.apply(d.Records)
	if k.img.TopicByName("__consumer_offsets") == nil {
		t.Fatalf("%+v", d.Response)
	}
}

func TestDeleteTopics(t *testing.T) {
	type wanted = kmsg.DeleteTopicsRequestTopic
	a, b := "a", "b"
	for _, c := range []struct {
		rule  string
		topic func(*cluster) []wanted
		codes []core.ErrorCode
		left  string
	}{
		{"by name", func(*cluster) []wanted { return []wanted{{Topic: &a}} }, []core.ErrorCode{0}, "b"},
		{"by id", func(k *cluster) []wanted { return []wanted{{TopicID: k.img.TopicByName("b").ID}} },
			[]core.ErrorCode{0}, "a"},
		{"an unknown name", func(*cluster) []wanted { return []wanted{{Topic: ptr("x")}, {Topic: &b}} },
			[]core.ErrorCode{core.UnknownTopicOrPartition, 0}, "a"},
		{"an unknown id", func(*cluster) []wanted { return []wanted{{TopicID: [16]byte{9}}, {Topic: &b}} },
			[]core.ErrorCode{core.UnknownTopicID, 0}, "a"},
		{"neither name nor id", func(*cluster) []wanted { return []wanted{{}, {}, {Topic: &a}} },
			[]core.ErrorCode{core.InvalidRequest, 0}, "b"},
		{"both name and id", func(k *cluster) []wanted { return []wanted{{Topic: &a, TopicID: k.img.TopicByName("a").ID}} },
			[]core.ErrorCode{core.InvalidRequest}, "a b"},
		{"a name twice", func(*cluster) []wanted { return []wanted{{Topic: &a}, {Topic: &b}, {Topic: &a}} },
			[]core.ErrorCode{core.InvalidRequest, 0}, "a"},
		{"a name and its id", func(k *cluster) []wanted {
			return []wanted{{Topic: &a}, {Topic: &b}, {TopicID: k.img.TopicByName("a").ID}}
		}, []core.ErrorCode{core.InvalidRequest, 0, core.InvalidRequest}, "a"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			k := newCluster(t).brokers(1)
			k.create(topic("a", 1, 1), topic("b", 1, 1))
			req := kmsg.NewPtrDeleteTopicsRequest()
			req.Topics = c.topic(k)
			resp := k.decide(req).(*kmsg.DeleteTopicsResponse)
			var codes []core.ErrorCode
			for _, r := range resp.Topics {
				codes = append(codes, core.ErrorCode(r.ErrorCode))
				if r.ErrorCode == 0 && (r.Topic == nil || r.TopicID == [16]byte{}) {
					t.Fatalf("%+v", r)
				}
			}
			var left []string
			for topic := range k.img.Topics() {
				left = append(left, topic.Name)
			}
			if !slices.Equal(codes, c.codes) || strings.Join(left, " ") != c.left {
				t.Fatalf("%v, left %v", codes, left)
			}
		})
	}
}

func TestOlderDeleteTopicsNamesTopics(t *testing.T) {
	k := newCluster(t).brokers(1)
	k.create(topic("a", 1, 1))
	for _, c := range []struct {
		version int16
		enabled bool
		code    core.ErrorCode
	}{{3, false, core.TopicDeletionDisabled}, {2, false, core.InvalidRequest}, {3, true, 0}} {
		k.c.Settings.DeleteTopicEnable = c.enabled
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Version, req.TopicNames = c.version, []string{"a"}
		r := k.decideAt(req).(*kmsg.DeleteTopicsResponse).Topics
		if len(r) != 1 || core.ErrorCode(r[0].ErrorCode) != c.code || *r[0].Topic != "a" {
			t.Fatalf("%+v, want %v", r, c.code)
		}
	}
	if k.img.TopicCount() != 0 {
		t.Fatal("not deleted")
	}
}

package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core/wire"
)

// TestTopicNames has row 28, by every way to a new topic.
func TestTopicNames(t *testing.T) {
	for _, row := range []struct{ name, topic string }{
		{"the empty name", ""},
		{"a dot", "."},
		{"two dots", ".."},
		{"250 characters", strings.Repeat("x", 250)},
		{"30000 characters", strings.Repeat("x", 30000)},
		{"a slash", "a/b"},
		{"a way out of the folder", "../x"},
		{"a backslash", `a\b`},
		{"NUL", "a\x00b"},
		{"a space", "a b"},
		{"a line feed", "a\nb"},
		{"a letter beyond ASCII", "é"},
		{"no UTF-8", "a\xffb"},
		{"a colon", "a:b"},
	} {
		t.Run("28 CreateTopics with "+row.name, func(t *testing.T) { answers(t, createNamed(row.topic), "17") })
		t.Run("28 Metadata with "+row.name, func(t *testing.T) {
			answers(t, header(wire.Metadata, 1).arr(1).str(row.topic), "17")
		})
		t.Run("28 Metadata without creation with "+row.name, func(t *testing.T) {
			answers(t, header(wire.Metadata, 4).arr(1).str(row.topic).i8(0), "17")
		})
	}
	for _, row := range []struct {
		name  string
		frame raw
		want  string
	}{
		{"249 characters", createNamed(strings.Repeat("y", 249)), ""},
		{"a name with a dot", createNamed("with.dot"), ""},
		{"28 and one that has an underscore there", createNamed("with_dot"), "17"},
		{"28 colliding names in one request", header(wire.CreateTopics, 2).arr(2).
			str("one.two").i32(1).i16(1).arr(0).arr(0).str("one_two").i32(1).i16(1).arr(0).arr(0).i32(1000).i8(0), "17"},
		{"28 a colliding name in Metadata", header(wire.Metadata, 1).arr(1).str("with_dot"), "17"},
		{"28 a topic that is not there, without creation", header(wire.Metadata, 4).arr(1).str("nowhere").i8(0), "3"},
		{"the same new topic twice in Metadata", header(wire.Metadata, 4).arr(2).str("twice").str("twice").i8(1), ""},
		{"a topic id that nobody has", flexible(wire.Metadata, 12).uv(2).hex(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
			15, 16).uv(0).uv(0).i8(0).i8(0).uv(0), "100"},
		{"a null name in a version without ids", flexible(wire.Metadata, 10).uv(2).i64(0).i64(0).uv(0).uv(0).i8(0).i8(0).
			i8(0).uv(0), "42"},
		{"an id in a version without ids", flexible(wire.Metadata, 11).uv(2).i64(1).i64(0).compact(plain).uv(0).i8(0).i8(0).
			uv(0), "42"},
	} {
		t.Run(row.name, func(t *testing.T) { answers(t, row.frame, row.want) })
	}
}

// TestCreateTopics has row 29.
func TestCreateTopics(t *testing.T) {
	made := 0
	topic := func(change func(*kmsg.CreateTopicsRequestTopic)) kmsg.CreateTopicsRequestTopic {
		made++
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = fmt.Sprintf("made-%d", made), 1, 1
		change(&t)
		return t
	}
	type newTopic = *kmsg.CreateTopicsRequestTopic
	config := func(name string, value *string) func(newTopic) {
		return func(t newTopic) {
			t.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: name, Value: value}}
		}
	}
	assign := func(partitions ...[]int32) func(newTopic) {
		return func(t newTopic) {
			t.NumPartitions, t.ReplicationFactor = -1, -1
			for i, replicas := range partitions {
				t.ReplicaAssignment = append(t.ReplicaAssignment,
					kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: int32(i), Replicas: replicas})
			}
		}
	}
	self := int32(broker.node.Identity().NodeID)
	for _, row := range []struct {
		name   string
		want   string
		change func(newTopic)
	}{
		{"29 __cluster_metadata", "42", func(t newTopic) { t.Topic = "__cluster_metadata" }},
		{"29 a topic that exists", "36", func(t newTopic) { t.Topic = plain }},
		{"29 no partitions", "37", func(t newTopic) { t.NumPartitions = 0 }},
		{"29 -2 partitions", "37", func(t newTopic) { t.NumPartitions = -2 }},
		{"29 more replicas than brokers", "38", func(t newTopic) { t.ReplicationFactor = 2 }},
		{"29 the largest replication factor", "38", func(t newTopic) { t.ReplicationFactor = 32767 }},
		{"29 no replicas", "38", func(t newTopic) { t.ReplicationFactor = 0 }},
		{"29 -2 replicas", "38", func(t newTopic) { t.ReplicationFactor = -2 }},
		{"29 2^31-1 partitions", "44", func(t newTopic) { t.NumPartitions = 1<<31 - 1 }},
		{"29 10001 partitions", "44", func(t newTopic) { t.NumPartitions = 10001 }},
		{"29 an assignment to nobody", "39", assign([]int32{})},
		{"29 an assignment to a broker that is not there", "39", assign([]int32{self + 5})},
		{"29 an assignment to the same broker twice", "39", assign([]int32{self, self})},
		{"29 an assignment that begins with partition 1", "39", func(t newTopic) {
			assign([]int32{self})(t)
			t.ReplicaAssignment[0].Partition = 1
		}},
		{"29 an assignment with a partition twice", "39", func(t newTopic) {
			assign([]int32{self}, []int32{self})(t)
			t.ReplicaAssignment[1].Partition = 0
		}},
		{"29 an assignment and a number of partitions", "42", func(t newTopic) {
			assign([]int32{self})(t)
			t.NumPartitions = 1
		}},
		{"29 an assignment and a replication factor", "42", func(t newTopic) {
			assign([]int32{self})(t)
			t.ReplicationFactor = 1
		}},
		{"29 a null setting", "40", config("retention.ms", nil)},
		{"29 a setting that is none", "40", config("no.such.setting", kmsg.StringPtr("1"))},
		{"29 a value that is none", "40", config("retention.ms", kmsg.StringPtr("soon"))},
		{"29 a value out of range", "40", config("segment.bytes", kmsg.StringPtr("-1"))},
		{"29 an empty value", "40", config("max.message.bytes", kmsg.StringPtr(""))},
		{"29 a codec that is none", "40", config("compression.type", kmsg.StringPtr("rar"))},
		{"a good assignment", "", assign([]int32{self}, []int32{self})},
		{"defaults", "", func(t newTopic) { t.NumPartitions, t.ReplicationFactor = -1, -1 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			req := request[kmsg.CreateTopicsRequest](6)
			req.Topics = append(req.Topics, topic(row.change))
			answers(t, encode(req, correlation), row.want)
		})
	}
	t.Run("29 the same name twice", func(t *testing.T) {
		req := request[kmsg.CreateTopicsRequest](6)
		same := topic(func(newTopic) {})
		req.Topics = append(req.Topics, same, same)
		answers(t, encode(req, correlation), "42")
	})
	t.Run("29 too many topics for one request", func(t *testing.T) {
		req := request[kmsg.CreateTopicsRequest](6)
		for range 6000 {
			req.Topics = append(req.Topics, topic(func(newTopic) {}))
		}
		resp := must(broker.friend.ask(req)).(*kmsg.CreateTopicsResponse)
		for i := range resp.Topics {
			if resp.Topics[i].ErrorCode != 44 {
				t.Fatalf("topic %d: code %d", i, resp.Topics[i].ErrorCode)
			}
		}
		unharmed(t)
	})
}

// TestAdmin has what belongs to row 29: deleting, growing and configuring what is not there or not so.
func TestAdmin(t *testing.T) {
	grow := func(topic string, count int) raw {
		return header(wire.CreatePartitions, 0).arr(1).str(topic).i32(count).arr(-1).i32(1000).i8(0)
	}
	alter := func(kind int, name, key, value string) raw {
		return header(wire.IncrementalAlterConfigs, 0).arr(1).i8(kind).str(name).arr(1).str(key).i8(0).str(value).i8(0)
	}
	describe := func(kind int, name string) raw {
		return header(wire.DescribeConfigs, 0).arr(1).i8(kind).str(name).arr(-1)
	}
	self := fmt.Sprint(broker.node.Identity().NodeID)
	for _, row := range []struct {
		name  string
		frame raw
		want  string
	}{
		{"DeleteTopics of a topic that is not there", header(wire.DeleteTopics, 1).arr(1).str("nowhere").i32(1000), "3"},
		{"DeleteTopics of the empty name", header(wire.DeleteTopics, 1).arr(1).str("").i32(1000), "3"},
		{"DeleteTopics of a name twice", header(wire.DeleteTopics, 1).arr(2).str(plain).str(plain).i32(1000), "42"},
		{"DeleteTopics by an id that nobody has", flexible(wire.DeleteTopics, 6).uv(2).uv(0).i64(1).i64(1).uv(0).i32(9).uv(0),
			"100"},
		{"DeleteTopics without a name or an id", flexible(wire.DeleteTopics, 6).uv(2).uv(0).i64(0).i64(0).uv(0).i32(9).uv(0),
			"42"},
		{"DeleteTopics with a name and an id", flexible(wire.DeleteTopics, 6).uv(2).compact(plain).i64(1).i64(1).uv(0).i32(9).
			uv(0), "42"},
		{"CreatePartitions of a topic that is not there", grow("nowhere", 2), "3"},
		{"CreatePartitions to as many as there are", grow(plain, 2), "37"},
		{"CreatePartitions to fewer", grow(plain, 1), "37"},
		{"CreatePartitions to a negative count", grow(plain, -1), "37"},
		{"CreatePartitions to 2^31-1", grow(plain, 1<<31-1), "44"},
		{"AlterConfigs of a topic that is not there", alter(2, "nowhere", "retention.ms", "1"), "3"},
		{"AlterConfigs of no topic", alter(2, "", "retention.ms", "1"), "42"},
		{"AlterConfigs of a topic with a bad name", alter(2, "../x", "retention.ms", "1"), "17"},
		{"AlterConfigs with a setting that is none", alter(2, plain, "nothing", "1"), "40"},
		{"AlterConfigs with a value that is none", alter(2, plain, "retention.ms", "x"), "40"},
		{"AlterConfigs of a broker that is not there", alter(4, "99", "log.retention.ms", "1"), "102"},
		{"AlterConfigs of a broker that is no number", alter(4, "first", "log.retention.ms", "1"), "42"},
		{"AlterConfigs of a broker, of what needs a restart", alter(4, self, "node.id", "5"), "42"},
		{"AlterConfigs of a kind that is none", alter(77, "x", "y", "z"), "42"},
		{"IncrementalAlterConfigs with an operation that is none", header(wire.IncrementalAlterConfigs, 0).arr(1).i8(2).
			str(plain).arr(1).str("retention.ms").i8(9).str("1").i8(0), "42"},
		{"IncrementalAlterConfigs with a null value", header(wire.IncrementalAlterConfigs, 0).arr(1).i8(2).
			str(plain).arr(1).str("retention.ms").i8(0).i16(-1).i8(0), "42"},
		{"IncrementalAlterConfigs that appends to what is no list", header(wire.IncrementalAlterConfigs, 0).arr(1).i8(2).
			str(plain).arr(1).str("retention.ms").i8(2).str("1").i8(0), "40"},
		{"IncrementalAlterConfigs with a topic twice", header(wire.IncrementalAlterConfigs, 0).arr(2).i8(2).str(plain).
			arr(0).i8(2).str(plain).arr(0).i8(0), "42 42"},
		{"DescribeConfigs of a topic that is not there", describe(2, "nowhere"), "3"},
		{"DescribeConfigs of a topic with a bad name", describe(2, "a/b"), "17"},
		{"DescribeConfigs of another broker", describe(4, "99"), "42"},
		{"DescribeConfigs of a broker that is no number", describe(4, "x"), "42"},
		{"DescribeConfigs of a kind that is none", describe(77, "x"), "42"},
		{"DescribeConfigs of this broker", describe(4, self), ""},
		{"DescribeConfigs of this broker's loggers", describe(8, self), ""},
		{"DescribeConfigs of another broker's loggers", describe(8, "99"), "42"},
		{"DescribeConfigs of a group without a name", describe(32, ""), "42"},
		{"DescribeConfigs of client metrics without a name", describe(16, ""), "42"},
		{"DescribeProducers of a partition twice (ours)", flexible(wire.DescribeProducers, 0).
			uv(2).compact(plain).uv(3).i32(1).i32(1).uv(0).uv(0), "42"},
		{"DescribeLogDirs of a topic that is not there", header(wire.DescribeLogDirs, 0).arr(1).str("nowhere").arr(1).
			i32(0), ""},
		{"DescribeCluster of controllers", flexible(wire.DescribeCluster, 1).i8(0).i8(2).uv(0), "114"},
		{"DescribeCluster of what is none", flexible(wire.DescribeCluster, 1).i8(0).i8(9).uv(0), "115"},
		{"ListConfigResources of a kind that is none", flexible(wire.ListConfigResources, 1).uv(2).i8(99).uv(0), "35"},
		{"DescribeTopicPartitions of a topic that is not there", flexible(wire.DescribeTopicPartitions, 0).
			uv(2).compact("nowhere").uv(0).i32(100).i8(-1).uv(0), "3"},
		{"DescribeTopicPartitions of a bad name", flexible(wire.DescribeTopicPartitions, 0).
			uv(2).compact("a/b").uv(0).i32(100).i8(-1).uv(0), "17"},
		{"DescribeTopicPartitions with a negative limit", flexible(wire.DescribeTopicPartitions, 0).
			uv(2).compact(plain).uv(0).i32(-100).i8(-1).uv(0), ""},
		{"DescribeTopicPartitions with a cursor at a negative partition", flexible(wire.DescribeTopicPartitions, 0).
			uv(2).compact(plain).uv(0).i32(100).i8(1).compact(plain).i32(-1).uv(0).uv(0), "42"},
		{"DescribeTopicPartitions with a cursor beyond all", flexible(wire.DescribeTopicPartitions, 0).
			uv(1).i32(100).i8(1).compact("zzz").i32(1<<31 - 1).uv(0).uv(0), ""},
		{"FindCoordinator of a kind that is none", header(wire.FindCoordinator, 1).str("g").i8(9), "42"},
	} {
		t.Run(row.name, func(t *testing.T) { answers(t, row.frame, row.want) })
	}
}

package config

import (
	"math"
	"strconv"
	"strings"

	"ottla.dev/core"
)

// Broker holds what a broker's settings come to, resolved by [ResolveBroker]. Times are milliseconds, sizes bytes.
// Settings that are mere defaults of topic settings are in [Topic]; listeners and data folders are the driver's and
// read by node/config.
type Broker struct {
	NodeID core.BrokerID
	Rack   string // empty is none
	Shards int    // 0 is one per processor core

	AutoCreateTopics         bool
	DeleteTopics             bool
	NumPartitions            int32
	DefaultReplicationFactor int16

	AutoLeaderRebalance         bool
	LeaderImbalanceCheckSeconds int64
	UncleanElectionIntervalMs   int64

	RetentionCheckMs          int64
	InitialTaskDelayMs        int64 // until the first look, after a start
	ScrubBytesPerSecond       int64
	ScrubIntervalMs           int64
	RecoveryCheckpointMs      int64 // recovery-point-offset-checkpoint
	StartOffsetCheckpointMs   int64 // log-start-offset-checkpoint
	LogDirFailureTimeoutMs    int64
	HighWatermarkCheckpointMs int64 // replication-offset-checkpoint
	ProducerIDExpirationMs    int64

	FetchMaxBytes             int32
	FetchSessionSlots         int32
	RequestPartitionLimit     int32 // of DescribeTopicPartitions
	SocketRequestMaxBytes     int32
	SocketSendBufferBytes     int32 // -1 is the system's default
	SocketReceiveBufferBytes  int32 // -1 is the system's default
	ConnectionsMax            int32
	ConnectionsPerIPMax       int32
	ConnectionsPerIPOverrides []HostLimit
	ConnectionsMaxIdleMs      int64 // negative is never

	ControlledShutdown bool

	Group    GroupSettings
	Metadata MetadataSettings

	Replication ReplicationSettings
}

// The values of replica.selector.class: Kafka's own plug-ins.
const (
	leaderSelector = "org.apache.kafka.common.replica.LeaderSelector"
	rackSelector   = "org.apache.kafka.common.replica.RackAwareReplicaSelector"
)

// ReplicationSettings are those of followers and ISRs.
type ReplicationSettings struct {
	LagMaxMs int64
	// Nearest sends consumers to the replica in their rack (KIP-392).
	Nearest         bool
	FetchWaitMs     int32
	FetchBackoffMs  int32
	FetchMinBytes   int32
	FetchMaxBytes   int32 // of a partition
	FetchTotalBytes int32
}

// HostLimit is an entry of max.connections.per.ip.overrides.
type HostLimit struct {
	Host string
	Max  int32
}

// GroupSettings are the settings of consumer groups and their offsets.
type GroupSettings struct {
	SessionTimeoutMinMs     int32
	SessionTimeoutMaxMs     int32
	SizeMax                 int32
	InitialRebalanceDelayMs int32

	OffsetMetadataMaxBytes  int32
	OffsetsRetentionMs      int64
	OffsetsRetentionCheckMs int64
	OffsetsCommitTimeoutMs  int32

	OffsetsTopicPartitions        int32 // fixed once the topic exists
	OffsetsTopicReplicationFactor int16
	OffsetsTopicSegmentBytes      int32
}

// MetadataSettings are the settings of the metadata log and of the brokers' registration.
type MetadataSettings struct {
	HeartbeatIntervalMs int32
	RegistrationMs      int32 // the first registration must succeed within
	SessionTimeoutMs    int32

	SegmentBytes       int32
	SegmentMs          int64
	SnapshotBytes      int64 // records between two snapshots
	SnapshotIntervalMs int64 // 0 is no limit
	RetentionBytes     int64
	RetentionMs        int64
	FetchBytes         int32 // most that are fetched at once

	ElectionTimeoutMs int32 // of the quorum, as are the next three
	FetchTimeoutMs    int32
	RequestTimeoutMs  int32
	RetryBackoffMs    int32
}

// ResolveBroker computes a broker's settings: the dynamic values of the broker, those of all brokers, the file, then
// the defaults.
func ResolveBroker(l Layers) Broker {
	r := brokerReader{l}
	overrides, _ := parseHostLimits(r.text("max.connections.per.ip.overrides"))
	return Broker{
		NodeID:                      core.BrokerID(r.int("node.id")),
		Rack:                        r.text("broker.rack"),
		Shards:                      int(r.int("ottla.shards")),
		AutoCreateTopics:            r.bool("auto.create.topics.enable"),
		DeleteTopics:                r.bool("delete.topic.enable"),
		NumPartitions:               r.int("num.partitions"),
		DefaultReplicationFactor:    int16(r.int("default.replication.factor")),
		AutoLeaderRebalance:         r.bool("auto.leader.rebalance.enable"),
		RetentionCheckMs:            r.long("log.retention.check.interval.ms"),
		InitialTaskDelayMs:          r.long("log.initial.task.delay.ms"),
		ScrubBytesPerSecond:         r.long("ottla.scrub.bytes.per.second"),
		ScrubIntervalMs:             r.long("ottla.scrub.interval.ms"),
		LeaderImbalanceCheckSeconds: r.long("leader.imbalance.check.interval.seconds"),
		UncleanElectionIntervalMs:   r.long("unclean.leader.election.interval.ms"),
		RecoveryCheckpointMs:        r.long("log.flush.offset.checkpoint.interval.ms"),
		StartOffsetCheckpointMs:     r.long("log.flush.start.offset.checkpoint.interval.ms"),
		LogDirFailureTimeoutMs:      r.long("log.dir.failure.timeout.ms"),
		HighWatermarkCheckpointMs:   r.long("replica.high.watermark.checkpoint.interval.ms"),
		ProducerIDExpirationMs:      r.long("producer.id.expiration.ms"),
		FetchMaxBytes:               r.int("fetch.max.bytes"),
		FetchSessionSlots:           r.int("max.incremental.fetch.session.cache.slots"),
		RequestPartitionLimit:       r.int("max.request.partition.size.limit"),
		SocketRequestMaxBytes:       r.int("socket.request.max.bytes"),
		SocketSendBufferBytes:       r.int("socket.send.buffer.bytes"),
		SocketReceiveBufferBytes:    r.int("socket.receive.buffer.bytes"),
		ConnectionsMax:              r.int("max.connections"),
		ConnectionsPerIPMax:         r.int("max.connections.per.ip"),
		ConnectionsPerIPOverrides:   overrides,
		ConnectionsMaxIdleMs:        r.long("connections.max.idle.ms"),
		ControlledShutdown:          r.bool("controlled.shutdown.enable"),
		Group:                       r.group(),
		Metadata:                    r.metadata(),
		Replication: ReplicationSettings{
			LagMaxMs:        r.long("replica.lag.time.max.ms"),
			Nearest:         r.text("replica.selector.class") == rackSelector,
			FetchWaitMs:     r.int("replica.fetch.wait.max.ms"),
			FetchBackoffMs:  r.int("replica.fetch.backoff.ms"),
			FetchMinBytes:   r.int("replica.fetch.min.bytes"),
			FetchMaxBytes:   r.int("replica.fetch.max.bytes"),
			FetchTotalBytes: r.int("replica.fetch.response.max.bytes"),
		},
	}
}

func (r brokerReader) group() GroupSettings {
	return GroupSettings{
		SessionTimeoutMinMs:           r.int("group.min.session.timeout.ms"),
		SessionTimeoutMaxMs:           r.int("group.max.session.timeout.ms"),
		SizeMax:                       r.int("group.max.size"),
		InitialRebalanceDelayMs:       r.int("group.initial.rebalance.delay.ms"),
		OffsetMetadataMaxBytes:        r.int("offset.metadata.max.bytes"),
		OffsetsRetentionMs:            r.long("offsets.retention.minutes") * msPerMinute,
		OffsetsRetentionCheckMs:       r.long("offsets.retention.check.interval.ms"),
		OffsetsCommitTimeoutMs:        r.int("offsets.commit.timeout.ms"),
		OffsetsTopicPartitions:        r.int("offsets.topic.num.partitions"),
		OffsetsTopicReplicationFactor: int16(r.int("offsets.topic.replication.factor")),
		OffsetsTopicSegmentBytes:      r.int("offsets.topic.segment.bytes"),
	}
}

func (r brokerReader) metadata() MetadataSettings {
	m := MetadataSettings{
		HeartbeatIntervalMs: r.int("broker.heartbeat.interval.ms"),
		RegistrationMs:      r.int("initial.broker.registration.timeout.ms"),
		SessionTimeoutMs:    r.int("broker.session.timeout.ms"),
		SegmentBytes:        r.int("metadata.log.segment.bytes"),
		SegmentMs:           r.long("metadata.log.segment.ms"),
		SnapshotBytes:       r.long("metadata.log.max.record.bytes.between.snapshots"),
		SnapshotIntervalMs:  r.long("metadata.log.max.snapshot.interval.ms"),
		RetentionBytes:      r.long("metadata.max.retention.bytes"),
		RetentionMs:         r.long("metadata.max.retention.ms"),
		FetchBytes:          r.int("internal.metadata.max.fetch.size.in.bytes"),
		ElectionTimeoutMs:   r.int("controller.quorum.election.timeout.ms"),
		FetchTimeoutMs:      r.int("controller.quorum.fetch.timeout.ms"),
		RequestTimeoutMs:    r.int("controller.quorum.request.timeout.ms"),
		RetryBackoffMs:      r.int("controller.quorum.retry.backoff.ms"),
	}
	if n := r.int("internal.metadata.log.segment.bytes"); n > 0 {
		m.SegmentBytes = n
	}
	return m
}

// CheckBroker gives the complaints about a broker's settings that one setting alone does not show
// (Kafka: KafkaConfig.validateValues, GroupCoordinatorConfig).
func CheckBroker(l Layers) []error {
	r := brokerReader{l}
	b, t := ResolveBroker(l), ResolveTopic(Layers{Broker: l.Broker, Cluster: l.Cluster, Static: l.Static})
	var errs []error
	refuse := func(broken bool, name, rule string) {
		if broken {
			errs = append(errs, &Error{name, Invalid, name + " = " + strconv.Quote(r.text(name)) +
				" is not allowed: " + rule})
		}
	}
	_, overridesOK := parseHostLimits(r.text("max.connections.per.ip.overrides"))
	refuse(!overridesOK, "max.connections.per.ip.overrides", "it must be host:number pairs separated by commas")
	refuse(b.ConnectionsPerIPMax == 0 && len(b.ConnectionsPerIPOverrides) == 0, "max.connections.per.ip",
		"0 needs max.connections.per.ip.overrides, or else nobody can connect")
	refuse(t.RetentionMs == 0, firstSet(l, "retention.ms"), "retention must be -1 (no limit) or longer than nothing")
	refuse(t.SegmentMs < 1, firstSet(l, "segment.ms"), "it must be at least 1")
	refuse(t.SegmentJitterMs < 0, firstSet(l, "segment.jitter.ms"), "it must be at least 0")
	refuse(b.Group.SessionTimeoutMinMs > b.Group.SessionTimeoutMaxMs, "group.min.session.timeout.ms",
		"it must be at most group.max.session.timeout.ms, which is "+r.text("group.max.session.timeout.ms"))
	refuse(b.Metadata.HeartbeatIntervalMs < 1, "broker.heartbeat.interval.ms", "it must be at least 1")
	refuse(b.Metadata.SessionTimeoutMs <= b.Metadata.HeartbeatIntervalMs, "broker.session.timeout.ms",
		"it must be longer than broker.heartbeat.interval.ms, which is "+r.text("broker.heartbeat.interval.ms"))
	refuse(b.Group.InitialRebalanceDelayMs < 0, "group.initial.rebalance.delay.ms", "it must be at least 0")
	refuse(b.Group.OffsetMetadataMaxBytes < 0, "offset.metadata.max.bytes", "it must be at least 0")
	factor := r.int("default.replication.factor")
	refuse(factor < 1 || factor > math.MaxInt16, "default.replication.factor", "it must be from 1 to 32767")
	return append(errs, CheckTopic(Layers{Broker: l.Broker, Cluster: l.Cluster, Static: l.Static})...)
}

// firstSet names the broker setting that decides the default of a topic setting.
func firstSet(l Layers, topic string) string {
	synonyms := synonymsOf(topic)
	for _, layer := range l.brokerLayers() {
		for _, synonym := range synonyms {
			if _, ok := layer.values[synonym.Name]; ok {
				return synonym.Name
			}
		}
	}
	return synonyms[0].Name
}

func parseHostLimits(text string) ([]HostLimit, bool) {
	var limits []HostLimit
	words, ok := splitList(text)
	for _, w := range words {
		i := strings.LastIndexByte(w, ':')
		if i <= 0 {
			return nil, false
		}
		n, err := strconv.ParseInt(w[i+1:], 10, 32)
		if err != nil || n < 0 {
			return nil, false
		}
		limits = append(limits, HostLimit{strings.Trim(w[:i], "[]"), int32(n)})
	}
	return limits, ok
}

// brokerReader reads broker settings; one without a value reads as empty text and 0.
type brokerReader struct{ layers Layers }

func (r brokerReader) value(name string) value {
	s, ok := LookupBroker(name)
	if !ok {
		panic("config: no broker setting " + name)
	}
	v, _ := r.layers.brokerValue(s)
	return v
}

func (r brokerReader) text(name string) string { return r.value(name).text }
func (r brokerReader) long(name string) int64  { return r.value(name).num }
func (r brokerReader) int(name string) int32   { return int32(r.value(name).num) }
func (r brokerReader) bool(name string) bool   { return r.value(name).num == 1 }

// BrokerText gives the text of one broker setting as it holds, for settings that have no place in [Broker]. It reports
// false if the setting has no value. An unknown name is a broken invariant.
func BrokerText(l Layers, name string) (string, bool) {
	s, ok := LookupBroker(name)
	if !ok {
		panic("config: no broker setting " + name)
	}
	v, ok := l.brokerValue(s)
	return v.text, ok
}

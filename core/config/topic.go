package config

// Compression is the codec that a topic's batches are stored in.
type Compression uint8

// The values of compression.type.
const (
	KeepProducers Compression = iota // whatever the producer chose
	Uncompressed
	Gzip
	Snappy
	LZ4
	Zstd
)

// TimestampType says whose clock a topic's record timestamps come from.
type TimestampType uint8

// The values of message.timestamp.type, with the numbers that batch attributes carry.
const (
	CreateTime    TimestampType = 0
	LogAppendTime TimestampType = 1
)

// NoLimit stands for retention without a limit.
const NoLimit = -1

// Topic holds what a topic's settings come to, resolved by [ResolveTopic]. Times are milliseconds, sizes bytes. It is
// a plain value: comparable, and copied freely.
type Topic struct {
	CleanupDelete  bool // both may be false: then nothing is ever removed (KIP-1161)
	CleanupCompact bool

	RetentionMs    int64 // NoLimit or at least 0
	RetentionBytes int64 // NoLimit or at least 0

	SegmentBytes      int32
	SegmentMs         int64
	SegmentJitterMs   int64
	SegmentIndexBytes int32
	Preallocate       bool
	FileDeleteDelayMs int64

	IndexIntervalBytes int32

	FlushMessages int64
	FlushMs       int64
	WriteCaching  bool // acks=all from the page cache

	MaxMessageBytes      int32
	TimestampType        TimestampType
	TimestampBeforeMaxMs int64
	TimestampAfterMaxMs  int64

	Compression Compression
	GzipLevel   int // -1 is the codec's own default
	LZ4Level    int
	ZstdLevel   int

	MinInSyncReplicas     int32
	UncleanLeaderElection bool

	DeleteRetentionMs  int64
	CompactionLagMinMs int64
	CompactionLagMaxMs int64
	DirtyRatioMin      int64 // parts per million
}

// DefaultTopic gives the settings of a topic for which nobody set anything.
func DefaultTopic() Topic { return ResolveTopic(Layers{}) }

// ResolveTopic computes a topic's settings: the topic's own values, then the broker's in their order of precedence,
// then the defaults.
func ResolveTopic(l Layers) Topic {
	r := topicReader{l}
	policies, _ := splitList(r.text("cleanup.policy"))
	return Topic{
		CleanupDelete:         contains(policies, "delete", false),
		CleanupCompact:        contains(policies, "compact", false),
		RetentionMs:           max(r.long("retention.ms"), NoLimit),
		RetentionBytes:        max(r.long("retention.bytes"), NoLimit),
		SegmentBytes:          r.segmentBytes(),
		SegmentMs:             r.long("segment.ms"),
		SegmentJitterMs:       r.long("segment.jitter.ms"),
		SegmentIndexBytes:     r.int("segment.index.bytes"),
		Preallocate:           r.bool("preallocate"),
		FileDeleteDelayMs:     r.long("file.delete.delay.ms"),
		IndexIntervalBytes:    r.int("index.interval.bytes"),
		FlushMessages:         r.long("flush.messages"),
		FlushMs:               r.long("flush.ms"),
		WriteCaching:          r.bool("write.caching"),
		MaxMessageBytes:       r.int("max.message.bytes"),
		TimestampType:         timestampTypeOf(r.text("message.timestamp.type")),
		TimestampBeforeMaxMs:  r.long("message.timestamp.before.max.ms"),
		TimestampAfterMaxMs:   r.long("message.timestamp.after.max.ms"),
		Compression:           compressionOf(r.text("compression.type")),
		GzipLevel:             int(r.int("compression.gzip.level")),
		LZ4Level:              int(r.int("compression.lz4.level")),
		ZstdLevel:             int(r.int("compression.zstd.level")),
		MinInSyncReplicas:     MinInSyncReplicas(l),
		UncleanLeaderElection: UncleanLeaderElection(l),
		DeleteRetentionMs:     r.long("delete.retention.ms"),
		CompactionLagMinMs:    r.long("min.compaction.lag.ms"),
		CompactionLagMaxMs:    r.long("max.compaction.lag.ms"),
		DirtyRatioMin:         r.long("min.cleanable.dirty.ratio"),
	}
}

// MinInSyncReplicas is that setting of [ResolveTopic] alone, for a controller, which asks at every change of an ISR.
func MinInSyncReplicas(l Layers) int32 { return topicReader{l}.int("min.insync.replicas") }

// UncleanLeaderElection is that setting of [ResolveTopic] alone.
func UncleanLeaderElection(l Layers) bool {
	return topicReader{l}.bool("unclean.leader.election.enable")
}

// CheckTopic gives the complaints about a topic's settings that one setting alone does not show
// (Kafka: LogConfig.validate).
func CheckTopic(l Layers) []error {
	t := ResolveTopic(l)
	if t.CompactionLagMinMs > t.CompactionLagMaxMs {
		return []error{&Error{"min.compaction.lag.ms", Invalid,
			"min.compaction.lag.ms = " + wholeText(t.CompactionLagMinMs) +
				" is not allowed: it must be at most max.compaction.lag.ms, which is " + wholeText(t.CompactionLagMaxMs)}}
	}
	return nil
}

// topicReader reads topic settings that have a default; asking for any other is a broken invariant.
type topicReader struct{ layers Layers }

func (r topicReader) value(name string) value {
	s, ok := LookupTopic(name)
	if !ok {
		panic("config: no topic setting " + name)
	}
	v, ok := r.layers.topicValue(s)
	if !ok {
		panic("config: topic setting " + name + " has no default")
	}
	return v
}

func (r topicReader) text(name string) string { return r.value(name).text }
func (r topicReader) long(name string) int64  { return r.value(name).num }
func (r topicReader) int(name string) int32   { return int32(r.value(name).num) }
func (r topicReader) bool(name string) bool   { return r.value(name).num == 1 }

// segmentBytes prefers the internal setting, which allows the tiny segments of tests.
func (r topicReader) segmentBytes() int32 {
	s, ok := LookupTopic("internal.segment.bytes")
	if !ok {
		panic("config: no topic setting internal.segment.bytes")
	}
	if v, ok := r.layers.topicValue(s); ok && v.num > 0 {
		return int32(v.num)
	}
	return r.int("segment.bytes")
}

func compressionOf(text string) Compression {
	switch text {
	case "producer":
		return KeepProducers
	case "uncompressed":
		return Uncompressed
	case "gzip":
		return Gzip
	case "snappy":
		return Snappy
	case "lz4":
		return LZ4
	case "zstd":
		return Zstd
	}
	panic("config: no codec " + text)
}

func timestampTypeOf(text string) TimestampType {
	if text == "LogAppendTime" {
		return LogAppendTime
	}
	return CreateTime
}

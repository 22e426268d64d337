package group

import (
	"math"
	"time"
)

// Settings are the broker's settings that concern classic groups and offsets, under Kafka's names.
type Settings struct {
	// MinSessionTimeout and MaxSessionTimeout bound what a member may ask for: group.min.session.timeout.ms and
	// group.max.session.timeout.ms.
	MinSessionTimeout, MaxSessionTimeout time.Duration
	// InitialRebalanceDelay is how long an empty group waits for more members before its first rebalance:
	// group.initial.rebalance.delay.ms.
	InitialRebalanceDelay time.Duration
	// MaxSize is the most members that a group may have: group.max.size.
	MaxSize int
	// OffsetsRetention is how long offsets outlive their use: offsets.retention.minutes.
	OffsetsRetention time.Duration
	// RetentionCheckInterval is how often expired offsets are looked for: offsets.retention.check.interval.ms.
	RetentionCheckInterval time.Duration
	// OffsetMetadataMaxBytes is the longest metadata of a committed offset: offset.metadata.max.bytes.
	OffsetMetadataMaxBytes int
}

// DefaultSettings returns Kafka's defaults.
func DefaultSettings() Settings {
	return Settings{
		MinSessionTimeout:      6 * time.Second,
		MaxSessionTimeout:      30 * time.Minute,
		InitialRebalanceDelay:  3 * time.Second,
		MaxSize:                math.MaxInt32,
		OffsetsRetention:       7 * 24 * time.Hour,
		RetentionCheckInterval: 10 * time.Minute,
		OffsetMetadataMaxBytes: 4096,
	}
}

const (
	// newMemberJoinTimeout is how long a member that nobody has told its id yet may wait in JoinGroup. It cannot send
	// heartbeats, so its session timeout does not count (Kafka: CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS).
	newMemberJoinTimeout = 5 * time.Minute
	// rejoinRetryDelay is when a rebalance that could not be completed is tried again, at the earliest: the log refused
	// the record of the empty group, or all members that are left are away.
	rejoinRetryDelay = 500 * time.Millisecond
	// maxString is the longest string in bytes that a record holds: its length is an int16 there, though compact strings
	// of requests can be longer. Kafka does not decode those.
	maxString = math.MaxInt16
	// maxRecordsPerBatch bounds a batch of tombstones when offsets expire or topics are deleted. A cleanup is not
	// atomic, so that it can never be too large for the log.
	maxRecordsPerBatch = 1000
)

// CommitTimeout is the default of offsets.commit.timeout.ms, which coordinator.New takes.
const CommitTimeout = 5 * time.Second

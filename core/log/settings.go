package log

import (
	"math"

	"ottla.dev/core"
)

// Settings are the topic's settings that concern its logs, in Kafka's units. They may change while the log runs.
type Settings struct {
	SegmentBytes       int64 // segment.bytes
	SegmentMs          int64 // segment.ms
	SegmentJitterMs    int64 // segment.jitter.ms: drawn by the owner for the log, taken off segment.ms
	IndexBytes         int64 // segment.index.bytes, of each index of the active segment
	IndexIntervalBytes int64 // index.interval.bytes
	RetentionMs        int64 // retention.ms; -1 keeps forever
	RetentionBytes     int64 // retention.bytes; -1 keeps all
	FileDeleteDelayMs  int64 // file.delete.delay.ms
	FlushMessages      int64 // flush.messages
	FlushMs            int64 // flush.ms
	ProducerExpiryMs   int64 // producer.id.expiration.ms
	Gaps               bool  // cleanup.policy has compact: offsets may be missing between segments
}

// DefaultSettings are Kafka's defaults.
func DefaultSettings() Settings {
	return Settings{
		SegmentBytes:       1 << 30,
		SegmentMs:          7 * 24 * 3600 * 1000,
		IndexBytes:         10 << 20,
		IndexIntervalBytes: 4096,
		RetentionMs:        7 * 24 * 3600 * 1000,
		RetentionBytes:     -1,
		FileDeleteDelayMs:  60_000,
		FlushMessages:      math.MaxInt64,
		FlushMs:            math.MaxInt64,
		ProducerExpiryMs:   24 * 3600 * 1000,
	}
}

// maxRelative is the largest offset or position that an index entry can hold.
const maxRelative = math.MaxInt32

// Failure is why a log can no longer be trusted. It is the error of the operation with what was being done.
type Failure struct {
	Doing string
	Err   error
}

// Error gives the failure in words.
func (f *Failure) Error() string { return f.Doing + ": " + f.Err.Error() }

// Unwrap gives the operation's own error.
func (f *Failure) Unwrap() error { return f.Err }

func fail(doing string, err error) error {
	if err == nil {
		return nil
	}
	return &Failure{Doing: doing, Err: err}
}

// FileIDs allots the ids of a machine's files, for all its logs. An id tells which log the file is of, so that the
// owner of thousands need not ask them all when the driver says something of a file.
type FileIDs struct{ last uint32 }

const slotShift = 32

// Next allots an id to a file of the log in slot.
func (f *FileIDs) Next(slot uint32) core.FileID {
	if f.last++; f.last == 0 {
		panic("log: a machine has used up its file ids")
	}
	return core.FileID(slot)<<slotShift | core.FileID(f.last)
}

// SlotOf is the slot of the log that a file is of.
func SlotOf(file core.FileID) uint32 { return uint32(file >> slotShift) }

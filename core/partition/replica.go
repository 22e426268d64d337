package partition

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/core/config"
	"ottla.dev/core/log"
)

// Replica is this broker's replica of one partition.
//
// Invariant: highWatermark <= log end offset, and it never goes back. Invariant: waits are in the order of their
// offsets, except for duplicates, which may ask for less than those before them.
type Replica struct {
	id       core.TopicIDPartition
	name     core.TopicPartition
	slot     uint32
	dir      string // the log directory that holds it
	settings config.Topic
	log      *log.Log // nil while it is being opened
	offline  error    // why there is no log that could serve

	leaderEpoch   core.LeaderEpoch
	highWatermark core.Offset
	role          role
	lead          *leadership // if this broker was appointed leader
	follow        *following  // if another leads
	trunc         *truncation
	frames        []frameHold // responses of the leader whose bytes are being written
	restored      core.Offset // the high watermark of the offset checkpoint
	points        points      // what the offset checkpoints say while there is no log
	suspicion     *suspicion  // why the replica is not trusted
	emptied       bool        // it must have had a folder when the broker was started
	rotten        bool        // bytes have gone bad that nobody else has
	reopening     bool        // a damaged log is going to be opened anew
	unneeded      bool        // and the checkpoint does not vouch for what was in it

	waits     []wait      // produce items that wait for a write or for the high watermark
	head      int         // first of waits that is not answered
	written   int         // first of waits whose write is not known to be done
	writing   int         // writes under way: the disk still reads the bytes of what waits
	readers   []*FetchOp  // parked until something more can be read
	pullers   []*FetchOp  // those of them that are other replicas, and read up to the log end offset
	pulled    core.Offset // what was written when they were woken last
	woken     []*FetchOp  // memory of readers, used in turns
	opening   *log.OpenJob
	behind    int           // produce operations that wait for some log to open, and go first
	deadline  time.Duration // of the earliest wait, or core.Never
	lentUntil time.Duration // until then a session may hold a range of the files that it has not sent yet
	// reconfigured says that the settings have changed since the log began to be opened with them.
	reconfigured bool
	timed        bool // on the set's list of replicas that want a tick
	forgotten    bool // and no offset checkpoint names it any more
	removed      bool // the topic is deleted
	departing    bool // and its files are being removed
}

// wait is a produce item under way.
type wait struct {
	op   *ProduceOp
	item int
	end  core.Offset    // the offset that must be reached
	code core.ErrorCode // the answer when the write is done, if it is known already
}

// ID names the partition.
func (r *Replica) ID() core.TopicIDPartition { return r.id }

// Name is the partition's name with its topic's.
func (r *Replica) Name() core.TopicPartition { return r.name }

// Dir is the log directory that holds the replica.
func (r *Replica) Dir() string { return r.dir }

// HighWatermark is the offset below which records are committed.
func (r *Replica) HighWatermark() core.Offset { return r.highWatermark }

// LeaderEpoch is the epoch of the partition's leadership.
func (r *Replica) LeaderEpoch() core.LeaderEpoch { return r.leaderEpoch }

// Log is the replica's log, nil while it is being opened or if it is offline.
func (r *Replica) Log() *log.Log { return r.log }

// Online reports whether the replica serves.
func (r *Replica) Online() bool { return r.log != nil && r.log.Failed() == nil && r.offline == nil }

// counted is the offset that this replica has made durable, by the rule of the topic.
func (r *Replica) counted() core.Offset {
	if r.settings.WriteCaching {
		return r.log.WrittenOffset()
	}
	return r.log.SyncedOffset()
}

// commit moves a leader's high watermark to what every counted replica has, which with one replica is the leader
// itself, and reports whether it has moved.
func (s *Set) commit(now core.Instant, r *Replica) bool {
	if !r.Leading() {
		return false
	}
	hw := max(r.highWatermark, s.committable(now, r))
	if hw > r.log.LogEndOffset() {
		panic("partition: high watermark beyond the log end offset of " + r.name.String())
	}
	moved := hw > r.highWatermark
	r.highWatermark = hw
	return moved
}

// next is when the replica wants a tick, or core.Never. In a process that ends it neither fetches nor opens a damaged
// log again. One whose log is going to be opened again does nothing else until then, whatever that log has due.
func (r *Replica) next(closing bool) time.Duration {
	switch {
	case r.reopening && r.unneeded && !closing:
		return r.lentUntil
	case r.reopening:
		return core.Never
	}
	at := r.deadline
	if r.lead != nil && r.Online() {
		at = min(at, r.lead.checkAt, r.lead.retryAt)
	}
	if r.log != nil {
		if d, ok := r.log.Deadline(); ok {
			at = min(at, d)
		}
	}
	if closing {
		return at
	}
	if r.follow != nil && r.follow.backoff > 0 && r.follow.fetcher != nil && !r.follow.named && !r.follow.queued {
		at = min(at, r.follow.retryAt)
	}
	return at
}

// fence checks the epoch that a request believes the partition to be in (KIP-320).
func (r *Replica) fence(epoch core.LeaderEpoch) core.ErrorCode {
	switch {
	case epoch == core.NoLeaderEpoch || epoch == r.leaderEpoch:
		return core.NoError
	case epoch < r.leaderEpoch:
		return core.FencedLeaderEpoch
	}
	return core.UnknownLeaderEpoch
}

// LogSettings are the settings of a topic that its logs obey. jitter is how much of segment.jitter.ms this log takes.
func LogSettings(t config.Topic, producerExpiryMs int64, jitter *core.PRNG) log.Settings {
	s := log.Settings{
		SegmentBytes: int64(t.SegmentBytes), SegmentMs: t.SegmentMs, IndexBytes: int64(t.SegmentIndexBytes),
		IndexIntervalBytes: int64(t.IndexIntervalBytes), RetentionMs: t.RetentionMs, RetentionBytes: t.RetentionBytes,
		FileDeleteDelayMs: t.FileDeleteDelayMs, FlushMessages: t.FlushMessages, FlushMs: t.FlushMs,
		ProducerExpiryMs: producerExpiryMs,
	}
	if t.SegmentJitterMs > 0 {
		s.SegmentJitterMs = jitter.Between(0, min(t.SegmentJitterMs, t.SegmentMs)-1)
	}
	if !t.CleanupDelete {
		s.RetentionMs, s.RetentionBytes = config.NoLimit, config.NoLimit
	}
	return s
}

package partition

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// following is what a follower knows of its partition. There is one for each leader epoch: answers to what an earlier
// one has asked find named false, and are ignored (KAFKA-13207).
type following struct {
	leader  core.BrokerID
	fetcher *Fetcher // nil: nobody leads, or the log failed
	named   bool     // the leader's fetch session has it, as told says
	told    position
	queued  bool          // on the fetcher's list of what the next request names
	busy    bool          // the fetcher waits for what was appended to count
	retryAt time.Duration // not fetched before
	backoff time.Duration // the last pause after an error, 0 if there was none since
}

// position is what a Fetch request says of a follower. The start is the one that is on its disk: the leader answers
// DeleteRecords by it.
type position struct {
	lastEpoch     core.LeaderEpoch
	offset        core.Offset
	start         core.Offset
	highWatermark core.Offset
}

func (r *Replica) position() position {
	return position{lastEpoch: r.log.Epochs().Latest(), offset: r.log.LogEndOffset(), start: r.log.LogStartOffset(),
		highWatermark: r.highWatermark}
}

// minFetchBackoff is the first pause after an error: a new leader may hear of its election a little after its
// followers.
const minFetchBackoff = 50 * time.Millisecond

// canFetch reports whether a follower's log is ready to be asked more for: everything in it counts, because the fetch
// offset says both what the follower wants and what it has (DESIGN.md 4.1).
func (s *Set) canFetch(now core.Instant, r *Replica) bool {
	return r.log != nil && r.Online() && !s.closing && r.trunc == nil && !r.log.Truncating() &&
		r.counted() >= r.log.LogEndOffset() && now.Reached(r.follow.retryAt)
}

// pursue moves a follower on: its truncation, then the next fetch once everything that it has counts.
func (s *Set) pursue(now core.Instant, r *Replica, out *core.Outbox) {
	f := r.follow
	if f == nil || r.log == nil || !r.Online() || s.closing {
		return
	}
	if r.trunc != nil {
		s.truncate(r, out)
	}
	if r.trunc == nil && r.counted() < r.log.LogEndOffset() && !r.settings.WriteCaching {
		r.log.Sync(out)
	}
	if !s.canFetch(now, r) || f.fetcher == nil {
		return
	}
	s.regain(r)
	if f.busy {
		f.busy = false
		f.fetcher.busy--
	}
	if !f.queued && (!f.named || f.told != r.position()) {
		f.queued = true
		f.fetcher.changed = append(f.fetcher.changed, r)
	}
}

// pause keeps a follower from fetching for a while after an error.
func (s *Set) pause(now core.Instant, r *Replica) {
	f := r.follow
	s.Reached.Add(probe.FollowerPaused)
	f.backoff = min(max(2*f.backoff, minFetchBackoff), s.replication.FetchBackoff)
	f.retryAt = now.Mono + f.backoff
	f.fetcher.forget(r)
	s.touch(r)
}

// heldFrame is a response whose record bytes the disk still reads.
type heldFrame struct {
	bytes []byte
	left  int // replicas that wrote from it, and one more while it is being read
}

func (h *heldFrame) release(out *core.Outbox) {
	if h.left--; h.left == 0 && h.bytes != nil {
		out.Release(h.bytes)
	}
}

// frameHold is one replica's use of a frame: until its log is written up to end.
type frameHold struct {
	frame *heldFrame
	end   core.Offset
}

// releaseFrames lets go of the frames whose bytes are written, however the writes went.
func (r *Replica) releaseFrames(out *core.Outbox) {
	n := 0
	for n < len(r.frames) && (r.writing == 0 || r.log.WrittenOffset() >= r.frames[n].end) {
		r.frames[n].frame.release(out)
		n++
	}
	if n > 0 {
		r.frames = r.frames[:copy(r.frames, r.frames[n:])]
	}
}

// take takes one partition of a fetch response.
func (s *Set) takeFetched(now core.Instant, r *Replica, p *kmsg.FetchResponseTopicPartition, held *heldFrame,
	out *core.Outbox) {
	start, end, before := core.Offset(p.LogStartOffset), r.log.LogEndOffset(), r.position()
	switch code := core.ErrorCode(p.ErrorCode); {
	case code == core.OffsetOutOfRange && start > end:
		s.beginTruncation(r, truncation{to: start, restart: true, gone: true}, out)
	case code != core.NoError:
		s.pause(now, r)
		return
	case p.DivergingEpoch.EndOffset >= 0:
		s.diverged(r, core.LeaderEpoch(p.DivergingEpoch.Epoch), core.Offset(p.DivergingEpoch.EndOffset), start, out)
		if r.trunc == nil && r.position() == before {
			s.pause(now, r) // it is told so without a reason, and would be again
			return
		}
	case r.lacks(start) && r.suspicion.lost:
		s.beginAnew(r, start, out)
	default:
		if !s.appendFetched(now, r, p, held, out) {
			s.pause(now, r)
			return
		}
	}
	if sp := r.suspicion; sp != nil && p.DivergingEpoch.EndOffset < 0 {
		sp.goal, sp.begins = core.Offset(p.HighWatermark), start
	}
	r.follow.backoff = 0
	s.pursue(now, r, out)
}

// appendFetched takes the records of a response, and only then what the leader says of its offsets (KAFKA-14704). It
// reports false if they cannot be taken.
func (s *Set) appendFetched(now core.Instant, r *Replica, p *kmsg.FetchResponseTopicPartition, held *heldFrame,
	out *core.Outbox) bool {
	start, end := core.Offset(p.LogStartOffset), r.log.LogEndOffset()
	if at, ok := r.beginsAnew(start, p.RecordBatches); ok {
		s.beginTruncation(r, truncation{to: at, restart: true, gone: true}, out)
		return true
	}
	rest, fault := p.RecordBatches, ""
	for len(rest) > 0 && fault == "" {
		var v record.View
		var err error
		if v, rest, err = record.Next(rest); err == record.ErrTruncated {
			break
		} else if err == nil {
			err = v.Check()
		}
		switch {
		case err != nil:
			fault = err.Error()
		case v.BaseOffset() < r.log.LogEndOffset():
			fault = "batch at " + offsetText(v.BaseOffset()) + " before the log end offset"
		case v.LeaderEpoch() > r.leaderEpoch || v.LeaderEpoch() < r.log.Epochs().Latest():
			fault = "batch of a leader epoch that is out of order"
		default:
			r.log.AppendAssigned(now, v, out)
			r.writing++
		}
	}
	if r.log.LogEndOffset() > end {
		held.left++
		r.frames = append(r.frames, frameHold{held, r.log.LogEndOffset()})
		if !r.settings.WriteCaching {
			r.log.Sync(out)
		}
		if r.counted() < r.log.LogEndOffset() {
			r.follow.busy = true
			r.follow.fetcher.busy++
		}
	}
	s.followOffsets(now, r, core.Offset(p.HighWatermark), start, out)
	if fault != "" {
		out.Note(core.Warn, "Records of "+r.name.String()+" from its leader cannot be taken: "+fault)
	}
	return fault == ""
}

// beginsAnew decides whether a log must begin anew because the leader's begins at its end or after: no record of it is
// known to be the leader's then, whatever the epochs say, and what was deleted there must not come back from here. It
// begins where the leader's first batch does, which may be a little before the log start offset. Where it begins just
// at the end here, and all that is here was committed, the leader has had that and deleted it: it goes as records go
// that are deleted. What is known of the producers stays, without which a batch that is sent again would be appended
// again once this replica leads.
func (r *Replica) beginsAnew(start core.Offset, records []byte) (core.Offset, bool) {
	end := r.log.LogEndOffset()
	if start < end {
		return 0, false
	}
	at := start
	if v, _, err := record.Next(records); err == nil && v != nil {
		at = v.BaseOffset()
	}
	if at == end && r.highWatermark >= end && r.suspicion == nil {
		return 0, false
	}
	return at, at >= 0 && (at != end || r.log.Start() < end)
}

// followOffsets takes the leader's high watermark and log start offset, as far as this log goes.
func (s *Set) followOffsets(now core.Instant, r *Replica, highWatermark, start core.Offset, out *core.Outbox) {
	if hw := min(highWatermark, r.log.LogEndOffset()); hw > r.highWatermark {
		r.highWatermark = hw
		s.Changed = append(s.Changed, r)
		s.wake(now, &r.readers, r, out)
	}
	if to := min(start, r.highWatermark); to > r.log.Start() {
		out.Sometimes(probe.DeletionFollowed)
		r.log.DeleteRecords(to, out)
		s.waiting.raised = true
		s.Changed = append(s.Changed, r)
	}
	s.touch(r)
}

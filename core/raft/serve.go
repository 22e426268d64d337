package raft

import (
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// maxParked bounds the fetches that a leader keeps.
const maxParked = 10_000

// parkedFetch is a fetch that waits for news, or for the disk.
type parkedFetch struct {
	token    uint64
	req      *kmsg.FetchRequest
	deadline time.Duration
	end      core.Offset // of the log when it was looked at last
	mark     core.Offset // the high watermark then
	reading  *ReadJob
}

// fetchTopic finds the metadata partition in a fetch.
func fetchTopic(req *kmsg.FetchRequest) *kmsg.FetchRequestTopicPartition {
	if len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 || req.Topics[0].Partitions[0].Partition != 0 {
		return nil
	}
	t := &req.Topics[0]
	if req.Version >= 13 && core.UUID(t.TopicID) != core.MetadataTopicID() || req.Version < 13 && t.Topic != Topic {
		return nil
	}
	return &t.Partitions[0]
}

// fetched answers a fetch of another replica, or parks it (KIP-595).
func (q *Quorum) fetched(now core.Instant, token uint64, req *kmsg.FetchRequest, out *core.Outbox) {
	p := fetchTopic(req)
	code := q.refuseCluster(req.ClusterID)
	switch {
	case code != core.NoError:
	case p == nil || req.MaxWaitMillis < 0 || p.FetchOffset < 0 || p.LastFetchedEpoch < 0 ||
		p.CurrentLeaderEpoch >= 0 && p.LastFetchedEpoch > p.CurrentLeaderEpoch || len(q.lead.parked) >= maxParked:
		code = core.InvalidRequest
	}
	if code != core.NoError {
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		resp.ErrorCode = int16(code)
		q.answer(token, resp)
		return
	}
	if code := q.refuseEpoch(p.CurrentLeaderEpoch); code != core.NoError {
		resp, _ := q.fetchResponse(req, code)
		q.answer(token, resp)
		return
	}
	offset := core.Offset(p.FetchOffset)
	if q.valid(offset, core.LeaderEpoch(p.LastFetchedEpoch)) == validOffset {
		q.noteFetch(now, Key{replicaOf(req), p.ReplicaDirectoryID}, offset)
	}
	f := &parkedFetch{token: token, req: req, deadline: now.Mono + time.Duration(req.MaxWaitMillis)*time.Millisecond,
		end: core.NoOffset}
	if !q.serve(now, f, out) {
		q.lead.parked = append(q.lead.parked, f)
	}
}

func replicaOf(req *kmsg.FetchRequest) core.BrokerID {
	if req.Version >= 15 {
		return core.BrokerID(req.ReplicaState.ID)
	}
	return core.BrokerID(req.ReplicaID)
}

// validity is what a position in another log is in this one.
type validity uint8

const (
	validOffset validity = iota
	divergent
	beforeSnapshot
)

// valid judges the end of another log: the epoch of its last record and the offset after it (Kafka: ReplicatedLog.
// validateOffsetAndEpoch).
func (q *Quorum) valid(offset core.Offset, epoch core.LeaderEpoch) validity {
	start := q.log.LogStartOffset()
	snapshot, any := q.latestSnapshot()
	switch {
	case offset == 0 && any:
		return beforeSnapshot // quicker than the whole log
	case offset == 0 && start == 0:
		return validOffset
	case any && (offset < start || epoch < q.epochBelow(start) || offset == start && !q.isSnapshot(offset)):
		return beforeSnapshot
	case offset == snapshot.End && epoch == snapshot.Epoch && any:
		return validOffset
	case offset < start:
		return divergent
	}
	if e, end := q.endOf(epoch); e != epoch || end < offset {
		return divergent
	}
	// A record has one epoch in all logs. Whoever has another one in its place has it from a disk that is damaged.
	if at := q.log.Epochs().EpochAt(offset - 1); at != core.NoLeaderEpoch && at != epoch {
		return divergent
	}
	return validOffset
}

// divergence is where another log whose end is not valid is to be compared next: what this one has of the epoch of its
// last record, or of the epoch that is in that one's place here, if that is an earlier one.
func (q *Quorum) divergence(offset core.Offset, epoch core.LeaderEpoch) (core.LeaderEpoch, core.Offset) {
	if e, end := q.endOf(epoch); e != epoch || end < offset {
		return e, end
	}
	return q.endOf(max(q.log.Epochs().EpochAt(offset-1), 0))
}

// isSnapshot reports whether there is a snapshot up to offset.
func (q *Quorum) isSnapshot(offset core.Offset) bool {
	for _, s := range q.snapshots {
		if s.End == offset {
			return true
		}
	}
	return offset == 0
}

// noteFetch takes note that a replica has everything below offset on disk.
func (q *Quorum) noteFetch(now core.Instant, key Key, offset core.Offset) {
	if key.ID < 0 || key.ID == q.self.ID && key.Directory == q.self.Directory {
		return
	}
	p := q.track(now, key)
	end := q.log.LogEndOffset()
	switch {
	case offset >= end:
		p.caughtUp, p.caughtAt = now.Mono, now.Wall
	case p.fetched && offset >= p.leaderEnd:
		p.caughtUp, p.caughtAt = p.heard, p.fetchWall
	}
	p.end, p.leaderEnd, p.fetched = offset, end, true
	p.fetchWall = now.Wall
	q.heardFrom(now, p)
	q.advance()
}

// heardFrom takes note of a sign of life.
func (q *Quorum) heardFrom(now core.Instant, p *progress) {
	p.heard = now.Mono
	p.beginAt = now.Mono + q.settings.suspicion()
}

// fetchResponse makes an answer without batches.
func (q *Quorum) fetchResponse(req *kmsg.FetchRequest, code core.ErrorCode) (*kmsg.FetchResponse,
	*kmsg.FetchResponseTopicPartition) {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	p := kmsg.NewFetchResponseTopicPartition()
	p.ErrorCode, p.HighWatermark = int16(code), int64(q.highWatermark)
	p.LastStableOffset, p.LogStartOffset = p.HighWatermark, int64(q.log.LogStartOffset())
	p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = int32(q.state.Leader), int32(q.state.Epoch)
	p.PreferredReadReplica = -1
	t := kmsg.NewFetchResponseTopic()
	t.Topic, t.TopicID = Topic, core.MetadataTopicID()
	t.Partitions = []kmsg.FetchResponseTopicPartition{p}
	resp.Topics = []kmsg.FetchResponseTopic{t}
	if e, ok := q.leaderEndpoint(); ok && code != core.NoError {
		resp.Brokers = []kmsg.FetchResponseBroker{{NodeID: int32(q.state.Leader), Host: e.Host, Port: int32(e.Port)}}
	}
	return resp, &resp.Topics[0].Partitions[0]
}

// serve answers a fetch if there is something to say, and reports whether it did. A follower that has everything is
// told of a high watermark that it does not know (KIP-1166).
func (q *Quorum) serve(now core.Instant, f *parkedFetch, out *core.Outbox) bool {
	p := fetchTopic(f.req)
	offset, epoch := core.Offset(p.FetchOffset), core.LeaderEpoch(p.LastFetchedEpoch)
	resp, a := q.fetchResponse(f.req, core.NoError)
	f.end, f.mark = q.log.LogEndOffset(), q.highWatermark
	switch q.valid(offset, epoch) {
	case beforeSnapshot:
		s, _ := q.latestSnapshot()
		a.SnapshotID.EndOffset, a.SnapshotID.Epoch = int64(s.End), int32(s.Epoch)
	case divergent:
		e, end := q.divergence(offset, epoch)
		a.DivergingEpoch.Epoch, a.DivergingEpoch.EndOffset = int32(e), int64(end)
	case validOffset:
		limit := int(max(min(f.req.MaxBytes, p.PartitionMaxBytes), 0))
		switch {
		case offset < f.end && !q.tail.covers(offset):
			f.reading = &ReadJob{Dir: q.log.Dir(), From: offset, Limit: min(f.end, q.log.WrittenOffset()), MaxBytes: limit}
			out.Sometimes(probe.FetchReadFromDisk)
			out.Run(f.reading)
			return false
		case offset < f.end:
			a.RecordBatches = q.tail.read(offset, limit)
		case p.HighWatermark < int64(q.highWatermark) && p.HighWatermark != math.MaxInt64, now.Reached(f.deadline):
		default:
			return false
		}
	}
	q.answer(f.token, resp)
	return true
}

// pollParked looks at the parked fetches again that may have news.
func (q *Quorum) pollParked(now core.Instant, out *core.Outbox) {
	kept := q.lead.parked[:0]
	for _, f := range q.lead.parked {
		stale := f.end != q.log.LogEndOffset() || f.mark != q.highWatermark || now.Reached(f.deadline)
		if f.reading != nil || !stale || !q.serve(now, f, out) {
			kept = append(kept, f)
		}
	}
	clear(q.lead.parked[len(kept):])
	q.lead.parked = kept
}

// parkedRead answers the fetch that waited for the disk. What was read may have been truncated since only if the
// leadership is over, and then nobody waits.
func (q *Quorum) parkedRead(now core.Instant, j *ReadJob) {
	for i, f := range q.lead.parked {
		if f.reading != j {
			continue
		}
		q.lead.parked = append(q.lead.parked[:i], q.lead.parked[i+1:]...)
		code := core.NoError
		if j.Err != nil {
			code = core.KafkaStorageError
		}
		resp, a := q.fetchResponse(f.req, code)
		a.RecordBatches = j.Bytes
		q.answer(f.token, resp)
		return
	}
}

package raft

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// following is what a follower knows of its leader and is doing to its own log.
type following struct {
	endpoints     []record.Endpoint
	heard         time.Duration // when the leader last answered a fetch; it outlives the role
	suspect       time.Duration // when a voter asks for pre-votes
	highWatermark core.Offset   // the leader's, which holds for what was fetched since
	cut           bool          // the log is to be truncated at cutTo
	cutTo         core.Offset
	truncate      *log.TruncateJob
	download      *download
	installing    *OpenJob // the log is being replaced: nothing else happens meanwhile
	updateAt      time.Duration
	asking        int           // the bootstrap server or voter that an observer asks next
	presumeAt     time.Duration // when an observer may take the leader for gone again
}

func (f *following) forget() {
	*f = following{heard: f.heard, installing: f.installing, asking: f.asking, presumeAt: f.presumeAt}
}

// hear takes note of a sign of life of the leader.
func (f *following) hear(now core.Instant, q *Quorum) {
	f.heard = now.Mono
	f.suspect = now.Mono + q.suspicion() + q.between(0, q.suspicion()/2)
}

// presume takes the leader for gone before its silence says so, since its address refuses connections. A leader that
// was restarted leads no more, so that most often this is true. Where it is not, because a firewall is in the way,
// nothing comes of it: a voter asks for pre-votes, which those who hear the leader deny (KIP-996), and an observer asks
// around and is told of the same leader. As the others may not know better yet, it does so once in a while only.
func (q *Quorum) presume(now core.Instant) {
	q.Reached.Add(probe.LeaderPresumedGone)
	if !q.electable() {
		if !now.Reached(q.follow.presumeAt) {
			return
		}
		q.follow.presumeAt = now.Mono + q.settings.ElectionTimeout/20
		q.become(Unattached, q.state.Epoch)
		q.state.Leader = core.NoBroker
		return
	}
	q.follow.heard = min(q.follow.heard, now.Mono-q.suspicion())
	q.follow.suspect = min(q.follow.suspect, now.Mono+q.between(0, q.settings.ElectionTimeout/20))
}

// pollFollower fetches. Only what is synced is asked beyond, for the offset of a fetch is counted by the leader
// (KIP-595).
func (q *Quorum) pollFollower(now core.Instant, out *core.Outbox) {
	switch {
	case q.manual:
	case q.waitsForDisk():
		if now.Reached(q.follow.suspect) {
			out.Sometimes(probe.DiskAwaited)
		}
		// Who cannot fetch does not blame the leader: several voters with slow disks would depose one that is well.
		q.follow.hear(now, q)
	case q.electable() && now.Reached(q.follow.suspect):
		q.prospect(now)
		return
	case !q.electable() && now.Reached(q.follow.heard+q.settings.FetchTimeout):
		q.become(Unattached, q.state.Epoch)
		q.state.Leader = core.NoBroker
		return
	}
	q.cutLog(out)
	if q.waitsForDisk() {
		return
	}
	q.followWatermark()
	q.remember()
	f := q.flightTo(q.state.Leader, "")
	switch {
	case !f.ready(now):
	case q.follow.download != nil:
		q.sendFetchSnapshot(now, f)
	case q.updateDue(now):
		q.sendUpdateVoter(now, f)
	default:
		q.send(now, f, Key{ID: q.state.Leader}, q.endpointsOf(q.state.Leader), q.fetchRequest(), 2*q.suspicion())
	}
}

// waitsForDisk reports whether a fetch would be too early.
func (q *Quorum) waitsForDisk() bool {
	return q.follow.cut || q.follow.truncate != nil || q.log.Truncating() || q.log.SyncedOffset() < q.log.LogEndOffset() ||
		q.follow.download != nil && q.follow.download.storing != nil
}

func (q *Quorum) followerDue() time.Duration {
	at := q.follow.suspect
	if !q.electable() {
		at = q.follow.heard + q.settings.FetchTimeout
	}
	return at
}

func (q *Quorum) fetchRequest() *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version = req.MaxVersion()
	req.ClusterID = text(q.clusterID)
	id := q.self.ID
	if q.forgetful() {
		id = core.NoBroker // no replica: it is not counted
	}
	req.ReplicaID, req.ReplicaState.ID = int32(id), int32(id)
	req.MaxWaitMillis, req.MaxBytes = int32(q.settings.maxWait()/time.Millisecond), q.settings.FetchBytes
	p := kmsg.NewFetchRequestTopicPartition()
	p.CurrentLeaderEpoch, p.FetchOffset = int32(q.state.Epoch), int64(q.log.LogEndOffset())
	p.LastFetchedEpoch, p.LogStartOffset = int32(q.lastEpoch()), int64(q.log.LogStartOffset())
	p.PartitionMaxBytes, p.ReplicaDirectoryID = q.settings.FetchBytes, q.self.Directory
	p.HighWatermark = int64(q.highWatermark)
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = Topic, core.MetadataTopicID()
	t.Partitions = []kmsg.FetchRequestTopicPartition{p}
	req.Topics = []kmsg.FetchRequestTopic{t}
	return req
}

// askAround looks for the leader: an observer asks the bootstrap servers and the voters it knows in turn.
func (q *Quorum) askAround(now core.Instant) {
	voters := q.Voters()
	n := len(q.bootstrap) + len(voters)
	for range n {
		i := q.follow.asking % n
		var f *flight
		var at []record.Endpoint
		if i < len(q.bootstrap) {
			at = q.bootstrap[i : i+1]
			f = q.flightTo(core.NoBroker, address(at[0]))
		} else {
			v := voters[i-len(q.bootstrap)]
			f, at = q.flightTo(v.ID, ""), v.Endpoints
		}
		if f.correlation != 0 {
			return
		}
		if f.ready(now) && f.to != q.self.ID {
			q.send(now, f, Key{ID: f.to}, at, q.fetchRequest(), 2*q.patience())
			return
		}
		q.follow.asking++
	}
}

func address(e record.Endpoint) string { return e.Host + ":" + itoa(int64(e.Port)) }

// bootstrapAt is the bootstrap server with an address.
func (q *Quorum) bootstrapAt(at string) []record.Endpoint {
	for i := range q.bootstrap {
		if address(q.bootstrap[i]) == at {
			return q.bootstrap[i : i+1]
		}
	}
	return nil
}

// fetch takes the answer to a fetch.
func (q *Quorum) fetch(now core.Instant, f *flight, r *kmsg.FetchResponse, out *core.Outbox) {
	q.follow.asking++
	if r.ErrorCode != 0 || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		q.land(now, f, true)
		return
	}
	p := &r.Topics[0].Partitions[0]
	var at []record.Endpoint
	for _, b := range r.Brokers {
		if b.NodeID == p.CurrentLeader.LeaderID {
			at = endpointOf(b.Host, uint16(b.Port))
		}
	}
	if p.ErrorCode == 0 && f.to == core.NoBroker {
		at = q.bootstrapAt(f.endpoint) // who serves a fetch leads, and says where it is only to those who ask another
	}
	q.land(now, f, p.ErrorCode != 0)
	role, epoch := q.role, q.state.Epoch
	q.learn(now, p.CurrentLeader.LeaderEpoch, p.CurrentLeader.LeaderID, at)
	if q.role != role || q.state.Epoch != epoch || p.ErrorCode != 0 || q.role != Follower || f.to != q.state.Leader {
		return
	}
	q.silence = max(now.Mono-f.sent, q.silence-q.silence/16)
	q.follow.hear(now, q)
	switch {
	case p.DivergingEpoch.Epoch >= 0 || p.DivergingEpoch.EndOffset >= 0:
		q.diverge(core.LeaderEpoch(p.DivergingEpoch.Epoch), core.Offset(p.DivergingEpoch.EndOffset))
	case p.SnapshotID.Epoch >= 0 || p.SnapshotID.EndOffset >= 0:
		q.startDownload(SnapshotID{core.Offset(p.SnapshotID.EndOffset), core.LeaderEpoch(p.SnapshotID.Epoch)})
	case q.appendFetched(now, p.RecordBatches, out):
		q.follow.highWatermark = core.Offset(p.HighWatermark)
		q.followWatermark()
	default:
		q.land(now, f, true)
	}
}

// followWatermark takes the leader's high watermark over, as far as the log goes.
func (q *Quorum) followWatermark() {
	if !q.follow.cut && q.follow.truncate == nil && !q.log.Truncating() {
		q.raise(min(q.follow.highWatermark, q.log.SyncedOffset()))
	}
}

// appendFetched appends the leader's batches. It reports false, and takes nothing more, at the first that does not
// belong there: bytes from outside decide nothing about this node but that it asks again.
func (q *Quorum) appendFetched(now core.Instant, b []byte, out *core.Outbox) bool {
	for len(b) > 0 {
		v, rest, err := record.Next(b)
		if errors.Is(err, record.ErrTruncated) {
			break // the leader cut the last batch off
		}
		w := witness{known: true, epoch: q.lastEpoch()}
		if err != nil || v.Check() != nil || v.BaseOffset() != q.log.LogEndOffset() || v.LeaderEpoch() > q.state.Epoch ||
			!w.takes(v) {
			q.note(core.Warn, "the leader sent a batch that does not follow the log's last one")
			q.log.Sync(out)
			return false
		}
		q.log.AppendAssigned(now, v, out)
		q.tail.push(v)
		q.history.take(v, false)
		b = rest
	}
	q.log.Sync(out)
	return true
}

// errBelow is why a node stops that was told to truncate what is committed (KAFKA-12460).
var errBelow = errors.New("the leader's log diverges below the high watermark")

// diverge finds where the log stops agreeing with the leader's, whose records of epoch end at end: there, or where
// the own records of that epoch or the ones before end (KIP-595, KIP-279).
func (q *Quorum) diverge(epoch core.LeaderEpoch, end core.Offset) {
	own, ownEnd := q.endOf(epoch)
	to := ownEnd
	if own == epoch {
		to = min(ownEnd, end)
	}
	q.cut(to)
}

func (q *Quorum) cut(to core.Offset) {
	switch {
	case to >= q.log.LogEndOffset():
		return // nothing to cut: the leader's next answer is another
	case to < q.highWatermark:
		q.failed = errBelow
		return
	}
	q.follow.cut, q.follow.cutTo = true, to
	q.again = true
}

// cutLog begins the truncation as soon as the log lets it.
func (q *Quorum) cutLog(out *core.Outbox) {
	if !q.follow.cut || q.follow.truncate != nil || q.log.Busy() || q.log.Truncating() {
		return
	}
	q.follow.cut = false
	if q.follow.truncate = q.log.PlanTruncate(q.follow.cutTo); q.follow.truncate != nil {
		out.Run(q.follow.truncate)
	}
}

// truncated cuts the log, unless the node stopped following meanwhile.
func (q *Quorum) truncated(now core.Instant, j *log.TruncateJob, out *core.Outbox) {
	if j != q.follow.truncate {
		return
	}
	q.follow.truncate = nil
	if j.Err == nil && j.End < q.highWatermark {
		q.failed = errBelow
		return
	}
	q.log.Truncate(now, j, out)
	if q.log.Failed() == nil {
		out.Sometimes(probe.MetadataTruncated)
		if q.history.changedAt() >= q.log.LogEndOffset() {
			out.Sometimes(probe.VotersTruncated)
		}
		q.history.truncate(q.log.LogEndOffset())
		q.tail.truncate(q.log.LogEndOffset())
	}
}

// endOf returns the largest epoch at or below the one asked for that has records here, and where they end; for an epoch
// before all, the oldest snapshot (Kafka: KafkaMetadataLog.endOffsetForEpoch).
func (q *Quorum) endOf(epoch core.LeaderEpoch) (core.LeaderEpoch, core.Offset) {
	end := q.log.LogEndOffset()
	if last := q.lastEpoch(); epoch >= last {
		return last, end
	}
	found, at := q.log.Epochs().EndOffsetFor(epoch, end)
	if len(q.snapshots) > 0 {
		oldest := q.snapshots[0]
		if found == core.NoLeaderEpoch || found == epoch && at == oldest.End {
			return oldest.Epoch, oldest.End
		}
	}
	if found == core.NoLeaderEpoch {
		return 0, 0
	}
	return found, at
}

package raft

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// download is a snapshot on its way from the leader.
type download struct {
	id      SnapshotID
	pos     int64
	storing *StoreJob
}

// startDownload begins to fetch a snapshot that the leader has instead of the log (KIP-630).
func (q *Quorum) startDownload(id SnapshotID) {
	if id.End <= q.highWatermark || id.Epoch > q.state.Epoch || id.Epoch < 0 || q.opened == nil {
		q.note(core.Warn, "the leader names a snapshot that makes no sense here")
		return
	}
	q.follow.download = &download{id: id}
}

func (q *Quorum) sendFetchSnapshot(now core.Instant, f *flight) {
	d := q.follow.download
	if d.storing != nil {
		return
	}
	req := kmsg.NewPtrFetchSnapshotRequest()
	req.Version = req.MaxVersion()
	req.ClusterID, req.ReplicaID, req.MaxBytes = text(q.clusterID), int32(q.self.ID), q.settings.SnapshotBytes
	p := kmsg.NewFetchSnapshotRequestTopicPartition()
	p.CurrentLeaderEpoch, p.Position, p.ReplicaDirectoryID = int32(q.state.Epoch), d.pos, q.self.Directory
	p.SnapshotID.EndOffset, p.SnapshotID.Epoch = int64(d.id.End), int32(d.id.Epoch)
	t := kmsg.NewFetchSnapshotRequestTopic()
	t.Topic, t.Partitions = Topic, []kmsg.FetchSnapshotRequestTopicPartition{p}
	req.Topics = []kmsg.FetchSnapshotRequestTopic{t}
	q.send(now, f, Key{ID: f.to}, q.endpointsOf(f.to), req, q.settings.RequestTimeout)
}

// chunk takes a piece of the snapshot.
func (q *Quorum) chunk(now core.Instant, f *flight, r *kmsg.FetchSnapshotResponse, out *core.Outbox) {
	if r.ErrorCode != 0 || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		q.land(now, f, true)
		return
	}
	p := &r.Topics[0].Partitions[0]
	q.land(now, f, p.ErrorCode != 0)
	role, epoch := q.role, q.state.Epoch
	q.learn(now, p.CurrentLeader.LeaderEpoch, p.CurrentLeader.LeaderID, nil)
	d := q.follow.download
	if q.role != role || q.state.Epoch != epoch || q.role != Follower || d == nil || f.to != q.state.Leader {
		return
	}
	switch core.ErrorCode(p.ErrorCode) {
	case core.NoError:
	case snapshotNotFound, positionOutOfRange:
		out.Sometimes(probe.SnapshotGone)
		q.follow.download = nil // a newer one has taken its place
		q.follow.hear(now, q)
		return
	default:
		return
	}
	id := SnapshotID{core.Offset(p.SnapshotID.EndOffset), core.LeaderEpoch(p.SnapshotID.Epoch)}
	if id != d.id || p.Position != d.pos || len(p.Bytes) == 0 || p.Position+int64(len(p.Bytes)) > p.Size {
		q.land(now, f, true)
		return
	}
	q.follow.hear(now, q)
	d.storing = &StoreJob{Dir: q.log.Dir(), ID: id, Pos: d.pos, Data: p.Bytes, Last: d.pos+int64(len(p.Bytes)) == p.Size}
	out.Run(d.storing)
}

// StoreJob writes a piece of a snapshot that is being fetched. With the last piece it checks the whole, and gives it
// its name when it is on disk.
type StoreJob struct {
	Dir  string
	ID   SnapshotID
	Pos  int64
	Data []byte
	Last bool

	// Results.
	Bad bool // what was fetched is no snapshot
	Err error
}

// AppendText appends the job's form for traces.
func (j *StoreJob) AppendText(dst []byte) []byte {
	return append(append(dst, "store "+j.Dir+"/"+j.ID.Name()+" pos="...), itoa(j.Pos)...)
}

// Run writes the piece.
func (j *StoreJob) Run(fs core.FS) {
	path := j.Dir + "/" + j.ID.Name()
	if j.Err = j.write(fs, path+partSuffix); j.Err != nil || !j.Last {
		return
	}
	if readSnapshot(fs, path+partSuffix, func(record.View) error { return nil }) != nil {
		j.Bad = true
		return
	}
	if j.Err = fs.Rename(path+partSuffix, path+CheckpointSuffix); j.Err == nil {
		j.Err = fs.SyncDir(j.Dir)
	}
}

func (j *StoreJob) write(fs core.FS, path string) error {
	var f core.File
	var err error
	if j.Pos == 0 {
		f, err = fs.Create(path)
	} else {
		f, err = fs.Open(path)
	}
	if err != nil {
		return err
	}
	err = f.WriteAt(j.Data, j.Pos)
	if err == nil && j.Last {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (q *Quorum) stored(now core.Instant, j *StoreJob) {
	d := q.follow.download
	if d == nil || d.storing != j {
		return // not a follower of that leader any more; what was stored is removed at the next start or overwritten
	}
	d.storing = nil
	switch {
	case j.Err != nil:
		q.failed = j.Err
	case j.Bad:
		q.note(core.Warn, "the snapshot that was fetched is damaged; it is fetched again")
		q.follow.download = nil
	case j.Last:
		q.follow.download = nil
		q.follow.installing = q.opened.again(j.ID)
		q.again = true
	default:
		d.pos += int64(len(j.Data))
	}
}

// install replaces the log by an empty one behind the snapshot, once nothing uses the old one any more. The snapshot
// is on disk: a crash at any moment finds it, and does the same at the start.
func (q *Quorum) install(now core.Instant, out *core.Outbox) {
	j := q.follow.installing
	if j == nil || j.running || q.saving != nil || q.writingSnapshot != nil || q.log.Pinned() {
		return
	}
	j.running = true
	q.log.CloseFiles(out)
	out.Run(j)
}

func (q *Quorum) installed(now core.Instant, j *OpenJob, out *core.Outbox) {
	if j != q.follow.installing {
		panic("raft: a log was opened that nobody waits for")
	}
	q.follow.installing = nil
	out.Reached.Join(&j.Log.Report.Reached)
	if j.Err != nil {
		q.failed = j.Err
		return
	}
	out.Sometimes(probe.SnapshotFetched)
	id := j.Snapshots[len(j.Snapshots)-1]
	q.log = log.New(now, q.log.Slot(), q.files, &j.Log, out)
	q.opened, q.history, q.snapshots = j, j.History, j.Snapshots
	q.tail = tail{next: q.log.LogEndOffset()}
	q.raise(id.End)
	q.reading = nil
	if q.deliver && q.delivered < id.End {
		q.delivered = id.End
		q.mail.Committed, q.ready.Committed = nil, nil
		q.mail.Snapshot = &id
	}
	q.follow.hear(now, q)
	if q.closed {
		q.log.Close(out)
		return
	}
	q.clean(now, out)
}

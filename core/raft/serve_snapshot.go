package raft

import (
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// ChunkJob reads a piece of a snapshot for another replica.
type ChunkJob struct {
	Dir      string
	ID       SnapshotID
	Pos      int64
	MaxBytes int32

	token uint64
	req   *kmsg.FetchSnapshotRequest
	// Results.
	Size  int64
	Bytes []byte
	Err   error
}

// AppendText appends the job's form for traces.
func (j *ChunkJob) AppendText(dst []byte) []byte {
	return append(append(dst, "chunk "+j.Dir+"/"+j.ID.Name()+" pos="...), itoa(j.Pos)...)
}

// Run reads.
func (j *ChunkJob) Run(fs core.FS) {
	f, err := fs.Open(j.Dir + "/" + j.ID.Name() + CheckpointSuffix)
	if err != nil {
		j.Err = err
		return
	}
	defer f.Close()
	if j.Size, j.Err = f.Size(); j.Err != nil || j.Pos < 0 || j.Pos >= j.Size {
		return
	}
	j.Bytes = make([]byte, min(int64(j.MaxBytes), j.Size-j.Pos))
	n, err := f.ReadAt(j.Bytes, j.Pos)
	j.Bytes, j.Err = j.Bytes[:n], err
}

// snapshotFetched answers a request for a piece of a snapshot, after a look at the disk (KIP-630).
func (q *Quorum) snapshotFetched(now core.Instant, token uint64, req *kmsg.FetchSnapshotRequest, out *core.Outbox) {
	if code := q.refuseCluster(req.ClusterID); code != core.NoError {
		resp := req.ResponseKind().(*kmsg.FetchSnapshotResponse)
		resp.ErrorCode = int16(code)
		q.answer(token, resp)
		return
	}
	if len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 || req.Topics[0].Topic != Topic || req.MaxBytes <= 0 {
		resp := req.ResponseKind().(*kmsg.FetchSnapshotResponse)
		resp.ErrorCode = int16(core.InvalidRequest)
		q.answer(token, resp)
		return
	}
	p := &req.Topics[0].Partitions[0]
	id := SnapshotID{core.Offset(p.SnapshotID.EndOffset), core.LeaderEpoch(p.SnapshotID.Epoch)}
	code := q.refuseEpoch(p.CurrentLeaderEpoch)
	if code == core.NoError && !slices.Contains(q.snapshots, id) {
		code = snapshotNotFound
	}
	if code != core.NoError {
		resp, _ := q.chunkResponse(req, code)
		q.answer(token, resp)
		return
	}
	if key := (Key{core.BrokerID(req.ReplicaID), p.ReplicaDirectoryID}); key.ID >= 0 && key.ID != q.self.ID {
		q.heardFrom(now, q.track(now, key))
	}
	out.Run(&ChunkJob{Dir: q.log.Dir(), ID: id, Pos: p.Position, MaxBytes: min(req.MaxBytes, q.settings.SnapshotBytes),
		token: token, req: req})
}

func (q *Quorum) chunkResponse(req *kmsg.FetchSnapshotRequest, code core.ErrorCode) (*kmsg.FetchSnapshotResponse,
	*kmsg.FetchSnapshotResponseTopicPartition) {
	resp := req.ResponseKind().(*kmsg.FetchSnapshotResponse)
	asked := &req.Topics[0].Partitions[0]
	p := kmsg.NewFetchSnapshotResponseTopicPartition()
	p.ErrorCode = int16(code)
	p.SnapshotID.EndOffset, p.SnapshotID.Epoch = asked.SnapshotID.EndOffset, asked.SnapshotID.Epoch
	p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = int32(q.state.Leader), int32(q.state.Epoch)
	p.Position = asked.Position
	t := kmsg.NewFetchSnapshotResponseTopic()
	t.Topic, t.Partitions = Topic, []kmsg.FetchSnapshotResponseTopicPartition{p}
	resp.Topics = []kmsg.FetchSnapshotResponseTopic{t}
	return resp, &resp.Topics[0].Partitions[0]
}

// chunkDone answers with the piece that was read. A snapshot never changes: it does not matter who leads by now.
func (q *Quorum) chunkDone(_ core.Instant, j *ChunkJob) {
	code := core.NoError
	switch {
	case errors.Is(j.Err, core.ErrNotExist):
		code = snapshotNotFound
	case j.Err != nil:
		code = core.KafkaStorageError
	case len(j.Bytes) == 0:
		code = positionOutOfRange
	}
	resp, p := q.chunkResponse(j.req, code)
	p.Size, p.Bytes = j.Size, j.Bytes
	q.answer(j.token, resp)
}

package raft

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// SnapshotID names a snapshot of the metadata log: it stands for all records below End, the last of which has Epoch
// (KIP-630).
type SnapshotID struct {
	End   core.Offset
	Epoch core.LeaderEpoch
}

// Suffixes of snapshot files (Kafka: Snapshots).
const (
	CheckpointSuffix = ".checkpoint"
	partSuffix       = ".checkpoint.part"
)

// Name is the name of the snapshot's file without a suffix.
func (s SnapshotID) Name() string { return fmt.Sprintf("%020d-%010d", int64(s.End), int32(s.Epoch)) }

// ParseSnapshotName reads the name of a finished snapshot's file.
func ParseSnapshotName(name string) (SnapshotID, bool) {
	stem, ok := strings.CutSuffix(name, CheckpointSuffix)
	if !ok || len(stem) != 31 || stem[20] != '-' {
		return SnapshotID{}, false
	}
	end, err1 := strconv.ParseInt(stem[:20], 10, 64)
	epoch, err2 := strconv.ParseInt(stem[21:], 10, 32)
	if err1 != nil || err2 != nil || end < 0 || epoch < 0 {
		return SnapshotID{}, false
	}
	id := SnapshotID{core.Offset(end), core.LeaderEpoch(epoch)}
	return id, id.Name()+CheckpointSuffix == name
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// snapshotBatch is the size from which a batch of a snapshot is complete.
const snapshotBatch = 1 << 20

// SnapshotJob writes a snapshot: a header with the voters and the version, the owner's records, a footer. It has its
// name only when it is whole and on disk (KAFKA-15312). Get one from [Quorum.Snapshot].
type SnapshotJob struct {
	Dir           string
	File          string // its name, if it is not that of ID
	ID            SnapshotID
	LastContained core.Timestamp // append time of the last record that the snapshot stands for
	Version       int16
	Voters        Voters
	// Records are the owner's state. They are asked for while the job runs: they must not change.
	Records iter.Seq[[]byte]

	Err error // result
}

// AppendText appends the job's form for traces.
func (j *SnapshotJob) AppendText(dst []byte) []byte {
	return append(append(dst, "snapshot "+j.Dir+"/"...), j.ID.Name()...)
}

// Long tells drivers that the job may take its time.
func (j *SnapshotJob) Long() bool { return true }

// Run writes the file.
func (j *SnapshotJob) Run(fs core.FS) {
	path := j.Dir + "/" + j.ID.Name() + CheckpointSuffix
	if j.File != "" {
		path = j.Dir + "/" + j.File
	}
	part := strings.TrimSuffix(path, CheckpointSuffix) + partSuffix
	f, err := fs.Create(part)
	if err != nil {
		j.Err = err
		return
	}
	err = j.write(f)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = fs.Rename(part, path)
	}
	if err == nil {
		err = fs.SyncDir(j.Dir)
	}
	j.Err = err
}

func (j *SnapshotJob) write(f core.File) error {
	var b record.Builder
	var buf []byte
	pos, next := int64(0), core.Offset(0)
	start := func() {
		b.Start(buf[:0], next)
		b.SetLeaderEpoch(j.ID.Epoch)
	}
	flush := func() error {
		var v record.View
		buf, v = b.Finish()
		err := f.WriteAt(v, pos)
		pos, next = pos+int64(len(v)), v.NextOffset()
		return err
	}
	start()
	b.AppendSnapshotHeader(j.LastContained, j.LastContained)
	if j.Version > 0 {
		b.AppendKRaftVersion(j.LastContained, j.Version)
		b.AppendKRaftVoters(j.LastContained, j.Voters)
	}
	if err := flush(); err != nil {
		return err
	}
	start()
	for r := range j.Records {
		b.Append(j.LastContained, nil, r)
		if b.Size() >= snapshotBatch {
			if err := flush(); err != nil {
				return err
			}
			start()
		}
	}
	if b.Count() > 0 {
		if err := flush(); err != nil {
			return err
		}
	}
	start()
	b.AppendSnapshotFooter(j.LastContained)
	return flush()
}

// ErrSnapshot is the error of a file that is not a whole snapshot.
var ErrSnapshot = errors.New("raft: the snapshot is not whole")

// ReadSnapshot calls yield with every batch of a snapshot, control batches too. It fails if the file is not whole from
// header to footer. The views are good until yield returns.
func ReadSnapshot(fs core.FS, dir string, id SnapshotID, yield func(record.View) error) error {
	return readSnapshot(fs, dir+"/"+id.Name()+CheckpointSuffix, yield)
}

// ReadSnapshotFile is [ReadSnapshot] for a file of any name.
func ReadSnapshotFile(fs core.FS, path string, yield func(record.View) error) error {
	return readSnapshot(fs, path, yield)
}

func readSnapshot(fs core.FS, path string, yield func(record.View) error) error {
	f, err := fs.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var header [record.HeaderSize]byte
	var buf []byte
	var first, last record.ControlType = -1, -1
	for pos, i := int64(0), 0; ; i++ {
		n, err := f.ReadAt(header[:], pos)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if n < len(header) {
			return ErrSnapshot
		}
		size, err := record.SizeOf(header[:])
		if err != nil {
			return err
		}
		// A disk that fails is no damage: who takes it for that puts metadata aside that are sound.
		switch end, err := f.Size(); {
		case err != nil:
			return err
		case pos+int64(size) > end:
			return ErrSnapshot
		}
		if cap(buf) < size {
			buf = make([]byte, size)
		}
		switch n, err = f.ReadAt(buf[:size], pos); {
		case err != nil:
			return err
		case n < size:
			return ErrSnapshot
		}
		v := record.View(buf[:size])
		if err := v.Check(); err != nil {
			return err
		}
		last = controlType(v)
		if i == 0 {
			first = last
		}
		if err := yield(v); err != nil {
			return err
		}
		pos += int64(size)
	}
	if first != record.ControlSnapshotHeader || last != record.ControlSnapshotFooter {
		return ErrSnapshot
	}
	return nil
}

// controlType is the type of a batch's first control record, or -1.
func controlType(v record.View) record.ControlType {
	if !v.IsControl() {
		return -1
	}
	it := record.Records(v, nil)
	if !it.Next() {
		return -1
	}
	t, ok := record.ParseControlKey(it.Record.Key)
	if !ok {
		return -1
	}
	return t
}

// latestSnapshot returns the newest snapshot there is.
func (q *Quorum) latestSnapshot() (SnapshotID, bool) {
	if n := len(q.snapshots); n > 0 {
		return q.snapshots[n-1], true
	}
	return SnapshotID{}, false
}

// Snapshot makes the job for a snapshot of all records below end, a batch boundary at or below the high watermark of
// which records are the state. The owner runs it and brings it back. It is nil if there is such a snapshot, or one is
// being written, or the log is being replaced.
func (q *Quorum) Snapshot(end core.Offset, lastContained core.Timestamp, records iter.Seq[[]byte]) *SnapshotJob {
	if end > q.highWatermark || end <= 0 {
		panic("raft: a snapshot of what is not committed")
	}
	latest, ok := q.latestSnapshot()
	if ok && latest.End >= end || q.writingSnapshot != nil || q.follow.installing != nil || q.Failed() != nil {
		return nil
	}
	j := &SnapshotJob{Dir: q.log.Dir(), ID: SnapshotID{end, q.epochBelow(end)}, LastContained: lastContained,
		Records: records}
	j.Voters, j.Version = q.history.at(end)
	q.writingSnapshot = j
	return j
}

// epochBelow is the epoch of the record before offset.
func (q *Quorum) epochBelow(offset core.Offset) core.LeaderEpoch {
	for _, s := range q.snapshots {
		if s.End == offset {
			return s.Epoch
		}
	}
	return max(q.log.Epochs().EpochAt(offset-1), 0)
}

func (q *Quorum) snapshotDone(now core.Instant, j *SnapshotJob, out *core.Outbox) {
	if j == q.writingSnapshot {
		q.writingSnapshot = nil
	}
	if j.Err != nil {
		q.failed = j.Err
		return
	}
	out.Sometimes(probe.SnapshotWritten)
	if latest, ok := q.latestSnapshot(); !ok || latest.End < j.ID.End {
		q.snapshots = append(q.snapshots, j.ID)
	}
	q.clean(now, out)
}

// clean moves the log start to the last snapshot but one, so that a follower that lags a little needs no snapshot, or
// to the last one if the log is large, and removes the snapshots before (KIP-630).
func (q *Quorum) clean(now core.Instant, out *core.Outbox) {
	n := len(q.snapshots)
	keep := max(0, n-2)
	if n > 0 && q.log.Size() > q.settings.LogBytes {
		keep = n - 1
	}
	if n == 0 || n == 1 && keep == 0 && q.log.Size() <= q.settings.LogBytes {
		return
	}
	if q.log.Truncating() || q.follow.truncate != nil || q.follow.cut {
		return // with the next snapshot
	}
	base := q.snapshots[keep]
	if base.End > q.log.SyncedOffset() {
		return
	}
	q.history.compact(base.End)
	if keep > 0 {
		out.Run(&SweepJob{Dir: q.log.Dir(), Remove: append([]SnapshotID(nil), q.snapshots[:keep]...)})
		q.snapshots = q.snapshots[keep:]
	}
	if q.log.DeleteRecords(base.End, out) {
		out.Sometimes(probe.LogCleaned)
	}
	q.log.StartSaved(now, base.End, out) // by the snapshot itself, from which every start begins
	q.log.Retain(now, q.highWatermark, out)
}

// SweepJob removes snapshots that newer ones stand in for.
type SweepJob struct {
	Dir    string
	Remove []SnapshotID
	Err    error
}

// AppendText appends the job's form for traces.
func (j *SweepJob) AppendText(dst []byte) []byte {
	return append(append(dst, "sweep "+j.Dir+" snapshots="...), itoa(int64(len(j.Remove)))...)
}

// Run removes them. One that is gone already is no error.
func (j *SweepJob) Run(fs core.FS) {
	for _, id := range j.Remove {
		if err := fs.Remove(j.Dir + "/" + id.Name() + CheckpointSuffix); err != nil && !errors.Is(err, core.ErrNotExist) {
			j.Err = err
		}
	}
}

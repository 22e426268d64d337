package log

import (
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// TruncateJob finds what [Log.Truncate] needs to know of the segment that the new end lies in, and rebuilds the state
// of the producers at the new end.
type TruncateJob struct {
	Log uint32
	To  core.Offset

	open OpenJob
	base core.Offset

	// Results.
	End       core.Offset // the largest batch boundary at or below To, but not below the log start offset
	Size      int64
	segment   SegmentInfo
	index     []byte
	timeline  []byte
	producers *Producers
	Err       error
}

// PlanTruncate makes the job for cutting the log at to, which a follower does when its leader has another history
// (KIP-101). Nothing may be appended until Truncate, and the log must not be Busy. It returns nil if there is nothing
// to cut.
func (l *Log) PlanTruncate(to core.Offset) *TruncateJob {
	if l.Busy() {
		panic("log: truncation while a snapshot of the batches to be cut is being written")
	}
	if l.failed != nil || to >= l.end {
		return nil
	}
	to = max(to, l.start)
	i := max(0, l.find(to))
	j := &TruncateJob{Log: l.slot, To: to, base: l.segments[i].base}
	j.open = OpenJob{Dir: l.dir, Settings: l.settings, LogStart: l.start}
	for _, s := range l.segments[:i+1] {
		j.open.Result.Segments = append(j.open.Result.Segments, SegmentInfo{Base: s.base, Next: s.next, Size: s.size})
	}
	for _, s := range l.snapshots {
		if s.done && s.offset <= to {
			j.open.Result.Snapshots = append(j.open.Result.Snapshots, s.offset)
		}
	}
	return j
}

// Busy reports whether producer snapshots are being written.
func (l *Log) Busy() bool { return l.snapshotting > 0 }

// AppendText appends the job's form for traces.
func (j *TruncateJob) AppendText(dst []byte) []byte {
	return append(append(dst, "truncate "+j.open.Dir+" to="...), offsetText(j.To)...)
}

// Run only reads.
func (j *TruncateJob) Run(fs core.FS) {
	infos := j.open.Result.Segments
	s := newFound(j.base)
	o := &opening{OpenJob: &j.open, fs: fs, names: map[string]int64{}}
	full := &found{SegmentInfo: infos[len(infos)-1]}
	j.Err = o.each(full, 0, func(v record.View) {
		// A batch that the log start offset lies in stays whole.
		if v.LastOffset() < j.To || v.BaseOffset() < j.open.LogStart {
			s.take(v, j.open.Settings.IndexIntervalBytes)
		}
	})
	if j.Err != nil {
		return
	}
	j.segment, j.Size, j.End = s.SegmentInfo, s.Size, s.Next
	j.index, j.timeline = s.index, s.timeline
	infos[len(infos)-1] = s.SegmentInfo
	for i := range infos {
		f := &found{SegmentInfo: infos[i]}
		o.segments = append(o.segments, f)
	}
	j.producers, j.Err = o.replayProducers(j.End)
}

// replayProducers rebuilds the state at end without changing anything.
func (o *opening) replayProducers(end core.Offset) (*Producers, error) {
	p := NewProducers(o.segments[0].Base)
	for _, offset := range slices.Backward(o.Result.Snapshots) {
		if offset < o.segments[0].Base || offset > end {
			continue
		}
		b, err := readFile(o.fs, o.path(FileName(offset, SnapshotSuffix)))
		if err != nil {
			continue
		}
		if entries, bad := ReadSnapshot(b); bad == nil {
			p = LoadProducers(offset, entries)
			break
		}
	}
	for _, s := range o.segments {
		if s.Next > p.End() {
			if err := o.each(s, p.End(), p.Apply); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// Truncate cuts the log where a finished [TruncateJob] found. Before, the owner has made a recovery point at or below
// the job's End durable: one beyond the new end would vouch for batches that are still to come. Completions of earlier
// writes and syncs are stale from now on; a sync is asked for that stands in for them. Nothing may be appended while
// Truncating: after a crash, old bytes, segments and snapshots that came back behind new batches would look like their
// continuation.
func (l *Log) Truncate(now core.Instant, j *TruncateJob, out *core.Outbox) {
	if j.Err != nil {
		l.fence(j.Err)
	}
	if l.failed != nil {
		return
	}
	i := l.find(j.base)
	if i < 0 || l.segments[i].base != j.base {
		panic("log: truncation of a segment that is gone")
	}
	l.flight.restart()
	l.dropSegments(now, i+1, out)
	s := l.segments[i]
	if s.indexFile != 0 {
		l.dropIndexes(s, out)
	}
	s.indexer, s.firstTS, s.size, s.next = j.segment.indexer, j.segment.FirstTimestamp, j.Size, max(j.End, j.base)
	l.end = s.next
	out.File(core.FileOp{Kind: core.OpTruncate, File: s.file, Size: s.size})
	l.cutIndexes(s, j, out)
	l.cutState(j, out)
	l.resyncAll(i, out)
	l.invariants()
}

// dropSegments deletes the segments from i on, the last one first.
func (l *Log) dropSegments(now core.Instant, i int, out *core.Outbox) {
	for k := len(l.segments) - 1; k >= i; k-- {
		s := l.segments[k]
		if s.indexFile != 0 {
			l.dropIndexes(s, out)
		}
		l.segments, l.deleted = l.segments[:k], append(l.deleted, s)
		l.doom(now, s, out)
	}
}

// cutState brings everything in memory to the new end.
func (l *Log) cutState(j *TruncateJob, out *core.Outbox) {
	l.dropSnapshots(out)
	l.producers = j.producers
	l.snapshot(out)
	l.tail.truncate(l.end)
	l.hints.clear()
	l.ForgetEpochs(l.end, out)
	l.unflushed, l.truncating = 0, true
}

// resyncAll asks for the syncs that make the log durable up to the new end in segment i.
func (l *Log) resyncAll(i int, out *core.Outbox) {
	f := &l.flight
	for _, older := range l.segments[:i] {
		if older.next >= f.synced {
			l.resync(older, out)
		}
	}
	f.written, f.synced = min(f.written, l.end), min(f.synced, l.end)
	f.asked = l.end
	out.Sync(l.segments[i].file, f.ticket(opSync, l.end))
	l.syncHome(out)
}

// resync asks anew for the syncs of a segment's files, of which the roll's own are stale.
func (l *Log) resync(s *segment, out *core.Outbox) {
	l.flight.sync(s.file, out)
	for _, suffix := range [...]string{IndexSuffix, TimeIndexSuffix} {
		file := l.ids.Next(l.slot)
		out.File(core.FileOp{Kind: core.OpOpen, File: file, Path: l.path(s.base, suffix)})
		l.flight.sync(file, out)
		l.retired = append(l.retired, retired{file, l.flight.seq})
	}
}

// Truncating reports whether a truncation is not durable yet.
func (l *Log) Truncating() bool { return l.truncating }

// dropIndexes unmaps the indexes of a segment that is no longer the active one as it was.
func (l *Log) dropIndexes(s *segment, out *core.Outbox) {
	out.File(core.FileOp{Kind: core.OpClose, File: s.indexFile})
	out.File(core.FileOp{Kind: core.OpClose, File: s.timesFile})
	s.forgetIndexes()
}

// cutIndexes empties the index files, which makes what was in them zeros, maps them anew and writes the entries of the
// batches that stay. The time index may have had an entry more, from a roll or close, and is not merely shortened.
func (l *Log) cutIndexes(s *segment, j *TruncateJob, out *core.Outbox) {
	for _, suffix := range [...]string{IndexSuffix, TimeIndexSuffix} {
		file := l.ids.Next(l.slot)
		out.File(core.FileOp{Kind: core.OpOpen, File: file, Path: l.path(s.base, suffix)})
		out.File(core.FileOp{Kind: core.OpTruncate, File: file})
		out.File(core.FileOp{Kind: core.OpClose, File: file})
	}
	l.mapIndexes(s, out)
	if len(j.index) > 0 {
		out.Write(s.indexFile, 0, j.index, core.Ticket{})
	}
	if len(j.timeline) > 0 {
		out.Write(s.timesFile, 0, j.timeline, core.Ticket{})
	}
}

// dropSnapshots removes the producer snapshots beyond the end.
func (l *Log) dropSnapshots(out *core.Outbox) {
	l.snapshots = slices.DeleteFunc(l.snapshots, func(s snapshotFile) bool {
		if s.offset <= l.end {
			return false
		}
		file := l.ids.Next(l.slot)
		out.File(core.FileOp{Kind: core.OpOpen, File: file, Path: l.path(s.offset, SnapshotSuffix)})
		out.File(core.FileOp{Kind: core.OpRemove, File: file})
		return true
	})
}

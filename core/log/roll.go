package log

import (
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// rollDue decides whether a batch goes to a new segment (Kafka: LogSegment.shouldRoll).
func (l *Log) rollDue(now core.Instant, last core.Offset, size int64, ts core.Timestamp, out *core.Outbox) bool {
	s := l.active()
	limit := min(l.settings.SegmentBytes, maxRelative)
	switch {
	case s.size > 0 && s.size > limit-size:
		out.Sometimes(probe.RolledBySize)
	case s.size > 0 && s.waited(now.Wall, ts) > l.settings.SegmentMs-l.settings.SegmentJitterMs:
		out.Sometimes(probe.RolledByTime)
	case s.size > 0 && s.full(last):
		out.Sometimes(probe.RolledByIndexFull)
	default:
		return int64(last-s.base) > maxRelative
	}
	return true
}

// rollBase is where a new segment begins: where the old one ends, so that recovery can tell that nothing between them
// is missing, unless a gap before the batch is too large for an index.
func (l *Log) rollBase(base, last core.Offset) core.Offset {
	if int64(last-l.end) > maxRelative {
		return base
	}
	return l.end
}

// roll ends the active segment and begins one at base. Everything of the old segment is asked to be synced, so that
// the recovery point can pass it with indexes that need no rebuilding.
func (l *Log) roll(now core.Instant, base core.Offset, out *core.Outbox) {
	l.closeRetired(out)
	old := l.active()
	if base < old.next || base <= old.base {
		panic("log: roll to an offset within the active segment")
	}
	l.seal(old, out)
	l.snapshot(out)
	s := &segment{base: base, next: base, indexer: newIndexer(base), firstTS: core.NoTimestamp, created: now.Wall,
		file: l.ids.Next(l.slot)}
	out.File(core.FileOp{Kind: core.OpOpen, File: s.file, Path: l.path(base, LogSuffix)})
	l.mapIndexes(s, out)
	l.segments = append(l.segments, s)
	l.dirDirty = true
}

// syncHome asks for the sync that makes the active segment's entries in the folder durable.
func (l *Log) syncHome(out *core.Outbox) {
	l.dirDirty, l.home = false, l.flight.seq
	l.flight.syncDir(l.dir, out)
}

// seal completes the indexes of a segment that gets no more batches, and asks for its syncs.
func (l *Log) seal(s *segment, out *core.Outbox) {
	if s.indexFile == 0 && s.maxTS <= s.lastTime {
		l.flight.sync(s.file, out)
		return // nothing was appended since the start: the indexes are as recovery left them
	}
	if s.indexFile == 0 {
		l.mapIndexes(s, out)
	}
	if s.timeDue() {
		s.addTimeEntry()
	}
	s.writeIndexes(out)
	out.File(core.FileOp{Kind: core.OpTruncate, File: s.indexFile, Size: int64(s.entries) * IndexEntrySize})
	out.File(core.FileOp{Kind: core.OpTruncate, File: s.timesFile, Size: int64(s.times) * TimeIndexEntrySize})
	l.flight.sync(s.file, out)
	l.flight.sync(s.indexFile, out)
	l.flight.sync(s.timesFile, out)
	l.retired = append(l.retired, retired{s.indexFile, l.flight.seq}, retired{s.timesFile, l.flight.seq})
	s.forgetIndexes()
}

// retired is a file to be closed when all operations before seq are complete.
type retired struct {
	file core.FileID
	seq  uint64
}

func (l *Log) closeRetired(out *core.Outbox) {
	for len(l.retired) > 0 && l.retired[0].seq <= l.flight.first() {
		out.File(core.FileOp{Kind: core.OpClose, File: l.retired[0].file})
		l.retired = slices.Delete(l.retired, 0, 1)
	}
}

// snapshotFile is a producer snapshot on its way to the disk, or there.
type snapshotFile struct {
	offset core.Offset
	done   bool
}

// snapshot writes the state of the producers up to the log end offset, unless that is done.
func (l *Log) snapshot(out *core.Outbox) {
	n := len(l.snapshots)
	if n > 0 && l.snapshots[n-1].offset >= l.end || l.end == 0 {
		return
	}
	remove := l.straySnapshots()
	l.snapshots = append(l.snapshots, snapshotFile{offset: l.end})
	l.snapshotting++
	out.Run(&SnapshotJob{Log: l.slot, Dir: l.dir, Offset: l.end, Data: l.producers.AppendSnapshot(nil), Remove: remove})
}

// straySnapshots takes the snapshots off the list that belong to no segment (Kafka: ProducerStateManager.
// removeStraySnapshots) and are older than one that neither a crash nor a truncation undoes: written, and at or below a
// high watermark.
func (l *Log) straySnapshots() []core.Offset {
	safe := core.NoOffset
	for _, s := range l.snapshots {
		if s.done && s.offset <= min(l.settled, l.flight.synced) {
			safe = s.offset
		}
	}
	var stray []core.Offset
	l.snapshots = slices.DeleteFunc(l.snapshots, func(s snapshotFile) bool {
		i := l.find(s.offset)
		if !s.done || s.offset >= safe || i >= 0 && l.segments[i].base == s.offset {
			return false
		}
		stray = append(stray, s.offset)
		return true
	})
	return stray
}

func (l *Log) snapshotDone(j *SnapshotJob) {
	l.snapshotting--
	if j.Err != nil {
		l.fence(j.Err)
		return
	}
	for i := range l.snapshots {
		if l.snapshots[i].offset == j.Offset {
			l.snapshots[i].done = true
		}
	}
}

// Close asks for everything that a clean shutdown needs: complete indexes, all syncs, a producer snapshot. The log
// takes no more batches. The owner waits until Closed.
func (l *Log) Close(out *core.Outbox) {
	if l.closing || l.failed != nil {
		return
	}
	l.Sync(out)
	l.closing = true
	l.snapshot(out)
	if l.active().indexFile == 0 && l.flight.idle() {
		return // nothing was appended since the start, which left everything durable
	}
	l.seal(l.active(), out)
	l.flight.syncDir(l.dir, out)
}

// Closed reports whether a Close is complete: everything is durable, and the log needs no recovery if the clean
// shutdown marker is written now.
func (l *Log) Closed() bool {
	return l.closing && l.failed == nil && l.flight.idle() && l.snapshotting == 0 && l.epochsSaving == nil
}

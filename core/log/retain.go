package log

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// Retain deletes old segments: those whose largest timestamp is older than retention.ms, the oldest while the log
// without them is at least retention.bytes, and those below the log start offset. Only segments wholly below the high
// watermark go, oldest first and without a gap. An expired active segment is rolled first, and goes once its producer
// snapshot and its successor are durable (Kafka: UnifiedLog.deleteOldSegments). It reports whether the log start offset
// moved: the owner then makes it durable in log-start-offset-checkpoint, for which the files wait: see StartSaved.
func (l *Log) Retain(now core.Instant, highWatermark core.Offset, out *core.Outbox) bool {
	if l.failed != nil || l.closing || l.truncating {
		return false
	}
	start := l.start
	l.settled = max(l.settled, highWatermark)
	l.deleteWhile(now, highWatermark, probe.RetainedByTime, out, func(s *segment) bool {
		return l.settings.RetentionMs >= 0 && int64(now.Wall-s.largestTimestamp()) > l.settings.RetentionMs
	})
	excess := l.Size() - l.settings.RetentionBytes
	l.deleteWhile(now, highWatermark, probe.RetainedBySize, out, func(s *segment) bool {
		if l.settings.RetentionBytes < 0 || excess < s.size {
			return false
		}
		excess -= s.size
		return true
	})
	l.deleteWhile(now, highWatermark, probe.RetainedByDeletion, out,
		func(s *segment) bool { return s.next <= l.start && s != l.active() })
	l.producers.Expire(now.Wall, l.settings.ProducerExpiryMs)
	l.invariants()
	return l.start > start
}

// DeleteRecords raises the start of the log (KIP-107). The caller has checked that it is at most the high watermark,
// and makes it durable in log-start-offset-checkpoint before answering: see StartSaved. It reports whether anything
// changed.
func (l *Log) DeleteRecords(offset core.Offset, out *core.Outbox) bool {
	if offset > l.end {
		panic("log: log start offset past the log end offset")
	}
	if l.failed != nil || offset <= l.start {
		return false
	}
	l.raiseStart(offset, out)
	return true
}

func (l *Log) raiseStart(offset core.Offset, out *core.Outbox) {
	if offset <= l.start {
		return
	}
	l.start = offset
	if l.epochs.TruncateStart(offset) {
		l.epochsDirty = true
		l.runEpochs(out)
	}
}

// deleteWhile deletes segments from the oldest on while they are expired, for the reason that the probe stands for.
func (l *Log) deleteWhile(now core.Instant, highWatermark core.Offset, reason probe.Point, out *core.Outbox,
	expired func(*segment) bool) {
	n := 0
	for n < len(l.segments) {
		s := l.segments[n]
		if s.size == 0 && s == l.active() || l.nextBase(n) > highWatermark || !expired(s) {
			break
		}
		n++
	}
	if n == 0 {
		return
	}
	if n == len(l.segments) {
		l.roll(now, l.end, out)
		out.Sometimes(probe.ActiveSegmentExpired)
	}
	if !l.homeDurable(out) || !l.replaceable(n, highWatermark, out) {
		return
	}
	out.Sometimes(reason)
	for i, s := range l.segments[:n] {
		s.before, s.removeAt = l.segments[i+1].base, core.Never
		l.deleted = append(l.deleted, s)
	}
	l.segments = slices.Delete(l.segments, 0, n)
	l.raiseStart(l.segments[0].base, out)
	if l.doomBelow(now, l.told, out) {
		l.flight.syncDir(l.dir, out)
	}
}

// StartSaved takes note that a start is in log-start-offset-checkpoint: readers may be told, and the files of the
// segments below it may go. The checkpoint leads, so that a start which finds a log that begins after what it says
// knows that a file was lost, and not deleted.
func (l *Log) StartSaved(now core.Instant, start core.Offset, out *core.Outbox) {
	l.told = max(l.told, min(start, l.start))
	if l.failed == nil && !l.closing && l.doomBelow(now, l.told, out) {
		l.flight.syncDir(l.dir, out)
	}
}

// doomBelow renames the files of the deleted segments that lie below a start and still have their names. It reports
// whether there were any.
func (l *Log) doomBelow(now core.Instant, start core.Offset, out *core.Outbox) bool {
	any := false
	for _, s := range l.deleted {
		if len(s.doomed) == 0 && s.before <= start {
			l.doom(now, s, out)
			any = true
		}
	}
	return any
}

// homeDurable reports whether a crash leaves the active segment in the folder, and sees to it if not. Were older
// segments deleted before, the crash could leave a folder without any, and offsets would begin anew.
func (l *Log) homeDurable(out *core.Outbox) bool {
	if l.dirDirty {
		// Setting the size is a use of the file, without which a driver need not make it.
		out.File(core.FileOp{Kind: core.OpTruncate, File: l.active().file})
		l.syncHome(out)
	}
	return l.flight.first() > l.home
}

// replaceable reports whether what the first n segments tell of producers is in a snapshot that neither a crash nor a
// truncation can take away. If not, the next Retain deletes them.
func (l *Log) replaceable(n int, highWatermark core.Offset, out *core.Outbox) bool {
	if l.producers.Len() == 0 {
		return true
	}
	for _, s := range l.snapshots {
		if s.done && s.offset >= l.segments[n].base && s.offset <= min(highWatermark, l.flight.synced) {
			return true
		}
	}
	if l.snapshotting == 0 && l.end <= highWatermark {
		l.snapshot(out)
	}
	out.Sometimes(probe.RetentionAwaitsSnapshot)
	return false
}

// nextBase is where the segment after segment i begins, or would.
func (l *Log) nextBase(i int) core.Offset {
	if i+1 < len(l.segments) {
		return l.segments[i+1].base
	}
	return l.end
}

// doom renames a deleted segment's files, so that a restart knows them as deleted, and notes them for removal.
func (l *Log) doom(now core.Instant, s *segment, out *core.Outbox) {
	rename := func(file core.FileID, suffix string) {
		out.File(core.FileOp{Kind: core.OpRename, File: file, Path: l.path(s.base, suffix+DeletedSuffix)})
		s.doomed = append(s.doomed, file)
	}
	opened := func(suffix string) {
		file := l.ids.Next(l.slot)
		out.File(core.FileOp{Kind: core.OpOpen, File: file, Path: l.path(s.base, suffix)})
		rename(file, suffix)
	}
	rename(s.file, LogSuffix)
	opened(IndexSuffix)
	opened(TimeIndexSuffix)
	if s.txns {
		opened(TxnIndexSuffix)
	}
	// The snapshot at the segment's start serves recovery only together with the segment.
	i := slices.IndexFunc(l.snapshots, func(f snapshotFile) bool { return f.offset == s.base })
	if i >= 0 && i < len(l.snapshots)-1 {
		l.snapshots = slices.Delete(l.snapshots, i, i+1)
		opened(SnapshotSuffix)
	}
	s.removeAt = now.Mono + time.Duration(l.settings.FileDeleteDelayMs)*time.Millisecond
}

// removeDeleted removes the files of deleted segments whose delay has passed and which nobody reads.
func (l *Log) removeDeleted(now core.Instant, out *core.Outbox) {
	l.deleted = slices.DeleteFunc(l.deleted, func(s *segment) bool {
		if s.pins > 0 || !now.Reached(s.removeAt) {
			if now.Reached(s.removeAt) {
				out.Sometimes(probe.RemovalAwaitsReader)
			}
			return false
		}
		for _, file := range s.doomed {
			out.File(core.FileOp{Kind: core.OpRemove, File: file})
		}
		return true
	})
}

package log

import (
	"math"

	"ottla.dev/core"
)

// Restart empties the log and begins it anew at an offset that need not lie in it, which a follower does when its
// leader's log begins after its own ends, or ends before its own begins (Kafka: truncateFullyAndStartAt). Before, the
// owner has made this log start offset, and a recovery point at or below it, durable: a log that a crash leaves half
// removed is then opened as one that begins there. As with [Log.Truncate], the log must not be Busy, and nothing may be
// appended while Truncating.
func (l *Log) Restart(now core.Instant, at core.Offset, out *core.Outbox) {
	if l.Busy() || l.truncating || l.closing {
		panic("log: restart of a log that is busy, being truncated or closed")
	}
	if l.failed != nil {
		return
	}
	l.flight.restart()
	l.forgetSnapshots(out)
	l.dropSegments(now, 0, out)
	l.doomBelow(now, math.MaxInt64, out)
	s := &segment{base: at, next: at, indexer: newIndexer(at), firstTS: core.NoTimestamp, created: now.Wall,
		file: l.ids.Next(l.slot)}
	out.File(core.FileOp{Kind: core.OpOpen, File: s.file, Path: l.path(at, LogSuffix)})
	l.mapIndexes(s, out)
	// Setting the size is a use of the file, without which a driver need not make it.
	out.File(core.FileOp{Kind: core.OpTruncate, File: s.file})
	l.segments = append(l.segments, s)
	l.start, l.told, l.end, l.settled = at, at, at, min(l.settled, at)
	l.producers = NewProducers(at)
	l.tail, l.unflushed = ring{}, 0
	l.hints.clear()
	l.ForgetEpochs(0, out)
	l.flight.written, l.flight.synced, l.flight.asked = at, at, at
	l.truncating = true
	l.syncHome(out)
	l.invariants()
}

// forgetSnapshots removes all producer snapshots.
func (l *Log) forgetSnapshots(out *core.Outbox) {
	for _, s := range l.snapshots {
		file := l.ids.Next(l.slot)
		out.File(core.FileOp{Kind: core.OpOpen, File: file, Path: l.path(s.offset, SnapshotSuffix)})
		out.File(core.FileOp{Kind: core.OpRemove, File: file})
	}
	l.snapshots = nil
}

// ForgetEpochs drops the leader epochs that begin at or after end: those that a leader assigned and wrote nothing in,
// when no batch is to be cut with them (KAFKA-10706). It reports whether there were any.
func (l *Log) ForgetEpochs(end core.Offset, out *core.Outbox) bool {
	if l.failed != nil || !l.epochs.TruncateEnd(end) {
		return false
	}
	// Where they began there may soon be batches of an earlier epoch, which the file denies until it is written again.
	l.saveEpochs(max(end, l.start), out)
	return true
}

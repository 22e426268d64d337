package log

import (
	"math"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// Progress says what a completion changed.
type Progress struct {
	Written bool // WrittenOffset has grown
	Synced  bool // SyncedOffset has grown
}

// WrittenOffset is the offset up to which the operating system has the log: what survives the end of the process.
func (l *Log) WrittenOffset() core.Offset { return l.flight.written }

// SyncedOffset is the offset up to which the log is on the disk: what survives the end of the machine.
func (l *Log) SyncedOffset() core.Offset { return l.flight.synced }

// RecoveryPoint is the offset below which a recovery may trust segments, their indexes and the epoch checkpoint: what
// the owner writes into recovery-point-offset-checkpoint. It holds back for an epoch that is not in its checkpoint yet.
func (l *Log) RecoveryPoint() core.Offset { return min(l.flight.synced, l.epochsSaved) }

// Sync asks for a sync that covers everything appended so far. It reports false if one is under way or there is nothing
// to sync. The syncs of older segments and of the folder were asked for when the log rolled, and completions are taken
// in that order, so that SyncedOffset never passes them.
func (l *Log) Sync(out *core.Outbox) bool {
	if l.failed != nil || l.flight.asked >= l.end {
		return false
	}
	out.Sync(l.active().file, l.flight.ticket(opSync, l.end))
	l.flight.asked = l.end
	l.unflushed = 0
	return true
}

// Completed takes an [core.InputWritten] or [core.InputSynced] with a ticket of this log. Completions from before a
// truncation are dropped, but for errors: a write that failed leaves a hole, whatever came after it.
func (l *Log) Completed(in core.Input) Progress {
	if in.Ticket.Log != l.slot {
		panic("log: completion for another log")
	}
	if in.Err != nil {
		doing := "writing "
		if in.Kind == core.InputSynced {
			doing = "syncing "
		}
		l.fence(fail(doing+l.dir, in.Err))
	}
	l.flight.out--
	if l.failed != nil || in.Ticket.Epoch != l.flight.epoch {
		return Progress{}
	}
	written, synced := l.flight.written, l.flight.synced
	l.flight.complete(in.Ticket.Seq)
	l.truncating = l.truncating && !l.flight.idle()
	l.invariants()
	return Progress{Written: l.flight.written > written, Synced: l.flight.synced > synced}
}

// Deadline is when Tick wants to be called next, for flush.ms and the removal of deleted segments.
func (l *Log) Deadline() (time.Duration, bool) {
	if l.failed != nil {
		return 0, false
	}
	at, any := core.Never, false
	if l.unflushed > 0 && l.settings.FlushMs < math.MaxInt64/int64(time.Millisecond) {
		at, any = l.unflushedAt+time.Duration(l.settings.FlushMs)*time.Millisecond, true
	}
	for _, s := range l.deleted {
		if s.pins == 0 {
			at, any = min(at, s.removeAt), true
		}
	}
	return at, any
}

// Tick does what is due: a sync by flush.ms, the removal of deleted segments that nobody reads.
func (l *Log) Tick(now core.Instant, out *core.Outbox) {
	if l.failed != nil {
		return
	}
	if l.unflushed > 0 && l.settings.FlushMs < math.MaxInt64/int64(time.Millisecond) &&
		now.Reached(l.unflushedAt+time.Duration(l.settings.FlushMs)*time.Millisecond) && l.Sync(out) {
		out.Sometimes(probe.FlushedByTime)
	}
	l.closeRetired(out)
	l.removeDeleted(now, out)
}

// AssignEpoch notes that a leader epoch begins at the log end offset, which a leader does before its first append.
func (l *Log) AssignEpoch(epoch core.LeaderEpoch, out *core.Outbox) {
	if l.failed == nil && epoch > l.epochs.Latest() && l.epochs.Assign(epoch, l.end) {
		l.saveEpochs(l.end, out)
	}
}

// saveEpochs writes the leader-epoch checkpoint, after the one under way if there is one. From start on the file is not
// to be relied on before.
func (l *Log) saveEpochs(start core.Offset, out *core.Outbox) {
	if !l.epochsDirty && l.epochsSaving == nil {
		l.epochsSaved = start
	}
	l.epochsSaved = min(l.epochsSaved, start)
	l.epochsDirty = true
	l.runEpochs(out)
}

func (l *Log) runEpochs(out *core.Outbox) {
	if !l.epochsDirty || l.epochsSaving != nil || l.failed != nil {
		return
	}
	l.epochsDirty = false
	l.epochsSaving = &CheckpointJob{Log: l.slot, Dir: l.dir, Name: EpochCheckpointName,
		Data: AppendEpochCheckpoint(nil, l.epochs.All())}
	out.Run(l.epochsSaving)
}

// JobDone takes a [CheckpointJob] or [SnapshotJob] of this log that came back.
func (l *Log) JobDone(job core.Job, out *core.Outbox) {
	switch j := job.(type) {
	case *CheckpointJob:
		if j != l.epochsSaving {
			return
		}
		l.epochsSaving = nil
		if j.Err != nil {
			l.fence(j.Err)
			return
		}
		if !l.epochsDirty {
			l.epochsSaved = math.MaxInt64
		} else {
			out.Sometimes(probe.EpochsSavedAgain)
		}
		l.runEpochs(out)
	case *SnapshotJob:
		l.snapshotDone(j)
	default:
		panic("log: JobDone with a job that the log does not run")
	}
}

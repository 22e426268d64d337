package log

import (
	"errors"
	"math"
	"slices"
	"sort"
	"strconv"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// ErrClosed is the failure of a log that was closed or deleted.
var ErrClosed = errors.New("log is closed")

// Log is one partition's log, live.
//
// Invariant: log start offset <= log end offset; synced <= written <= log end offset; the last segment is the active
// one, and the only one that may have mapped indexes.
type Log struct {
	slot     uint32
	dir      string
	ids      *FileIDs
	settings Settings

	segments []*segment // by base offset, at least one
	deleted  []*segment // waiting for the checkpoint of the start above them, or renamed and waiting for their removal
	start    core.Offset
	told     core.Offset // what readers are told of it: start, or less until that is in its checkpoint
	end      core.Offset
	settled  core.Offset // the highest high watermark that Retain was told

	epochs    Epochs
	producers *Producers
	snapshots []snapshotFile // in order

	tail   ring
	hints  hints
	flight flight
	failed error

	dirDirty     bool   // the folder was not asked to be synced since the active segment's files were made
	home         uint64 // the ticket after whose completion they are in the folder for good
	unflushed    int64
	unflushedAt  time.Duration // when the oldest un-synced batch came
	epochsSaved  core.Offset   // epochs beginning before it are in the checkpoint
	epochsDirty  bool
	epochsSaving *CheckpointJob
	snapshotting int       // snapshot jobs under way
	retired      []retired // index files to close once they are synced
	truncating   bool
	closing      bool
}

// New makes the live log of a finished [OpenJob] and opens its files. slot is the owner's number of the log, put into
// tickets and jobs; it must not be given to another log while operations of this one are under way.
func New(now core.Instant, slot uint32, ids *FileIDs, job *OpenJob, out *core.Outbox) *Log {
	if job.Err != nil || len(job.Result.Segments) == 0 {
		panic("log: New with an OpenJob that did not succeed")
	}
	r := &job.Result
	l := &Log{
		slot: slot, dir: job.Dir, ids: ids, settings: job.Settings, start: r.LogStart,
		told: r.LogStart, end: r.LogEnd,
		epochs: r.Epochs, producers: r.Producers, epochsSaved: math.MaxInt64,
	}
	l.flight = flight{slot: slot, epoch: 1, seq: 1, written: r.LogEnd, synced: r.LogEnd, asked: r.LogEnd}
	for _, info := range r.Segments {
		s := &segment{base: info.Base, next: info.Next, size: info.Size, indexer: info.indexer, firstTS: info.FirstTimestamp,
			created: now.Wall, txns: info.Txns, file: ids.Next(l.slot)}
		if !info.Checked {
			s.found = info.Size
		}
		out.File(core.FileOp{Kind: core.OpOpen, File: s.file, Path: l.path(s.base, LogSuffix)})
		l.segments = append(l.segments, s)
	}
	for _, o := range r.Snapshots {
		l.snapshots = append(l.snapshots, snapshotFile{offset: o, done: true})
	}
	l.limitIndexes(l.active())
	l.invariants()
	return l
}

func (l *Log) path(base core.Offset, suffix string) string {
	return join(l.dir, FileName(base, suffix))
}

func (l *Log) active() *segment { return l.segments[len(l.segments)-1] }

// limitIndexes sets how many entries the indexes of the active segment may get.
func (l *Log) limitIndexes(s *segment) {
	s.indexCap = max(indexEntries(l.settings.IndexBytes, IndexEntrySize), s.entries)
	s.timesCap = max(indexEntries(l.settings.IndexBytes, TimeIndexEntrySize), s.times+1)
}

// mapIndexes opens and maps the indexes of the active segment, extended with zeros to their configured size. After a
// start that waits for the first append: most partitions of a broker are idle.
func (l *Log) mapIndexes(s *segment, out *core.Outbox) {
	l.limitIndexes(s)
	s.indexFile, s.timesFile = l.ids.Next(l.slot), l.ids.Next(l.slot)
	s.newIndex, s.newTimes = unwritten{first: s.entries}, unwritten{first: s.times}
	out.File(core.FileOp{Kind: core.OpOpen, File: s.indexFile, Path: l.path(s.base, IndexSuffix)})
	out.File(core.FileOp{Kind: core.OpMap, File: s.indexFile, Size: int64(s.indexCap) * IndexEntrySize})
	out.File(core.FileOp{Kind: core.OpOpen, File: s.timesFile, Path: l.path(s.base, TimeIndexSuffix)})
	out.File(core.FileOp{Kind: core.OpMap, File: s.timesFile, Size: int64(s.timesCap) * TimeIndexEntrySize})
}

// Mapped takes an [core.InputMapped] or [core.InputFailed]. It reports whether the file is this log's.
func (l *Log) Mapped(in core.Input) bool {
	s := l.active()
	switch in.File {
	case s.indexFile:
		s.indexView = in.View
	case s.timesFile:
		s.timesView = in.View
	default:
		return l.failedFile(in)
	}
	if in.Err != nil {
		l.fence(fail("mapping an index of "+l.dir, in.Err))
	}
	return true
}

// failedFile fences the log if an operation on one of its files failed: the indexes of a segment that was just closed
// are among them, for recovery is going to trust them.
func (l *Log) failedFile(in core.Input) bool {
	for _, r := range l.retired {
		if r.file == in.File {
			if in.Err != nil {
				l.fence(fail("writing an index of "+l.dir, in.Err))
			}
			return true
		}
	}
	for _, list := range [2][]*segment{l.segments, l.deleted} {
		for _, s := range list {
			if s.file != in.File && !slices.Contains(s.doomed, in.File) {
				continue
			}
			if in.Err != nil {
				l.fence(fail("file operation in "+l.dir, in.Err))
			}
			return true
		}
	}
	return false
}

// Configure changes the settings.
func (l *Log) Configure(s Settings) { l.settings = s }

// Settings returns the settings in force.
func (l *Log) Settings() Settings { return l.settings }

// Dir is the partition's folder.
func (l *Log) Dir() string { return l.dir }

// Slot is the owner's number of the log.
func (l *Log) Slot() uint32 { return l.slot }

// LogStartOffset is the first offset that readers may ask for, as they are told: it never goes back, not even by a
// crash. For the moment that the disk takes to note a raised start, what lies above it may be gone already.
func (l *Log) LogStartOffset() core.Offset { return l.told }

// Start is where the log begins, whether or not a crash could still take that back: what the owner writes into
// log-start-offset-checkpoint.
func (l *Log) Start() core.Offset { return l.start }

// LogEndOffset is the offset of the next record.
func (l *Log) LogEndOffset() core.Offset { return l.end }

// Epochs is the leader-epoch cache. It belongs to the log.
func (l *Log) Epochs() *Epochs { return &l.epochs }

// Producers is the state of the producers. It belongs to the log.
func (l *Log) Producers() *Producers { return l.producers }

// Size is the size of all segments in bytes (DescribeLogDirs).
func (l *Log) Size() int64 {
	var n int64
	for _, s := range l.segments {
		n += s.size
	}
	return n
}

// SegmentCount is the number of segments that are not deleted.
func (l *Log) SegmentCount() int { return len(l.segments) }

// Failed is why the log is fenced, or nil. A fenced log must not be asked for anything.
func (l *Log) Failed() error { return l.failed }

// Fail fences the log for a reason from outside: the log directory that holds it has failed.
func (l *Log) Fail(err error) { l.fence(err) }

func (l *Log) fence(err error) {
	if l.failed == nil {
		l.failed = err
	}
}

// Append takes a batch from a client, checked by [record.Validate] and [Producers.Check]: gives it its offsets and the
// leader's epoch in place, and asks for its write. The batch's bytes are the driver's until the write has completed. It
// must not be larger than segment.bytes. Nothing is done on a fenced log: look at Failed before.
func (l *Log) Append(now core.Instant, v record.View, epoch core.LeaderEpoch,
	out *core.Outbox) (base, last core.Offset) {
	v.SetBaseOffset(l.end)
	v.SetLeaderEpoch(epoch)
	l.AppendAssigned(now, v, out)
	return v.BaseOffset(), v.LastOffset()
}

// AppendAssigned takes a batch that has its offsets and epoch, as followers do. Offsets may leave gaps but never go
// back.
func (l *Log) AppendAssigned(now core.Instant, v record.View, out *core.Outbox) {
	if l.failed != nil || l.closing || l.truncating {
		panic("log: append to a log that is fenced, closed or being truncated")
	}
	base, last, size := v.BaseOffset(), v.LastOffset(), int64(len(v))
	if base < l.end || last < base || size < record.HeaderSize || size > maxRelative {
		panic("log: append of a batch out of order")
	}
	if l.rollDue(now, last, size, v.MaxTimestamp(), out) {
		l.roll(now, l.rollBase(base, last), out)
	}
	s := l.active()
	if s.indexFile == 0 {
		l.mapIndexes(s, out)
	}
	pos := s.size
	out.Write(s.file, pos, v, l.flight.ticket(opWrite, last+1))
	if pos == 0 {
		s.firstTS = v.MaxTimestamp()
	}
	offsetDue, timeDue := s.add(l.settings.IndexIntervalBytes, size, last, v.MaxTimestamp())
	if offsetDue {
		s.addIndexEntry(IndexEntry{last, pos})
	}
	if timeDue {
		s.addTimeEntry()
	}
	if s.newIndex.count(IndexEntrySize) == unwrittenMost {
		s.writeIndexes(out)
	}
	s.size, s.next = pos+size, last+1
	l.tail.push(position{base: base, last: last, pos: int32(pos), size: int32(size)})
	if e := v.LeaderEpoch(); e > l.epochs.Latest() && l.epochs.Assign(e, base) {
		l.saveEpochs(base, out)
	}
	l.producers.Apply(v)
	l.end = last + 1
	if l.dirDirty {
		// Not before the write: a driver may create a file only when it is first used.
		l.syncHome(out)
	}
	l.countUnflushed(now, v, out)
	l.invariants()
}

func (l *Log) countUnflushed(now core.Instant, v record.View, out *core.Outbox) {
	if l.unflushed == 0 {
		l.unflushedAt = now.Mono
	}
	l.unflushed += int64(v.LastOffsetDelta()) + 1
	if l.unflushed >= l.settings.FlushMessages && l.Sync(out) {
		out.Sometimes(probe.FlushedByCount)
	}
}

// find returns the last segment whose base offset is at or below offset, or -1.
func (l *Log) find(offset core.Offset) int {
	if n := len(l.segments); l.segments[n-1].base <= offset {
		return n - 1
	}
	return sort.Search(len(l.segments), func(i int) bool { return l.segments[i].base > offset }) - 1
}

func (l *Log) invariants() {
	f := &l.flight
	if l.told > l.start || l.start > l.end || f.synced > f.written || f.written > l.end || f.asked > l.end {
		panic("log: offsets out of order: start " + offsetText(l.start) + " synced " + offsetText(f.synced) + " written " +
			offsetText(f.written) + " end " + offsetText(l.end))
	}
	if s := l.active(); s.next > l.end || s.base > l.end {
		panic("log: active segment reaches past the log end offset")
	}
}

func offsetText(o core.Offset) string { return strconv.FormatInt(int64(o), 10) }

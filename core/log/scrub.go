package log

import (
	"errors"
	"math"
	"slices"
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// Scrub is how far a pass through a log has come that looks for bytes which have gone bad on the disk.
type Scrub struct {
	Next core.Offset // of the batch to be looked at next
	pos  int64       // where it is in its segment, 0 if that is not known
	// through says that the pass has come to the end that the log had then. What is appended behind it is left to the
	// next pass: a log that always grows would otherwise never let the pass go on to others.
	through bool
}

// ScrubJob reads part of a segment again and checks every batch, and the indexes' entries for them. The indexes of a
// segment that gets no more batches are made anew if one is wrong.
type ScrubJob struct {
	Log  uint32
	File core.FileID
	Path string
	Base core.Offset
	From int64 // a batch boundary
	Size int64 // of the segment when the job was made
	Next core.Offset
	Most int64 // how much is read, roughly

	dir       string
	interval  int64
	gaps      bool
	epochs    []EpochStart
	sealed    bool
	trimmed   bool          // the index files hold nothing but entries
	snapshots []core.Offset // of producers, within the segment
	mapped    core.FileID   // the index file of a segment that is written
	entries   int
	times     int
	// written are those of the entries that are in the index files, writtenTimes the same of the times.
	written, writtenTimes int

	// Memory is read into, and may be that of an earlier job.
	Memory []byte

	// Results.
	Read         int64
	At           core.Offset // the batch behind the last one that was checked
	Pos          int64
	RebuiltIndex bool
	wrong        bool          // the indexes are, and were not made anew
	bad          []core.Offset // producer snapshots that were, and are removed
	index        []byte        // what the mapped indexes should hold, if they are wrong
	timeline     []byte
	Err          error // a [Damage], if bytes are bad
}

// AppendText appends the job's form for traces.
func (j *ScrubJob) AppendText(dst []byte) []byte {
	dst = append(dst, "scrub "+j.Path+" from="...)
	return strconv.AppendInt(dst, j.From, 10)
}

// Long tells drivers that the job may take its time.
func (j *ScrubJob) Long() bool { return true }

// PlanScrub makes the job that goes on with a pass, about most bytes of it; nil if the pass is through, or if the log
// is just being written where it would go on.
func (l *Log) PlanScrub(s Scrub, most int64) *ScrubJob {
	if l.failed != nil || l.closing || l.truncating || s.through || s.Next >= l.end {
		return nil
	}
	next := max(s.Next, l.segments[0].base)
	i := max(0, l.find(next))
	for i < len(l.segments)-1 && l.segments[i].next <= next {
		i++
	}
	seg := l.segments[i]
	last := i == len(l.segments)-1
	if seg.size == 0 || last && l.flight.written < l.end {
		return nil
	}
	j := &ScrubJob{Log: l.slot, File: seg.file, Path: l.path(seg.base, LogSuffix), Base: seg.base, Size: seg.size,
		Next: seg.base, Most: most, dir: l.dir, interval: l.settings.IndexIntervalBytes, gaps: l.settings.Gaps,
		epochs: slices.Clone(l.epochs.All()),
		sealed: !last, trimmed: seg.indexFile == 0, entries: seg.entries, times: seg.times}
	for _, f := range l.snapshots {
		if f.done && f.offset >= seg.base && (last || f.offset < l.segments[i+1].base) {
			j.snapshots = append(j.snapshots, f.offset)
		}
	}
	j.written, j.writtenTimes = seg.entries, seg.times
	if seg.indexView != nil && seg.timesView != nil {
		j.mapped = seg.indexFile
		j.written, j.writtenTimes = seg.newIndex.first, seg.newTimes.first
	}
	if s.pos > 0 && s.Next > seg.base && s.Next < seg.next {
		j.From, j.Next = s.pos, s.Next
	}
	seg.pins++
	return j
}

// Scrubbed takes a job that came back, and tells where the pass goes on.
func (l *Log) Scrubbed(now core.Instant, j *ScrubJob, out *core.Outbox) Scrub {
	l.Unpin(j.File)
	seg := l.segmentOf(j.File)
	if seg == nil || l.failed != nil {
		return Scrub{Next: j.At}
	}
	if j.RebuiltIndex && seg.indexFile == 0 {
		seg.entries, seg.times = j.entries, j.times
	}
	if len(j.bad) > 0 {
		l.snapshots = slices.DeleteFunc(l.snapshots, func(s snapshotFile) bool { return slices.Contains(j.bad, s.offset) })
		if !l.closing && !l.truncating {
			l.snapshot(out)
		}
	}
	if j.mapped != 0 && j.mapped == seg.indexFile {
		j.RebuiltIndex = l.correct(now, seg, j, out)
	}
	if j.wrong && !j.sealed && seg.indexFile == 0 && seg == l.active() && !l.closing && !l.truncating {
		l.mapIndexes(seg, out) // the next pass writes what is wrong in them
	}
	if j.Err == nil && j.From == seg.read {
		seg.read = j.Pos
	}
	if j.Pos >= j.Size {
		return Scrub{Next: max(j.At, seg.base), through: !j.sealed}
	}
	return Scrub{Next: j.At, pos: j.Pos}
}

// correct writes the entries of mapped indexes again that were there when the job was made. If there are more of them
// than there should be, or fewer, each has another place than it would get: index.interval.bytes was changed, or a
// clean stop gave the time index an entry more, as a closed segment has it. Then the segment gets no more batches, and
// the next pass makes its files anew.
func (l *Log) correct(now core.Instant, s *segment, j *ScrubJob, out *core.Outbox) bool {
	if len(j.index) != j.entries*IndexEntrySize || len(j.timeline) != j.times*TimeIndexEntrySize || j.entries == 0 {
		if j.wrong && s == l.active() && s.next > s.base && !l.closing && !l.truncating {
			out.Sometimes(probe.RolledForItsIndex)
			l.roll(now, l.end, out)
		}
		return false
	}
	out.Write(s.indexFile, 0, j.index, core.Ticket{})
	if j.times > 0 {
		out.Write(s.timesFile, 0, j.timeline, core.Ticket{})
	}
	return true
}

// Run reads and checks.
func (j *ScrubJob) Run(fs core.FS) {
	j.At, j.Pos = j.Next, j.From
	file, err := openMaybeDeleted(fs, j.Path)
	if err != nil {
		j.Err = err
		return
	}
	defer file.Close()
	if j.From == 0 {
		if j.Err = j.checkSnapshots(fs); j.Err != nil {
			return
		}
	}
	if j.sealed {
		// What is read is to come from the disk.
		if j.Err = fail("refreshing "+j.Path, file.Refresh()); j.Err != nil {
			return
		}
	}
	var entries indexRest
	if j.trimmed || j.mapped != 0 {
		if entries, j.Err = j.indexes(fs); j.Err != nil {
			return
		}
	}
	j.Err = j.check(file, &entries)
	left := j.Pos >= j.Size && len(entries.index)+len(entries.times) > 0
	if j.wrong = entries.wrong || left; j.Err == nil && j.wrong && (j.sealed || j.mapped != 0) {
		j.Err = j.rebuild(fs, file)
	}
}

// checkSnapshots removes the producer snapshots within the segment that are bad: they only save reading batches.
func (j *ScrubJob) checkSnapshots(fs core.FS) error {
	for _, offset := range j.snapshots {
		name := join(j.dir, FileName(offset, SnapshotSuffix))
		b, err := readFile(fs, name)
		if errors.Is(err, core.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if _, bad := ReadSnapshot(b); bad == nil {
			continue
		}
		if err := fs.Remove(name); err != nil && !errors.Is(err, core.ErrNotExist) {
			return fail("removing "+name, err)
		}
		j.bad = append(j.bad, offset)
	}
	if len(j.bad) == 0 {
		return nil
	}
	return fail("syncing folder "+j.dir, fs.SyncDir(j.dir))
}

// indexRest are the entries of a segment's two indexes, as far as they were not compared with batches.
type indexRest struct {
	base   core.Offset
	index  []byte
	times  []byte
	newest core.Timestamp // of the batches so far
	wrong  bool

	interval int64
	since    int64 // bytes from the batch of the index's last entry on
}

// indexes reads what the index files have for the batches from where the job begins.
func (j *ScrubJob) indexes(fs core.FS) (indexRest, error) {
	e := indexRest{base: j.Base, newest: core.NoTimestamp, interval: math.MaxInt64}
	if j.sealed && j.trimmed {
		e.interval = j.interval // of a segment that is written the last entries are not in the files yet
	}
	for _, f := range [...]struct {
		suffix string
		size   int
		to     *[]byte
	}{{IndexSuffix, j.written * IndexEntrySize, &e.index},
		{TimeIndexSuffix, j.writtenTimes * TimeIndexEntrySize, &e.times}} {
		b, err := j.entriesOf(fs, f.suffix, f.size)
		if err != nil && !errors.Is(err, core.ErrNotExist) {
			return e, err
		}
		e.wrong = e.wrong || len(b) < f.size
		*f.to = b[:min(len(b), f.size)]
	}
	if e.wrong = e.wrong || !SoundIndex(e.index, j.Base, j.Size) || !SoundTimeIndex(e.times, j.Base); e.wrong {
		return e, nil
	}
	e.since = j.From
	for len(e.index) > 0 && IndexEntryAt(e.index, j.Base, 0).Pos < j.From {
		e.since = j.From - IndexEntryAt(e.index, j.Base, 0).Pos
		e.index = e.index[IndexEntrySize:]
	}
	for len(e.times) > 0 && TimeIndexEntryAt(e.times, j.Base, 0).Offset < j.Next {
		e.newest = TimeIndexEntryAt(e.times, j.Base, 0).Timestamp
		e.times = e.times[TimeIndexEntrySize:]
	}
	return e, nil
}

// entriesOf reads an index file: that of a segment which is written is followed by many zeros.
func (j *ScrubJob) entriesOf(fs core.FS, suffix string, size int) ([]byte, error) {
	path := join(j.dir, FileName(j.Base, suffix))
	if j.mapped == 0 {
		return readMaybeDeleted(fs, path)
	}
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	return b[:n], err
}

// take compares the entries for a batch with it. An index that lacks entries misleads nobody, but has readers scan what
// they could pass over: one that is cut short looks sound by itself.
func (e *indexRest) take(v record.View, pos int64) {
	there := false
	if !e.wrong && len(e.index) > 0 {
		if x := IndexEntryAt(e.index, e.base, 0); x.Pos <= pos {
			e.wrong = x.Pos != pos || x.Offset != v.LastOffset()
			e.index, there = e.index[IndexEntrySize:], true
		}
	}
	switch {
	case there:
		e.since = 0
	case e.since > e.interval:
		e.wrong = true
	}
	e.since += int64(len(v))
	if !e.wrong && len(e.times) > 0 {
		if x := TimeIndexEntryAt(e.times, e.base, 0); x.Offset <= v.LastOffset() {
			e.wrong = x.Offset != v.LastOffset() || x.Timestamp != v.MaxTimestamp() || x.Timestamp <= e.newest
			e.times = e.times[TimeIndexEntrySize:]
		}
	}
	e.newest = max(e.newest, v.MaxTimestamp())
}

// check goes through the batches. An index entry names the last offset of the batch at its position.
func (j *ScrubJob) check(file core.File, entries *indexRest) error {
	sc := newScanner(file, j.From, j.Size, bodyChunk)
	sc.buf = j.Memory[:0]
	defer func() { j.Memory = sc.buf[:0] }()
	for sc.pos < j.Size && j.Read < j.Most {
		v, size, err := sc.header()
		if err == nil && v != nil {
			v, err = sc.whole(size)
		}
		if err == nil && v != nil {
			err = v.Check()
		}
		switch {
		case err != nil && !damage(err):
			return err
		case err != nil:
			return &Damage{Dir: j.dir, At: j.At, Why: err.Error()}
		case v == nil:
			return nil
		case v.BaseOffset() < j.At || v.BaseOffset() > j.At && !j.gaps:
			return &Damage{Dir: j.dir, At: j.At, Why: errOrder.Error()}
		case !epochFits(j.epochs, v):
			return &Damage{Dir: j.dir, At: j.At, Why: "leader epoch " + strconv.Itoa(int(v.LeaderEpoch())) + " is not that of " +
				"its place in the log"}
		}
		entries.take(v, sc.pos)
		j.At = v.LastOffset() + 1
		sc.pos += size
		j.Read, j.Pos = j.Read+size, sc.pos
	}
	return nil
}

// epochFits reports whether a batch has the leader epoch of its place in the log. The checksum does not cover it. Of
// what is below the log start offset the epochs are forgotten.
func epochFits(epochs []EpochStart, v record.View) bool {
	if len(epochs) == 0 || v.BaseOffset() < epochs[0].Start {
		return true
	}
	epoch := core.NoLeaderEpoch
	for _, e := range epochs {
		if e.Start <= v.BaseOffset() {
			epoch = e.Epoch
		}
	}
	return epoch == v.LeaderEpoch()
}

// rebuild writes the two indexes of a segment from the headers of its batches. Those of one that is written are mapped:
// their owner writes them.
func (j *ScrubJob) rebuild(fs core.FS, file core.File) error {
	s := newFound(j.Base)
	sc := newScanner(file, 0, j.Size, headerChunk)
	for sc.pos < j.Size {
		v, size, err := sc.header()
		if err != nil || v == nil {
			return orCorrupt(err)
		}
		s.take(v, j.interval)
		sc.pos += size
	}
	if j.mapped != 0 {
		j.index, j.timeline = s.index, s.timeline
		return nil
	}
	if s.timeDue() {
		s.timeline = AppendTimeIndexEntry(s.timeline, s.Base, s.timeEntry())
	}
	err := WriteAtomically(fs, j.dir, FileName(j.Base, IndexSuffix), s.index)
	if err == nil {
		err = WriteAtomically(fs, j.dir, FileName(j.Base, TimeIndexSuffix), s.timeline)
	}
	j.RebuiltIndex, j.entries, j.times = true, len(s.index)/IndexEntrySize, len(s.timeline)/TimeIndexEntrySize
	return err
}

// readable cuts a range off before the first batch that has gone bad, and refuses it if that is the first one. Segments
// that were taken by their indexes when the log was opened are read so until a [ScrubJob] has gone through them. The
// checksum does not cover the base offset, which is known where nothing is compacted, and not the leader epoch.
func (j *LocateJob) readable(log core.File) error {
	sc := newScanner(log, j.Pos, j.Pos+j.Len, bodyChunk)
	next := core.NoOffset
	for sc.pos < j.Pos+j.Len {
		v, size, err := sc.header()
		if err == nil && v != nil {
			v, err = sc.whole(size)
		}
		if err == nil && v != nil {
			err = v.Check()
		}
		if err == nil && v != nil && (v.BaseOffset() < next ||
			v.BaseOffset() > max(next, j.From) && !j.gaps || !epochFits(j.epochs, v)) {
			err = record.ErrCorrupt
		}
		switch {
		case err != nil && !damage(err):
			return err
		case err == nil && v == nil:
			return nil
		case err != nil && next == core.NoOffset:
			return &Damage{Dir: j.Path, At: j.From, Why: err.Error()}
		case err != nil:
			j.Len, j.Next = sc.pos-j.Pos, next
			return nil
		}
		next = v.LastOffset() + 1
		sc.pos += size
	}
	return nil
}

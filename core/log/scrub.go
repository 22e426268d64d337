package log

import (
	"errors"
	"slices"
	"strconv"

	"ottla.dev/core"
)

// Scrub is how far a pass through a log has come that looks for bytes which have gone bad on the disk.
type Scrub struct {
	Next core.Offset // of the batch to be looked at next
	pos  int64       // where it is in its segment, 0 if that is not known
}

// ScrubJob reads part of a segment again and checks every batch, and the offset index's entries for them. The index
// of a segment that gets no more batches is made anew if it is wrong.
type ScrubJob struct {
	Log  uint32
	File core.FileID
	Path string
	Base core.Offset
	From int64 // a batch boundary
	Size int64 // of the segment when the job was made
	Next core.Offset
	Most int64 // how much is read, roughly

	dir      string
	interval int64
	gaps     bool
	epochs   []EpochStart
	sealed   bool
	trimmed  bool // the index file holds nothing but entries
	entries  int

	// Results.
	Read         int64
	At           core.Offset // the batch behind the last one that was checked
	Pos          int64
	RebuiltIndex bool
	times        int
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
	if l.failed != nil || l.closing || l.truncating || s.Next >= l.end {
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
		sealed: !last, trimmed: seg.indexFile == 0, entries: seg.entries}
	if s.pos > 0 && s.Next > seg.base && s.Next < seg.next {
		j.From, j.Next = s.pos, s.Next
	}
	seg.pins++
	return j
}

// Scrubbed takes a job that came back, and tells where the pass goes on.
func (l *Log) Scrubbed(j *ScrubJob) Scrub {
	l.Unpin(j.File)
	seg := l.segmentOf(j.File)
	if seg == nil || l.failed != nil {
		return Scrub{Next: j.At}
	}
	if j.RebuiltIndex && seg.indexFile == 0 {
		seg.entries, seg.times = j.entries, j.times
	}
	if j.Err == nil && j.From == seg.read {
		seg.read = j.Pos
	}
	if j.Pos >= j.Size {
		return Scrub{Next: max(j.At, seg.base)}
	}
	return Scrub{Next: j.At, pos: j.Pos}
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
	if j.sealed {
		// What is read is to come from the disk.
		if j.Err = fail("refreshing "+j.Path, file.Refresh()); j.Err != nil {
			return
		}
	}
	var index []byte
	if j.trimmed {
		if index, err = readMaybeDeleted(fs, j.index()); err != nil && !errors.Is(err, core.ErrNotExist) {
			j.Err = err
			return
		}
	}
	size := j.entries * IndexEntrySize
	sound := !j.trimmed || len(index) >= size && SoundIndex(index[:size], j.Base, j.Size)
	if j.Err = j.check(file, index, &sound); j.Err == nil && !sound && j.sealed {
		j.Err = j.rebuild(fs, file)
	}
}

func (j *ScrubJob) index() string { return join(j.dir, FileName(j.Base, IndexSuffix)) }

// check goes through the batches. An index entry names the last offset of the batch at its position.
func (j *ScrubJob) check(file core.File, index []byte, sound *bool) error {
	sc := newScanner(file, j.From, j.Size, bodyChunk)
	n := min(len(index)/IndexEntrySize, j.entries)
	at := 0
	for at < n && IndexEntryAt(index, j.Base, at).Pos < j.From {
		at++
	}
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
		case len(j.epochs) > 0 && v.BaseOffset() >= j.epochs[0].Start && j.epochAt(v.BaseOffset()) != v.LeaderEpoch():
			return &Damage{Dir: j.dir, At: j.At, Why: "leader epoch " + strconv.Itoa(int(v.LeaderEpoch())) + " is not that of " +
				"its place in the log"}
		}
		for ; *sound && at < n; at++ {
			e := IndexEntryAt(index, j.Base, at)
			if e.Pos > sc.pos {
				break
			}
			*sound = e.Pos == sc.pos && e.Offset == v.LastOffset()
		}
		j.At = v.LastOffset() + 1
		sc.pos += size
		j.Read, j.Pos = j.Read+size, sc.pos
	}
	return nil
}

// epochAt is the leader epoch that a batch at offset must have. The checksum does not cover it. Of what is below the
// log start offset the epochs are forgotten.
func (j *ScrubJob) epochAt(offset core.Offset) core.LeaderEpoch {
	epoch := core.NoLeaderEpoch
	for _, e := range j.epochs {
		if e.Start <= offset {
			epoch = e.Epoch
		}
	}
	return epoch
}

// rebuild writes the two indexes of a segment from the headers of its batches.
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
// that were taken by their indexes when the log was opened are read so until a [ScrubJob] has gone through them.
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

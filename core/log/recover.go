package log

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// found is a segment in the making.
type found struct {
	SegmentInfo
	fileSize int64
	checked  bool         // every batch was checked
	index    []byte       // what the index file should hold, if checked
	timeline []byte       // what the time index file should hold, if checked
	epochs   []EpochStart // first batch of each epoch in it, if checked
	damage   string       // why the bytes after Size are no batch
}

func newFound(base core.Offset) *found {
	return &found{SegmentInfo: SegmentInfo{Base: base, Next: base, FirstTimestamp: core.NoTimestamp,
		indexer: newIndexer(base)}}
}

func sortedNames(names map[string]int64) []string {
	sorted := make([]string, 0, len(names))
	//core:unordered sorted below
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	return sorted
}

// load finds the segments. Those that may hold batches that were never synced are checked byte by byte; the others are
// taken by their indexes.
func (o *opening) load() error {
	for _, name := range sortedNames(o.names) {
		base, suffix, ok := ParseFileName(name)
		if !ok || suffix != LogSuffix {
			continue
		}
		s := newFound(base)
		s.fileSize = o.names[name]
		_, s.Txns = o.names[FileName(base, TxnIndexSuffix)]
		o.segments = append(o.segments, s)
	}
	epoch := core.NoLeaderEpoch // of the last batch that was checked
	for i, s := range o.segments {
		last := i == len(o.segments)-1
		// A recovery point at the end of the segment says that its batches are durable; only one beyond says that its
		// indexes are, for their syncs were asked for after those of the last batch and before those of the next.
		trusted := (o.Clean || !last && o.segments[i+1].Base < o.Recovery) && !o.Resync && !o.Unsure && !o.Full
		ok := false
		var err error
		if trusted {
			ok, err = o.trust(s)
			ok = ok && (last || s.maxTS <= s.lastTime) // a closed segment's index has its largest timestamp
			if !ok {
				o.Report.Reached.Add(probe.SegmentDistrusted)
			}
		}
		if err == nil && !ok {
			err = o.check(s, epoch)
		}
		if err != nil {
			return err
		}
		if n := len(s.epochs); n > 0 {
			epoch = s.epochs[n-1].Epoch
		}
		if s.damage != "" {
			// What follows a bad byte is no part of the log, whatever it is.
			return nil
		}
	}
	return nil
}

// check reads all batches of a segment, which follow one of epoch before, and computes what its indexes should be.
func (o *opening) check(s *found, before core.LeaderEpoch) error {
	name := o.path(FileName(s.Base, LogSuffix))
	f, err := o.fs.Open(name)
	if err != nil {
		return fail("opening "+name, err)
	}
	defer f.Close()
	if err := f.Refresh(); err != nil {
		return fail("refreshing "+name, err)
	}
	s.SegmentInfo = SegmentInfo{Base: s.Base, Next: s.Base, FirstTimestamp: core.NoTimestamp, indexer: newIndexer(s.Base),
		Txns: s.Txns, Checked: true}
	s.checked, s.index, s.timeline, s.epochs = true, nil, nil, nil
	o.Report.Scanned++
	sc := newScanner(f, 0, s.fileSize, bodyChunk)
	epoch := core.NoLeaderEpoch
	for {
		v, size, err := sc.header()
		if err == nil && v != nil {
			v, err = sc.whole(size)
		}
		if err != nil && !damage(err) {
			return err
		}
		if err == nil && v != nil {
			err = s.accept(v, max(before, epoch), o.Settings.Gaps)
		}
		if err == nil && v != nil && o.vouched.denies(v) {
			o.Report.Reached.Add(probe.EpochDenied)
			err = errEpoch
		}
		if err != nil {
			s.damage = err.Error()
		}
		if err != nil || v == nil {
			return nil
		}
		if e := v.LeaderEpoch(); e > epoch {
			epoch = e
			s.epochs = append(s.epochs, EpochStart{e, v.BaseOffset()})
		}
		s.take(v, o.Settings.IndexIntervalBytes)
		sc.pos += size
	}
}

var (
	errOrder = errors.New("offsets or leader epochs go back")
	errGap   = errors.New("offsets are missing")
	errRange = errors.New("offset is too far from the segment's base offset")
)

// accept decides whether a batch can follow those before it. The checksum does not cover its offset, but where
// nothing is compacted that is known.
func (s *found) accept(v record.View, epoch core.LeaderEpoch, gaps bool) error {
	if err := v.Check(); err != nil {
		return err
	}
	switch {
	case v.BaseOffset() < s.Next, v.LeaderEpoch() < epoch && v.LeaderEpoch() != core.NoLeaderEpoch:
		return errOrder
	case int64(v.LastOffset()-s.Base) > maxRelative, s.Size+int64(len(v)) > maxRelative:
		return errRange
	case v.BaseOffset() > s.Next && !gaps:
		return errGap
	}
	return nil
}

// take adds a batch, of which only the header is needed, to the segment and its indexes.
func (s *found) take(v record.View, interval int64) {
	last, size := v.LastOffset(), int64(v.Size())
	if s.Size == 0 {
		s.FirstTimestamp = v.MaxTimestamp()
	}
	offsetDue, timeDue := s.add(interval, size, last, v.MaxTimestamp())
	if offsetDue {
		s.index = AppendIndexEntry(s.index, s.Base, IndexEntry{last, s.Size})
	}
	if timeDue {
		s.timeline = AppendTimeIndexEntry(s.timeline, s.Base, s.timeEntry())
	}
	s.Size, s.Next = s.Size+size, last+1
}

// trust takes a segment whose log was synced by its indexes, if these are sound, and reads only the headers of the
// batches after the last index entry. It reports false if the segment is to be checked in full.
func (o *opening) trust(s *found) (bool, error) {
	index, err := readFile(o.fs, o.path(FileName(s.Base, IndexSuffix)))
	if err != nil && !errors.Is(err, core.ErrNotExist) {
		return false, err
	}
	missing := err != nil
	times, err := readFile(o.fs, o.path(FileName(s.Base, TimeIndexSuffix)))
	if err != nil && !errors.Is(err, core.ErrNotExist) {
		return false, err
	}
	if missing || err != nil || !SoundIndex(index, s.Base, s.fileSize) || !SoundTimeIndex(times, s.Base) {
		return false, nil
	}
	name := o.path(FileName(s.Base, LogSuffix))
	f, err := o.fs.Open(name)
	if err != nil {
		return false, fail("opening "+name, err)
	}
	defer f.Close()
	return s.takeIndexed(f, index, times)
}

// takeIndexed continues behind the last entries of sound indexes. The time index tells when a segment is old enough to
// be deleted, and has no checksum: its last entry must be that of its batch, and the headers from there on are read for
// later timestamps. An entry before it can only mislead a [TimestampJob], which looks for itself.
func (s *found) takeIndexed(f core.File, index, times []byte) (bool, error) {
	sc := newScanner(f, 0, s.fileSize, headerChunk)
	if v, _, err := sc.header(); err != nil {
		return false, unlessDamage(err)
	} else if v != nil {
		s.FirstTimestamp = v.MaxTimestamp()
	}
	s.entries, s.times = len(index)/IndexEntrySize, len(times)/TimeIndexEntrySize
	if s.times > 0 {
		e := TimeIndexEntryAt(times, s.Base, s.times-1)
		s.maxTS, s.maxTSLast, s.lastTime = e.Timestamp, e.Offset, e.Timestamp
	}
	var from IndexEntry
	if s.entries > 0 {
		from = IndexEntryAt(index, s.Base, s.entries-1)
	}
	newest := timedEntry{offset: s.maxTSLast, ts: s.maxTS, met: s.times == 0}
	start := FindOffset(index, s.Base, s.entries, newest.offset)
	for sc.pos = start.Pos; ; {
		v, size, err := sc.header()
		if err != nil {
			return false, unlessDamage(err)
		}
		if v == nil {
			break
		}
		if v.BaseOffset() < s.Next || v.LastOffset() < v.BaseOffset() || !start.fits(sc.pos, size, v) ||
			!from.fits(sc.pos, size, v) || !newest.fits(v) {
			return false, nil
		}
		if v.MaxTimestamp() > s.maxTS {
			s.maxTS, s.maxTSLast = v.MaxTimestamp(), v.LastOffset()
		}
		sc.pos += size
		s.Next = v.LastOffset() + 1
	}
	s.Size, s.sinceEntry = sc.pos, sc.pos-from.Pos
	return newest.met, nil
}

// fits reports whether the batch at a position does not say that the entry is wrong. That of a segment's start, at
// position 0, is none.
func (e IndexEntry) fits(pos, size int64, v record.View) bool {
	return e.Pos == 0 || pos+size <= e.Pos || pos > e.Pos || pos == e.Pos && v.LastOffset() == e.Offset
}

// timedEntry is the last entry of a time index, while the batches around it are read.
type timedEntry struct {
	offset core.Offset
	ts     core.Timestamp
	met    bool // there is such a batch
}

// fits reports whether the next batch does not say that the entry is wrong.
func (e *timedEntry) fits(v record.View) bool {
	switch {
	case v.LastOffset() < e.offset:
		return e.met || v.MaxTimestamp() < e.ts
	case v.LastOffset() == e.offset:
		e.met = e.met || v.MaxTimestamp() == e.ts
	}
	return e.met
}

func unlessDamage(err error) error {
	if damage(err) {
		return nil
	}
	return err
}

// SoundIndex reports whether the bytes can be the trimmed offset index of a segment: whole entries that increase and
// lie within the log file.
func SoundIndex(b []byte, base core.Offset, logSize int64) bool {
	if len(b)%IndexEntrySize != 0 {
		return false
	}
	last := IndexEntry{Offset: base - 1}
	for i := range len(b) / IndexEntrySize {
		e := IndexEntryAt(b, base, i)
		if e.Offset <= last.Offset || e.Pos <= last.Pos || e.Pos >= logSize {
			return false
		}
		last = e
	}
	return true
}

// SoundTimeIndex reports whether the bytes can be the trimmed time index of a segment: whole entries that increase.
func SoundTimeIndex(b []byte, base core.Offset) bool {
	if len(b)%TimeIndexEntrySize != 0 {
		return false
	}
	last := TimeIndexEntry{Timestamp: core.NoTimestamp, Offset: base - 1}
	for i := range len(b) / TimeIndexEntrySize {
		e := TimeIndexEntryAt(b, base, i)
		if e.Offset <= last.Offset || e.Timestamp <= last.Timestamp {
			return false
		}
		last = e
	}
	return true
}

// cut ends the log at the first bad byte, or where the next segment does not begin where one that was checked ends. The
// end of a segment that was not synced can be lost while the next one is not, and its file is then merely shorter.
// Segments above the recovery point are never compacted, so that this is no gap of the cleaner's. Segments behind go
// first, the last one first of all: were the bad bytes cut before, a crash would leave later segments behind a hole
// that nothing tells from a gap that the cleaner made.
func (o *opening) cut() error {
	bad := -1
	for i, s := range o.segments {
		if i > 0 && o.segments[i-1].Next != s.Base && o.joint(o.segments[i-1], s) {
			bad = i - 1
			o.segments[bad].damage = "the next segment does not begin here but at " + offsetText(s.Base)
			break
		}
		if s.damage != "" {
			bad = i
			break
		}
	}
	if bad < 0 {
		return nil
	}
	s := o.segments[bad]
	o.Report.CutAt, o.Report.CutReason = s.Next, s.damage
	o.Report.CutBytes = s.fileSize - s.Size
	for _, later := range o.segments[bad+1:] {
		o.Report.CutBytes += later.fileSize
	}
	text := strconv.FormatInt(o.Report.CutBytes, 10) + " bytes at offset " + offsetText(s.Next) + ": " + s.damage
	if s.Next < o.synced() {
		if err := o.damaged(s.Next, text+"; everything below "+offsetText(o.Recovery)+" had been synced"); err != nil {
			return err
		}
	}
	o.note("cut off " + text)
	if o.Report.CutBytes > 0 {
		o.Report.Reached.Add(probe.TornTailCut)
	}
	return o.drop(bad + 1)
}

// joint reports whether next must begin where s ends: everywhere, if no compaction has left gaps.
func (o *opening) joint(s, next *found) bool {
	return next.Base < s.Next || !o.Settings.Gaps || s.checked && !o.Clean && next.Base >= o.Recovery
}

// drop removes the segments from i on, the last one first.
func (o *opening) drop(i int) error {
	for k := len(o.segments) - 1; k >= i; k-- {
		o.Report.Reached.Add(probe.SegmentsDropped)
		if err := o.removeSegment(o.segments[k].Base); err != nil {
			return err
		}
		if err := o.fs.SyncDir(o.Dir); err != nil {
			return fail("syncing folder "+o.Dir, err)
		}
	}
	o.segments = o.segments[:i]
	return nil
}

// removeSegment removes a segment's files but its snapshot of producers.
func (o *opening) removeSegment(of core.Offset) error {
	for _, name := range sortedNames(o.names) {
		base, suffix, ok := ParseFileName(name)
		if !ok || base != of || strings.HasPrefix(suffix, SnapshotSuffix) {
			continue
		}
		if err := o.remove(name); err != nil {
			return err
		}
	}
	return nil
}

// rebuildIndexes truncates and syncs the logs that were checked, and writes their indexes.
func (o *opening) rebuildIndexes() error {
	for i, s := range o.segments {
		if !s.checked {
			continue
		}
		if err := o.finishLog(s); err != nil {
			return err
		}
		if i < len(o.segments)-1 && s.timeDue() {
			s.timeline = AppendTimeIndexEntry(s.timeline, s.Base, s.timeEntry())
		}
		if err := o.replaceIndex(FileName(s.Base, IndexSuffix), s.index); err != nil {
			return err
		}
		if err := o.replaceIndex(FileName(s.Base, TimeIndexSuffix), s.timeline); err != nil {
			return err
		}
	}
	return nil
}

// finishLog makes what is left of a checked log durable: after a crash of the process alone, the kept bytes may be in
// the page cache only, and must not count before they are on the disk.
func (o *opening) finishLog(s *found) error {
	name := o.path(FileName(s.Base, LogSuffix))
	f, err := o.fs.Open(name)
	if err == nil && s.fileSize > s.Size {
		err = f.Truncate(s.Size)
	}
	if err == nil {
		err = f.Sync()
	}
	if f != nil {
		if e := f.Close(); err == nil {
			err = e
		}
	}
	return fail("recovering "+name, err)
}

// replaceIndex writes an index file unless it is the same already. The old one may be of any length.
func (o *opening) replaceIndex(name string, b []byte) error {
	if size, ok := o.names[name]; ok && size == int64(len(b)) {
		old, err := readFile(o.fs, o.path(name))
		if err != nil {
			return err
		}
		if string(old) == string(b) {
			f, err := o.fs.Open(o.path(name))
			if err != nil {
				return fail("opening "+o.path(name), err)
			}
			defer f.Close()
			return fail("syncing "+o.path(name), f.Sync())
		}
	}
	o.Report.RebuiltIndexes++
	o.Report.Reached.Add(probe.IndexRebuilt)
	o.dirty = true
	temp := o.path(name + tempSuffix)
	if err := writeSynced(o.fs, temp, b); err != nil {
		return err
	}
	return fail("renaming "+temp, o.fs.Rename(temp, o.path(name)))
}

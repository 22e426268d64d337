package log

import (
	"slices"

	"ottla.dev/core"
)

// Range is whole batches in the file of one segment. It stays good while its file is pinned. A Len of 0 is nothing.
type Range struct {
	File core.FileID
	Pos  int64
	Len  int64
	Next core.Offset // after the last batch of the range
}

// Plan finds the batches to answer a fetch with: from the one that holds from, or the next there is, whole batches of
// one segment, at most maxBytes of them (or the first one, if atLeastOne) and all below limit. Where memory does not
// tell the positions it returns a job, to be run and given to Located; its segment is pinned meanwhile. An offset
// outside the log is answered with OFFSET_OUT_OF_RANGE.
func (l *Log) Plan(from core.Offset, maxBytes int, limit core.Offset, atLeastOne bool) (Range, *LocateJob,
	core.ErrorCode) {
	switch {
	case l.failed != nil:
		return Range{}, nil, core.KafkaStorageError
	case from < l.start || from > l.end:
		return Range{}, nil, core.OffsetOutOfRange
	}
	limit = min(limit, l.flight.written)
	if from >= limit || maxBytes <= 0 && !atLeastOne {
		return Range{Next: from}, nil, core.NoError
	}
	if l.tail.covers(from) {
		return l.planTail(from, int64(max(0, maxBytes)), limit, atLeastOne), nil, core.NoError
	}
	return Range{}, l.locate(from, int64(max(0, maxBytes)), limit, atLeastOne), core.NoError
}

// planTail plans among the batches of the ring.
func (l *Log) planTail(from core.Offset, maxBytes int64, limit core.Offset, atLeastOne bool) Range {
	none := Range{Next: from}
	first := l.tail.search(from)
	if first == l.tail.n || l.tail.at(first).last >= limit {
		return none
	}
	p := *l.tail.at(first)
	i := l.find(p.base)
	s := l.segments[i]
	if i+1 < len(l.segments) {
		limit = min(limit, l.segments[i+1].base)
	}
	// The batches that may go: of this segment, below the limit, within maxBytes of the first.
	lo, hi := first+1, l.tail.search(limit)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if q := l.tail.at(mid); int64(q.pos)+int64(q.size)-int64(p.pos) <= maxBytes {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	last := l.tail.at(lo - 1)
	length := int64(last.pos) + int64(last.size) - int64(p.pos)
	if length > maxBytes && !atLeastOne {
		return none
	}
	return Range{File: s.file, Pos: int64(p.pos), Len: length, Next: last.last + 1}
}

// locate makes the job that finds a range in a file.
func (l *Log) locate(from core.Offset, maxBytes int64, limit core.Offset, atLeastOne bool) *LocateJob {
	i := max(0, l.find(from))
	for i < len(l.segments)-1 && l.segments[i].next <= from {
		i++
	}
	s := l.segments[i]
	s.pins++
	j := &LocateJob{Log: l.slot, File: s.file, Path: l.path(s.base, LogSuffix), Base: s.base, Size: s.size,
		End: s.next, verify: s.read < s.found, gaps: l.settings.Gaps, From: from, Limit: limit, MaxBytes: maxBytes,
		AtLeastOne: atLeastOne,
		entries:    s.entries}
	if j.verify {
		j.epochs = slices.Clone(l.epochs.All())
	}
	if pos, ok := l.hints.find(s.file, from); ok {
		j.Start = pos
	}
	if s.indexView != nil {
		j.begin = s.findOffset(from)
		j.known, j.near = true, nearEnd(s, max(j.Start, j.begin.Pos)+maxBytes, limit)
	} else if s.indexFile != 0 {
		j.known = true // its index file is being mapped and written; scanning from the start is right, if slow
	} else {
		j.IndexPath = l.path(s.base, IndexSuffix)
	}
	return j
}

// nearEnd finds the last entry of the active segment's index for a batch that begins at or before pos and ends below
// limit.
func nearEnd(s *segment, pos int64, limit core.Offset) IndexEntry {
	byPos := s.findPosition(pos)
	byOffset := s.findOffset(limit - 1)
	if byOffset.Pos < byPos.Pos {
		return byOffset
	}
	return byPos
}

// Located takes a [LocateJob] that came back and answers like Plan: the range, or a job for the next segment when
// the wanted offset was in a gap at the end of this one.
func (l *Log) Located(j *LocateJob) (Range, *LocateJob, core.ErrorCode) {
	l.Unpin(j.File)
	switch {
	case l.failed == nil && Damaged(j.Err):
		return Range{}, nil, core.CorruptMessage
	case l.failed != nil || j.Err != nil:
		return Range{}, nil, core.KafkaStorageError
	case j.From < l.start || l.segmentOf(j.File) == nil:
		return Range{}, nil, core.OffsetOutOfRange
	case j.Passed:
		i := l.find(j.Base) + 1
		if i >= len(l.segments) {
			return Range{Next: j.From}, nil, core.NoError
		}
		return l.Plan(l.segments[i].base, int(j.MaxBytes), j.Limit, j.AtLeastOne)
	}
	if j.Len > 0 {
		l.hints.add(hint{next: j.Next, file: j.File, pos: j.Pos + j.Len})
	}
	return Range{File: j.File, Pos: j.Pos, Len: j.Len, Next: j.Next}, nil, core.NoError
}

// Pin keeps the file of a range from being removed until Unpin. Pins add up.
func (l *Log) Pin(file core.FileID) {
	s := l.segmentOf(file)
	if s == nil {
		panic("log: pin of a file that is not there")
	}
	s.pins++
}

// Unpin undoes one Pin. The file may have been deleted meanwhile.
func (l *Log) Unpin(file core.FileID) {
	s := l.segmentOf(file)
	for i := 0; s == nil && i < len(l.deleted); i++ {
		if l.deleted[i].file == file {
			s = l.deleted[i]
		}
	}
	if s == nil || s.pins == 0 {
		panic("log: unpin of a file that is not pinned")
	}
	s.pins--
}

// segmentOf returns the segment that is not deleted with the file, newest first, or nil.
func (l *Log) segmentOf(file core.FileID) *segment {
	for i := len(l.segments) - 1; i >= 0; i-- {
		if l.segments[i].file == file {
			return l.segments[i]
		}
	}
	return nil
}

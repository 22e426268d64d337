package log

import (
	"encoding/binary"
	"sort"

	"ottla.dev/core"
)

// Sizes in bytes of the entries of index files.
const (
	IndexEntrySize     = 8
	TimeIndexEntrySize = 12
	TxnIndexEntrySize  = 34
)

// IndexEntry says that the batch at Pos ends with Offset. Entries hold a batch's last offset, not its first
// (Kafka: OffsetIndex, LogSegment.append).
type IndexEntry struct {
	Offset core.Offset
	Pos    int64
}

// TimeIndexEntry says that the largest timestamp so far was first reached by the batch that ends with Offset.
type TimeIndexEntry struct {
	Timestamp core.Timestamp
	Offset    core.Offset
}

// AppendIndexEntry appends the entry in Kafka's form, relative to the segment's base offset.
func AppendIndexEntry(dst []byte, base core.Offset, e IndexEntry) []byte {
	mustFit(int64(e.Offset-base), e.Pos)
	dst = binary.BigEndian.AppendUint32(dst, uint32(e.Offset-base))
	return binary.BigEndian.AppendUint32(dst, uint32(e.Pos))
}

// AppendTimeIndexEntry appends the entry in Kafka's form, relative to the segment's base offset.
func AppendTimeIndexEntry(dst []byte, base core.Offset, e TimeIndexEntry) []byte {
	mustFit(int64(e.Offset-base), 0)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.Timestamp))
	return binary.BigEndian.AppendUint32(dst, uint32(e.Offset-base))
}

func mustFit(relative, pos int64) {
	if relative < 0 || relative > maxRelative || pos < 0 || pos > maxRelative {
		panic("log: index entry out of range")
	}
}

// IndexEntryAt reads entry i of an index file's bytes.
func IndexEntryAt(view []byte, base core.Offset, i int) IndexEntry {
	b := view[i*IndexEntrySize:]
	return IndexEntry{
		Offset: base + core.Offset(int32(binary.BigEndian.Uint32(b))),
		Pos:    int64(int32(binary.BigEndian.Uint32(b[4:]))),
	}
}

// TimeIndexEntryAt reads entry i of a time index file's bytes.
func TimeIndexEntryAt(view []byte, base core.Offset, i int) TimeIndexEntry {
	b := view[i*TimeIndexEntrySize:]
	return TimeIndexEntry{
		Timestamp: core.Timestamp(binary.BigEndian.Uint64(b)),
		Offset:    base + core.Offset(int32(binary.BigEndian.Uint32(b[8:]))),
	}
}

// FindOffset returns the last of the first n entries whose offset is at or below target, or the segment's start.
//
// A position of 0 is an entry that was emitted in this step and is not in the view yet: no entry is ever made for the
// first batch of a segment. Such entries are at the end, and are passed over.
func FindOffset(view []byte, base core.Offset, n int, target core.Offset) IndexEntry {
	n = min(n, len(view)/IndexEntrySize)
	i := sort.Search(n, func(i int) bool {
		e := IndexEntryAt(view, base, i)
		return e.Pos == 0 || e.Offset > target
	})
	if i == 0 {
		return IndexEntry{Offset: base}
	}
	return IndexEntryAt(view, base, i-1)
}

// FindPosition returns the last of the first n entries whose position is at or below pos, or the segment's start.
func FindPosition(view []byte, base core.Offset, n int, pos int64) IndexEntry {
	n = min(n, len(view)/IndexEntrySize)
	i := sort.Search(n, func(i int) bool {
		e := IndexEntryAt(view, base, i)
		return e.Pos == 0 || e.Pos > pos
	})
	if i == 0 {
		return IndexEntry{Offset: base}
	}
	return IndexEntryAt(view, base, i-1)
}

// FindTimestamp returns the last of the first n entries whose timestamp is below target, or the segment's start with
// no timestamp. Entries not in the view yet are passed over.
func FindTimestamp(view []byte, base core.Offset, n int, target core.Timestamp) TimeIndexEntry {
	n = min(n, len(view)/TimeIndexEntrySize)
	i := sort.Search(n, func(i int) bool {
		e := TimeIndexEntryAt(view, base, i)
		return (i > 0 && e.Offset == base) || e.Timestamp >= target
	})
	if i == 0 {
		return TimeIndexEntry{Timestamp: core.NoTimestamp, Offset: base}
	}
	return TimeIndexEntryAt(view, base, i-1)
}

// indexer decides which batches of a segment get index entries. The live log and recovery share it, so that rebuilt
// indexes are equal to those that were appended (Kafka: LogSegment.append and recover).
type indexer struct {
	sinceEntry int64          // bytes appended since the last entry
	maxTS      core.Timestamp // largest timestamp so far
	maxTSLast  core.Offset    // last offset of the batch that first reached it
	entries    int            // in the offset index
	times      int            // in the time index
	lastTime   core.Timestamp // of the time index's last entry
}

func newIndexer(base core.Offset) indexer {
	return indexer{maxTS: core.NoTimestamp, maxTSLast: base, lastTime: core.NoTimestamp}
}

// add takes the next batch and reports whether an offset entry, and whether a time entry, is to be appended.
func (x *indexer) add(interval, size int64, last core.Offset, ts core.Timestamp) (offset, time bool) {
	if ts > x.maxTS {
		x.maxTS, x.maxTSLast = ts, last
	}
	if x.sinceEntry > interval {
		x.sinceEntry = 0
		offset, time = true, x.timeDue()
		x.entries++
	}
	x.sinceEntry += size
	return offset, time
}

// timeDue reports whether the time index lacks the largest timestamp, and counts the entry that is then appended.
func (x *indexer) timeDue() bool {
	if x.maxTS <= x.lastTime {
		return false
	}
	x.lastTime = x.maxTS
	x.times++
	return true
}

func (x *indexer) timeEntry() TimeIndexEntry {
	return TimeIndexEntry{Timestamp: x.maxTS, Offset: x.maxTSLast}
}

package log

import "ottla.dev/core"

// unwrittenMost is how many entries of an index wait in memory at most.
const unwrittenMost = 64

// unwritten is the end of an index of the active segment: the entries that are written together when there are enough
// of them, or when the segment is closed. Written one by one, each would be a page fault and a file more for the next
// sync to write, and it is syncs that batches wait for. A crash loses nothing by it, because recovery makes the indexes
// of the active segment anew.
type unwritten struct {
	first int    // how many entries are written, or being written
	bytes []byte // those behind them
}

// room makes sure that there is memory for an entry. What was written is the driver's, and is not used again.
func (u *unwritten) room(size int) {
	if u.bytes == nil {
		u.bytes = make([]byte, 0, unwrittenMost*size)
	}
}

// count is how many entries wait.
func (u *unwritten) count(size int) int { return len(u.bytes) / size }

// write asks for the write of what waits, to an index with entries of a size in bytes.
func (u *unwritten) write(file core.FileID, size int, out *core.Outbox) {
	if n := u.count(size); n > 0 {
		out.Write(file, int64(u.first)*int64(size), u.bytes, core.Ticket{})
		u.first, u.bytes = u.first+n, nil
	}
}

// addIndexEntry appends an entry to the active segment's offset index.
func (s *segment) addIndexEntry(e IndexEntry) {
	s.newIndex.room(IndexEntrySize)
	s.newIndex.bytes = AppendIndexEntry(s.newIndex.bytes, s.base, e)
}

// addTimeEntry appends the largest timestamp so far to the active segment's time index.
func (s *segment) addTimeEntry() {
	s.newTimes.room(TimeIndexEntrySize)
	s.newTimes.bytes = AppendTimeIndexEntry(s.newTimes.bytes, s.base, s.timeEntry())
}

// writeIndexes asks for the writes of all entries of the active segment that wait.
func (s *segment) writeIndexes(out *core.Outbox) {
	s.newIndex.write(s.indexFile, IndexEntrySize, out)
	s.newTimes.write(s.timesFile, TimeIndexEntrySize, out)
}

// findOffset is [FindOffset] in the active segment's index, whether its entries are written or not.
func (s *segment) findOffset(target core.Offset) IndexEntry {
	if e := FindOffset(s.newIndex.bytes, s.base, s.newIndex.count(IndexEntrySize), target); e.Pos > 0 {
		return e
	}
	return FindOffset(s.indexView, s.base, s.newIndex.first, target)
}

// findPosition is [FindPosition] in the active segment's index.
func (s *segment) findPosition(pos int64) IndexEntry {
	if e := FindPosition(s.newIndex.bytes, s.base, s.newIndex.count(IndexEntrySize), pos); e.Pos > 0 {
		return e
	}
	return FindPosition(s.indexView, s.base, s.newIndex.first, pos)
}

// findTimestamp is [FindTimestamp] in the active segment's time index.
func (s *segment) findTimestamp(target core.Timestamp) TimeIndexEntry {
	waiting := s.newTimes.count(TimeIndexEntrySize)
	if e := FindTimestamp(s.newTimes.bytes, s.base, waiting, target); e.Timestamp != core.NoTimestamp {
		return e
	}
	return FindTimestamp(s.timesView, s.base, s.newTimes.first, target)
}

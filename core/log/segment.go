package log

import (
	"time"

	"ottla.dev/core"
)

// segment is one segment of a live log.
//
// Invariant: base <= next, and next <= base of the following segment. size counts the bytes that were asked to be
// written, not those that are on disk.
type segment struct {
	indexer

	base    core.Offset
	next    core.Offset // after the last batch; base if there is none
	size    int64
	file    core.FileID
	firstTS core.Timestamp // of the first batch; NoTimestamp if there is none or it has none
	created core.Timestamp // when this process began to use the segment
	txns    bool           // there is a transaction index file
	found   int64          // the bytes that were there when the log was opened and were not all checked
	read    int64          // those before it were checked since

	// Of the active segment only: its mapped indexes, and the ends of them that are in memory alone.
	indexFile core.FileID
	timesFile core.FileID
	indexView []byte // nil until mapped
	timesView []byte
	newIndex  unwritten
	newTimes  unwritten
	indexCap  int // entries that fit
	timesCap  int

	// pins counts the answers and jobs that read from the segment. What is pinned is not removed.
	pins int
	// Of deleted segments: the base of the next one, the file ids of the renamed files, and when they may be removed.
	before   core.Offset
	doomed   []core.FileID
	removeAt time.Duration
}

// forgetIndexes ends the time as the active segment, or the indexes of it that there were.
func (s *segment) forgetIndexes() {
	s.indexFile, s.timesFile, s.indexView, s.timesView = 0, 0, nil, nil
	s.newIndex, s.newTimes = unwritten{}, unwritten{}
}

// indexEntries returns how many entries of each size fit into an index of the configured size.
func indexEntries(bytes int64, entry int64) int { return int(max(bytes, entry) / entry) }

// full reports whether another batch may lack room in the indexes or for its offset. One time entry is kept for the
// roll (Kafka: TimeIndex.isFull).
func (s *segment) full(last core.Offset) bool {
	return s.entries >= s.indexCap || s.times >= s.timesCap-1 || int64(last-s.base) > maxRelative
}

// waited is how long, in ms of the records' own time, the segment has been open when a batch with timestamp ts
// comes (Kafka: LogSegment.timeWaitedForRoll).
func (s *segment) waited(now, ts core.Timestamp) int64 {
	if s.size > 0 && s.firstTS >= 0 {
		return int64(ts - s.firstTS)
	}
	return int64(now - s.created)
}

// largestTimestamp is what retention by time goes by. Kafka takes the time of the file's last change where records
// have no timestamps; here it is when this process began to use the segment.
func (s *segment) largestTimestamp() core.Timestamp {
	if s.maxTS >= 0 {
		return s.maxTS
	}
	return s.created
}

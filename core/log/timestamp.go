package log

import (
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// TimestampJob finds an offset by time (ListOffsets): the first record with a timestamp at or after Target, or for
// [MaxTimestamp] the first record with the largest timestamp. Only records at or after Start, in batches wholly
// below Limit, count (Kafka:
// UnifiedLog.fetchOffsetByTimestamp, LogSegment.findOffsetByTimestamp).
type TimestampJob struct {
	Log    uint32
	Target core.Timestamp
	Start  core.Offset
	Limit  core.Offset

	segments []timedSegment
	best     timedBatch

	// Results. Found is false if there is no such record.
	Found     bool
	Offset    core.Offset
	Timestamp core.Timestamp
	Epoch     core.LeaderEpoch
	Err       error
}

// MaxTimestamp is the target that asks for the largest timestamp (ListOffsets.MAX_TIMESTAMP).
const MaxTimestamp core.Timestamp = -3

// timedSegment is a segment to look into.
type timedSegment struct {
	file      core.FileID
	path      string
	indexPath string // empty if start is exact enough
	timesPath string
	base      core.Offset
	size      int64
	entries   int
	times     int
	start     int64          // a batch boundary before which nothing is of interest
	mark      TimeIndexEntry // that start was found by, if the indexes were at hand
}

// timedBatch is the batch with the largest timestamp so far.
type timedBatch struct {
	segment timedSegment
	last    core.Offset
	ts      core.Timestamp
}

// ByTimestamp makes the job for a target, or returns nil if the segments' timestamps already tell that there is nothing
// to find. The segments it reads stay pinned until TimestampDone.
func (l *Log) ByTimestamp(target core.Timestamp, limit core.Offset) *TimestampJob {
	if l.failed != nil {
		return nil
	}
	j := &TimestampJob{Log: l.slot, Target: target, Start: l.start, Limit: min(limit, l.flight.written)}
	j.best.ts = core.NoTimestamp
	for _, s := range l.segments {
		switch {
		case s.base >= j.Limit || s.next <= j.Start || s.size == 0:
			continue
		case target == MaxTimestamp && s.next <= j.Limit && s.base >= j.Start:
			if s.maxTS > j.best.ts {
				j.best = timedBatch{segment: l.timed(s, target), last: s.maxTSLast, ts: s.maxTS}
			}
		case target == MaxTimestamp || s.maxTS >= target:
			j.segments = append(j.segments, l.timed(s, target))
		}
	}
	if len(j.segments) == 0 && j.best.ts == core.NoTimestamp {
		return nil
	}
	for _, s := range j.segments {
		l.Pin(s.file)
	}
	if j.best.segment.file != 0 {
		l.Pin(j.best.segment.file)
	}
	return j
}

// timed describes a segment to a job, looking up its start if the indexes are at hand.
func (l *Log) timed(s *segment, target core.Timestamp) timedSegment {
	t := timedSegment{file: s.file, path: l.path(s.base, LogSuffix), base: s.base, size: s.size}
	if s.indexFile == 0 {
		t.indexPath, t.timesPath = l.path(s.base, IndexSuffix), l.path(s.base, TimeIndexSuffix)
		t.entries, t.times = s.entries, s.indexer.times
	} else if s.indexView != nil && s.timesView != nil && target != MaxTimestamp {
		t.mark = s.findTimestamp(target)
		t.start = s.findOffset(t.mark.Offset).Pos
	}
	return t
}

// TimestampDone takes a [TimestampJob] that came back, and unpins what it read.
func (l *Log) TimestampDone(j *TimestampJob) {
	for _, s := range j.segments {
		l.Unpin(s.file)
	}
	if j.best.segment.file != 0 {
		l.Unpin(j.best.segment.file)
	}
}

// AppendText appends the job's form for traces.
func (j *TimestampJob) AppendText(dst []byte) []byte {
	dst = append(dst, "timestamp log="...)
	dst = strconv.AppendUint(dst, uint64(j.Log), 10)
	dst = append(dst, " target="...)
	return strconv.AppendInt(dst, int64(j.Target), 10)
}

// Run finds the offset.
func (j *TimestampJob) Run(fs core.FS) {
	codecs := record.NewCodecs(0)
	if j.Target == MaxTimestamp {
		j.Err = j.runMax(fs, codecs)
		return
	}
	for _, s := range j.segments {
		if j.Err = j.runFirst(fs, s, codecs); j.Err != nil || j.Found {
			return
		}
	}
}

// runFirst looks for the first record at or after the target in one segment.
func (j *TimestampJob) runFirst(fs core.FS, s timedSegment, codecs *record.Codecs) error {
	start := s.start
	if s.indexPath != "" {
		start = j.startIn(fs, s)
	} else if start != 0 && !j.leads(fs, s, start, s.mark) {
		start = 0
	}
	return j.batches(fs, s, start, func(sc *scanner, v record.View, size int64) (bool, error) {
		if v.MaxTimestamp() < j.Target || v.LastOffset() < j.Start {
			return true, nil
		}
		whole, err := sc.whole(size)
		if err != nil {
			return false, err
		}
		it := record.Records(whole, codecs)
		for it.Next() {
			if r := it.Record; r.Timestamp >= j.Target && r.Offset >= j.Start {
				j.found(r.Offset, r.Timestamp, whole.LeaderEpoch())
				return false, nil
			}
		}
		return true, it.Err()
	})
}

// startIn is a position in a segment before which no batch reaches the target: by the time index, if what it says is
// true. It has no checksum, and an entry that has gone bad would hide records.
func (j *TimestampJob) startIn(fs core.FS, s timedSegment) int64 {
	b, err := readMaybeDeleted(fs, s.timesPath)
	if err != nil {
		return 0
	}
	e := FindTimestamp(b, s.base, s.times, j.Target)
	if start := s.position(fs, e.Offset); j.leads(fs, s, start, e) {
		return start
	}
	return 0
}

// leads reports whether the batches from a position on lead to the one that an entry of the time index is about.
func (j *TimestampJob) leads(fs core.FS, s timedSegment, start int64, e TimeIndexEntry) bool {
	same := false
	err := j.batches(fs, s, start, func(_ *scanner, v record.View, _ int64) (bool, error) {
		same = v.LastOffset() == e.Offset && v.MaxTimestamp() == e.Timestamp
		return v.LastOffset() < e.Offset, nil
	})
	return start >= 0 && err == nil && same
}

// runMax looks for the batch with the largest timestamp, where the segments' own largest does not settle it, and then
// for its record.
func (j *TimestampJob) runMax(fs core.FS, codecs *record.Codecs) error {
	for _, s := range j.segments {
		if err := j.compare(fs, s, codecs); err != nil {
			return err
		}
	}
	if j.best.ts == core.NoTimestamp {
		return nil
	}
	s := j.best.segment
	return j.batches(fs, s, s.position(fs, j.best.last), func(sc *scanner, v record.View, size int64) (bool, error) {
		if v.LastOffset() < j.best.last {
			return true, nil
		}
		whole, err := sc.whole(size)
		if err != nil {
			return false, err
		}
		p, err := j.latest(whole, codecs)
		if p.Offset != core.NoOffset {
			j.found(p.Offset, p.Timestamp, whole.LeaderEpoch())
		}
		return false, err
	})
}

// compare goes through the batches of a segment for a larger timestamp than the best so far. Of a batch that the log
// start offset lies in only the later records count.
func (j *TimestampJob) compare(fs core.FS, s timedSegment, codecs *record.Codecs) error {
	return j.batches(fs, s, s.start, func(sc *scanner, v record.View, size int64) (bool, error) {
		ts, last := v.MaxTimestamp(), v.LastOffset()
		if last < j.Start {
			return true, nil
		}
		if v.BaseOffset() < j.Start {
			whole, err := sc.whole(size)
			if err != nil {
				return false, err
			}
			p, err := j.latest(whole, codecs)
			if err != nil {
				return false, err
			}
			ts = p.Timestamp
		}
		if ts > j.best.ts || ts == j.best.ts && last < j.best.last {
			pinned := j.best.segment.file
			j.best = timedBatch{segment: s, last: last, ts: ts}
			j.best.segment.file = pinned
		}
		return true, nil
	})
}

// latest finds the first record with the largest timestamp of those at or after the start.
func (j *TimestampJob) latest(v record.View, codecs *record.Codecs) (record.Position, error) {
	p := record.Position{Offset: core.NoOffset, Timestamp: core.NoTimestamp}
	it := record.Records(v, codecs)
	for it.Next() {
		if r := it.Record; r.Offset >= j.Start && r.Timestamp > p.Timestamp {
			p = record.Position{Offset: r.Offset, Timestamp: r.Timestamp}
		}
	}
	return p, it.Err()
}

func (j *TimestampJob) found(o core.Offset, ts core.Timestamp, e core.LeaderEpoch) {
	j.Found, j.Offset, j.Timestamp, j.Epoch = true, o, ts, e
}

// batches calls f with the header of each batch from start on, below the limit, while it returns true.
func (j *TimestampJob) batches(fs core.FS, s timedSegment, start int64,
	f func(sc *scanner, v record.View, size int64) (bool, error)) error {
	file, err := openMaybeDeleted(fs, s.path)
	if err != nil {
		return err
	}
	defer file.Close()
	sc := newScanner(file, max(start, 0), s.size, headerChunk)
	next := s.base
	for next < j.Limit {
		v, size, err := sc.header()
		if err != nil || v == nil {
			return err
		}
		// Noted now: reading the whole batch may overwrite the header.
		if next = v.LastOffset() + 1; next > j.Limit {
			return nil
		}
		more, err := f(sc, v, size)
		if err != nil || !more {
			return err
		}
		sc.pos += size
	}
	return nil
}

// position looks up a batch boundary at or before offset.
func (s timedSegment) position(fs core.FS, offset core.Offset) int64 {
	index := openIndex(fs, s.indexPath, s.base, s.entries)
	defer index.close()
	e := index.find(func(e IndexEntry) bool { return e.Offset <= offset })
	file, err := openMaybeDeleted(fs, s.path)
	if err != nil {
		return s.start
	}
	defer file.Close()
	if e.Pos <= s.start || !isBatchAt(file, e, s.size) {
		return s.start
	}
	return e.Pos
}

func readMaybeDeleted(fs core.FS, path string) ([]byte, error) {
	b, err := readFile(fs, path)
	if err != nil {
		b, err = readFile(fs, path+DeletedSuffix)
	}
	return b, err
}

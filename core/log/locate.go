package log

import (
	"encoding/binary"
	"errors"
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// LocateJob finds the exact positions of a range of batches in one segment's file: see [Log.Plan].
type LocateJob struct {
	Log        uint32
	File       core.FileID // as the owner knows it
	Path       string
	IndexPath  string // of a segment that is not active
	Base       core.Offset
	Size       int64       // of the segment when the job was made
	End        core.Offset // after the segment's last batch then
	From       core.Offset
	Limit      core.Offset
	MaxBytes   int64
	AtLeastOne bool
	Start      int64      // a batch boundary at or before the wanted batch
	begin      IndexEntry // of a mapped index: where to start instead, if it is true

	entries int
	verify  bool // the segment's batches are not known to be sound
	gaps    bool // offsets may be missing
	epochs  []EpochStart
	known   bool       // no index file is to be looked up
	near    IndexEntry // if known: a batch that may be taken, near the last one; its zero is none

	// Results.
	Pos    int64
	Len    int64
	Next   core.Offset
	Passed bool // the segment has no batch that ends at or after From
	Err    error
}

// AppendText appends the job's form for traces.
func (j *LocateJob) AppendText(dst []byte) []byte {
	dst = append(dst, "locate "+j.Path+" from="...)
	dst = strconv.AppendInt(dst, int64(j.From), 10)
	dst = append(dst, " limit="...)
	return strconv.AppendInt(dst, int64(j.Limit), 10)
}

// Run finds the range.
func (j *LocateJob) Run(fs core.FS) {
	log, err := openMaybeDeleted(fs, j.Path)
	if err != nil {
		j.Err = err
		return
	}
	defer log.Close()
	var index indexFile
	if j.begin.Pos > j.Start && j.begin.Offset <= j.From && isBatchAt(log, j.begin, j.Size) {
		j.Start = j.begin.Pos
	}
	if !j.known {
		index = openIndex(fs, j.IndexPath, j.Base, j.entries)
		defer index.close()
		e := index.find(func(e IndexEntry) bool { return e.Offset <= j.From })
		if e.Pos > j.Start && isBatchAt(log, e, j.Size) {
			j.Start = e.Pos
		}
	}
	s := newScanner(log, j.Start, j.Size, headerChunk)
	j.Err = j.scan(s, index)
	if j.Err == nil && j.verify && j.Len > 0 {
		j.Err = j.readable(log)
	}
	if damage(j.Err) {
		j.Err = &Damage{Dir: j.Path, At: j.From, Why: j.Err.Error()}
	}
}

// isBatchAt reports whether an index entry is true: one that is not leads to no batch, or to another one.
func isBatchAt(log core.File, e IndexEntry, size int64) bool {
	if e.Pos < 0 {
		return false
	}
	v, _, err := newScanner(log, e.Pos, size, headerChunk).header()
	return err == nil && v != nil && v.LastOffset() == e.Offset
}

func (j *LocateJob) scan(s *scanner, index indexFile) error {
	j.Next = j.From
	first, err := j.findStart(s)
	if err != nil || first == 0 {
		return err
	}
	end := min(j.Pos+j.MaxBytes, j.Size)
	if end == j.Size && j.End <= j.Limit {
		j.Len, j.Next = j.Size-j.Pos, j.End
		return nil
	}
	s.pos = j.Pos + first
	near := j.near
	if !j.known {
		near = index.find(func(e IndexEntry) bool { return e.Pos <= end && e.Offset < j.Limit })
	}
	if near.Pos > s.pos && near.Pos <= end && near.Offset < j.Limit {
		behind := s.pos
		s.pos = near.Pos
		v, _, err := s.header()
		switch {
		case err != nil && !damage(err):
			return err
		case err != nil || v == nil || v.LastOffset() != near.Offset:
			s.pos = behind // the index is wrong
		default:
			j.Next, j.Len = v.BaseOffset(), s.pos-j.Pos
		}
	}
	return j.extend(s, end)
}

// findStart finds the first batch of the range and returns its size, or 0 if there is none to give.
func (j *LocateJob) findStart(s *scanner) (int64, error) {
	for {
		v, size, err := s.header()
		if err != nil {
			return 0, err
		}
		if v == nil {
			j.Passed = true
			return 0, nil
		}
		if last := v.LastOffset(); last >= j.From {
			if v.BaseOffset() > j.From && !j.gaps {
				return 0, record.ErrCorrupt // what was asked for is not where it was
			}
			if last >= j.Limit || size > j.MaxBytes && !j.AtLeastOne {
				return 0, nil
			}
			j.Pos, j.Len, j.Next = s.pos, size, last+1
			return size, nil
		}
		s.pos += size
	}
}

// extend takes batches into the range up to end and the limit.
func (j *LocateJob) extend(s *scanner, end int64) error {
	for j.Next < j.Limit {
		v, size, err := s.header()
		if err != nil && !damage(err) {
			return err
		}
		// What is not a batch lies behind the limit and is being written.
		if err != nil || v == nil || v.LastOffset() >= j.Limit || s.pos+size > end {
			break
		}
		s.pos += size
		j.Next, j.Len = v.LastOffset()+1, s.pos-j.Pos
	}
	return nil
}

func orCorrupt(err error) error {
	if err == nil {
		return record.ErrTruncated
	}
	return err
}

// openMaybeDeleted opens a segment's file, which may be renamed for removal while a job begins.
func openMaybeDeleted(fs core.FS, path string) (core.File, error) {
	f, err := fs.Open(path)
	if errors.Is(err, core.ErrNotExist) {
		f, err = fs.Open(path + DeletedSuffix)
	}
	if err != nil {
		return nil, fail("opening "+path, err)
	}
	return f, nil
}

// indexFile looks up an index that is not mapped. The zero value has no entries.
type indexFile struct {
	file core.File
	base core.Offset
	n    int
}

// openIndex opens an index file. One that cannot be opened has no entries: the log is then scanned from its start.
func openIndex(fs core.FS, path string, base core.Offset, n int) indexFile {
	if path == "" || n == 0 {
		return indexFile{base: base}
	}
	f, err := openMaybeDeleted(fs, path)
	if err != nil {
		return indexFile{base: base}
	}
	return indexFile{file: f, base: base, n: n}
}

func (x indexFile) close() {
	if x.file != nil {
		x.file.Close()
	}
}

// find returns the last entry for which ok holds, which must hold for a leading part of the entries, or the segment's
// start.
func (x indexFile) find(ok func(IndexEntry) bool) IndexEntry {
	best := IndexEntry{Offset: x.base}
	lo, hi := 0, x.n
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		var b [IndexEntrySize]byte
		n, err := x.file.ReadAt(b[:], int64(mid)*IndexEntrySize)
		pos := int64(int32(binary.BigEndian.Uint32(b[4:])))
		if err != nil || n < len(b) || pos <= 0 {
			hi = mid
			continue
		}
		if e := IndexEntryAt(b[:], x.base, 0); ok(e) {
			best, lo = e, mid+1
		} else {
			hi = mid
		}
	}
	return best
}

package raft

import (
	"slices"
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/record"
)

// ReadJob reads whole batches of the metadata log that are not in memory any more.
type ReadJob struct {
	Dir      string
	From     core.Offset
	Limit    core.Offset // only batches below it
	MaxBytes int         // or one batch

	hint readHint
	// Results.
	Bytes []byte
	Err   error
}

// readHint is where a job stopped reading, so that the next one need not scan the segment from its start.
type readHint struct {
	base core.Offset // of the segment
	next core.Offset
	pos  int64
}

// AppendText appends the job's form for traces.
func (j *ReadJob) AppendText(dst []byte) []byte {
	dst = append(dst, "read "+j.Dir+" from="...)
	dst = strconv.AppendInt(dst, int64(j.From), 10)
	return strconv.AppendInt(append(dst, " limit="...), int64(j.Limit), 10)
}

// Run reads from one segment.
func (j *ReadJob) Run(fs core.FS) {
	entries, err := fs.List(j.Dir)
	if err != nil {
		j.Err = err
		return
	}
	var bases []core.Offset
	for _, e := range entries {
		if base, suffix, ok := log.ParseFileName(e.Name); ok && suffix == log.LogSuffix {
			bases = append(bases, base)
		}
	}
	slices.Sort(bases)
	i, found := slices.BinarySearch(bases, j.From)
	if !found {
		i--
	}
	for i = max(i, 0); i < len(bases) && len(j.Bytes) == 0 && j.Err == nil; i++ {
		j.Err = j.segment(fs, bases[i])
	}
}

func (j *ReadJob) segment(fs core.FS, base core.Offset) error {
	file, err := fs.Open(j.Dir + "/" + log.FileName(base, log.LogSuffix))
	if err != nil {
		return err
	}
	defer file.Close()
	pos := int64(0)
	if j.hint.base == base && j.hint.next <= j.From {
		pos = j.hint.pos
	}
	var header [record.HeaderSize]byte
	for {
		n, err := file.ReadAt(header[:], pos)
		if err != nil || n < len(header) {
			return err
		}
		size, err := record.SizeOf(header[:])
		if err != nil {
			return err
		}
		v := record.View(header[:])
		if v.LastOffset() >= j.Limit || len(j.Bytes) > 0 && len(j.Bytes)+size > j.MaxBytes {
			return nil
		}
		if v.LastOffset() >= j.From {
			if err := j.batch(file, pos, size); err != nil {
				return err
			}
		}
		pos += int64(size)
		j.hint = readHint{base: base, next: v.NextOffset(), pos: pos}
	}
}

func (j *ReadJob) batch(file core.File, pos int64, size int) error {
	at := len(j.Bytes)
	j.Bytes = slices.Grow(j.Bytes, size)[:at+size]
	n, err := file.ReadAt(j.Bytes[at:], pos)
	if err == nil && n < size {
		err = record.ErrTruncated
	}
	if err != nil {
		return err
	}
	return record.View(j.Bytes[at:]).Check()
}

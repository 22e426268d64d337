package log

import (
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// ReadBatches calls yield with every batch of the log in dir that holds offsets from from on and lies below limit, in
// order. The view is good until yield returns. It serves jobs that replay a log: the metadata image, coordinators.
func ReadBatches(fs core.FS, dir string, from, limit core.Offset, yield func(record.View) error) error {
	bases, err := segmentBases(fs, dir)
	if err != nil {
		return err
	}
	for i, base := range bases {
		if base >= limit || i+1 < len(bases) && bases[i+1] <= from {
			continue
		}
		if err := readSegment(fs, join(dir, FileName(base, LogSuffix)), from, limit, yield); err != nil {
			return err
		}
	}
	return nil
}

func segmentBases(fs core.FS, dir string) ([]core.Offset, error) {
	entries, err := fs.List(dir)
	if err != nil {
		return nil, fail("listing "+dir, err)
	}
	var bases []core.Offset
	for _, e := range entries {
		if base, suffix, ok := ParseFileName(e.Name); ok && suffix == LogSuffix {
			bases = append(bases, base)
		}
	}
	slices.Sort(bases)
	return bases, nil
}

func readSegment(fs core.FS, path string, from, limit core.Offset, yield func(record.View) error) error {
	file, err := openMaybeDeleted(fs, path)
	if err != nil {
		return err
	}
	defer file.Close()
	end, err := file.Size()
	if err != nil {
		return fail("sizing "+path, err)
	}
	s := newScanner(file, 0, end, bodyChunk)
	// Bytes at the limit may be in the middle of being written, and are not looked at.
	for next := core.Offset(0); next < limit; {
		v, size, err := s.header()
		if err != nil {
			return fail("reading "+path, err)
		}
		if v == nil || v.BaseOffset() >= limit {
			return nil
		}
		next = v.LastOffset() + 1
		if next > from {
			if v, err = s.whole(size); err != nil {
				return fail("reading "+path, err)
			}
			if err := yield(v); err != nil {
				return err
			}
		}
		s.pos += size
	}
	return nil
}

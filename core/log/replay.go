package log

import (
	"errors"
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/probe"
	"ottla.dev/core/record"
)

// loadEpochs takes the leader-epoch checkpoint for the segments that were not checked and the batches themselves for
// those that were. Without a sound checkpoint all batches are asked.
func (o *opening) loadEpochs() error {
	e := &o.Result.Epochs
	b, err := readFile(o.fs, o.path(EpochCheckpointName))
	if err != nil && !errors.Is(err, core.ErrNotExist) {
		return err
	}
	if err == nil {
		e.list, err = ReadEpochCheckpoint(b)
	}
	// Entries that begin after the log does were shortened for a log start offset that a crash has undone.
	undone := len(e.list) > 0 && e.list[0].Start > max(o.LogStart, o.segments[0].Base)
	if err != nil || undone || o.checkedBeforeTrusted() {
		e.list = nil
		if len(b) > 0 {
			o.Report.Reached.Add(probe.EpochsRescanned)
		}
		err = o.scanEpochs()
	} else {
		o.takeEpochs()
		var sound bool
		if sound, err = o.epochsTrue(); err == nil && !sound {
			e.list = nil
			o.Report.Reached.Add(probe.EpochsRescanned)
			err = o.scanEpochs()
		}
	}
	if err != nil {
		return err
	}
	// An epoch that begins at the end has no batches, and goes; but in an empty log it is the only trace of its
	// predecessors, which the start was moved past.
	start, end := max(o.LogStart, o.segments[0].Base), o.end()
	if end == start {
		end++
	}
	e.TruncateEnd(end)
	e.TruncateStart(start)
	if fresh := AppendEpochCheckpoint(nil, e.list); string(fresh) != string(b) {
		return o.put(EpochCheckpointName, fresh)
	}
	return nil
}

// takeEpochs replaces what the checkpoint says of the segments that were checked, the last ones, by what is in them.
func (o *opening) takeEpochs() {
	e := &o.Result.Epochs
	for _, s := range o.segments {
		if len(s.epochs) > 0 {
			e.TruncateEnd(s.Base)
		}
		for _, x := range s.epochs {
			if x.Epoch > e.Latest() {
				e.Assign(x.Epoch, x.Start)
			}
		}
	}
}

// epochsTrue compares the epochs with the first and the last batch of each. Epochs do not go back in a log, so that
// these speak for all between them. The checkpoint has no checksum, and a wrong digit in it would have followers cut
// their logs where nothing is to be cut.
func (o *opening) epochsTrue() (bool, error) {
	list, end := o.Result.Epochs.list, o.end()
	start := max(o.LogStart, o.segments[0].Base)
	for i, e := range list {
		next := end
		if i+1 < len(list) {
			next = min(end, list[i+1].Start)
		}
		if e.Start >= next || next <= start {
			continue // it has no batches, or none any more
		}
		for _, at := range [...]core.Offset{max(e.Start, start), next - 1} {
			v, err := o.batchOf(at)
			if err != nil {
				return false, err
			}
			if v == nil || v.LeaderEpoch() != e.Epoch || at == e.Start && e.Start > start && v.BaseOffset() != at {
				return false, nil
			}
		}
	}
	return len(list) > 0 || end == start, nil
}

// batchOf finds the header of the batch that holds an offset; nil if there is none.
func (o *opening) batchOf(offset core.Offset) (record.View, error) {
	i := len(o.segments) - 1
	for i > 0 && o.segments[i].Base > offset {
		i--
	}
	s := o.segments[i]
	name := o.path(FileName(s.Base, LogSuffix))
	file, err := o.fs.Open(name)
	if err != nil {
		return nil, fail("opening "+name, err)
	}
	defer file.Close()
	index := openIndex(o.fs, o.path(FileName(s.Base, IndexSuffix)), s.Base, s.entries)
	defer index.close()
	sc := newScanner(file, 0, s.Size, headerChunk)
	if e := index.find(func(e IndexEntry) bool { return e.Offset <= offset }); isBatchAt(file, e, s.Size) {
		sc.pos = e.Pos
	}
	for {
		v, size, err := sc.header()
		if err != nil {
			return nil, unlessDamage(err)
		}
		if v == nil || v.LastOffset() >= offset {
			return v, nil
		}
		sc.pos += size
	}
}

// checkedBeforeTrusted reports whether a segment that had to be checked is followed by one that had not: for that one
// the batches of the first say nothing, and what the checkpoint says of both cannot be told apart.
func (o *opening) checkedBeforeTrusted() bool {
	checked := false
	for _, s := range o.segments {
		if checked && !s.checked {
			return true
		}
		checked = checked || s.checked
	}
	return false
}

// scanEpochs reads the epochs from the headers of all batches of the segments that were not checked.
func (o *opening) scanEpochs() error {
	e := &o.Result.Epochs
	for _, s := range o.segments {
		if s.checked {
			for _, x := range s.epochs {
				if x.Epoch > e.Latest() {
					e.Assign(x.Epoch, x.Start)
				}
			}
			continue
		}
		denied := core.NoOffset
		err := o.each(s, 0, func(v record.View) {
			if denied == core.NoOffset && o.vouched.denies(v) {
				denied = v.BaseOffset()
			}
			if v.LeaderEpoch() > e.Latest() {
				e.Assign(v.LeaderEpoch(), v.BaseOffset())
			}
		})
		if err == nil && denied != core.NoOffset {
			err = o.misdated(denied)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// each calls f with the batches of a segment from offset on: whole control batches, of others only the header.
func (o *opening) each(s *found, offset core.Offset, f func(record.View)) error {
	if s.Size == 0 {
		return nil
	}
	name := o.path(FileName(s.Base, LogSuffix))
	file, err := o.fs.Open(name)
	if err != nil {
		return fail("opening "+name, err)
	}
	defer file.Close()
	sc := newScanner(file, 0, s.Size, headerChunk)
	for {
		v, size, err := sc.header()
		if err == nil && v != nil && v.IsControl() {
			v, err = sc.whole(size)
		}
		if damage(err) {
			return &Damage{Dir: o.Dir, At: s.Base, Why: "reading " + name + ": " + err.Error()}
		}
		if err != nil {
			return fail("reading "+name, err)
		}
		if v == nil {
			return nil
		}
		if v.LastOffset() >= offset {
			f(v)
		}
		sc.pos += size
	}
}

// loadProducers takes the newest sound producer snapshot within the log and replays the batches behind it. Snapshots
// beyond the end of the log are of batches that were lost, and bad ones were cut short by a crash; both go.
func (o *opening) loadProducers() error {
	r := &o.Result
	r.Producers = NewProducers(o.segments[0].Base)
	var offsets []core.Offset
	for _, name := range sortedNames(o.names) {
		if offset, suffix, ok := ParseFileName(name); ok && suffix == SnapshotSuffix {
			offsets = append(offsets, offset)
		}
	}
	for n := len(offsets); n > 0; n-- {
		name := FileName(offsets[n-1], SnapshotSuffix)
		b, err := readFile(o.fs, o.path(name))
		if err != nil && !errors.Is(err, core.ErrNotExist) {
			return err
		}
		if entries, bad := ReadSnapshot(b); bad == nil && offsets[n-1] <= o.end() {
			// One from before the first batch would make producers look as if they had not gone on.
			if offsets[n-1] >= o.segments[0].Base {
				r.Producers = LoadProducers(offsets[n-1], entries)
				o.Report.Reached.Add(probe.SnapshotUsed)
			}
			break
		}
		o.Report.BadSnapshots++
		o.Report.Reached.Add(probe.SnapshotIgnored)
		offsets = slices.Delete(offsets, n-1, n)
		if err := o.remove(name); err != nil {
			return err
		}
	}
	r.Snapshots = offsets
	closed := false // the state comes from segments besides the last
	for i, s := range o.segments {
		if s.Next <= r.Producers.End() {
			continue
		}
		closed = closed || i < len(o.segments)-1
		if err := o.each(s, r.Producers.End(), r.Producers.Apply); err != nil {
			return err
		}
	}
	r.Producers.Expire(o.Wall, o.Settings.ProducerExpiryMs)
	if !closed {
		return nil
	}
	return o.saveProducers()
}

// saveProducers writes a snapshot at the end of the log unless it has one: the segments that the state was replayed
// from may be deleted before the log rolls next. The last segment is not, so that what came from there alone can come
// from there again; of a thousand logs that are opened most have one segment.
func (o *opening) saveProducers() error {
	r := &o.Result
	if n := len(r.Snapshots); r.Producers.Len() == 0 || n > 0 && r.Snapshots[n-1] == o.end() {
		return nil
	}
	r.Snapshots = append(r.Snapshots, o.end())
	return o.put(FileName(o.end(), SnapshotSuffix), r.Producers.AppendSnapshot(nil))
}

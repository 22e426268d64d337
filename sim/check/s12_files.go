package check

import (
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/record"
	"ottla.dev/sim/disk"
	"ottla.dev/sim/fault"
)

// Files checks after a clean shutdown that the indexes, the producer snapshot and the leader epoch checkpoint of every
// plan topic are those that its log calls for (S12, S7). The indexes are computed here from Kafka's rule and share no
// code with the broker's.
// A replica that the broker was about to remove, where replicas are moved, is not looked at: the checkpoint does not
// vouch for it.
// Spoiled are the files that were ever damaged: an index may wait for the next pass through the log, and nobody
// believes its entries until then. When a world has come to rest, [Sound] looks at them, too.
func Files(d *disk.Disk, dir string, plan *fault.Plan, spoiled map[string]bool, fail Fail) {
	vouched, _ := d.Bytes(dir + "/recovery-point-offset-checkpoint")
	for i := range plan.Topics {
		t := &plan.Topics[i]
		for p := range t.Partitions {
			name := t.Name + "-" + strconv.Itoa(int(p))
			f := files{disk: d, dir: dir + "/" + name, name: name, spoiled: spoiled, fail: fail}
			if _, err := d.List(f.dir); err != nil {
				continue // the topic had no time to be made
			}
			if !strings.Contains(string(vouched), "\n"+t.Name+" "+strconv.Itoa(int(p))+" ") {
				if !plan.Moves() {
					f.wrong("the checkpoint does not name it after a clean shutdown")
				}
				continue
			}
			f.indexes(t.IndexInterval)
			f.epochs()
			f.producers()
		}
	}
}

type files struct {
	disk    *disk.Disk
	dir     string
	name    string
	fail    Fail
	spoiled map[string]bool // nil: all are to be sound
	// sealed looks only at segments that get no more batches.
	sealed bool
}

func (f *files) wrong(what string) { f.fail(Correctness, "files", f.name+": "+what) }

// indexes rebuilds .index and .timeindex of every segment.
func (f *files) indexes(interval int64) {
	list := segments(f.disk, f.dir)
	for i, s := range list {
		if f.sealed && i == len(list)-1 {
			return
		}
		offsets, times, size := buildIndexes(s, interval)
		if size != int64(len(s.data)) {
			f.wrong(s.name + " has bytes that are no batch at " + strconv.FormatInt(size, 10) + " after a clean shutdown")
			return
		}
		f.sameIndex(s, log.IndexSuffix, offsets)
		got, _ := f.disk.Bytes(f.dir + "/" + strings.TrimSuffix(s.name, logSuffix) + log.TimeIndexSuffix)
		if i == len(list)-1 && len(got) < len(times) && len(got)+log.TimeIndexEntrySize >= len(times) {
			// A log that nothing was appended to since the start need not get the entry of a closed segment.
			times = times[:len(times)-log.TimeIndexEntrySize]
		}
		f.sameIndex(s, log.TimeIndexSuffix, times)
	}
}

func (f *files) sameIndex(s segment, suffix string, want []byte) {
	name := strings.TrimSuffix(s.name, logSuffix) + suffix
	got, ok := f.disk.Bytes(f.dir + "/" + name)
	if !ok && len(want) == 0 || string(got) == string(want) || f.spoiled[f.dir+"/"+name] {
		return
	}
	// A segment that was the last one at an earlier clean shutdown got a time entry then.
	if suffix == log.TimeIndexSuffix && f.extends(s, got, want) {
		return
	}
	f.wrong(name + " holds " + hex.EncodeToString(got) + ", and the log calls for " + hex.EncodeToString(want))
}

// extends reports whether a time index has the wanted entries, and others that are true.
func (f *files) extends(s segment, got, want []byte) bool {
	if len(got)%log.TimeIndexEntrySize != 0 {
		return false
	}
	for len(got) > 0 {
		if len(want) > 0 && string(got[:log.TimeIndexEntrySize]) == string(want[:log.TimeIndexEntrySize]) {
			want = want[log.TimeIndexEntrySize:]
		} else if !isHighest(s, log.TimeIndexEntryAt(got, s.base, 0)) {
			return false
		}
		got = got[log.TimeIndexEntrySize:]
	}
	return len(want) == 0
}

// isHighest reports whether the batch that ends at the entry's offset was the first with the entry's timestamp, and no
// batch before it had a higher one.
func isHighest(s segment, e log.TimeIndexEntry) bool {
	highest := core.NoTimestamp
	for b := s.data; len(b) > 0; {
		v, ok := batchAt(b)
		if !ok {
			return false
		}
		if v.LastOffset() == e.Offset {
			return v.MaxTimestamp() == e.Timestamp && e.Timestamp > highest
		}
		highest = max(highest, v.MaxTimestamp())
		b = b[len(v):]
	}
	return false
}

// buildIndexes computes what the index files of a closed segment hold: an entry before a batch is appended if more than
// interval bytes came since the last entry (Kafka: LogSegment.append).
func buildIndexes(s segment, interval int64) (offsets, times []byte, size int64) {
	since, maxTS, maxAt, lastTime := int64(0), int64(-1), s.base, int64(-1)
	time := func() {
		if maxTS > lastTime {
			lastTime = maxTS
			times = binary.BigEndian.AppendUint64(times, uint64(maxTS))
			times = binary.BigEndian.AppendUint32(times, uint32(maxAt-s.base))
		}
	}
	for int(size) < len(s.data) {
		v, ok := batchAt(s.data[size:])
		if !ok {
			return offsets, times, size
		}
		if ts := int64(v.MaxTimestamp()); ts > maxTS {
			maxTS, maxAt = ts, v.LastOffset()
		}
		if since > interval {
			offsets = binary.BigEndian.AppendUint32(offsets, uint32(v.LastOffset()-s.base))
			offsets = binary.BigEndian.AppendUint32(offsets, uint32(size))
			time()
			since = 0
		}
		since += int64(len(v))
		size += int64(len(v))
	}
	time()
	return offsets, times, size
}

// epochs rebuilds the leader epoch cache.
func (f *files) epochs() {
	b, ok := f.disk.Bytes(f.dir + "/" + log.EpochCheckpointName)
	got, err := log.ReadEpochCheckpoint(b)
	if !ok {
		got, err = nil, nil
	}
	if err != nil {
		f.wrong("the leader epoch checkpoint cannot be read")
		return
	}
	var want []log.EpochStart
	_, end := eachBatch(segments(f.disk, f.dir), func(v record.View, _ segment, _ int64) {
		if n := len(want); n == 0 || v.LeaderEpoch() > want[n-1].Epoch {
			want = append(want, log.EpochStart{Epoch: v.LeaderEpoch(), Start: v.BaseOffset()})
		}
	})
	// Epochs whose records were deleted may be remembered until the log start passes their end.
	for len(got) > len(want) && len(want) > 0 && got[0].Epoch < want[0].Epoch {
		got = got[1:]
	}
	// And the log start offset may lie within the first segment, or behind everything.
	if len(got) > 0 && got[0].Start >= end {
		return
	}
	for len(want) > 1 && len(got) > 0 && want[1].Start <= got[0].Start {
		want = want[1:]
	}
	for i := range want {
		if i >= len(got) || got[i].Epoch != want[i].Epoch || i > 0 && got[i].Start != want[i].Start {
			f.wrong("the leader epoch checkpoint is " + epochsText(got) + ", and the log calls for " + epochsText(want))
			return
		}
	}
}

func epochsText(list []log.EpochStart) string {
	text := "["
	for _, e := range list {
		text += " " + strconv.Itoa(int(e.Epoch)) + "@" + offsetText(e.Start)
	}
	return text + " ]"
}

// Forgotten is when a simulation begins, less a day and all that clocks may be off: of producers whose last record is
// older a broker need know nothing (producer.id.expiration.ms).
const Forgotten core.Timestamp = 1767225600000 - 25*3600*1000

// producers rebuilds the state of the producers: each one's last batches in the log must be the last entries of the
// newest snapshot, which must be of the log's end.
func (f *files) producers() {
	type batch struct {
		id    core.ProducerID
		epoch core.ProducerEpoch
		seq   core.Sequence
		last  core.Offset
	}
	last := map[core.ProducerID]batch{}
	forgotten := map[core.ProducerID]bool{}
	_, end := eachBatch(segments(f.disk, f.dir), func(v record.View, _ segment, _ int64) {
		if v.HasProducerID() {
			last[v.ProducerID()] = batch{v.ProducerID(), v.ProducerEpoch(), v.LastSequence(), v.LastOffset()}
			forgotten[v.ProducerID()] = v.MaxTimestamp() < Forgotten
		}
	})
	entries, _ := f.disk.List(f.dir)
	newest := ""
	for _, e := range entries {
		if strings.HasSuffix(e.Name, log.SnapshotSuffix) {
			newest = e.Name
		}
	}
	if newest == "" && end == 0 {
		return
	}
	if want := log.FileName(end, log.SnapshotSuffix); newest != want {
		f.wrong("the newest producer snapshot is " + newest + " and not " + want)
		return
	}
	b, _ := f.disk.Bytes(f.dir + "/" + newest)
	list, err := log.ReadSnapshot(b)
	if err != nil {
		f.wrong(newest + " cannot be read")
		return
	}
	seen := map[core.ProducerID]batch{}
	for _, e := range list {
		seen[e.ID] = batch{e.ID, e.Epoch, e.LastSequence, e.LastOffset}
	}
	for _, id := range slices.Sorted(maps.Keys(last)) {
		if _, ok := seen[id]; seen[id] != last[id] && (ok || !forgotten[id]) {
			f.wrong(newest + " knows another last batch of producer " + strconv.FormatInt(int64(id), 10))
			return
		}
	}
}

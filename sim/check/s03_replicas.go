package check

import (
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/partition"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
	"ottla.dev/sim/disk"
)

// batches is S3: what a batch at an offset of an epoch is, everywhere and for ever, and which epoch wrote what comes
// before it. The second half is Raft's log matching property: two logs that have a batch in common agree on all
// before it.
type batches map[batchKey]batchSeen

type batchKey struct {
	id    core.TopicIDPartition
	epoch core.LeaderEpoch
	base  core.Offset
}

type batchSeen struct {
	sum    uint32
	before core.LeaderEpoch // unknownEpoch at the start of a log
}

// unknownEpoch stands where the batch before is not known.
const unknownEpoch core.LeaderEpoch = -2

// cursor is how far the batches of a log were read: what has been written since is read next. Files are read as the
// process sees them; what a crash makes of them is read anew in the next life.
type cursor struct {
	path  string // of the segment
	pos   int
	next  core.Offset
	epoch core.LeaderEpoch
	ready bool
	// readers get every batch that is read, in order.
	readers []batchReader
}

// batchReader is told where the reading of a log begins, and then of its batches without a gap; of a log that was cut
// off it is told from the beginning again. The bytes are borrowed.
type batchReader interface {
	begin(base core.Offset)
	take(v record.View)
}

// readReplica reads what has been written to a replica's log.
func (c *Cluster) readReplica(seen *seenReplica, was, s *Sighting) {
	if was.Life != s.Life {
		seen.cursor = cursor{}
	}
	if seen.cursor.readers == nil {
		seen.cursor.readers = seen.readers()
	}
	seen.cursor.begun(s.Start)
	c.read(&seen.cursor, s.Node, seen.dir, s.ID, s.Written, s.Epochs, s.Name.String())
}

func (c *Cluster) readQuorum(b *seenBroker, s *QuorumSighting, q *raft.Quorum) {
	id := core.TopicIDPartition{Topic: core.MetadataTopicID()}
	if q.Log().Truncating() {
		return // the old log may still be there
	}
	b.cursor.begun(s.Start)
	c.read(&b.cursor, s.Node, q.Log().Dir(), id, s.Written, s.Epochs, raft.Topic)
}

// begun tells the cursor where the log begins. Nothing comes before a log's first batch, even where the next one to be
// read is that one: a follower's log with another history, which nobody has committed, may end just where its leader's
// snapshot does that it fetches, and where its log is begun anew.
func (at *cursor) begun(start core.Offset) {
	if start >= at.next {
		at.epoch = unknownEpoch
		for _, r := range at.readers {
			r.begin(at.next)
		}
	}
}

// read judges the batches between the cursor and what is written.
func (c *Cluster) read(at *cursor, node int, dir string, id core.TopicIDPartition, written core.Offset,
	epochs *log.Epochs, name string) {
	if at.ready && written < at.next {
		at.ready = false // truncated: what comes now is new
	}
	for !at.ready || at.next < written {
		data, ok := c.disks[node].Bytes(at.path)
		if !at.ready || !ok || at.pos >= len(data) {
			if !at.seek(c.disks[node], dir, written) {
				return
			}
			continue
		}
		v, ok := batchAt(data[at.pos:])
		if !ok || v.BaseOffset() < at.next {
			c.wrong("corrupt", node, name+" has bytes that are no batch at offset "+offsetText(at.next)+
				", and is written up to "+offsetText(written))
			return
		}
		c.batch(node, id, v, at.epoch, name)
		if why := taken(epochs, v); why != "" {
			c.wrong("leader-epochs", node, name+why)
		}
		at.pos, at.next, at.epoch = at.pos+len(v), v.NextOffset(), v.LeaderEpoch()
		for _, r := range at.readers {
			r.take(v)
		}
	}
}

// seek goes to the segment that holds the next batch; the first time, and after a truncation, to the first segment.
// It reports false if there is nothing to read.
func (at *cursor) seek(d *disk.Disk, dir string, written core.Offset) bool {
	if at.ready { // mostly a new segment begins where the last one ends
		path := dir + "/" + log.FileName(at.next, log.LogSuffix)
		if b, ok := d.Bytes(path); ok && len(b) > 0 && path != at.path {
			at.path, at.pos = path, 0
			return true
		}
	}
	entries, err := d.List(dir)
	if err != nil {
		return false
	}
	found, base := "", core.NoOffset
	for _, e := range entries {
		if b, ok := segmentBase(e.Name); ok && e.Size > 0 && (found == "" || b < base) && (!at.ready || b >= at.next) {
			found, base = dir+"/"+e.Name, b
		}
	}
	if found == "" || base >= written {
		return false
	}
	if !at.ready || base != at.next {
		at.epoch = unknownEpoch
		for _, r := range at.readers {
			r.begin(base)
		}
	}
	*at = cursor{path: found, next: base, epoch: at.epoch, ready: true, readers: at.readers}
	return true
}

// batch judges one batch, and remembers it.
func (c *Cluster) batch(node int, id core.TopicIDPartition, v record.View, before core.LeaderEpoch, name string) {
	key := batchKey{id, v.LeaderEpoch(), v.BaseOffset()}
	if why := c.batches.differs(key, v, before); why != "" {
		c.wrong("replicas-differ", node, name+why)
	}
	was, ok := c.batches[key]
	if !ok {
		was = batchSeen{v.CRC(), before}
	}
	if was.before == unknownEpoch {
		was.before = before
	}
	c.batches[key] = was
}

// differs says in what a batch is not the one that was seen in its place.
func (b batches) differs(key batchKey, v record.View, before core.LeaderEpoch) string {
	was, ok := b[key]
	switch {
	case !ok:
		return ""
	case was.sum != v.CRC():
		return " holds another batch at offset " + offsetText(key.base) + " of epoch " + epochText(key.epoch)
	case before != unknownEpoch && was.before != unknownEpoch && before != was.before:
		return ": before the batch at offset " + offsetText(key.base) + " of epoch " + epochText(key.epoch) +
			" comes one of epoch " + epochText(before) + ", and elsewhere one of " + epochText(was.before)
	}
	return ""
}

// taken says that a broker takes a batch for one of another epoch.
func taken(epochs *log.Epochs, v record.View) string {
	e := epochs.EpochAt(v.BaseOffset())
	if e == v.LeaderEpoch() || e == core.NoLeaderEpoch {
		return ""
	}
	return ": the batch at offset " + offsetText(v.BaseOffset()) + " is of epoch " + epochText(v.LeaderEpoch()) +
		", and the broker takes it for one of " + epochText(e)
}

// Whole says what of a replica is not what it should be, as far as anybody knows: batches that are others elsewhere,
// or of another epoch, which no checksum covers. It is for machines that are rotten, whose logs are not read
// otherwise, and remembers nothing.
func (c *Cluster) Whole(r *partition.Replica, node int) string {
	why, before, lineage := "", unknownEpoch, &c.committed.of(r.ID()).lineage
	eachBatch(segments(c.disks[node], r.Log().Dir()), func(v record.View, _ segment, _ int64) {
		if why == "" {
			why = c.batches.differs(batchKey{r.ID(), v.LeaderEpoch(), v.BaseOffset()}, v, before)
		}
		if e := lineage.at(v.BaseOffset()); why == "" && e != core.NoLeaderEpoch && e != v.LeaderEpoch() {
			why = ": the batch at offset " + offsetText(v.BaseOffset()) + " is of epoch " + epochText(v.LeaderEpoch()) +
				", and one of epoch " + epochText(e) + " was committed"
		}
		if why == "" {
			why = taken(r.Log().Epochs(), v)
		}
		before = v.LeaderEpoch()
	})
	if why != "" {
		why = r.Name().String() + why
	}
	return why
}

// folder is the folder that the cursor reads in.
func (at *cursor) folder() string { return at.path[:max(0, strings.LastIndexByte(at.path, '/'))] }

package check

import (
	"slices"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/metadata"
	"ottla.dev/core/raft"
	"ottla.dev/sim/disk"
)

// Files of a log directory that the next start goes by.
const (
	recoveryPoints = "/recovery-point-offset-checkpoint"
	highWatermarks = "/replication-offset-checkpoint"
	logStarts      = "/log-start-offset-checkpoint"
	cleanMarker    = "/.kafka_cleanshutdown"
)

// Checkpoints says which of the files in a log directory is damaged or gone without which the next start doubts all
// replicas in it, or nothing.
func Checkpoints(d *disk.Disk, dir string) string {
	for _, name := range []string{recoveryPoints, logStarts} {
		b, _ := d.Bytes(dir + name)
		if _, err := log.ReadOffsetCheckpoint(b); err != nil {
			return dir + name + " cannot be read"
		}
	}
	return ""
}

// Ending is how a process has ended.
type Ending struct {
	Clean   bool // it has shut down cleanly
	Served  bool // it had served before
	Closing bool // it had begun to shut down
}

// watchPoints is S12 of what a start goes by: at the end of a process no checkpoint vouches for more of a log than was
// synced (KAFKA-10471, row 59), nobody finds the marker of a clean shutdown that was none, and what a clean shutdown
// writes is all there was. The high watermarks are remembered, for the next life to begin with (KAFKA-769).
func (c *Cluster) watchPoints(node int, end Ending) {
	points, marks := map[string]map[string]core.Offset{}, map[string]map[string]core.Offset{}
	marked := map[string]bool{} // a directory that has failed is not
	for _, key := range c.sortedReplicas(node) {
		seen := c.replicas[key]
		if seen.Life != c.brokers[node].life || seen.dir == "" {
			continue
		}
		dir := seen.dir[:strings.LastIndexByte(seen.dir, '/')]
		if points[dir] == nil {
			points[dir], marks[dir] = pointsIn(c.disks[node], dir+recoveryPoints), pointsIn(c.disks[node], dir+highWatermarks)
			_, marked[dir] = c.disks[node].Bytes(dir + cleanMarker)
			if marked[dir] && end.Served && !end.Closing && !end.Clean {
				c.wrong("clean-marker", node, dir+" is marked as shut down cleanly, and the process was stopped while it served")
			}
		}
		name := seen.Name.String()
		c.vouches(node, seen, points[dir])
		mark, ok := marks[dir][name]
		seen.saved = core.NoOffset
		switch {
		case c.ledger.Forgiven(seen.Name) || !ok:
		case end.Clean && marked[dir] && mark < seen.HighWatermark && !c.ledger.plan.Clustered():
			// Of several, the fetch of a follower may come behind the last checkpoint.
			c.wrong("points", node, name+": a clean shutdown leaves the high watermark "+offsetText(mark)+", and it was "+
				offsetText(seen.HighWatermark))
		default:
			seen.saved = mark
		}
	}
}

// SegmentGone judges the deletion of a log segment that has just lost its name, for the broker of a single replica: the
// checkpoint says before where the log begins then, or a crash leaves one that looks as if its beginning was lost.
func SegmentGone(d *disk.Disk, path string, fail Fail) {
	folder, name := path[:strings.LastIndexByte(path, '/')], path[strings.LastIndexByte(path, '/')+1:]
	at, ok := segmentBase(name)
	first, left := d.First(folder, isSegment)
	begins, _ := segmentBase(first)
	if !ok || !left || begins <= at {
		return
	}
	dir, partition := folder[:strings.LastIndexByte(folder, '/')], folder[strings.LastIndexByte(folder, '/')+1:]
	if start := pointsIn(d, dir+logStarts)[partition]; start < begins {
		fail(Correctness, "points", partition+": segment "+name+" is deleted, so that the log begins at "+
			offsetText(begins)+", and the checkpoint still says "+offsetText(start))
	}
}

// Tidied judges what a start leaves in a log directory when it has put in order what it has found: the checkpoints name
// partitions that are there, or whose folder is known to be lost. What they said of another one would be taken for
// what a later partition of the name has.
func (c *Cluster) Tidied(node int, dir string, image *metadata.Image) {
	entries, _ := c.disks[node].List(dir)
	for _, file := range []string{recoveryPoints, logStarts, highWatermarks} {
		b, _ := c.disks[node].Bytes(dir + file)
		list, err := log.ReadOffsetCheckpoint(b)
		if err != nil {
			continue
		}
		for _, e := range list {
			name := e.TopicPartition.String()
			t := image.TopicByName(e.Topic)
			known := t != nil && t.Partition(e.Partition) != nil &&
				t.Partition(e.Partition).HasReplica(core.BrokerID(node+1))
			if e.Topic == raft.Topic || known ||
				slices.ContainsFunc(entries, func(x core.DirEntry) bool { return x.Dir && x.Name == name }) {
				continue
			}
			c.wrong("points", node, name+" is not in "+dir+", and after the start's tidying "+file[1:]+" still says "+
				offsetText(e.Offset)+" of it")
		}
	}
}

// vouches judges the recovery point of a replica on the disk.
func (c *Cluster) vouches(node int, seen *seenReplica, points map[string]core.Offset) {
	if at, ok := points[seen.Name.String()]; ok && at > seen.Synced {
		c.wrong("points", node, seen.Name.String()+": the checkpoint vouches for everything below "+offsetText(at)+
			", and only what is below "+offsetText(seen.Synced)+" is synced")
	}
}

// watchCut judges the checkpoint when a log has been cut off: what is appended next is not what the recovery point was
// written for, so that it has to lie at or below the cut before.
func (c *Cluster) watchCut(seen *seenReplica, was, s *Sighting) {
	if was.Life != s.Life || s.End >= was.End || seen.dir == "" {
		return
	}
	dir := seen.dir[:strings.LastIndexByte(seen.dir, '/')]
	if at := pointsIn(c.disks[s.Node], dir+recoveryPoints)[s.Name.String()]; at > s.End {
		c.wrong("points", s.Node, s.Name.String()+": it is cut off at "+offsetText(s.End)+
			", and the checkpoint vouches for everything below "+offsetText(at))
	}
}

// watchNew judges the checkpoint when a node has made a replica of a partition that it had none of: what it vouches
// for is of another topic of the name, and a start would believe it of this one's log.
func (c *Cluster) watchNew(was, s *Sighting, dir string) {
	if was.Life != 0 || s.End > 0 {
		return
	}
	dir = dir[:strings.LastIndexByte(dir, '/')]
	if at := pointsIn(c.disks[s.Node], dir+recoveryPoints)[s.Name.String()]; at > 0 {
		c.wrong("points", s.Node, s.Name.String()+": it is new, and the checkpoint vouches for everything below "+
			offsetText(at))
	}
}

// watchMark judges the high watermark that a replica begins a life with: the one of the checkpoint, as far as the log
// goes.
func (c *Cluster) watchMark(seen *seenReplica, was, s *Sighting) {
	if was.Life == s.Life || was.Life == 0 {
		return
	}
	if mark := min(seen.saved, s.End); s.HighWatermark < mark && !c.ledger.Forgiven(s.Name) {
		c.wrong("high-watermark", s.Node, s.Name.String()+": it begins with the high watermark "+
			offsetText(s.HighWatermark)+", and the checkpoint has "+offsetText(mark))
	}
	seen.saved = core.NoOffset
}

// pointsIn reads an offset checkpoint. One that is damaged says nothing, and may stay so until the next round of
// checkpoints.
func pointsIn(d *disk.Disk, path string) map[string]core.Offset {
	b, _ := d.Bytes(path)
	entries, err := log.ReadOffsetCheckpoint(b)
	points := map[string]core.Offset{}
	if err != nil {
		return points
	}
	for _, e := range entries {
		points[e.TopicPartition.String()] = e.Offset
	}
	return points
}

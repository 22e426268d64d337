package check

import (
	"ottla.dev/core"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
	"ottla.dev/sim/disk"
)

// Stopped is S10: when a process has ended, and its machine may have crashed, everything is on the disk that the broker
// has called synced. The disk is as the next process will find it.
func (c *Cluster) Stopped(node int, how Ending) {
	c.brokers[node].unclean = !how.Clean && (how.Served || c.brokers[node].unclean)
	if c.brokers[node].rotten {
		return
	}
	c.watchPoints(node, how)
	for _, key := range c.sortedReplicas(node) {
		seen := c.replicas[key]
		if seen.Life != c.brokers[node].life || seen.Synced <= seen.Start {
			continue
		}
		_, end := eachBatch(since(segments(c.disks[node], seen.dir), seen.Start), func(record.View, segment, int64) {})
		if end < seen.Synced {
			c.wrong("durable", node, seen.Name.String()+" ends at "+offsetText(end)+" on the disk, and was synced up to "+
				offsetText(seen.Synced))
		}
	}
	b := &c.brokers[node]
	if b.cursor.folder() == "" {
		return // it was not read since it was damaged
	}
	if b.quorum.Life != b.life || b.life == 0 || b.quorum.Synced <= b.quorum.Start {
		return
	}
	folder := b.cursor.folder()
	_, end := eachBatch(segments(c.disks[node], folder), func(record.View, segment, int64) {})
	if end = max(end, snapshotEnd(c.disks[node], folder)); end < b.quorum.Synced {
		c.wrong("durable", node, raft.Topic+" ends at "+offsetText(end)+" on the disk, and was synced up to "+
			offsetText(b.quorum.Synced))
	}
}

// snapshotEnd is where the last snapshot in a folder ends. Who has fetched one drops the log that it goes beyond, which
// may be seen half done.
func snapshotEnd(d *disk.Disk, folder string) core.Offset {
	end := core.Offset(0)
	entries, _ := d.List(folder)
	for _, e := range entries {
		if id, ok := raft.ParseSnapshotName(e.Name); ok {
			end = max(end, id.End)
		}
	}
	return end
}

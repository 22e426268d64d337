package check

import (
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
)

// Stopped is S10: when a process has ended, and its machine may have crashed, everything is on the disk that the broker
// has called synced. The disk is as the next process will find it.
func (c *Cluster) Stopped(node int) {
	for _, key := range c.sortedReplicas(node) {
		seen := c.replicas[key]
		if seen.Life != c.brokers[node].life || seen.Synced <= seen.Start {
			continue
		}
		_, end := eachBatch(segments(c.disks[node], seen.dir), func(record.View, segment, int64) {})
		if end < seen.Synced {
			c.wrong("durable", node, seen.Name.String()+" ends at "+offsetText(end)+" on the disk, and was synced up to "+
				offsetText(seen.Synced))
		}
	}
	b := &c.brokers[node]
	if b.quorum.Life != b.life || b.life == 0 || b.quorum.Synced <= b.quorum.Start {
		return
	}
	_, end := eachBatch(segments(c.disks[node], b.cursor.folder()), func(record.View, segment, int64) {})
	if end < b.quorum.Synced {
		c.wrong("durable", node, raft.Topic+" ends at "+offsetText(end)+" on the disk, and was synced up to "+
			offsetText(b.quorum.Synced))
	}
}

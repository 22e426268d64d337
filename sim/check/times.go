package check

import (
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// byTime judges an answer to ListOffsets for a timestamp (Kafka: UnifiedLog.fetchOffsetByTimestamp): the first record
// of that time or later, from the log's start on; offset -1 says that there is none. Known is how far the partition was
// known when it was asked: what came later may have come too late. The log of the leader is read for it, by record.
func (c *Cluster) byTime(p *Partition, at core.Timestamp, known, offset core.Offset) {
	leader := c.leaderOf(p.Name)
	if leader == nil || p.forgiven || c.ledger.Forgiven(p.Name) || p.cuts > 0 {
		return
	}
	end := offset
	if offset < 0 {
		if c.ledger.plan.Clustered() {
			return // a leader that is deposed may not know of it
		}
		end = min(known, leader.HighWatermark)
	}
	found, why := offset < 0, ""
	codecs := record.NewCodecs(0)
	eachBatch(segments(c.disks[leader.Node], leader.dir), func(v record.View, _ segment, _ int64) {
		if v.LastOffset() < leader.Start || v.BaseOffset() > max(end, 0) || v.MaxTimestamp() < at || why != "" {
			return
		}
		it := record.Records(v, codecs)
		for it.Next() {
			r := it.Record
			found = found || r.Offset == offset && r.Timestamp >= at
			if r.Offset >= leader.Start && r.Offset < end && r.Timestamp >= at && why == "" {
				why = "the record at offset " + offsetText(r.Offset) + " is of " + strconv.FormatInt(int64(r.Timestamp), 10)
			}
		}
	})
	if why == "" && !found && offset >= leader.Start {
		why = "that record is older"
	}
	if why != "" {
		c.wrong("timestamp", leader.Node, p.Name.String()+": the first record of "+strconv.FormatInt(int64(at), 10)+
			" or later is said to be at offset "+offsetText(offset)+", and "+why)
	}
}

// leaderOf is the replica that leads a partition in the newest epoch, nil if none was seen or it cannot be read.
func (c *Cluster) leaderOf(name core.TopicPartition) *seenReplica {
	var found *seenReplica
	//core:unordered there is one leader in an epoch
	for _, r := range c.replicas {
		if r.Name == name && r.Leading && (found == nil || r.Epoch > found.Epoch) {
			found = r
		}
	}
	if found == nil || found.dir == "" || found.Life != c.brokers[found.Node].life || c.brokers[found.Node].rotten {
		return nil
	}
	return found
}

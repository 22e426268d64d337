package workload

import (
	"math"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/sim/check"
	"ottla.dev/sim/history"
)

// oddTimestamps have a meaning since some version of ListOffsets, or none (Kafka:
// ReplicaManager.timestampMinSupportedVersion).
//
//core:table
var oddTimestamps = [...]struct {
	at    int64
	since int16
}{{-3, 7}, {-4, 8}, {-5, 9}, {-6, 11}, {-7, math.MaxInt16}, {math.MinInt64, math.MaxInt16}, {math.MaxInt64, 0}, {0, 0}}

// oddTimestamp asks for the offset of a timestamp that is none, or for that of a partition twice.
func (c *client) oddTimestamp(part *check.Partition, then func()) {
	version, g := c.habitVersion(1, 10), c.glimpse(part.Name)
	ask := oddTimestamps[c.habits.Below(uint64(len(oddTimestamps)))]
	req := kmsg.NewPtrListOffsetsRequest()
	rt, rp := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	rt.Topic, rp.Partition, rp.Timestamp = part.Name.Topic, int32(part.Name.Partition), ask.at
	n := noEpoch
	if version >= listEpochVersion && c.habits.Chance(1, 3) {
		n = c.strangeEpoch(&g)
		rp.CurrentLeaderEpoch = int32(n.epoch)
	}
	rt.Partitions = append(rt.Partitions, rp)
	twice := c.habits.Chance(1, 6)
	if twice {
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	what := "ListOffsets v" + strconv.Itoa(int(version)) + " for timestamp " + text(ask.at)
	c.request(req, version, func(r kmsg.Response) {
		resp := r.(*kmsg.ListOffsetsResponse)
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != len(rt.Partitions) {
			c.wrong("missing-answer", what+" is not answered for each partition")
			return
		}
		for i := range resp.Topics[0].Partitions {
			a := &resp.Topics[0].Partitions[i]
			switch {
			case twice:
				c.oddCode(what+", twice", a.ErrorCode, core.InvalidRequest)
			case version < ask.since:
				c.oddCode(what, a.ErrorCode, core.UnsupportedVersion)
			case n != noEpoch:
				c.judgeEpoch("ListOffsets", &n, part.Name, a.ErrorCode)
				c.oddCode(what, a.ErrorCode, core.NoError, core.FencedLeaderEpoch, core.UnknownLeaderEpoch)
			case c.oddCode(what, a.ErrorCode, core.NoError):
				c.judgeOffset(what, part.Name, &g, ask.at, a.Offset)
			}
		}
		then()
	})
}

// judgeOffset judges the offset that an odd timestamp is said to have.
func (c *client) judgeOffset(what string, part core.TopicPartition, g *glimpse, at, offset int64) {
	now, ok := c.now(g)
	switch tiered := at == -5 || at == -6; {
	case tiered && offset != -1 || at == math.MaxInt64 && offset != -1:
	case at == -4 && ok && (offset < int64(g.seen.Told) || offset > int64(now.Told)):
	case ok && offset >= 0 && offset > int64(now.HighWatermark):
	default:
		return
	}
	c.wrong("timestamp", what+" of "+part.String()+" answers offset "+text(offset))
}

// oddEpochEnd asks where a leader epoch ends that has not been yet, or in an epoch that is another one (KIP-320; Kafka:
// LeaderEpochFileCache.endOffsetFor).
func (c *client) oddEpochEnd(part *check.Partition, then func()) {
	version, g := c.habitVersion(2, 4), c.glimpse(part.Name)
	asked := core.LeaderEpoch(c.habits.Between(-1, 4))
	switch c.habits.Below(3) {
	case 0:
		asked = math.MaxInt32
	case 1:
		asked += max(g.seen.Latest, 0)
	}
	n := noEpoch
	if c.habits.Chance(1, 3) {
		n = c.strangeEpoch(&g)
	}
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	rt, rp := kmsg.NewOffsetForLeaderEpochRequestTopic(), kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	rt.Topic, rp.Partition = part.Name.Topic, int32(part.Name.Partition)
	rp.CurrentLeaderEpoch, rp.LeaderEpoch = int32(n.epoch), int32(asked)
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	c.request(req, version, func(r kmsg.Response) {
		resp := r.(*kmsg.OffsetForLeaderEpochResponse)
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			c.wrong("missing-answer", "OffsetForLeaderEpoch of one partition is not answered with one")
			return
		}
		a := &resp.Topics[0].Partitions[0]
		c.judgeEpoch("OffsetForLeaderEpoch", &n, part.Name, a.ErrorCode)
		what := "OffsetForLeaderEpoch of epoch " + number(asked)
		if n != noEpoch {
			c.oddCode(what, a.ErrorCode, core.NoError, core.FencedLeaderEpoch, core.UnknownLeaderEpoch)
		} else if c.oddCode(what, a.ErrorCode, core.NoError) {
			now, ok := c.now(&g)
			unknown := asked < 0 || ok && asked > now.Latest
			if unknown && (a.LeaderEpoch != -1 || a.EndOffset != -1) || ok && core.Offset(a.EndOffset) > now.End ||
				core.LeaderEpoch(a.LeaderEpoch) > asked {
				c.wrong("epoch-end", what+" of "+part.Name.String()+" says that epoch "+number(core.LeaderEpoch(a.LeaderEpoch))+
					" ends at "+text(a.EndOffset))
			}
		}
		then()
	})
}

// mostDeletions is how often a client asks to delete a little more than is committed: as much as that is gone if it
// is committed meanwhile.
const mostDeletions = 3

// oddDeletion asks to delete records up to an offset that is not committed yet, or to none that there is (KIP-107;
// Kafka: Partition.deleteRecordsOnLeader).
func (c *client) oddDeletion(part *check.Partition, then func()) {
	g := c.glimpse(part.Name)
	known := part.Known()
	if g.ok {
		known = max(known, g.seen.HighWatermark)
	}
	to, op := c.beyond(known+1), history.None
	if near := to > 0 && to < int64(known)+1000; near {
		if c.deletions++; c.deletions > mostDeletions {
			to = math.MaxInt64
		} else { // it may come to be done
			c.ledger.Deleting(part, core.Offset(to))
			op = c.history.DeleteRecords(c.index, c.history.Log(part), to)
		}
	}
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = int32(c.habits.Between(100, 3000))
	rt, rp := kmsg.NewDeleteRecordsRequestTopic(), kmsg.NewDeleteRecordsRequestTopicPartition()
	rt.Topic, rp.Partition, rp.Offset = part.Name.Topic, int32(part.Name.Partition), to
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	c.request(req, c.habitVersion(0, 2), func(r kmsg.Response) {
		resp := r.(*kmsg.DeleteRecordsResponse)
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			c.wrong("missing-answer", "DeleteRecords of one partition is not answered with one")
			return
		}
		a := &resp.Topics[0].Partitions[0]
		c.history.Done(op, a.ErrorCode)
		what := "DeleteRecords up to " + text(to)
		if c.oddCode(what, a.ErrorCode, core.NoError, core.OffsetOutOfRange) {
			c.judgeDeletion(what, part, &g, core.Offset(to), a)
		}
		then()
	})
}

func (c *client) judgeDeletion(what string, part *check.Partition, g *glimpse, to core.Offset,
	a *kmsg.DeleteRecordsResponseTopicPartition) {
	now, ok := c.now(g)
	switch done := core.ErrorCode(a.ErrorCode) == core.NoError; {
	case done && (to < 0 || ok && to > now.HighWatermark):
		c.wrong("log-start", what+" of "+part.Name.String()+" is done, and the high watermark is "+
			text(int64(now.HighWatermark)))
	case done && core.Offset(a.LowWatermark) < to:
		c.wrong("log-start", what+" of "+part.Name.String()+" answers "+text(a.LowWatermark))
	case done:
		c.ledger.HasDeleted(part, to)
	case ok && to >= 0 && to <= g.seen.HighWatermark:
		c.wrong("out-of-range", what+" of "+part.Name.String()+" is out of range, and the high watermark was "+
			text(int64(g.seen.HighWatermark)))
	}
}

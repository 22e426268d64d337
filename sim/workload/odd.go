package workload

import (
	"math"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/sim/check"
)

// Odd questions are those of clients that are hasty, mistaken or hostile: offsets, epochs, timestamps and lists just
// outside of what is allowed. Each is judged by the error code that Kafka gives, and by what was seen of the replica
// when it was sent and when its answer came: in one life and one leader epoch of a replica its log begins later and
// later, and its high watermark and its end do not go back.

// odd asks one of them about a partition. then is called with the answer, if one comes.
func (c *client) odd(part *check.Partition, then func()) {
	c.net.Fired(AskedOddly)
	switch c.habits.Below(8) {
	case 0, 1:
		c.oddFetch(part, then)
	case 2:
		c.oddTimestamp(part, then)
	case 3:
		c.oddEpochEnd(part, then)
	case 4, 5:
		c.oddDeletion(part, then)
	case 6:
		c.oddProduce(part, then)
	default:
		c.oddList(part, then)
	}
}

// glimpse is what was seen of a replica when it was asked something.
type glimpse struct {
	id   core.TopicIDPartition
	at   int
	seen check.Bounds
	ok   bool
}

func (c *client) glimpse(part core.TopicPartition) glimpse {
	g := glimpse{id: core.TopicIDPartition{Topic: c.ids[part.Topic], Partition: part.Partition}, at: c.route.at}
	g.seen, g.ok = c.net.Bounds(g.at, g.id)
	return g
}

// now gives what is seen when the answer has come. It reports false if that is no measure of the answer: it is another
// leadership, or nothing was seen.
func (c *client) now(g *glimpse) (check.Bounds, bool) {
	b, ok := c.net.Bounds(g.at, g.id)
	return b, ok && g.ok && b.Leading && g.seen.Leading && b.Life == g.seen.Life && b.Epoch == g.seen.Epoch
}

// oddCode judges the error code of an odd question: one of those that are wanted, or one that says "not now".
func (c *client) oddCode(what string, code int16, want ...core.ErrorCode) bool {
	for _, w := range want {
		if core.ErrorCode(code) == w {
			return true
		}
	}
	if !c.retriable(code) {
		c.unexpected(what, code)
	}
	return false
}

// beyond draws an offset that nobody should ask for: near one that is known, far behind it, or below 0.
func (c *client) beyond(known core.Offset) int64 {
	switch c.habits.Below(6) {
	case 0:
		return math.MaxInt64
	case 1:
		return int64(known) + 1_000_000
	case 2:
		return -2 - int64(c.habits.Below(3))
	case 3:
		return math.MinInt64
	}
	return int64(known) + c.habits.Between(0, 4)
}

// oddFetch fetches from an offset that may not be there, or by a leader epoch that nobody has.
func (c *client) oddFetch(part *check.Partition, then func()) {
	version, g := c.habitVersion(4, 12), c.glimpse(part.Name)
	at := c.beyond(part.Known())
	switch {
	case g.ok && c.habits.Chance(1, 3):
		at = int64(g.seen.Start) - c.habits.Between(1, 3)
	case g.ok && c.habits.Chance(1, 3):
		at = int64(g.seen.End) + c.habits.Between(0, 2)
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = int32(c.habits.Between(0, 50)), 1, 1<<16, -1
	rt, rp := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	rt.Topic, rp.Partition, rp.PartitionMaxBytes = part.Name.Topic, int32(part.Name.Partition), 1<<16
	n := noEpoch
	if version >= fetchEpochVersion && c.habits.Chance(1, 4) {
		at, n = int64(part.Known()), c.strangeEpoch(&g)
	}
	rp.FetchOffset, rp.CurrentLeaderEpoch = at, int32(n.epoch)
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	want := []core.ErrorCode{core.NoError, core.OffsetOutOfRange}
	if n != noEpoch {
		want = append(want, core.FencedLeaderEpoch, core.UnknownLeaderEpoch)
	}
	c.request(req, version, func(r kmsg.Response) {
		resp := r.(*kmsg.FetchResponse)
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			c.wrong("missing-answer", "Fetch of one partition is not answered with one")
			return
		}
		a := &resp.Topics[0].Partitions[0]
		c.judgeEpoch("Fetch", &n, part.Name, a.ErrorCode)
		if c.oddCode("Fetch from offset "+text(at), a.ErrorCode, want...) {
			c.judgeFetch(part.Name, &g, core.Offset(at), a)
		}
		then()
	})
}

// judgeFetch judges an answer to a fetch from an odd offset (Kafka: LocalLog.read): out of range is what lies below the
// start of the log and behind its end; from the high watermark to the end there is nothing to read yet.
func (c *client) judgeFetch(part core.TopicPartition, g *glimpse, at core.Offset,
	a *kmsg.FetchResponseTopicPartition) {
	now, ok := c.now(g)
	wrong := ""
	switch {
	case core.ErrorCode(a.ErrorCode) == core.NoError && at < 0:
		wrong = "is answered"
	case !ok:
	case core.ErrorCode(a.ErrorCode) == core.NoError && (at < g.seen.Start || at > now.End):
		wrong = "is answered, and the log went from " + text(int64(g.seen.Start)) + " to " + text(int64(now.End))
	case core.ErrorCode(a.ErrorCode) == core.NoError && at >= now.HighWatermark && len(a.RecordBatches) > 0:
		wrong = "brings records, and the high watermark is " + text(int64(now.HighWatermark))
	case core.ErrorCode(a.ErrorCode) == core.OffsetOutOfRange && at >= now.Start && at <= g.seen.End:
		wrong = "is out of range, and the log goes from " + text(int64(now.Start)) + " to " + text(int64(g.seen.End))
	}
	if wrong != "" {
		c.wrong("out-of-range", "Fetch of "+part.String()+" from offset "+text(int64(at))+" "+wrong)
	}
}

// strangeEpoch is a leader epoch that a replica has not had yet, or has no more.
func (c *client) strangeEpoch(g *glimpse) named {
	epoch := core.LeaderEpoch(math.MaxInt32)
	switch {
	case !g.ok:
	case g.seen.Epoch > 0 && c.habits.Chance(1, 2):
		epoch = core.LeaderEpoch(c.habits.Below(uint64(g.seen.Epoch)))
	case c.habits.Chance(1, 2):
		epoch = g.seen.Epoch + 1 + core.LeaderEpoch(c.habits.Below(3))
	}
	n := named{epoch: epoch, id: g.id, at: g.at}
	c.sends(&n)
	return n
}

// habitVersion is [client.version] from the stream of habits.
func (c *client) habitVersion(lo, hi int16) int16 {
	if c.spec.Old {
		hi = lo + (hi-lo)/2
	}
	return int16(c.habits.Between(int64(lo), int64(hi)))
}

func text(n int64) string { return strconv.FormatInt(n, 10) }

package workload

import (
	"math"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/record"
	"ottla.dev/sim/check"
)

// oddProduce sends a record that nobody may take: with acks that mean nothing, as no batch at all, or to a partition
// that is not there.
func (c *client) oddProduce(part *check.Partition, then func()) {
	c.oddities++
	first := oddNumbers + c.oddities
	c.ledger.Refused(part, c.index, first, 1)
	var rb record.Builder
	rb.Start(nil, 0)
	rb.Append(c.net.Wall(), nil, check.AppendPayload(nil, check.Payload{Client: c.index, Number: first,
		Topic: part.Name.Topic, Partition: part.Name.Partition}, 30))
	buf, _ := rb.Finish()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 1000
	rt, rp := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	rt.Topic, rp.Partition, rp.Records = part.Name.Topic, int32(part.Name.Partition), buf
	want := core.InvalidRequiredAcks
	switch c.habits.Below(4) {
	case 0, 1:
		req.Acks = [...]int16{2, -2, math.MaxInt16, math.MinInt16}[c.habits.Below(4)]
	case 2:
		rp.Records, want = []byte{}, core.InvalidRecord
	default:
		rp.Partition, want = [...]int32{-1, math.MaxInt32, 10_000}[c.habits.Below(3)], core.UnknownTopicOrPartition
	}
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	c.request(req, c.habitVersion(3, 12), func(r kmsg.Response) {
		resp := r.(*kmsg.ProduceResponse)
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			c.wrong("missing-answer", "Produce to one partition is not answered with one")
			return
		}
		c.oddCode("Produce with acks "+strconv.Itoa(int(req.Acks))+" of "+strconv.Itoa(len(rp.Records))+
			" bytes to partition "+strconv.Itoa(int(rp.Partition)), resp.Topics[0].Partitions[0].ErrorCode, want)
		then()
	})
}

// oddNumbers are those of records that nobody may take, behind all others of a client.
const oddNumbers = 1 << 40

// oddList asks about nothing at all, or about no partition of a topic. Who asks nothing is told nothing.
func (c *client) oddList(part *check.Partition, then func()) {
	empty, topic := c.habits.Chance(1, 2), part.Name.Topic
	var req kmsg.Request
	lo, hi := int16(0), int16(0)
	switch c.habits.Below(4) {
	case 0:
		r := kmsg.NewPtrFetchRequest()
		r.MaxWaitMillis, r.MaxBytes, r.SessionEpoch = 10, 1<<16, -1
		if t := kmsg.NewFetchRequestTopic(); !empty {
			t.Topic = topic
			r.Topics = append(r.Topics, t)
		}
		req, lo, hi = r, 4, 12
	case 1:
		r := kmsg.NewPtrListOffsetsRequest()
		if t := kmsg.NewListOffsetsRequestTopic(); !empty {
			t.Topic = topic
			r.Topics = append(r.Topics, t)
		}
		req, lo, hi = r, 1, 10
	case 2:
		r := kmsg.NewPtrDeleteRecordsRequest()
		r.TimeoutMillis = 1000
		if t := kmsg.NewDeleteRecordsRequestTopic(); !empty {
			t.Topic = topic
			r.Topics = append(r.Topics, t)
		}
		req, hi = r, 2
	default:
		r := kmsg.NewPtrOffsetForLeaderEpochRequest()
		r.ReplicaID = -1
		if t := kmsg.NewOffsetForLeaderEpochRequestTopic(); !empty {
			t.Topic = topic
			r.Topics = append(r.Topics, t)
		}
		req, lo, hi = r, 2, 4
	}
	c.request(req, c.habitVersion(lo, hi), func(r kmsg.Response) {
		if n := answeredFor(r); n > 0 {
			c.wrong("unasked", kmsg.NameForKey(r.Key())+" about nothing is answered for "+strconv.Itoa(n)+" partitions")
		}
		then()
	})
}

// answeredFor is for how many partitions there is an answer.
func answeredFor(r kmsg.Response) (n int) {
	switch r := r.(type) {
	case *kmsg.FetchResponse:
		for i := range r.Topics {
			n += len(r.Topics[i].Partitions)
		}
	case *kmsg.ListOffsetsResponse:
		for i := range r.Topics {
			n += len(r.Topics[i].Partitions)
		}
	case *kmsg.DeleteRecordsResponse:
		for i := range r.Topics {
			n += len(r.Topics[i].Partitions)
		}
	case *kmsg.OffsetForLeaderEpochResponse:
		for i := range r.Topics {
			n += len(r.Topics[i].Partitions)
		}
	}
	return n
}

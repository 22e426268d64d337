package wire

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// reference is the frame as kmsg writes it.
func reference(h Header, resp kmsg.Response) []byte {
	dropLaterTags(resp, h.Version)
	resp.SetVersion(h.Version)
	body := binary.BigEndian.AppendUint32(nil, uint32(h.CorrelationID))
	if resp.IsFlexible() && h.Key != ApiVersions {
		body = append(body, 0)
	}
	body = resp.AppendTo(body)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func hint(leader, epoch int32) LeaderHint {
	return LeaderHint{Set: true, Leader: core.BrokerID(leader), Epoch: core.LeaderEpoch(epoch)}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func writeProduce(w *ProduceWriter, dst []byte, h Header, r *kmsg.ProduceResponse) []byte {
	w.Begin(dst, h, len(r.Topics))
	for _, t := range r.Topics {
		w.Topic(t.Topic, t.TopicID, len(t.Partitions))
		for _, p := range t.Partitions {
			out := ProducePartition{
				Partition: core.PartitionID(p.Partition), ErrorCode: core.ErrorCode(p.ErrorCode),
				BaseOffset: core.Offset(p.BaseOffset), LogAppendTime: core.Timestamp(p.LogAppendTime),
				LogStartOffset: core.Offset(p.LogStartOffset), Message: text(p.ErrorMessage),
				CurrentLeader: hint(p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch),
			}
			for _, e := range p.ErrorRecords {
				out.Records = append(out.Records, ProduceRecordError{e.RelativeOffset, text(e.ErrorMessage)})
			}
			w.Partition(&out)
		}
	}
	var nodes []NodeEndpoint
	for _, n := range r.Brokers {
		nodes = append(nodes, NodeEndpoint{core.BrokerID(n.NodeID), n.Host, n.Port, text(n.Rack)})
	}
	return w.End(r.ThrottleMillis, nodes)
}

func TestProduceWriterEqualsKmsg(t *testing.T) {
	var w ProduceWriter
	api := Lookup(Produce)
	f := filler{rand.New(rand.NewPCG(1, 2))}
	for version := api.Min; version <= api.Max; version++ {
		h := Header{Key: Produce, Version: version, CorrelationID: 5}
		for range 200 {
			resp := kmsg.NewPtrProduceResponse()
			f.fill(reflect.ValueOf(resp).Elem())
			got := writeProduce(&w, []byte("before"), h, resp)
			if want := append([]byte("before"), reference(h, resp)...); !bytes.Equal(got, want) {
				t.Fatalf("version %d\n got %x\nwant %x", version, got, want)
			}
		}
	}
}

func writeFetch(w *FetchWriter, dst []byte, h Header, r *kmsg.FetchResponse) []FetchSegment {
	w.Begin(dst, h, r.ThrottleMillis, core.ErrorCode(r.ErrorCode), r.SessionID, len(r.Topics))
	for _, t := range r.Topics {
		w.Topic(t.Topic, t.TopicID, len(t.Partitions))
		for _, p := range t.Partitions {
			out := FetchPartition{
				Partition: core.PartitionID(p.Partition), ErrorCode: core.ErrorCode(p.ErrorCode),
				HighWatermark: core.Offset(p.HighWatermark), LastStableOffset: core.Offset(p.LastStableOffset),
				LogStartOffset:       core.Offset(p.LogStartOffset),
				PreferredReadReplica: core.BrokerID(p.PreferredReadReplica),
				CurrentLeader:        hint(p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch),
				DivergingEpoch: EpochEndOffset{
					true, core.LeaderEpoch(p.DivergingEpoch.Epoch), core.Offset(p.DivergingEpoch.EndOffset)},
				Snapshot: EpochEndOffset{
					true, core.LeaderEpoch(p.SnapshotID.Epoch), core.Offset(p.SnapshotID.EndOffset)},
				RecordBytes: len(p.RecordBatches),
			}
			if p.AbortedTransactions != nil {
				out.Aborted = []AbortedTransaction{}
			}
			for _, a := range p.AbortedTransactions {
				out.Aborted = append(out.Aborted,
					AbortedTransaction{core.ProducerID(a.ProducerID), core.Offset(a.FirstOffset)})
			}
			w.Partition(&out)
		}
	}
	var nodes []NodeEndpoint
	for _, n := range r.Brokers {
		nodes = append(nodes, NodeEndpoint{core.BrokerID(n.NodeID), n.Host, n.Port, text(n.Rack)})
	}
	segments, _ := w.End(nodes)
	return segments
}

func TestFetchWriterEqualsKmsg(t *testing.T) {
	var w FetchWriter
	api := Lookup(Fetch)
	f := filler{rand.New(rand.NewPCG(3, 4))}
	for version := api.Min; version <= api.Max; version++ {
		h := Header{Key: Fetch, Version: version, CorrelationID: -9}
		for range 200 {
			resp := kmsg.NewPtrFetchResponse()
			f.fill(reflect.ValueOf(resp).Elem())
			var holes [][]byte
			for _, topic := range resp.Topics {
				for i := range topic.Partitions {
					if f.rng.IntN(3) == 0 {
						topic.Partitions[i].AbortedTransactions = nil
					}
					if records := topic.Partitions[i].RecordBatches; len(records) > 0 {
						holes = append(holes, records)
					}
				}
			}
			var got []byte
			for _, segment := range writeFetch(&w, nil, h, resp) {
				got = append(got, segment.Head...)
				if segment.Records > 0 {
					if segment.Records != len(holes[0]) {
						t.Fatalf("a hole of %d for %d bytes", segment.Records, len(holes[0]))
					}
					got = append(got, holes[0]...)
					holes = holes[1:]
				}
			}
			if want := reference(h, resp); !bytes.Equal(got, want) || len(holes) != 0 {
				t.Fatalf("version %d\n got %x\nwant %x", version, got, want)
			}
		}
	}
}

func TestResponseHeaders(t *testing.T) {
	for _, c := range []struct {
		rule string
		h    Header
		resp kmsg.Response
		want []byte
	}{
		{"flexible: tags after the correlation id", Header{Key: Heartbeat, Version: 4, CorrelationID: 7},
			kmsg.NewPtrHeartbeatResponse(), []byte{0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"older: none", Header{Key: Heartbeat, Version: 0, CorrelationID: 7},
			kmsg.NewPtrHeartbeatResponse(), []byte{0, 0, 0, 6, 0, 0, 0, 7, 0, 0}},
		{"ApiVersions: never", Header{Key: ApiVersions, Version: 3, CorrelationID: 7},
			kmsg.NewPtrApiVersionsResponse(), []byte{0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 1, 0, 0, 0, 0, 0}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if got := AppendResponse(nil, c.h, c.resp); !bytes.Equal(got, c.want) {
				t.Fatalf("got %x, want %x", got, c.want)
			}
		})
	}
}

func TestTagsOfLaterVersionsAreNotWritten(t *testing.T) {
	f := filler{rand.New(rand.NewPCG(5, 6))}
	for _, c := range []struct {
		h     Header
		clean kmsg.Response
		dirty func(kmsg.Response)
	}{
		{Header{Key: Vote}, kmsg.NewPtrVoteResponse(), func(r kmsg.Response) {
			f.fill(reflect.ValueOf(&r.(*kmsg.VoteResponse).NodeEndpoints).Elem())
		}},
		{Header{Key: FetchSnapshot}, kmsg.NewPtrFetchSnapshotResponse(), func(r kmsg.Response) {
			f.fill(reflect.ValueOf(&r.(*kmsg.FetchSnapshotResponse).NodeEndpoints).Elem())
		}},
		{Header{Key: Fetch, Version: 15}, kmsg.NewPtrFetchResponse(), func(r kmsg.Response) {
			f.fill(reflect.ValueOf(&r.(*kmsg.FetchResponse).Brokers).Elem())
		}},
		{Header{Key: Produce, Version: 9}, kmsg.NewPtrProduceResponse(), func(r kmsg.Response) {
			f.fill(reflect.ValueOf(&r.(*kmsg.ProduceResponse).Brokers).Elem())
		}},
	} {
		want := AppendResponse(nil, c.h, c.clean)
		for range 5 {
			c.dirty(c.clean)
			if got := AppendResponse(nil, c.h, c.clean); !bytes.Equal(got, want) {
				t.Fatalf("%v version %d: got %x, want %x", c.h.Key, c.h.Version, got, want)
			}
		}
	}
}

// hot is a Produce request, a Fetch request and the answers to both, with ten partitions.
type hot struct {
	produce, fetch []byte // bodies
	produced       ProducePartition
	fetched        FetchPartition
}

const hotPartitions = 10

func newHot() hot {
	produce := kmsg.NewPtrProduceRequest()
	produce.Version = 13
	fetch := kmsg.NewPtrFetchRequest()
	fetch.Version = 18
	pt, ft := kmsg.NewProduceRequestTopic(), kmsg.NewFetchRequestTopic()
	for i := range int32(hotPartitions) {
		pp, fp := kmsg.NewProduceRequestTopicPartition(), kmsg.NewFetchRequestTopicPartition()
		pp.Partition, pp.Records = i, make([]byte, 16<<10)
		fp.Partition = i
		pt.Partitions = append(pt.Partitions, pp)
		ft.Partitions = append(ft.Partitions, fp)
	}
	produce.Topics, fetch.Topics = append(produce.Topics, pt), append(fetch.Topics, ft)
	return hot{
		produce: produce.AppendTo(nil), fetch: fetch.AppendTo(nil),
		produced: ProducePartition{BaseOffset: 1 << 40, LogAppendTime: -1},
		fetched:  FetchPartition{HighWatermark: 1 << 40, PreferredReadReplica: -1, RecordBytes: 16 << 10},
	}
}

var (
	hotProduce = Header{Key: Produce, Version: 13}
	hotFetch   = Header{Key: Fetch, Version: 18}
)

func (x *hot) answerProduce(w *ProduceWriter, buf []byte) []byte {
	w.Begin(buf, hotProduce, 1)
	w.Topic("", core.UUID{1}, hotPartitions)
	for i := range core.PartitionID(hotPartitions) {
		x.produced.Partition = i
		w.Partition(&x.produced)
	}
	return w.End(0, nil)
}

func (x *hot) answerFetch(w *FetchWriter, buf []byte) []byte {
	w.Begin(buf, hotFetch, 0, 0, 0, 1)
	w.Topic("", core.UUID{1}, hotPartitions)
	for i := range core.PartitionID(hotPartitions) {
		x.fetched.Partition = i
		w.Partition(&x.fetched)
	}
	_, buf = w.End(nil)
	return buf
}

func TestHotPathAllocations(t *testing.T) {
	x := newHot()
	var requests Requests
	var pw ProduceWriter
	var fw FetchWriter
	buf := make([]byte, 0, 4096)
	frame := append([]byte{0, 0, 0, 13, 0, 0, 0, 1, 0, 2, 'm', 'e', 0}, x.produce...)
	heartbeat := kmsg.HeartbeatRequest{Version: 4, Group: "g", MemberID: "m"}
	beat := heartbeat.AppendTo(nil)
	for _, c := range []struct {
		name  string
		limit float64
		step  func()
	}{
		{"parse header", 0, func() { _, _, _ = ParseHeader(frame, ClassClient) }},
		{"decode Produce", 0, func() { _, _ = requests.Decode(hotProduce, x.produce) }},
		{"decode Fetch", 0, func() { _, _ = requests.Decode(hotFetch, x.fetch) }},
		{"decode Heartbeat", 0, func() { _, _ = requests.Decode(Header{Key: Heartbeat, Version: 4}, beat) }},
		{"write Produce", 0, func() { buf = x.answerProduce(&pw, buf[:0]) }},
		{"write Fetch", 0, func() { buf = x.answerFetch(&fw, buf[:0]) }},
	} {
		if n := testing.AllocsPerRun(100, c.step); n > c.limit {
			t.Errorf("%s: %v allocations, want at most %v", c.name, n, c.limit)
		}
	}
}

func BenchmarkDecodeProduce(b *testing.B) {
	x := newHot()
	var requests Requests
	b.ReportAllocs()
	for b.Loop() {
		if _, err := requests.Decode(hotProduce, x.produce); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeFetch(b *testing.B) {
	x := newHot()
	var requests Requests
	b.ReportAllocs()
	for b.Loop() {
		if _, err := requests.Decode(hotFetch, x.fetch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScanProduce(b *testing.B) {
	x := newHot()
	api := Lookup(Produce)
	b.ReportAllocs()
	for b.Loop() {
		if _, reason := scan(api.programs[13-api.Min], x.produce, DecodeBudget(len(x.produce))); reason != "" {
			b.Fatal(reason)
		}
	}
}

func BenchmarkWriteProduce(b *testing.B) {
	x := newHot()
	var w ProduceWriter
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = x.answerProduce(&w, buf[:0])
	}
}

func BenchmarkWriteFetch(b *testing.B) {
	x := newHot()
	var w FetchWriter
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = x.answerFetch(&w, buf[:0])
	}
}

package conformance

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core/wire"
)

// fetchOf is a fetch of partition 0 of plain from its start that waits for nothing.
func fetchOf(version int16, change func(*kmsg.FetchRequest, *kmsg.FetchRequestTopicPartition)) *kmsg.FetchRequest {
	req := request[kmsg.FetchRequest](version)
	req.ReplicaID, req.MaxBytes, req.MinBytes = -1, 1<<20, 0
	p := kmsg.NewFetchRequestTopicPartition()
	p.PartitionMaxBytes, p.CurrentLeaderEpoch, p.LastFetchedEpoch = 1<<20, -1, -1
	change(req, &p)
	req.Topics = []kmsg.FetchRequestTopic{{Topic: plain, TopicID: broker.ids[plain],
		Partitions: []kmsg.FetchRequestTopicPartition{p}}}
	return req
}

// TestFetch has row 30 and what belongs to it: epochs and names.
func TestFetch(t *testing.T) {
	must(broker.friend.ask(produceBatch(plain, 0, 9, goodBatch())))
	type partition = kmsg.FetchRequestTopicPartition
	for _, row := range []struct {
		name    string
		version int16
		want    string
		change  func(*kmsg.FetchRequest, *partition)
	}{
		{"from the start", 12, "", func(*kmsg.FetchRequest, *partition) {}},
		{"from the start, in the oldest version", 4, "", func(*kmsg.FetchRequest, *partition) {}},
		{"from the start, by topic id", 13, "", func(*kmsg.FetchRequest, *partition) {}},
		{"30 beyond the end", 12, "1", func(_ *kmsg.FetchRequest, p *partition) { p.FetchOffset = 1 << 40 }},
		{"30 below the start", 12, "1", func(_ *kmsg.FetchRequest, p *partition) { p.FetchOffset = -7 }},
		{"30 the smallest offset", 4, "1", func(_ *kmsg.FetchRequest, p *partition) { p.FetchOffset = -1 << 63 }},
		{"30 the largest offset", 4, "1", func(_ *kmsg.FetchRequest, p *partition) { p.FetchOffset = 1<<63 - 1 }},
		{"30 a session that nobody opened", 12, "70", func(r *kmsg.FetchRequest, _ *partition) {
			r.SessionID, r.SessionEpoch = 12345, 3
		}},
		{"30 session 0 with an epoch", 12, "70", func(r *kmsg.FetchRequest, _ *partition) { r.SessionEpoch = 1 }},
		{"a session that nobody opened may be closed", 12, "", func(r *kmsg.FetchRequest, _ *partition) {
			r.SessionID, r.SessionEpoch = 12345, -1
		}},
		{"26 a leader epoch that was", 12, "74", func(_ *kmsg.FetchRequest, p *partition) { p.CurrentLeaderEpoch = -5 }},
		{"26 a leader epoch that will be", 12, "75", func(_ *kmsg.FetchRequest, p *partition) { p.CurrentLeaderEpoch = 99 }},
		{"26 a partition that is not there", 12, "3", func(_ *kmsg.FetchRequest, p *partition) { p.Partition = 2 }},
		{"26 partition -1", 12, "3", func(_ *kmsg.FetchRequest, p *partition) { p.Partition = -1 }},
		{"no room for a byte", 12, "", func(r *kmsg.FetchRequest, p *partition) { r.MaxBytes, p.PartitionMaxBytes = 0, 0 }},
		{"negative limits", 12, "", func(r *kmsg.FetchRequest, p *partition) {
			r.MaxBytes, p.PartitionMaxBytes, r.MinBytes, r.MaxWaitMillis = -1, -1, -1, -1
		}},
		{"an isolation level that is none", 12, "", func(r *kmsg.FetchRequest, _ *partition) { r.IsolationLevel = 77 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			answers(t, encode(fetchOf(row.version, row.change), correlation), row.want)
		})
	}
	t.Run("26 a topic id that nobody has", func(t *testing.T) {
		req := fetchOf(13, func(*kmsg.FetchRequest, *partition) {})
		req.Topics[0].TopicID = [16]byte{9}
		answers(t, encode(req, correlation), "100")
	})
	t.Run("26 a topic name that nobody has", func(t *testing.T) {
		req := fetchOf(12, func(*kmsg.FetchRequest, *partition) {})
		req.Topics[0].Topic = "nowhere"
		answers(t, encode(req, correlation), "3")
	})
	t.Run("a batch larger than all limits still comes (KIP-74)", func(t *testing.T) {
		req := fetchOf(12, func(r *kmsg.FetchRequest, p *partition) { r.MaxBytes, p.PartitionMaxBytes = 0, 0 })
		resp := answers(t, encode(req, correlation), "").(*kmsg.FetchResponse)
		if size := len(resp.Topics[0].Partitions[0].RecordBatches); size == 0 {
			t.Error("no records")
		}
	})
	t.Run("no topics", func(t *testing.T) {
		req := fetchOf(12, func(r *kmsg.FetchRequest, _ *partition) { r.MinBytes, r.MaxWaitMillis = 1, 60000 })
		req.Topics = nil
		answers(t, encode(req, correlation), "")
	})
	t.Run("the same partition twice", func(t *testing.T) {
		req := fetchOf(12, func(*kmsg.FetchRequest, *partition) {})
		req.Topics = append(req.Topics, req.Topics[0])
		answers(t, encode(req, correlation), "")
	})
}

// TestFetchSession has row 30's sessions (KIP-227): an epoch out of turn, and topic ids in a session by name.
func TestFetchSession(t *testing.T) {
	open := func(t *testing.T, version int16) (*client, int32) {
		c := dial()
		t.Cleanup(func() { c.Close(); unharmed(t) })
		resp := must(c.ask(fetchOf(version, func(r *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) {
			r.SessionEpoch = 0
		})))
		id := resp.(*kmsg.FetchResponse).SessionID
		if id == 0 {
			t.Fatal("no session")
		}
		return c, id
	}
	for _, row := range []struct {
		name           string
		opened, asked  int16
		shift, epoch   int32
		want           string
		forgotten      bool
		withoutAnyMore bool
	}{
		{name: "the next epoch", opened: 12, asked: 12, epoch: 1},
		{name: "the next epoch without a partition", opened: 12, asked: 12, epoch: 1, withoutAnyMore: true},
		{name: "forgetting what is there and what is not", opened: 12, asked: 12, epoch: 1, forgotten: true},
		{name: "30 an epoch too early", opened: 12, asked: 12, epoch: 2, want: "71"},
		{name: "30 the largest epoch", opened: 12, asked: 12, epoch: 1<<31 - 1, want: "71"},
		{name: "30 a negative epoch", opened: 12, asked: 12, epoch: -2, want: "71"},
		{name: "30 another's session", opened: 12, asked: 12, shift: 1, epoch: 1, want: "70"},
		{name: "30 topic ids in a session by name", opened: 12, asked: 13, epoch: 1, want: "106"},
		{name: "30 names in a session by topic id", opened: 13, asked: 12, epoch: 1, want: "106"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, id := open(t, row.opened)
			req := fetchOf(row.asked, func(r *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) {
				r.SessionID, r.SessionEpoch = id+row.shift, row.epoch
			})
			if row.withoutAnyMore || row.forgotten {
				req.Topics = nil
			}
			if row.forgotten {
				req.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: plain, Partitions: []int32{0, 0, 1, -1}},
					{Topic: "nowhere", Partitions: []int32{0}}}
			}
			if got := codes(must(c.ask(req))); got != row.want {
				t.Errorf("answered with codes %q, want %q", got, row.want)
			}
		})
	}
}

// TestOffsets has row 31, and the questions that ListOffsets does not know.
func TestOffsets(t *testing.T) {
	list := func(version int, at int, partitions ...int) raw {
		b := header(wire.ListOffsets, version).i32(-1).i8(0).arr(1).str(plain).arr(len(partitions))
		for _, p := range partitions {
			b = b.i32(p).i64(at)
		}
		return b
	}
	special := func(version, at int) raw {
		return flexible(wire.ListOffsets, version).i32(-1).i8(0).uv(2).compact(plain).uv(2).i32(0).i32(-1).i64(at).uv(0).
			uv(0).
			uv(0)
	}
	lastOffsets := func(at int64) kmsg.Request {
		req := request[kmsg.ListOffsetsRequest](11)
		req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: plain,
			Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Timestamp: at, CurrentLeaderEpoch: -1}}}}
		return req
	}
	forget := func(topic string, partition, offset int) raw {
		return header(wire.DeleteRecords, 0).arr(1).str(topic).arr(1).i32(partition).i64(offset).i32(1000)
	}
	epoch := func(current, asked int) raw {
		return header(wire.OffsetForLeaderEpoch, 3).i32(-1).arr(1).str(plain).arr(1).i32(0).i32(current).i32(asked)
	}
	for _, row := range []struct {
		name  string
		frame raw
		want  string
	}{
		{"the latest offset", list(2, -1, 0), ""},
		{"the earliest offset", list(2, -2, 1), ""},
		{"an offset by a timestamp beyond all", list(2, 1<<62, 1), ""},
		{"31 the same partition twice", list(2, -1, 0, 0), "42 42"},
		{"31 and another one", list(2, -1, 0, 1, 0), "42 42"},
		{"26 a partition that is not there", list(2, -1, 5), "3"},
		{"26 partition -1", list(2, -1, -1), "3"},
		{"31 a partition that is not there, twice", list(2, -1, 9, 9), "42 42"},
		{"a special timestamp that nobody knows", list(2, -100, 0), "35"},
		{"the largest timestamp before v7", list(2, -3, 0), "35"},
		{"the largest timestamp", special(7, -3), ""},
		{"the earliest local offset before v8", special(7, -4), "35"},
		{"the earliest local offset", special(8, -4), ""},
		{"the latest tiered offset before v9", special(8, -5), "35"},
		{"the latest tiered offset", special(9, -5), ""},
		{"the earliest pending upload before v11", special(9, -6), "35"},
		{"the earliest pending upload", encode(lastOffsets(-6), correlation), ""},
		{"31 DeleteRecords beyond the high watermark", forget(plain, 0, 1<<40), "1"},
		{"31 DeleteRecords below -1", forget(plain, 0, -2), "1"},
		{"31 DeleteRecords of a partition that is not there", forget(plain, 9, 0), "3"},
		{"31 DeleteRecords of a topic that is not there", forget("nowhere", 0, 0), "3"},
		{"31 DeleteRecords of an internal topic", forget(offsets, 0, 0), "17"},
		{"31 DeleteRecords at the start", forget(plain, 0, 0), ""},
		{"26 OffsetForLeaderEpoch", epoch(-1, 0), ""},
		{"26 OffsetForLeaderEpoch of an epoch that nobody had", epoch(-1, 1<<31-1), ""},
		{"26 OffsetForLeaderEpoch with a leader epoch that will be", epoch(88, 0), "75"},
		{"26 OffsetForLeaderEpoch of a partition that is not there", header(wire.OffsetForLeaderEpoch, 3).i32(-1).
			arr(1).str(plain).arr(1).i32(7).i32(-1).i32(0), "3"},
		{"DescribeProducers of a partition that is not there", flexible(wire.DescribeProducers, 0).
			uv(2).compact(plain).uv(2).i32(9).uv(0).uv(0), "3"},
	} {
		t.Run(row.name, func(t *testing.T) { answers(t, row.frame, row.want) })
	}
}

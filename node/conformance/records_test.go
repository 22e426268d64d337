package conformance

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/record"
	"ottla.dev/core/wire"
)

// Where the fields of a batch are.
const (
	atLength     = 8
	atMagic      = 16
	atCRC        = 17
	atAttributes = 21
	atLastDelta  = 23
	atPID        = 43
	atEpoch      = 51
	atSequence   = 53
	atCount      = 57
	atRecords    = 61
)

// edit builds a good batch of two records and changes it.
func edit(change func(b []byte) []byte) []byte { return seal(change(goodBatch())) }

// seal makes a batch's length and checksum right again, so that only what was meant to be wrong is.
func seal(b []byte) []byte {
	if len(b) >= atRecords {
		binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-12))
		binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], crc32.MakeTable(crc32.Castagnoli)))
	}
	return b
}

func put8(at, v int) func([]byte) []byte {
	return func(b []byte) []byte { b[at] = byte(v); return b }
}
func put16(at, v int) func([]byte) []byte {
	return func(b []byte) []byte { binary.BigEndian.PutUint16(b[at:], uint16(v)); return b }
}
func put32(at, v int) func([]byte) []byte {
	return func(b []byte) []byte { binary.BigEndian.PutUint32(b[at:], uint32(v)); return b }
}
func put64(at, v int) func([]byte) []byte {
	return func(b []byte) []byte { binary.BigEndian.PutUint64(b[at:], uint64(v)); return b }
}

// records replaces the records of a batch by hand-made ones.
func records(count int, bodies ...raw) []byte {
	b := goodBatch()[:atRecords]
	put32(atCount, count)(b)
	put32(atLastDelta, count-1)(b)
	for _, body := range bodies {
		b = binary.AppendVarint(b, int64(len(body)))
		b = append(b, body...)
	}
	return seal(b)
}

// vi appends zigzag numbers, as records have them.
func (b raw) vi(numbers ...int) raw {
	for _, n := range numbers {
		b = binary.AppendVarint(b, int64(n))
	}
	return b
}

// coded makes a batch whose records are said to be compressed.
func coded(codec int, payload []byte) []byte {
	b := append(goodBatch()[:atRecords], payload...)
	return seal(put16(atAttributes, codec)(b))
}

func goodBatch() []byte { return batch(func(*record.Builder) {}, "key", 2) }

func batch(set func(*record.Builder), key string, n int) []byte {
	return stamped(set, key, n, time.Now().UnixMilli())
}

func stamped(set func(*record.Builder), key string, n int, at int64) []byte {
	var b record.Builder
	b.Start(nil, 0)
	set(&b)
	for range n {
		var k []byte
		if key != "" {
			k = []byte(key)
		}
		b.Append(core.Timestamp(at), k, []byte("value"))
	}
	_, v := b.Finish()
	return v
}

func produceBatch(topic string, partition int32, version int16, records []byte) *kmsg.ProduceRequest {
	req := request[kmsg.ProduceRequest](version)
	req.Acks, req.TimeoutMillis = -1, 5000
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, TopicID: broker.ids[topic],
		Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: partition, Records: records}}}}
	return req
}

// rleZstd is a zstd frame that says in few bytes that it holds n times 128 KiB of zeros.
func rleZstd(n int) []byte {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38} // no content size, a window of 128 KiB
	for i := range n {
		last := 0
		if i == n-1 {
			last = 1
		}
		block := last | 1<<1 | 128<<10<<3
		frame = append(frame, byte(block), byte(block>>8), byte(block>>16), 0)
	}
	return frame
}

// TestRecords has the rows about batches, as Produce v9 with acks=all brings them.
func TestRecords(t *testing.T) {
	two := append(goodBatch(), goodBatch()...)
	hour := time.Hour.Milliseconds()
	now := time.Now().UnixMilli()
	free := func(*record.Builder) {}
	for _, row := range []struct {
		name    string
		topic   string
		records []byte
		want    string
	}{
		{"a good batch", plain, goodBatch(), ""},
		{"14 no bytes", plain, []byte{}, "87"},
		{"14 ten bytes", plain, goodBatch()[:10], "87"},
		{"14 a batch that is cut", plain, goodBatch()[:70], "87"},
		{"14 a batch whose length goes beyond the records", plain, put32(atLength, 500)(goodBatch()), "87"},
		{"14 two batches", plain, two, "87"},
		{"14 magic 0", plain, put8(atMagic, 0)(goodBatch()), "87"},
		{"14 magic 1", plain, put8(atMagic, 1)(goodBatch()), "87"},
		{"15 magic -1", plain, put8(atMagic, -1)(goodBatch()), "2"},
		{"15 magic 3", plain, put8(atMagic, 3)(goodBatch()), "2"},
		{"15 magic 127", plain, put8(atMagic, 127)(goodBatch()), "2"},
		{"15 batch length 0", plain, put32(atLength, 0)(goodBatch()), "2"},
		{"15 batch length 13", plain, put32(atLength, 13)(goodBatch()), "2"},
		{"15 batch length -1", plain, put32(atLength, -1)(goodBatch()), "2"},
		{"15 batch length below that of a header", plain, put32(atLength, 48)(goodBatch()), "2"},
		{"15 a wrong checksum", plain, put32(atCRC, 12345)(goodBatch()), "2"},
		{"15 a changed byte", plain, put8(atRecords+3, 0x55)(goodBatch()), "2"},
		{"15 changed attributes", plain, put16(atAttributes, 0x40)(goodBatch()), "2"},
		{"15 the leader epoch is outside the checksum", plain, put32(12, 77)(goodBatch()), ""},
		{"16 a base offset", plain, edit(put64(0, 5)), "87"},
		{"16 a negative base offset", plain, edit(put64(0, -1)), "87"},
		{"16 a last offset delta below the count", plain, edit(put32(atLastDelta, 0)), "87"},
		{"16 a last offset delta beyond the count", plain, edit(put32(atLastDelta, 9)), "87"},
		{"16 the largest last offset delta", plain, edit(put32(atLastDelta, 1<<31-1)), "87"},
		{"16 count 0", plain, edit(put32(atCount, 0)), "87"},
		{"16 count 0 and last offset delta -1", plain, edit(func(b []byte) []byte {
			return put32(atLastDelta, -1)(put32(atCount, 0)(b))
		}), "87"},
		{"16 count -1", plain, edit(put32(atCount, -1)), "87"},
		{"16 the largest count", plain, edit(func(b []byte) []byte {
			return put32(atLastDelta, 1<<31-2)(put32(atCount, 1<<31-1)(b))
		}), "87"},
		{"16 a control batch", plain, edit(put16(atAttributes, 0x20)), "87"},
		{"16 a transactional control batch", plain, edit(put16(atAttributes, 0x30)), "87"},
		{"16 a producer id without a sequence", plain, edit(put64(atPID, 5)), "87"},
		{"16 a producer id with sequence -2", plain, edit(func(b []byte) []byte {
			return put32(atSequence, -2)(put64(atPID, 5)(b))
		}), "87"},
		{"17 a record shorter than it says", plain, records(1, raw{}.hex(0).vi(0, 0, 100).hex('k')), "87"},
		{"17 a record longer than its fields", plain, records(1, raw{}.hex(0).vi(0, 0, -1, -1, 0).hex(1, 2, 3)), "87"},
		{"17 a record of no bytes", plain, records(1, raw{}), "87"},
		{"17 fewer records than the count", plain, records(2, raw{}.hex(0).vi(0, 0, -1, -1, 0)), "87"},
		{"17 more records than the count", plain, records(1, raw{}.hex(0).vi(0, 0, -1, -1, 0), raw{}.hex(0).vi(0, 1,
			-1, -1, 0)), "87"},
		{"17 a key length of -2 (ours: Kafka takes it for null)", plain, records(1, raw{}.hex(0).vi(0, 0, -2, -1, 0)), "87"},
		{"17 a negative header count", plain, records(1, raw{}.hex(0).vi(0, 0, -1, -1, -1)), "87"},
		{"17 more headers than bytes", plain, records(1, raw{}.hex(0).vi(0, 0, -1, -1, 1<<30)), "87"},
		{"17 a null header key", plain, records(1, raw{}.hex(0).vi(0, 0, -1, -1, 1, -1, -1)), "87"},
		{"17 a header value beyond the record", plain, records(1, raw{}.hex(0).vi(0, 0, -1, -1, 1, 1).hex('h').vi(50)), "87"},
		{"17 a number of eleven bytes", plain, records(1, raw{}.hex(0, 255, 255, 255, 255, 255, 255, 255, 255, 255,
			255, 1)), "87"},
		{"18 codec 5 (ours)", plain, coded(5, []byte("x")), "76"},
		{"18 codec 6 (ours)", plain, coded(6, []byte("x")), "76"},
		{"18 codec 7 (ours)", plain, coded(7, []byte("x")), "76"},
		{"18 not gzip (ours)", plain, coded(1, []byte("not gzip at all")), "87"},
		{"18 not snappy (ours)", plain, coded(2, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2}), "87"},
		{"18 not lz4 (ours)", plain, coded(3, []byte("not lz4 at all")), "87"},
		{"18 not zstd (ours)", plain, coded(4, []byte("not zstd at all")), "87"},
		{"18 compressed nothing (ours)", plain, coded(1, nil), "87"},
		{"20 zstd that grows to 4 GiB (ours)", plain, coded(4, rleZstd(32768)), "10"},
		{"20 snappy that claims 4 GiB (ours)", plain, coded(2, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0xfe, 1, 0}), "87"},
		{"21 a batch beyond max.message.bytes", short, batch(free, "key", 100), "10"},
		{"21 a batch beyond max.message.bytes of the broker", plain, batch(free, "key", 80000), "10"},
		{"21 a batch beyond segment.bytes", segmented, batch(free, "key", 80000), "18"},
		{"22 a timestamp two hours ahead", plain, stamped(free, "key", 1, now+2*hour), "32"},
		{"22 a timestamp half an hour ahead", plain, stamped(free, "key", 1, now+hour/2), ""},
		{"22 a timestamp behind message.timestamp.before.max.ms", timely, stamped(free, "key", 1, now-hour), "32"},
		{"22 a timestamp ahead of message.timestamp.after.max.ms", timely, stamped(free, "key", 1, now+hour/2), "32"},
		{"22 the smallest timestamp", timely, stamped(free, "key", 1, -1<<63), "32"},
		{"22 the largest timestamp", timely, stamped(free, "key", 1, 1<<63-1), "32"},
		{"22 no timestamp", timely, stamped(free, "key", 1, -1), ""},
		{"22 a producer that sets LogAppendTime", plain, edit(put16(atAttributes, 0x08)), "32"},
		{"22 and does so where the broker sets it", appended, edit(put16(atAttributes, 0x08)), "32"},
		{"22 any timestamp where the broker sets it", appended, stamped(free, "key", 1, now+9*hour), ""},
		{"26 an internal topic", offsets, goodBatch(), "17"},
		{"26 an unknown topic", "nowhere", goodBatch(), "3"},
		{"27 null records (ours)", plain, nil, "87"},
	} {
		t.Run(row.name, func(t *testing.T) {
			answers(t, encode(produceBatch(row.topic, 0, 9, row.records), correlation), row.want)
		})
	}
}

// TestProduce has the rows about the request around the batches.
func TestProduce(t *testing.T) {
	with := func(version int16, change func(*kmsg.ProduceRequest)) raw {
		req := produceBatch(plain, 0, version, goodBatch())
		change(req)
		return encode(req, correlation)
	}
	acks := func(n int16) func(*kmsg.ProduceRequest) { return func(r *kmsg.ProduceRequest) { r.Acks = n } }
	zstd := batch(func(b *record.Builder) { b.SetCodec(record.NewCodecs(0), record.Zstd, 0) }, "key", 1)
	for _, row := range []struct {
		name  string
		frame raw
		want  string
	}{
		{"12 acks=2", with(9, acks(2)), "21"},
		{"12 acks=-2", with(9, acks(-2)), "21"},
		{"12 acks=32767", with(3, acks(32767)), "21"},
		{"acks=1", with(9, acks(1)), ""},
		{"19 zstd in v6", encode(produceBatch(plain, 0, 6, zstd), correlation), "76"},
		{"19 zstd in v7", encode(produceBatch(plain, 0, 7, zstd), correlation), ""},
		{"26 partition 2 of 2", encode(produceBatch(plain, 2, 9, goodBatch()), correlation), "3"},
		{"26 partition -1", encode(produceBatch(plain, -1, 9, goodBatch()), correlation), "3"},
		{"26 the largest partition", encode(produceBatch(plain, 1<<31-1, 9, goodBatch()), correlation), "3"},
		{"26 a topic id that nobody has", with(13,
			func(r *kmsg.ProduceRequest) { r.Topics[0].TopicID = [16]byte{1} }), "100"},
		{"26 no topic id", with(13, func(r *kmsg.ProduceRequest) { r.Topics[0].TopicID = [16]byte{} }), "100"},
		{"an id that is right", with(13, acks(-1)), ""},
		{"28 a topic name that leaves the folder", produceNamed("../plain-0"), "3"},
		{"a negative timeout with acks=1", with(9, func(r *kmsg.ProduceRequest) { r.Acks, r.TimeoutMillis = 1, -1<<31 }), ""},
		{"no topics", with(9, func(r *kmsg.ProduceRequest) { r.Topics = nil }), ""},
		{"no partitions", with(9, func(r *kmsg.ProduceRequest) { r.Topics[0].Partitions = nil }), ""},
		{"one partition good and one bad", with(9, func(r *kmsg.ProduceRequest) {
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, kmsg.ProduceRequestTopicPartition{Partition: 1})
		}), "87"},
		{"the same partition twice", with(9, func(r *kmsg.ProduceRequest) {
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, r.Topics[0].Partitions[0])
		}), ""},
	} {
		t.Run(row.name, func(t *testing.T) { answers(t, row.frame, row.want) })
	}
	t.Run("12 acks=0 and an error closes the connection", func(t *testing.T) {
		closes(t, framed(with(9, func(r *kmsg.ProduceRequest) { r.Acks, r.Topics[0].Topic = 0, "nowhere" })))
	})
	t.Run("12 acks=0 and a bad batch closes the connection", func(t *testing.T) {
		closes(t, framed(with(9, func(r *kmsg.ProduceRequest) { r.Acks, r.Topics[0].Partitions[0].Records = 0, nil })))
	})
	t.Run("12 acks=0 and no error has no answer", func(t *testing.T) {
		c := dial()
		defer c.Close()
		stream := append(framed(with(9, acks(0))), framed(encode(request[kmsg.ApiVersionsRequest](0), 2))...)
		if err := c.send(stream); err != nil {
			t.Fatal(err)
		}
		if _, err := c.answer(18, 0, 2); err != nil {
			t.Error(err)
		}
		unharmed(t)
	})
}

// TestSequences has row 24: what an idempotent producer may do.
func TestSequences(t *testing.T) {
	give := func() (core.ProducerID, core.ProducerEpoch) {
		req := request[kmsg.InitProducerIDRequest](4)
		req.TransactionTimeoutMillis = 1000
		resp := must(broker.friend.ask(req)).(*kmsg.InitProducerIDResponse)
		return core.ProducerID(resp.ProducerID), core.ProducerEpoch(resp.ProducerEpoch)
	}
	id, epoch := give()
	send := func(t *testing.T, epoch core.ProducerEpoch, sequence core.Sequence, want string) int64 {
		t.Helper()
		b := batch(func(b *record.Builder) { b.SetProducer(id, epoch, sequence) }, "key", 2)
		resp := answers(t, encode(produceBatch(plain, 1, 9, b), correlation), want)
		return resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].BaseOffset
	}
	first := send(t, epoch, 0, "")
	for seq := core.Sequence(2); seq < 10; seq += 2 {
		send(t, epoch, seq, "")
	}
	if again := send(t, epoch, 0, ""); again != first {
		t.Errorf("a duplicate is answered with offset %d, the first time it was %d", again, first)
	}
	send(t, epoch, 10, "")
	for _, row := range []struct {
		name     string
		epoch    core.ProducerEpoch
		sequence core.Sequence
		want     string
	}{
		{"24 a gap", epoch, 14, "45"},
		{"24 a duplicate that is no longer among the last five", epoch, 0, "45"},
		{"24 an overlap", epoch, 11, "45"},
		{"24 a new epoch that does not start at 0", epoch + 1, 5, "45"},
		{"24 a new epoch", epoch + 1, 0, ""},
		{"24 an old epoch", epoch, 12, "47"},
	} {
		t.Run(row.name, func(t *testing.T) { send(t, row.epoch, row.sequence, row.want) })
	}
}

// TestInitProducerID has the idempotent part of row 33.
func TestInitProducerID(t *testing.T) {
	for _, row := range []struct {
		name  string
		frame raw
		want  string
	}{
		{"33 an empty transactional id", header(wire.InitProducerID, 0).str("").i32(1000), "42"},
		{"33 a producer id without an epoch", flexible(wire.InitProducerID, 3).uv(0).i32(1000).i64(5).i16(-1).uv(0), "42"},
		{"33 an epoch without a producer id", flexible(wire.InitProducerID, 3).uv(0).i32(1000).i64(-1).i16(5).uv(0), "42"},
		{"33 no transactional id, any timeout", header(wire.InitProducerID, 0).i16(-1).i32(-5), ""},
		{"33 a producer id that nobody has", flexible(wire.InitProducerID, 4).uv(0).i32(1000).i64(1 << 40).i16(3).uv(0), ""},
	} {
		t.Run(row.name, func(t *testing.T) { answers(t, row.frame, row.want) })
	}
}

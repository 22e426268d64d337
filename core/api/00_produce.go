package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/config"
	"ottla.dev/core/partition"
	"ottla.dev/core/record"
	"ottla.dev/core/wire"
)

// ProduceCall serves API key 0, v3-13. Every batch is checked here, on the connection's own time and while it is warm
// in the cache; then each shard gets its partitions in one operation. v13 names topics by id. A session uses a call
// again and again: nothing is allocated for a request of the usual shape.
//
// acks=0 has no answer. If one of its batches is refused the connection is closed, which is all a client can be told.
type ProduceCall struct {
	header   wire.Header
	acks     partition.Acks
	topics   []produceTopic
	rows     []produceRow
	inflated int                    // bytes that the request's batches have been decompressed to
	ops      []*partition.ProduceOp // by shard; those with no items are not under way
	pending  int
	early    bool // the request's frame is wanted back as soon as nothing looks at it any more
	lent     int  // operations whose batches, which lie in it, the disk may still read
	buf      []byte
}

type produceTopic struct {
	name string // of a topic that does not exist, aliases the frame
	id   core.UUID
	rows int
}

// produceRow is one partition of the request.
type produceRow struct {
	partition core.PartitionID
	code      core.ErrorCode
	refused   *record.Error // why, if the batch itself is bad
	id        core.TopicIDPartition
	shard     uint32 // where the outcome is, if code is NoError
	item      int
}

// Start checks the request, which is in a frame of so many bytes, and sends the operations. The call is over at once if
// [ProduceCall.Done].
func (p *ProduceCall) Start(s *Server, h wire.Header, req *kmsg.ProduceRequest, frame int, call uint64) {
	p.header, p.acks, p.pending, p.lent = h, partition.Acks(req.Acks), 0, 0
	p.header.ClientID = nil // aliases the frame
	p.early = s.EarlyBytes > 0 && frame >= s.EarlyBytes
	p.topics, p.rows, p.inflated = p.topics[:0], p.rows[:0], 0
	for len(p.ops) < int(s.Cluster.Shards) {
		p.ops = append(p.ops, &partition.ProduceOp{})
	}
	for i := range req.Topics {
		t := &req.Topics[i]
		p.topics = append(p.topics, produceTopic{name: t.Topic, id: t.TopicID, rows: len(t.Partitions)})
		var topic *Topic
		missing := core.UnknownTopicOrPartition
		if h.Version >= 13 {
			topic, missing = s.topics.ByID(t.TopicID), core.UnknownTopicID
		} else {
			topic = s.topics.ByName(t.Topic)
		}
		if topic != nil {
			p.topics[i].name = topic.Name
		} else if h.Version < 13 {
			p.early = false
		}
		for j := range t.Partitions {
			p.row(s, req, topic, missing, &t.Partitions[j])
		}
	}
	for i, op := range p.ops {
		if len(op.Items) > 0 {
			op.Reply, op.Call, op.Acks, op.Early = s.Self, call, p.acks, p.early
			op.Timeout = time.Duration(max(0, req.TimeoutMillis)) * time.Millisecond
			p.pending++
			p.lent++
			s.Out.Send(core.Shard(uint32(i)), op)
		}
	}
}

// row decides one partition: a refusal, or an item for its shard.
func (p *ProduceCall) row(s *Server, req *kmsg.ProduceRequest, topic *Topic, missing core.ErrorCode,
	in *kmsg.ProduceRequestTopicPartition) {
	p.rows = append(p.rows, produceRow{partition: core.PartitionID(in.Partition)})
	r := &p.rows[len(p.rows)-1]
	if r.code = p.refuse(s, req, topic, missing, r); r.code != core.NoError {
		return
	}
	batch, why := p.checkBatch(s, topic, in.Records)
	if why != nil {
		r.code, r.refused = why.Code, why
		return
	}
	r.shard = s.Cluster.ShardOf(topic.Name, r.partition).Index
	op := p.ops[r.shard]
	r.item = len(op.Items)
	op.Items = append(op.Items, partition.ProduceItem{ID: r.id, Batch: batch, BaseOffset: core.NoOffset,
		LogStart: core.NoOffset, LogAppendTime: core.NoTimestamp})
	if topic.Settings.TimestampType == config.LogAppendTime {
		op.Items[r.item].LogAppendTime = s.Now.Wall
	}
}

// refuse finds what is wrong with a partition before its batch is looked at.
func (p *ProduceCall) refuse(s *Server, req *kmsg.ProduceRequest, topic *Topic, missing core.ErrorCode,
	r *produceRow) core.ErrorCode {
	switch {
	case !p.acks.Valid():
		return core.InvalidRequiredAcks
	case req.TransactionID != nil:
		return core.TransactionalIDAuthFailed
	case topic == nil:
		return missing
	case topic.Partition(r.partition) == nil:
		return core.UnknownTopicOrPartition
	case topic.Internal:
		return core.InvalidTopicException
	}
	r.id = core.TopicIDPartition{Topic: topic.ID, Partition: r.partition}
	if topic.Partition(r.partition).Leader != s.Cluster.Self {
		return core.NotLeaderOrFollower
	}
	return core.NoError
}

// checkBatch checks a produced batch under the topic's rules and brings it into the form in which it is stored. The
// result aliases b unless the batch had to be rebuilt, with another codec or with offsets counted anew.
func (p *ProduceCall) checkBatch(s *Server, topic *Topic, b []byte) (record.View, *record.Error) {
	s.rules = topic.Rules
	s.rules.ProduceVersion, s.rules.Now = p.header.Version, s.Now.Wall
	if p.inflated > maxInflated {
		return nil, refuseBatch(core.MessageTooLarge, "the request's batches are too large once decompressed")
	}
	checked, why := record.Validate(b, &s.rules, s.Codecs())
	if why != nil {
		return nil, why
	}
	v := checked.Batch
	if v.Codec() != record.None {
		p.inflated += checked.PlainSize
	}
	if v.IsTransactional() {
		return nil, refuseBatch(core.TransactionalIDAuthFailed,
			"a transactional batch in a request without a transactional id")
	}
	to, level := storedCodec(topic.Settings, v.Codec())
	if checked.Renumber || to != v.Codec() {
		rebuilt, err := s.Codecs().Renumber(nil, v, to, level)
		if err != nil {
			return nil, err
		}
		if v = rebuilt; int64(len(v)) > int64(s.rules.MaxMessageBytes) {
			return nil, refuseBatch(core.MessageTooLarge,
				"the batch exceeds max.message.bytes in the topic's compression.type")
		}
	}
	switch {
	case topic.Rules.TimestampType == record.LogAppendTime:
		v.SetLogAppendTime(s.Now.Wall)
	case checked.MaxTimestamp != v.MaxTimestamp():
		v.SetMaxTimestamp(record.CreateTime, checked.MaxTimestamp)
	}
	return v, nil
}

// maxInflated bounds what the batches of one request may be decompressed to together, in bytes, give or take the last
// one. Each batch has its own limit, but thousands of small bombs fit into a request.
const maxInflated = 1 << 30

func refuseBatch(code core.ErrorCode, why string) *record.Error {
	return &record.Error{Code: code, Message: why, Index: record.WholeBatch}
}

// storedCodec is the codec that compression.type asks for, and its level.
func storedCodec(t config.Topic, producers record.Codec) (record.Codec, record.Level) {
	switch t.Compression {
	case config.Uncompressed:
		return record.None, 0
	case config.Gzip:
		return record.Gzip, record.Level(t.GzipLevel)
	case config.Snappy:
		return record.Snappy, 0
	case config.LZ4:
		return record.LZ4, record.Level(t.LZ4Level)
	case config.Zstd:
		return record.Zstd, record.Level(t.ZstdLevel)
	}
	return producers, record.DefaultLevel
}

// Returned takes back an operation.
func (p *ProduceCall) Returned(op *partition.ProduceOp) {
	if p.pending--; !op.Taken {
		p.lent--
	}
}

// Taken takes note that the batches of an operation that is still under way are written.
func (p *ProduceCall) Taken() { p.lent-- }

// Free reports that the request's frame may be given back before its answer.
func (p *ProduceCall) Free() bool { return p.early && p.lent == 0 }

// Done reports whether every operation has come back.
func (p *ProduceCall) Done() bool { return p.pending == 0 }

// Silent reports whether the request wants no answer (acks=0).
func (p *ProduceCall) Silent() bool { return p.acks == partition.AcksNone }

// Failed reports whether any batch was refused.
func (p *ProduceCall) Failed() bool {
	for i := range p.rows {
		if code, _ := p.outcome(&p.rows[i]); code != core.NoError {
			return true
		}
	}
	return false
}

func (p *ProduceCall) outcome(r *produceRow) (core.ErrorCode, *partition.ProduceItem) {
	if r.code != core.NoError {
		return r.code, nil
	}
	item := &p.ops[r.shard].Items[r.item]
	return item.Code, item
}

// Answer encodes the response. The bytes belong to the call until the next Answer.
func (p *ProduceCall) Answer(s *Server) []byte {
	s.nodes = s.nodes[:0]
	w := &s.produce
	w.Begin(p.buf[:0], p.header, len(p.topics))
	next := 0
	for _, t := range p.topics {
		w.Topic(t.name, t.id, t.rows)
		for range t.rows {
			p.answerRow(s, w, &p.rows[next])
			next++
		}
	}
	p.buf = w.End(0, s.nodes)
	return p.buf
}

func (p *ProduceCall) answerRow(s *Server, w *wire.ProduceWriter, r *produceRow) {
	code, item := p.outcome(r)
	out := wire.ProducePartition{Partition: r.partition, ErrorCode: code, BaseOffset: core.NoOffset,
		LogAppendTime: core.NoTimestamp, LogStartOffset: core.NoOffset}
	if code == core.NotLeaderOrFollower && p.header.Version >= 10 {
		out.CurrentLeader = s.hint(r.id)
	}
	if code == core.NoError {
		out.BaseOffset, out.LogAppendTime, out.LogStartOffset = item.BaseOffset, item.LogAppendTime, item.LogStart
	}
	if r.refused != nil {
		out.Message = r.refused.Message
		for _, bad := range r.refused.Records {
			out.Records = append(out.Records, wire.ProduceRecordError{Index: bad.Index, Message: bad.Message})
		}
	}
	w.Partition(&out)
}

// Reset forgets the request, and with it everything that aliases the frame.
func (p *ProduceCall) Reset() {
	p.topics, p.rows = reuse(p.topics), reuse(p.rows)
	for _, op := range p.ops {
		op.Reset()
	}
	if cap(p.buf) > maxKeptBuffer {
		p.buf = nil
	}
}

// maxKeptBuffer is the largest answer buffer in bytes that a call keeps for the next request, maxKeptRows the longest
// list. There may be very many idle connections.
const (
	maxKeptBuffer = 16 << 10
	maxKeptRows   = 256
)

// reuse empties a list for the next request: what it refers to can be collected, and so can a large list itself.
func reuse[T any](list []T) []T {
	if cap(list) > maxKeptRows {
		return nil
	}
	clear(list)
	return list[:0]
}

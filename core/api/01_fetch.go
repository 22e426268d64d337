package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/partition"
	"ottla.dev/core/probe"
	"ottla.dev/core/wire"
)

// FetchCall serves API key 1, v4-18. Each shard plans ranges of its log files; the answer is encoded around them and
// the driver sends them from the files. v7 has incremental sessions (KIP-227), v12 epochs of the reader (KIP-320,
// KIP-595), v13 topic ids (KIP-516).
//
// A fetch that finds less than MinBytes waits. If all its partitions are on one shard, that shard waits. Otherwise all
// shards read at once; when that is not enough each is asked to wait for more than it had, and the first to have more
// calls the others back: then the sum is taken again. No operation is looked at while it, or a cancellation of it, is
// with a shard.
type FetchCall struct {
	header      wire.Header
	incremental bool
	useIDs      bool
	code        core.ErrorCode // of the request as a whole
	sessionID   int32
	entries     []fetchEntry // in the order of the answer
	ops         []*partition.FetchOp
	cancels     []partition.CancelOp
	out         []bool // which ops are under way
	canceling   []bool // which cancellations are under way
	pending     int    // of both
	waiting     bool   // several shards wait for more
	canceled    bool   // nobody waits for the answer
	pressed     bool   // another request waits behind this one: no more waiting
	call        uint64
	follower    bool // another replica reads
	replica     core.BrokerID
	epoch       core.BrokerEpoch // of the replica's incarnation, -1 if it is not known
	minBytes    int
	maxBytes    int
	deadline    time.Duration
	wanted      []int // entries that go into the answer
	parts       []core.Part
	buf         []byte
}

const (
	initialFetchEpoch = 0
	finalFetchEpoch   = -1
)

// Start resolves the request's partitions and sends the reads.
func (f *FetchCall) Start(s *Server, h wire.Header, req *kmsg.FetchRequest, call uint64) {
	f.header, f.useIDs, f.pending, f.incremental = h, h.Version >= 13, 0, false
	f.code, f.sessionID, f.entries, f.waiting = core.NoError, 0, f.entries[:0], false
	f.canceled, f.pressed, f.call = false, false, call
	f.replicaOf(req)
	f.maxBytes = int(min(max(0, req.MaxBytes), s.Cluster.Settings.FetchMaxBytes))
	f.minBytes = min(int(max(0, req.MinBytes)), f.maxBytes)
	f.deadline = s.Now.Mono + time.Duration(max(0, req.MaxWaitMillis))*time.Millisecond
	if f.code = f.session(s, req); f.code != core.NoError {
		return
	}
	for len(f.ops) < int(s.Cluster.Shards) {
		f.ops = append(f.ops, &partition.FetchOp{})
		f.cancels = append(f.cancels, partition.CancelOp{})
		f.out, f.canceling = append(f.out, false), append(f.canceling, false)
	}
	shards := f.plan(s, req, call)
	if f.minBytes == 0 || f.anyRefused() {
		f.deadline = s.Now.Mono
	}
	for i, op := range f.ops {
		if len(op.Items) > 0 {
			op.MinBytes, op.Deadline = f.minBytes, f.deadline
			if shards > 1 {
				op.MinBytes, op.Deadline = 0, s.Now.Mono
			}
			f.send(s, i)
		}
	}
}

// replicaOf finds out whether a follower reads. Negative ids are those of consumers.
func (f *FetchCall) replicaOf(req *kmsg.FetchRequest) {
	f.replica, f.epoch = core.BrokerID(req.ReplicaID), -1
	if f.header.Version >= 15 {
		f.replica, f.epoch = core.BrokerID(req.ReplicaState.ID), core.BrokerEpoch(req.ReplicaState.Epoch)
	}
	f.follower = f.replica >= 0
}

// session applies the request to the connection's fetch session and lists the partitions to read.
func (f *FetchCall) session(s *Server, req *kmsg.FetchRequest) core.ErrorCode {
	sess := &s.fetches
	if f.header.Version < 7 || req.SessionEpoch == initialFetchEpoch || req.SessionEpoch == finalFetchEpoch {
		sess.close()
		eachFetched(req, f.useIDs, func(e fetchEntry) { f.entries = append(f.entries, e) })
		if f.header.Version >= 7 && req.SessionEpoch == initialFetchEpoch {
			for _, e := range f.entries {
				sess.put(e)
			}
			sess.open(&s.Random, f.useIDs)
			f.sessionID = sess.id
		}
		return core.NoError
	}
	switch {
	case sess.id == 0 || req.SessionID != sess.id:
		s.Out.Sometimes(probe.FetchSessionUnknown)
		return core.FetchSessionIDNotFound
	case req.SessionEpoch != sess.epoch:
		s.Out.Sometimes(probe.FetchSessionOutOfTurn)
		return core.InvalidFetchSessionEpoch
	case sess.useIDs != f.useIDs:
		return core.FetchSessionTopicIDError
	}
	known := len(sess.entries)
	eachFetched(req, f.useIDs, sess.put)
	if len(sess.entries) > known {
		s.Out.Sometimes(probe.FetchSessionGrown)
	}
	if sess.tooLarge() {
		sess.close()
		return core.FetchSessionIDNotFound
	}
	for i := range req.ForgottenTopics {
		t := &req.ForgottenTopics[i]
		for _, p := range t.Partitions {
			s.Out.Sometimes(probe.FetchSessionShrunk)
			sess.drop(keyOf(f.useIDs, t.Topic, t.TopicID, p))
		}
	}
	sess.nextEpoch()
	f.incremental, f.sessionID = true, sess.id
	for i := range sess.entries {
		f.entries = append(f.entries, sess.entries[(sess.first+i)%len(sess.entries)])
	}
	return core.NoError
}

func keyOf(useIDs bool, topic string, id core.UUID, p int32) fetchKey {
	if useIDs {
		return fetchKey{id: id, partition: core.PartitionID(p)}
	}
	return fetchKey{topic: topic, partition: core.PartitionID(p)}
}

func eachFetched(req *kmsg.FetchRequest, useIDs bool, yield func(fetchEntry)) {
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			yield(fetchEntry{key: keyOf(useIDs, t.Topic, t.TopicID, p.Partition), offset: core.Offset(p.FetchOffset),
				maxBytes: p.PartitionMaxBytes, leaderEpoch: core.LeaderEpoch(p.CurrentLeaderEpoch),
				lastFetchedEpoch: core.LeaderEpoch(p.LastFetchedEpoch), replicaLogStart: core.Offset(p.LogStartOffset),
				replicaMark: core.Offset(p.HighWatermark)})
		}
	}
}

// plan makes an item for every partition that exists, on its shard, and returns how many shards are asked.
func (f *FetchCall) plan(s *Server, req *kmsg.FetchRequest, call uint64) int {
	shards := 0
	for i := range f.entries {
		e := &f.entries[i]
		var topic *Topic
		if e.code = core.UnknownTopicOrPartition; f.useIDs {
			if topic = s.topics.ByID(e.key.id); topic == nil {
				e.code = core.UnknownTopicID
			}
		} else {
			topic = s.topics.ByName(e.key.topic)
		}
		if topic == nil || topic.Partition(e.key.partition) == nil {
			continue
		}
		e.code = core.NoError
		id := core.TopicIDPartition{Topic: topic.ID, Partition: e.key.partition}
		e.shard = s.Cluster.ShardOf(topic.Name, e.key.partition).Index
		op := f.ops[e.shard]
		if len(op.Items) == 0 {
			op.Reply, op.Call, op.MaxBytes, op.ReadCommitted = s.Self, call, f.maxBytes, req.IsolationLevel == 1
			op.AnyReplica = f.header.Version >= 11 && !f.follower
			op.Nearest, op.Rack = op.AnyReplica && s.Cluster.Settings.Replication.Nearest, req.Rack
			op.Follower, op.Replica, op.ReplicaEpoch = f.follower, f.replica, f.epoch
			shards++
		}
		e.item = len(op.Items)
		op.Items = append(op.Items, partition.FetchItem{ID: id, Offset: e.offset, MaxBytes: int(max(0, e.maxBytes)),
			LeaderEpoch: e.leaderEpoch, LastFetchedEpoch: e.lastFetchedEpoch, ReplicaLogStart: e.replicaLogStart,
			ReplicaHighWatermark: e.replicaMark, ToldLogStart: f.toldStart(e), Preferred: core.NoBroker})
	}
	return shards
}

func (f *FetchCall) anyRefused() bool {
	for i := range f.entries {
		if f.entries[i].code != core.NoError {
			return true
		}
	}
	return len(f.entries) == 0
}

func (f *FetchCall) send(s *Server, shard int) {
	f.out[shard] = true
	f.pending++
	s.Out.Send(core.Shard(uint32(shard)), f.ops[shard])
}

// Returned takes back an operation. With all of them back it decides whether to answer or to wait on.
func (f *FetchCall) Returned(s *Server, op *partition.FetchOp) {
	for i := range f.ops {
		if f.ops[i] == op {
			f.out[i] = false
			f.pending--
		}
	}
	if f.pending > 0 && f.waiting {
		f.Cancel(s) // one shard has news: hear the others now
	}
	f.goOn(s)
}

// Canceled takes back a cancellation.
func (f *FetchCall) Canceled(s *Server, c *partition.CancelOp) {
	for i := range f.cancels {
		if &f.cancels[i] == c {
			f.canceling[i] = false
			f.pending--
		}
	}
	f.goOn(s)
}

// goOn decides, with nothing under way, whether to answer or to wait for more.
func (f *FetchCall) goOn(s *Server) {
	if f.pending > 0 || f.canceled || f.enough(s.Now) {
		return
	}
	f.waiting = true
	s.Out.Sometimes(probe.FetchAcrossShards)
	for i, op := range f.ops {
		if len(op.Items) > 0 {
			op.MinBytes, op.Deadline = op.Bytes+1, f.deadline
			f.send(s, i)
		}
	}
}

// enough reports whether what the shards have read may be answered.
func (f *FetchCall) enough(now core.Instant) bool {
	total := 0
	for _, op := range f.ops {
		total += op.Bytes
		for i := range op.Items {
			if op.Items[i].Urgent(f.follower) {
				return true
			}
		}
	}
	return total >= f.minBytes || f.pressed || now.Reached(f.deadline)
}

// Press ends the waiting of another replica's fetch, because it has sent something else meanwhile: most likely it wants
// to fetch more partitions than it has named. Consumers may wait on: what they send is meant to come later.
func (f *FetchCall) Press(s *Server) {
	if f.follower && !f.pressed {
		f.pressed = true
		f.Cancel(s)
	}
}

// Follower reports whether another replica reads.
func (f *FetchCall) Follower() bool { return f.follower }

// Abandon ends the waiting because nobody is there to be answered.
func (f *FetchCall) Abandon(s *Server) {
	f.canceled = true
	f.Cancel(s)
}

// Cancel calls back the operations that are under way.
func (f *FetchCall) Cancel(s *Server) {
	for i := range f.ops {
		if f.out[i] && !f.canceling[i] {
			f.canceling[i] = true
			f.pending++
			f.cancels[i] = partition.CancelOp{Reply: s.Self, Call: f.call, Fetch: f.ops[i]}
			s.Out.Send(core.Shard(uint32(i)), &f.cancels[i])
		}
	}
}

// Done reports whether every operation has come back.
func (f *FetchCall) Done() bool { return f.pending == 0 }

// Answer encodes the response as parts, which belong to the call until its Reset.
func (f *FetchCall) Answer(s *Server) []core.Part {
	f.choose(s)
	s.nodes = s.nodes[:0]
	w := &s.fetch
	w.Begin(f.buf[:0], f.header, 0, f.code, f.sessionID, f.countTopics())
	for i, n := range f.wanted {
		e := &f.entries[n]
		if i == 0 || !sameTopic(e, &f.entries[f.wanted[i-1]]) {
			w.Topic(e.key.topic, e.key.id, f.countPartitions(i))
		}
		f.answerEntry(s, w, e)
	}
	segments, buf := w.End(s.nodes)
	f.buf, f.parts = buf, f.parts[:0]
	row := 0
	for _, seg := range segments {
		f.parts = append(f.parts, core.Part{Bytes: seg.Head})
		for seg.Records > 0 {
			e := &f.entries[f.wanted[row]]
			row++
			if it := f.item(e); it != nil && it.Len > 0 {
				f.parts = append(f.parts, core.Part{Owner: core.Shard(e.shard), File: it.File, Pos: it.Pos, Len: it.Len})
				break
			}
		}
	}
	return f.parts
}

// item is the shard's outcome for an entry, nil if the entry never got to a shard.
func (f *FetchCall) item(e *fetchEntry) *partition.FetchItem {
	if e.code != core.NoError {
		return nil
	}
	return &f.ops[e.shard].Items[e.item]
}

// choose cuts the ranges to MaxBytes over all shards, and leaves out what an incremental answer need not repeat.
func (f *FetchCall) choose(s *Server) {
	f.wanted = f.wanted[:0]
	if f.code != core.NoError {
		return
	}
	total := int64(0)
	for i := range f.entries {
		e := &f.entries[i]
		it := f.item(e)
		if it != nil && it.Len > 0 {
			if total > 0 && total+it.Len > int64(f.maxBytes) {
				it.Len = 0
			}
			total += it.Len
		}
		if f.tell(s, e, it) || !f.incremental {
			f.wanted = append(f.wanted, i)
		}
	}
	if sess := &s.fetches; f.incremental && total > 0 && len(sess.entries) > 0 {
		sess.first = (sess.first + 1) % len(sess.entries)
	}
}

// tell reports whether an entry has news for the client, and notes in the session what it will be told.
func (f *FetchCall) tell(s *Server, e *fetchEntry, it *partition.FetchItem) bool {
	if it == nil || it.Code != core.NoError {
		if i, ok := s.fetches.index[e.key]; ok && f.sessionID != 0 {
			s.fetches.entries[i].told = false // so that the client hears when the error is gone
		}
		return true
	}
	news := it.Len > 0 || it.DivergingEpoch != core.NoLeaderEpoch || it.Preferred != core.NoBroker || !e.told ||
		it.HighWatermark != e.highWatermark || it.LogStart != e.logStart
	if f.sessionID == 0 {
		return news
	}
	if i, ok := s.fetches.index[e.key]; ok {
		kept := &s.fetches.entries[i]
		kept.told, kept.highWatermark, kept.logStart = true, it.HighWatermark, it.LogStart
	}
	return news
}

// toldAll is above all log start offsets: there is nothing to be told of them at once.
const toldAll core.Offset = 1<<63 - 1

// toldStart is what a follower was told of where the log of its leader begins. Without a session nobody knows, and an
// answer each time would be too many: it hears of it when its wait is over.
func (f *FetchCall) toldStart(e *fetchEntry) core.Offset {
	switch {
	case f.sessionID == 0:
		return toldAll
	case !e.told:
		return core.NoOffset
	}
	return e.logStart
}

func sameTopic(a, b *fetchEntry) bool { return a.key.id == b.key.id && a.key.topic == b.key.topic }

func (f *FetchCall) countTopics() int {
	n := 0
	for i := range f.wanted {
		if i == 0 || !sameTopic(&f.entries[f.wanted[i]], &f.entries[f.wanted[i-1]]) {
			n++
		}
	}
	return n
}

// countPartitions counts the entries of one topic in a row, from the i-th wanted on.
func (f *FetchCall) countPartitions(i int) int {
	n := 1
	for i+n < len(f.wanted) && sameTopic(&f.entries[f.wanted[i]], &f.entries[f.wanted[i+n]]) {
		n++
	}
	return n
}

func (f *FetchCall) answerEntry(s *Server, w *wire.FetchWriter, e *fetchEntry) {
	out := wire.FetchPartition{Partition: e.key.partition, ErrorCode: e.code, HighWatermark: core.NoOffset,
		LastStableOffset: core.NoOffset, LogStartOffset: core.NoOffset, PreferredReadReplica: core.NoBroker}
	if it := f.item(e); it != nil {
		out.ErrorCode = it.Code
		if f.header.Version >= 16 && (it.Code == core.NotLeaderOrFollower || it.Code == core.FencedLeaderEpoch) {
			out.CurrentLeader = s.hint(it.ID)
		}
		if it.Code == core.OffsetOutOfRange {
			out.LogStartOffset = it.LogStart // where a follower that fell behind begins anew
		}
		if it.Code == core.NoError {
			out.HighWatermark, out.LastStableOffset, out.LogStartOffset = it.HighWatermark, it.LastStableOffset, it.LogStart
			out.RecordBytes, out.PreferredReadReplica = int(it.Len), it.Preferred
			out.DivergingEpoch = wire.EpochEndOffset{Set: it.DivergingEpoch != core.NoLeaderEpoch,
				Epoch: it.DivergingEpoch, EndOffset: it.DivergingEnd}
		}
	}
	w.Partition(&out)
}

// Reset forgets the request, and with it everything that aliases the frame.
func (f *FetchCall) Reset() {
	f.entries, f.parts, f.wanted = reuse(f.entries), reuse(f.parts), reuse(f.wanted)
	for _, op := range f.ops {
		op.Reset()
	}
	f.header.ClientID = nil
	if cap(f.buf) > maxKeptBuffer {
		f.buf = nil
	}
}

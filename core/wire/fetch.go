package wire

import "ottla.dev/core"

// FetchPartition is the answer for one partition of a Fetch request, all but its records.
type FetchPartition struct {
	Partition     core.PartitionID
	ErrorCode     core.ErrorCode
	HighWatermark core.Offset
	// LastStableOffset is core.NoOffset where it is not known.
	LastStableOffset core.Offset
	// LogStartOffset is written from version 5.
	LogStartOffset core.Offset
	// Aborted lists the aborted transactions in the range, for read_committed readers; nil is null.
	Aborted []AbortedTransaction
	// PreferredReadReplica is written from version 11; core.NoBroker says to read here (KIP-392).
	PreferredReadReplica core.BrokerID
	// DivergingEpoch, CurrentLeader and Snapshot are written from version 12.
	DivergingEpoch EpochEndOffset
	CurrentLeader  LeaderHint
	Snapshot       EpochEndOffset
	// RecordBytes is how many bytes of record batches follow in the hole after this partition's head.
	RecordBytes int
}

// AbortedTransaction is a producer's aborted transaction and the offset of its first record.
type AbortedTransaction struct {
	ProducerID  core.ProducerID
	FirstOffset core.Offset
}

// EpochEndOffset is an epoch with an end offset: where logs diverge (KIP-595), or the id of a snapshot (KIP-630). It is
// written only if Set, and never when both fields are -1.
type EpochEndOffset struct {
	Set       bool
	Epoch     core.LeaderEpoch
	EndOffset core.Offset
}

func (o EpochEndOffset) present() bool {
	return o.Set && (o.Epoch != core.NoLeaderEpoch || o.EndOffset != core.NoOffset)
}

// FetchSegment is a piece of a Fetch answer: bytes to send, then a hole of Records bytes to fill with record batches.
type FetchSegment struct {
	Head    []byte
	Records int
}

// FetchWriter writes a Fetch response, versions 4 to 18, around the records, which it never sees: Begin, then for each
// topic Topic and its Partitions, then End. The counts given beforehand must be kept. The zero value is ready; when it
// is reused, nothing is allocated.
type FetchWriter struct {
	e        encoder
	version  int16
	start    int
	topics   int
	left     int // partitions of the current topic still to come
	records  int // bytes of all holes so far
	segments []FetchSegment
	ends     []int // where each segment's head ends in the buffer
}

// Begin starts an answer to the request with header h. Heads are appended to dst, which belongs to the writer until
// End. The error code and the session id (KIP-227) are written from version 7.
func (w *FetchWriter) Begin(
	dst []byte, h Header, throttleMillis int32, code core.ErrorCode, sessionID int32, topics int,
) {
	if h.Key != Fetch || !Lookup(Fetch).Serves(h.Version) {
		panic("wire: a Fetch answer to another request")
	}
	clear(w.segments) // do not hold the previous answer's buffer
	*w = FetchWriter{
		version: h.Version, start: len(dst), topics: topics, segments: w.segments[:0], ends: w.ends[:0],
	}
	w.e.flexible = h.Version >= 12
	w.e.buf = appendResponseHeader(dst, h, w.e.flexible)
	w.e.int32(throttleMillis)
	if w.version >= 7 {
		w.e.int16(int16(code))
		w.e.int32(sessionID)
	}
	w.e.arrayLen(topics)
}

// Topic starts a topic. Its name goes out up to version 12, its id from version 13.
func (w *FetchWriter) Topic(name string, id core.UUID, partitions int) {
	if w.left != 0 {
		panic("wire: fewer partitions than announced")
	}
	if w.topics == 0 {
		panic("wire: more topics than announced")
	}
	w.topics--
	w.left = partitions
	if w.version <= 12 {
		w.e.string(name)
	} else {
		w.e.uuid(id)
	}
	w.e.arrayLen(partitions)
	if partitions == 0 {
		w.e.noTags()
	}
}

// Partition adds a partition to the current topic.
func (w *FetchWriter) Partition(p *FetchPartition) {
	if w.left == 0 {
		panic("wire: more partitions than announced")
	}
	w.left--
	e := &w.e
	e.int32(int32(p.Partition))
	e.int16(int16(p.ErrorCode))
	e.int64(int64(p.HighWatermark))
	e.int64(int64(p.LastStableOffset))
	if w.version >= 5 {
		e.int64(int64(p.LogStartOffset))
	}
	w.aborted(p.Aborted)
	if w.version >= 11 {
		e.int32(int32(p.PreferredReadReplica))
	}
	e.bytesLen(p.RecordBytes)
	if p.RecordBytes > 0 {
		w.hole(p.RecordBytes)
	}
	if w.version >= 12 {
		w.partitionTags(p)
	}
	if w.left == 0 {
		e.noTags()
	}
}

func (w *FetchWriter) aborted(list []AbortedTransaction) {
	if list == nil {
		w.e.arrayLen(-1)
		return
	}
	w.e.arrayLen(len(list))
	for i := range list {
		w.e.int64(int64(list[i].ProducerID))
		w.e.int64(int64(list[i].FirstOffset))
		w.e.noTags()
	}
}

func (w *FetchWriter) partitionTags(p *FetchPartition) {
	e := &w.e
	diverging, leader, snapshot := p.DivergingEpoch.present(), p.CurrentLeader.present(), p.Snapshot.present()
	count := uint32(0)
	for _, present := range [...]bool{diverging, leader, snapshot} {
		if present {
			count++
		}
	}
	e.tagCount(count)
	if diverging {
		e.tag(0, 4+8+1)
		e.int32(int32(p.DivergingEpoch.Epoch))
		e.int64(int64(p.DivergingEpoch.EndOffset))
		e.noTags()
	}
	if leader {
		e.leaderHint(1, p.CurrentLeader)
	}
	if snapshot {
		e.tag(2, 8+4+1)
		e.int64(int64(p.Snapshot.EndOffset))
		e.int32(int32(p.Snapshot.Epoch))
		e.noTags()
	}
}

// hole ends the current segment. The buffer may still move, so heads are cut only at the end.
func (w *FetchWriter) hole(size int) {
	w.records += size
	w.segments = append(w.segments, FetchSegment{Records: size})
	w.ends = append(w.ends, len(w.e.buf))
}

// End completes the answer. nodes are written from version 16.
//
// It returns the segments in sending order: the first one's head begins with the frame's length, the last one has no
// hole. Heads alias dst as grown, which is returned too for reuse once everything is sent; the list of segments belongs
// to the writer and is valid until the next Begin.
func (w *FetchWriter) End(nodes []NodeEndpoint) (segments []FetchSegment, buf []byte) {
	if w.left != 0 || w.topics != 0 {
		panic("wire: fewer topics or partitions than announced")
	}
	if w.version < 16 {
		nodes = nil
	}
	w.e.endpoints(nodes)
	w.hole(0)
	buf = w.e.buf
	w.e.buf = nil
	putFrameSize(buf, w.start, w.records)
	from := w.start
	for i, to := range w.ends {
		w.segments[i].Head = buf[from:to:to]
		from = to
	}
	return w.segments, buf
}

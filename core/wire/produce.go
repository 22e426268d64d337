package wire

import "ottla.dev/core"

// ProducePartition is the answer for one partition of a Produce request.
type ProducePartition struct {
	Partition core.PartitionID
	ErrorCode core.ErrorCode
	// BaseOffset is the offset of the first record of the batch, or core.NoOffset with an error.
	BaseOffset core.Offset
	// LogAppendTime is core.NoTimestamp for topics with CreateTime.
	LogAppendTime core.Timestamp
	// LogStartOffset is written from version 5.
	LogStartOffset core.Offset
	// Records and Message are written from version 8 (KIP-467). An empty message is null.
	Records []ProduceRecordError
	Message string
	// CurrentLeader is written from version 10.
	CurrentLeader LeaderHint
}

// ProduceRecordError says which record of a batch was refused, and why. An empty message is null.
type ProduceRecordError struct {
	Index   int32
	Message string
}

// ProduceWriter writes a Produce response, versions 3 to 13, without allocating: Begin, then for each topic Topic and
// its Partitions, then End. The counts given beforehand must be kept. The zero value is ready and can be reused.
type ProduceWriter struct {
	e       encoder
	version int16
	start   int
	topics  int
	left    int // partitions of the current topic still to come
}

// Begin starts an answer to the request with header h. The frame is appended to dst.
func (w *ProduceWriter) Begin(dst []byte, h Header, topics int) {
	if h.Key != Produce || !Lookup(Produce).Serves(h.Version) {
		panic("wire: a Produce answer to another request")
	}
	*w = ProduceWriter{version: h.Version, start: len(dst), topics: topics}
	w.e.flexible = h.Version >= 9
	w.e.buf = appendResponseHeader(dst, h, w.e.flexible)
	w.e.arrayLen(topics)
}

// Topic starts a topic. Its name goes out up to version 12, its id from version 13.
func (w *ProduceWriter) Topic(name string, id core.UUID, partitions int) {
	w.endTopic()
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

// endTopic checks that the topic is complete; its tagged fields were written with its last partition.
func (w *ProduceWriter) endTopic() {
	if w.left != 0 {
		panic("wire: fewer partitions than announced")
	}
}

// Partition adds a partition to the current topic.
func (w *ProduceWriter) Partition(p *ProducePartition) {
	if w.left == 0 {
		panic("wire: more partitions than announced")
	}
	w.left--
	e := &w.e
	e.int32(int32(p.Partition))
	e.int16(int16(p.ErrorCode))
	e.int64(int64(p.BaseOffset))
	e.int64(int64(p.LogAppendTime))
	if w.version >= 5 {
		e.int64(int64(p.LogStartOffset))
	}
	if w.version >= 8 {
		e.arrayLen(len(p.Records))
		for i := range p.Records {
			e.int32(p.Records[i].Index)
			e.nullableString(p.Records[i].Message)
			e.noTags()
		}
		e.nullableString(p.Message)
	}
	if w.version >= 10 && p.CurrentLeader.present() {
		e.tagCount(1)
		e.leaderHint(0, p.CurrentLeader)
	} else {
		e.noTags()
	}
	if w.left == 0 {
		e.noTags()
	}
}

// End completes the answer and returns dst with it. nodes are written from version 10.
func (w *ProduceWriter) End(throttleMillis int32, nodes []NodeEndpoint) []byte {
	w.endTopic()
	if w.topics != 0 {
		panic("wire: fewer topics than announced")
	}
	w.e.int32(throttleMillis)
	if w.version < 10 {
		nodes = nil
	}
	w.e.endpoints(nodes)
	putFrameSize(w.e.buf, w.start, 0)
	buf := w.e.buf
	w.e.buf = nil
	return buf
}

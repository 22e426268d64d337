package partition

import (
	"strconv"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// Acks is a producer's acks setting.
type Acks int16

// The three values that Kafka knows.
const (
	AcksAll    Acks = -1
	AcksNone   Acks = 0
	AcksLeader Acks = 1
)

// Valid reports whether a is one of the three.
func (a Acks) Valid() bool { return a >= AcksAll && a <= AcksLeader }

// ProduceOp asks a shard to append batches. The shard sends the same struct back, to Reply, when every item is decided
// and no write of the batches' bytes is under way any more.
type ProduceOp struct {
	Reply    core.Address
	Call     uint64 // the session's own number for the request
	Acks     Acks
	Timeout  time.Duration // how long an append may wait for the high watermark; 0 is not named
	Internal bool          // written by a coordinator on its own behalf
	Items    []ProduceItem
	// Early asks for a [ProduceTaken]. Taken says, of an operation that came back, that there was one.
	Early bool
	Taken bool

	deadline time.Duration
	open     int // items without an outcome
	writing  int // items whose bytes the disk may still read
	taken    ProduceTaken
}

// ProduceTaken says that all batches of an operation are written, and that their bytes are the session's again. The
// operation itself comes back later: between the two lies a sync, or the time that followers take, and requests may be
// large.
type ProduceTaken struct{ Call uint64 }

// AppendText implements [core.Message].
func (m *ProduceTaken) AppendText(dst []byte) []byte {
	return strconv.AppendUint(append(dst, "ProduceTaken call="...), m.Call, 10)
}

// ProduceItem is one partition's batch, checked by the session, and its outcome.
type ProduceItem struct {
	ID    core.TopicIDPartition
	Batch record.View // nil once it was taken

	Code          core.ErrorCode
	BaseOffset    core.Offset
	LastOffset    core.Offset
	LogStart      core.Offset
	LogAppendTime core.Timestamp // NoTimestamp with CreateTime
	LeaderEpoch   core.LeaderEpoch
}

// maxKeptItems is the most items whose memory an operation keeps for another request.
const maxKeptItems = 256

// Reset makes op ready for another request and keeps its memory, unless that was a large one.
func (op *ProduceOp) Reset() {
	clear(op.Items)
	if cap(op.Items) > maxKeptItems {
		op.Items = nil
	}
	*op = ProduceOp{Items: op.Items[:0]}
}

// AppendText implements [core.Message].
func (op *ProduceOp) AppendText(dst []byte) []byte {
	dst = append(dst, "Produce acks="...)
	dst = strconv.AppendInt(dst, int64(op.Acks), 10)
	for i := range op.Items {
		it := &op.Items[i]
		dst = appendPartition(dst, it.ID)
		if it.Batch != nil {
			dst = append(dst, " n="...)
			dst = strconv.AppendInt(dst, int64(it.Batch.Count()), 10)
		}
		dst = append(dst, " base="...)
		dst = strconv.AppendInt(dst, int64(it.BaseOffset), 10)
		dst = appendCode(dst, it.Code)
	}
	return dst
}

// FetchOp asks a shard to read. The shard answers when MinBytes are there, when Deadline comes, or at once if an item
// fails or the op was cancelled, by sending the struct back to Reply.
type FetchOp struct {
	Reply         core.Address
	Call          uint64
	MinBytes      int
	MaxBytes      int
	Deadline      time.Duration // monotonic; at or before now means do not wait
	ReadCommitted bool
	// AnyReplica lets a follower serve a consumer that can be sent to one (KIP-392). Rack is where the consumer is, and
	// Nearest has it sent to the replica there.
	AnyReplica bool
	Nearest    bool
	Rack       string
	// Follower says that another replica reads, of the broker Replica in its incarnation ReplicaEpoch (-1: unknown).
	Follower     bool
	Replica      core.BrokerID
	ReplicaEpoch core.BrokerEpoch
	Items        []FetchItem

	Bytes int // what the items' ranges hold together

	noted bool // what the fetch says about the follower is taken

	planning int  // locate jobs under way, and one more while items are looked at
	parked   bool // on the lists of its partitions, waiting for more to read
	canceled bool // to be answered at the next opportunity
}

// FetchItem is one partition's read and its outcome.
type FetchItem struct {
	ID               core.TopicIDPartition
	Offset           core.Offset
	MaxBytes         int
	LeaderEpoch      core.LeaderEpoch // the reader's current leader epoch, NoLeaderEpoch if unknown
	LastFetchedEpoch core.LeaderEpoch
	// What a follower knows of its own log. A high watermark below the leader's is brought up to date without waiting.
	ReplicaLogStart      core.Offset
	ReplicaHighWatermark core.Offset
	// ToldLogStart is what the follower was told of where the leader's log begins, NoOffset if nothing. One that begins
	// earlier and has heard of less is told without waiting. One that has heard of it asks again when it is on its disk.
	ToldLogStart core.Offset

	Code             core.ErrorCode
	HighWatermark    core.Offset
	LastStableOffset core.Offset
	LogStart         core.Offset
	File             core.FileID
	Pos              int64
	Len              int64
	DivergingEpoch   core.LeaderEpoch // NoLeaderEpoch unless the reader's log has diverged (KIP-595)
	DivergingEnd     core.Offset
	Preferred        core.BrokerID // where to read instead, or NoBroker

	limit core.Offset // up to which was read
}

// Reset makes op ready for another request and keeps its memory, unless that was a large one.
func (op *FetchOp) Reset() {
	clear(op.Items)
	if cap(op.Items) > maxKeptItems {
		op.Items = nil
	}
	*op = FetchOp{Items: op.Items[:0]}
}

// AppendText implements [core.Message].
func (op *FetchOp) AppendText(dst []byte) []byte {
	dst = append(dst, "Fetch min="...)
	dst = strconv.AppendInt(dst, int64(op.MinBytes), 10)
	for i := range op.Items {
		it := &op.Items[i]
		dst = appendPartition(dst, it.ID)
		dst = append(dst, " from="...)
		dst = strconv.AppendInt(dst, int64(it.Offset), 10)
		dst = append(dst, " hw="...)
		dst = strconv.AppendInt(dst, int64(it.HighWatermark), 10)
		dst = append(dst, " len="...)
		dst = strconv.AppendInt(dst, it.Len, 10)
		dst = appendCode(dst, it.Code)
	}
	return dst
}

// CancelOp asks a shard to give back a fetch that waits, at once. It comes back to Reply, after the fetch if that was
// waiting; until then the fetch may not be touched, even if it came back before the shard heard of the cancellation.
type CancelOp struct {
	Reply core.Address
	Call  uint64
	Fetch *FetchOp
}

// AppendText implements [core.Message].
func (op *CancelOp) AppendText(dst []byte) []byte { return append(dst, "Cancel"...) }

// QueryKind says what a [QueryOp] asks.
type QueryKind uint8

// The queries.
const (
	QueryOffset       QueryKind = iota + 1 // ListOffsets: Timestamp -> Offset, Timestamp, Epoch
	QueryEpochEnd                          // OffsetForLeaderEpoch: Epoch -> Epoch, Offset
	QueryDelete                            // DeleteRecords: Offset (-1: high watermark) -> Offset, the low watermark
	QueryProducers                         // DescribeProducers: -> Producers
	QueryLogDirectory                      // DescribeLogDirs: -> Size, Lag
)

// QueryOp asks a shard about partitions. The shard sends the struct back to Reply when all items are answered.
type QueryOp struct {
	Kind          QueryKind
	Reply         core.Address
	Call          uint64
	ReadCommitted bool
	Timeout       time.Duration
	All           bool // QueryLogDirectory of every partition of the shard: the shard fills Items
	Items         []QueryItem

	open    int       // items without an answer
	deleted []deleted // items whose log start offset was raised
}

// Special timestamps of ListOffsets (Kafka: ListOffsetsRequest).
const (
	LatestTimestamp          core.Timestamp = -1
	EarliestTimestamp        core.Timestamp = -2
	MaxTimestamp             core.Timestamp = -3
	EarliestLocalTimestamp   core.Timestamp = -4
	LatestTieredTimestamp    core.Timestamp = -5
	EarliestPendingTimestamp core.Timestamp = -6
)

// QueryItem is one partition's question and answer.
type QueryItem struct {
	ID          core.TopicIDPartition
	LeaderEpoch core.LeaderEpoch // the asker's, for fencing
	Timestamp   core.Timestamp
	Offset      core.Offset
	Epoch       core.LeaderEpoch
	Size        int64
	Dir         string
	Producers   []Producer
	Code        core.ErrorCode
}

// Producer is the state of one idempotent producer as DescribeProducers shows it.
type Producer struct {
	ID            core.ProducerID
	Epoch         core.ProducerEpoch
	LastSequence  core.Sequence
	LastTimestamp core.Timestamp
	TxnStart      core.Offset
	Coordinator   int32
}

// AppendText implements [core.Message].
func (op *QueryOp) AppendText(dst []byte) []byte {
	dst = append(dst, "Query kind="...)
	dst = strconv.AppendInt(dst, int64(op.Kind), 10)
	for i := range op.Items {
		it := &op.Items[i]
		dst = appendPartition(dst, it.ID)
		dst = append(dst, " offset="...)
		dst = strconv.AppendInt(dst, int64(it.Offset), 10)
		dst = appendCode(dst, it.Code)
	}
	return dst
}

func appendPartition(dst []byte, id core.TopicIDPartition) []byte {
	dst = append(dst, " part="...)
	for _, b := range id.Topic[:4] {
		const digits = "0123456789abcdef"
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	dst = append(dst, '-')
	return strconv.AppendInt(dst, int64(id.Partition), 10)
}

func appendCode(dst []byte, code core.ErrorCode) []byte {
	if code == core.NoError {
		return dst
	}
	dst = append(dst, ' ')
	return append(dst, code.String()...)
}

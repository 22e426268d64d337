package dump

import (
	"ottla.dev/core"
	"ottla.dev/core/record"
)

// Entry is one thing found in a file. Exactly one of the pointers is set, or Text, or only Problem.
type Entry struct {
	File     string     `json:"file"`
	Batch    *Batch     `json:"batch,omitempty"`
	Index    *Index     `json:"index,omitempty"`
	Time     *TimeIndex `json:"timeIndex,omitempty"`
	Producer *Producer  `json:"producer,omitempty"`
	Aborted  *Aborted   `json:"abortedTransaction,omitempty"`
	Epoch    *Epoch     `json:"leaderEpoch,omitempty"`
	Offset   *OffsetOf  `json:"offset,omitempty"`
	Property *Property  `json:"property,omitempty"`
	Text     string     `json:"text,omitempty"`
	Problem  string     `json:"problem,omitempty"`
}

// Batch is a record batch of a log or a snapshot of the metadata.
type Batch struct {
	Position      int64              `json:"position"`
	Size          int                `json:"size"`
	BaseOffset    core.Offset        `json:"baseOffset"`
	LastOffset    core.Offset        `json:"lastOffset"`
	Count         int32              `json:"count"`
	LeaderEpoch   core.LeaderEpoch   `json:"partitionLeaderEpoch"`
	Transactional bool               `json:"isTransactional"`
	Control       bool               `json:"isControl"`
	DeleteHorizon bool               `json:"hasDeleteHorizon,omitempty"`
	TimestampType string             `json:"timestampType"`
	BaseTimestamp core.Timestamp     `json:"baseTimestamp"`
	MaxTimestamp  core.Timestamp     `json:"maxTimestamp"`
	ProducerID    core.ProducerID    `json:"producerId"`
	ProducerEpoch core.ProducerEpoch `json:"producerEpoch"`
	BaseSequence  core.Sequence      `json:"baseSequence"`
	LastSequence  core.Sequence      `json:"lastSequence"`
	Codec         string             `json:"compression"`
	CRC           uint32             `json:"crc"`
	Valid         bool               `json:"isValid"`
	Records       []Record           `json:"records,omitempty"`
}

// Record is a record of a batch. Nil keys and values are null.
type Record struct {
	Offset    core.Offset    `json:"offset"`
	Timestamp core.Timestamp `json:"timestamp"`
	Key       []byte         `json:"key"`
	Value     []byte         `json:"value"`
	Headers   []Header       `json:"headers,omitempty"`
	Control   string         `json:"control,omitempty"` // the type of a control record
}

// Header is a header of a record.
type Header struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

// Index is an entry of an offset index.
type Index struct {
	Offset   core.Offset `json:"offset"`
	Position int64       `json:"position"`
}

// TimeIndex is an entry of a time index.
type TimeIndex struct {
	Timestamp core.Timestamp `json:"timestamp"`
	Offset    core.Offset    `json:"offset"`
}

// Producer is an entry of a producer snapshot.
type Producer struct {
	ID               core.ProducerID    `json:"producerId"`
	Epoch            core.ProducerEpoch `json:"producerEpoch"`
	CoordinatorEpoch int32              `json:"coordinatorEpoch"`
	TxnStart         core.Offset        `json:"currentTxnFirstOffset"`
	LastTimestamp    core.Timestamp     `json:"lastTimestamp"`
	FirstSequence    core.Sequence      `json:"firstSequence"`
	LastSequence     core.Sequence      `json:"lastSequence"`
	LastOffset       core.Offset        `json:"lastOffset"`
	OffsetDelta      int32              `json:"offsetDelta"`
}

// Aborted is an entry of a transaction index.
type Aborted struct {
	ProducerID       core.ProducerID `json:"producerId"`
	FirstOffset      core.Offset     `json:"firstOffset"`
	LastOffset       core.Offset     `json:"lastOffset"`
	LastStableOffset core.Offset     `json:"lastStableOffset"`
}

// Epoch is an entry of a leader-epoch checkpoint.
type Epoch struct {
	Epoch       core.LeaderEpoch `json:"epoch"`
	StartOffset core.Offset      `json:"startOffset"`
}

// OffsetOf is an entry of an offset checkpoint.
type OffsetOf struct {
	Topic     string           `json:"topic"`
	Partition core.PartitionID `json:"partition"`
	Offset    core.Offset      `json:"offset"`
}

// Property is a line of meta.properties or partition.metadata.
type Property struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func batchOf(v record.View, pos int64) *Batch {
	b := &Batch{
		Position: pos, Size: len(v), BaseOffset: v.BaseOffset(), LastOffset: v.LastOffset(), Count: v.Count(),
		LeaderEpoch: v.LeaderEpoch(), Transactional: v.IsTransactional(), Control: v.IsControl(),
		DeleteHorizon: v.HasDeleteHorizon(), TimestampType: "CreateTime", BaseTimestamp: v.BaseTimestamp(),
		MaxTimestamp: v.MaxTimestamp(), ProducerID: v.ProducerID(), ProducerEpoch: v.ProducerEpoch(),
		BaseSequence: v.BaseSequence(), LastSequence: v.LastSequence(), Codec: v.Codec().String(), CRC: v.CRC(),
		Valid: v.Check() == nil,
	}
	if v.TimestampType() == record.LogAppendTime {
		b.TimestampType = "LogAppendTime"
	}
	return b
}

// recordsOf reads the records of a batch, copied.
func recordsOf(v record.View, codecs *record.Codecs) ([]Record, error) {
	var list []Record
	it := record.Records(v, codecs)
	for it.Next() {
		r := Record{Offset: it.Record.Offset, Timestamp: it.Record.Timestamp, Key: clone(it.Record.Key),
			Value: clone(it.Record.Value)}
		for h := range it.Record.Headers.All() {
			r.Headers = append(r.Headers, Header{Key: string(h.Key), Value: clone(h.Value)})
		}
		if v.IsControl() {
			if t, ok := record.ParseControlKey(r.Key); ok {
				r.Control = t.String()
			}
		}
		list = append(list, r)
	}
	return list, it.Err()
}

func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

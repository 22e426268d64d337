package controller

import (
	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// MaxRecordsPerBatch bounds the records of one batch of the metadata log (Kafka: QuorumController's
// maxRecordsPerBatch). What takes more is a metadata transaction over several batches.
const MaxRecordsPerBatch = 10_000

// draft collects the changes of one request. A partition that the request names twice is seen as changed the second
// time.
type draft struct {
	c       *Controller
	img     *metadata.Image
	records []metadata.Record
	changed map[core.TopicIDPartition]*metadata.Partition
}

func (c *Controller) draft(img *metadata.Image) *draft {
	return &draft{c: c, img: img, changed: make(map[core.TopicIDPartition]*metadata.Partition)}
}

// partition is a partition of the topic as it is after the changes so far, or nil.
func (d *draft) partition(t *metadata.Topic, id core.PartitionID) *metadata.Partition {
	if p := d.changed[core.TopicIDPartition{Topic: t.ID, Partition: id}]; p != nil {
		return p
	}
	return t.Partition(id)
}

// change runs a transition and keeps its record. It returns the partition after it.
func (d *draft) change(n *transition) *metadata.Partition {
	record := d.c.run(n)
	if record == nil {
		return n.before
	}
	return d.keep(n.before, record)
}

// keep keeps a record about a partition, and returns the partition after it.
func (d *draft) keep(before *metadata.Partition, record *metadata.PartitionChangeRecord) *metadata.Partition {
	after, err := before.Change(record)
	if err != nil {
		panic("controller: a partition's change does not apply: " + err.Error())
	}
	d.records = append(d.records, record)
	d.changed[core.TopicIDPartition{Topic: record.Topic, Partition: after.ID}] = after
	return after
}

// after is the image once the records are applied, for a decision that takes two looks.
func after(img *metadata.Image, records []metadata.Record) *metadata.Image {
	if len(records) == 0 {
		return img
	}
	next, err := img.Apply(img.Offset()+core.Offset(len(records)), img.Epoch(), records...)
	if err != nil {
		panic("controller: a decision's records do not apply: " + err.Error())
	}
	return next
}

// atomically makes records that do not fit one batch a metadata transaction (KIP-868), so that they still take effect
// together or not at all.
func atomically(records []metadata.Record) []metadata.Record {
	if len(records) <= MaxRecordsPerBatch {
		return records
	}
	whole := make([]metadata.Record, 0, len(records)+2)
	whole = append(whole, &metadata.BeginTransactionRecord{})
	whole = append(whole, records...)
	return append(whole, &metadata.EndTransactionRecord{})
}

// offsetOf is where the record with the given index among total ones will be in the log, counting what [atomically]
// puts before it.
func offsetOf(img *metadata.Image, index, total int) core.Offset {
	if total > MaxRecordsPerBatch {
		index++
	}
	return img.Offset() + 1 + core.Offset(index)
}

// endOf is where the last of total records will be in the log.
func endOf(img *metadata.Image, total int) core.Offset {
	if total > MaxRecordsPerBatch {
		total += 2
	}
	return img.Offset() + core.Offset(total)
}

// Batches splits a decision's records into the batches to append, in order. Several of them are a metadata transaction,
// so each may be appended, and be lost with the leadership, on its own.
func Batches(records []metadata.Record) [][]metadata.Record {
	var batches [][]metadata.Record
	for len(records) > MaxRecordsPerBatch {
		batches = append(batches, records[:MaxRecordsPerBatch])
		records = records[MaxRecordsPerBatch:]
	}
	if len(records) > 0 {
		batches = append(batches, records)
	}
	return batches
}

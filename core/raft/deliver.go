package raft

import (
	"ottla.dev/core"
	"ottla.dev/core/record"
)

// handOver gives committed batches to the owner, from memory or, after a start, from the disk.
func (q *Quorum) handOver(out *core.Outbox) {
	if !q.deliver || q.reading != nil || q.follow.installing != nil {
		return
	}
	if q.delivered < q.highWatermark && !q.tail.covers(q.delivered) {
		q.reading = &ReadJob{Dir: q.log.Dir(), From: q.delivered, Limit: q.highWatermark,
			MaxBytes: int(q.settings.FetchBytes)}
		out.Run(q.reading)
		return
	}
	if q.delivered < q.highWatermark {
		q.handOverAll(q.tail.from(q.delivered))
	}
}

func (q *Quorum) handOverAll(batches []record.View) {
	for _, v := range batches {
		if v.NextOffset() > q.highWatermark {
			return
		}
		if v.LastOffset() >= q.delivered {
			q.mail.Committed = append(q.mail.Committed, v)
			q.delivered = v.NextOffset()
		}
	}
}

// readDone takes back batches that were read for a follower or for the owner.
func (q *Quorum) readDone(now core.Instant, j *ReadJob, out *core.Outbox) {
	if j == q.reading {
		q.reading = nil
		switch {
		case q.delivered != j.From: // a snapshot came in between
		case j.Err != nil || len(j.Bytes) == 0:
			q.failed = j.Err
			if j.Err == nil {
				q.failed = record.ErrTruncated
			}
		default:
			q.handOverAll(split(j.Bytes))
		}
		return
	}
	q.parkedRead(now, j)
}

// split takes whole batches apart that were checked.
func split(b []byte) []record.View {
	var views []record.View
	for len(b) > 0 {
		v, rest, err := record.Next(b)
		if err != nil {
			break
		}
		views, b = append(views, v), rest
	}
	return views
}

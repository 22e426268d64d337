package history

import (
	"time"

	"ottla.dev/core"
	lin "ottla.dev/linearizability"
	"ottla.dev/sim/check"
)

// Poll is an answered fetch that is being written down.
type Poll struct {
	h    *Recorder
	op   lin.Op
	read *lin.Read // of the partition that is being read, nil if it is not recorded
}

// Poll begins the record of a fetch that was sent at the time of the call.
func (h *Recorder) Poll(client int, call time.Duration) Poll {
	op := h.op(lin.Poll, client)
	op.Call = int64(call)
	return Poll{h: h, op: op}
}

// Call is when the fetch was sent.
func (p *Poll) Call() time.Duration { return time.Duration(p.op.Call) }

// Read begins what the answer says of a partition.
func (p *Poll) Read(log *Log, from, highWatermark core.Offset) {
	p.read = nil
	if log == nil {
		return
	}
	r := lin.NewRead(log.id, nil, nil)
	r.From, r.HighWatermark = int64(from), int64(max(highWatermark, lin.None))
	p.op.Reads = append(p.op.Reads, r)
	p.read = &p.op.Reads[len(p.op.Reads)-1]
}

// Record adds a record.
func (p *Poll) Record(o core.Offset, pay check.Payload) {
	if r := p.read; r != nil {
		r.Offsets = append(r.Offsets, int64(o))
		r.Values = append(r.Values, p.h.value(pay.Client, pay.Number))
	}
}

// Next ends a partition with the position behind it.
func (p *Poll) Next(o core.Offset) {
	if p.read != nil {
		p.read.Next = int64(o)
	}
}

// Done adds the poll to the history, unless nothing of it is recorded.
func (p *Poll) Done() int {
	if len(p.op.Reads) == 0 {
		return None
	}
	p.op.Return, p.op.Outcome = int64(p.h.now()), lin.OK
	return p.h.r.Call(p.op)
}

// Final notes that polls belong to the reading-back at the end.
func (h *Recorder) Final(polls []int) {
	for _, id := range polls {
		h.r.History().Ops[id].Final = true
	}
}

// OutOfRange notes that a fetch was refused: nothing is at its offset.
func (h *Recorder) OutOfRange(client int, call time.Duration, log *Log, from core.Offset) {
	if log == nil {
		return
	}
	if !log.retained {
		log.LogStart(from + 1) // retention may have come further than anybody was told before a crash took it back
	}
	op := h.op(lin.Poll, client)
	r := lin.NewRead(log.id, nil, nil)
	r.From = int64(from)
	op.Call, op.Reads = int64(call), []lin.Read{r}
	h.r.Add(op.Done(int64(h.now()), lin.Failed, "OFFSET_OUT_OF_RANGE"))
}

// Assign notes that a client goes on from another place of a partition.
func (h *Recorder) Assign(client int, log *Log) {
	if log == nil {
		return
	}
	op := h.op(lin.Assign, client)
	op.Partitions = []lin.Partition{log.id}
	h.moment(op)
}

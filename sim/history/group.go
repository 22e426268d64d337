package history

import (
	"time"

	"ottla.dev/core"
	lin "ottla.dev/linearizability"
)

// Rebalance notes that a member was given these partitions and no others.
func (h *Recorder) Rebalance(client int, group string, generation int32, parts []core.TopicPartition) {
	op := h.op(lin.Rebalance, client)
	op.Group, op.Generation = group, generation
	for _, p := range parts {
		if log := h.named[p]; log != nil {
			op.Partitions = append(op.Partitions, log.id)
		}
	}
	if len(op.Partitions) > 0 {
		h.moment(op)
	}
}

// Commit notes that a client commits an offset of a partition. Generation -1 is that of nobody.
func (h *Recorder) Commit(client int, group string, generation int32, p core.TopicPartition, o core.Offset) int {
	log := h.named[p]
	if log == nil || h.plan.Deletes(group) {
		return None
	}
	op := h.op(lin.Commit, client)
	op.Group, op.Generation, op.Partition, op.Offset = group, generation, log.id, int64(o)
	return h.r.Call(op)
}

// Fetched notes the committed offset that a client asked for at the time of the call; -1 is none.
func (h *Recorder) Fetched(client int, call time.Duration, group string, p core.TopicPartition, o core.Offset) {
	log := h.named[p]
	if log == nil || h.plan.Deletes(group) {
		return // a history has no words for what is deleted
	}
	op := h.op(lin.FetchCommitted, client)
	op.Call, op.Group, op.Partition, op.Offset = int64(call), group, log.id, int64(max(o, lin.None))
	h.moment(op)
}

package franz

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/linearizability"
)

// hooks are what the client tells of its records.
type hooks Process

var (
	_ kgo.HookProduceRecordBuffered    = (*hooks)(nil)
	_ kgo.HookProduceRecordPartitioned = (*hooks)(nil)
	_ kgo.HookProduceRecordUnbuffered  = (*hooks)(nil)
	_ kgo.HookPollStart                = (*hooks)(nil)
	_ kgo.HookFetchRecordUnbuffered    = (*hooks)(nil)
)

// OnProduceRecordBuffered names a record and notes when it was produced.
func (h *hooks) OnProduceRecordBuffered(r *kgo.Record) {
	h.recorder.note(r.Topic)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.called[(*Process)(h).name(r)] = h.recorder.now()
}

// OnProduceRecordPartitioned records that a record is being sent.
func (h *hooks) OnProduceRecordPartitioned(r *kgo.Record, _ int32) {
	name, _ := nameOf(r)
	h.mu.Lock()
	defer h.mu.Unlock()
	op := linearizability.NewOp(linearizability.Send, h.id, h.called[name])
	delete(h.called, name)
	op.Partition = linearizability.Partition{Topic: r.Topic, Index: r.Partition}
	op.Values, op.Acks, op.Idempotent = []string{name}, h.Acks, h.Idempotent
	h.sent[name] = h.recorder.shared.Call(op)
}

// OnProduceRecordUnbuffered records what has become of a record. One that never had a partition never left.
func (h *hooks) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	name, _ := nameOf(r)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.called, name)
	id, ok := h.sent[name]
	if !ok {
		return
	}
	delete(h.sent, name)
	(*Process)(h).end(id, err, func(op *linearizability.Op) {
		if h.Acks != 0 {
			op.Offset = r.Offset
		}
	})
}

// OnPollStart ends the poll before.
func (h *hooks) OnPollStart(context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	(*Process)(h).endPoll()
}

// OnFetchRecordUnbuffered records a record that is being polled.
func (h *hooks) OnFetchRecordUnbuffered(r *kgo.Record, polled bool) {
	if !polled {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	(*Process)(h).read(r)
}

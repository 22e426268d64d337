package franz

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/linearizability"
)

// Header is the key of the header that tells a record from all others of the history.
const Header = "linearizability"

// Process is one client as the history sees it.
type Process struct {
	// Acks and Idempotent are how the client produces, to be set before it does: what franz-go does by itself if not.
	Acks       int8
	Idempotent bool

	recorder *Recorder
	id       int32

	mu     sync.Mutex
	last   int              // the last record's number
	called map[string]int64 // when records that have no partition yet were produced, by name
	sent   map[string]int   // operations of records under way, by name
	poll   *linearizability.Op
}

// NewClient makes the process's client. Its options must not set kgo.OnPartitionsAssigned, kgo.OnPartitionsRevoked and
// kgo.OnPartitionsLost: a program that needs them makes its client itself, with [Process.Options] among its options,
// and calls [Process.Moved] from all three.
func (p *Process) NewClient(options ...kgo.Opt) (*kgo.Client, error) {
	options = append(p.Options(), options...)
	moved := func(_ context.Context, _ *kgo.Client, which map[string][]int32) { p.Moved(which) }
	client, err := kgo.NewClient(append(slices.Clone(options),
		kgo.OnPartitionsAssigned(moved), kgo.OnPartitionsRevoked(moved), kgo.OnPartitionsLost(moved))...)
	if err != nil { // without a group, franz-go refuses them
		client, err = kgo.NewClient(options...)
	}
	return client, err
}

// Options are the options that let the process see what its client produces and polls.
func (p *Process) Options() []kgo.Opt { return []kgo.Opt{kgo.WithHooks((*hooks)(p))} }

// Moved records that partitions have come to the client's group member, or gone.
func (p *Process) Moved(which map[string][]int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endPoll()
	op := linearizability.NewOp(linearizability.Rebalance, p.id, p.recorder.now())
	for topic, all := range which {
		for _, index := range all {
			op.Partitions = append(op.Partitions, linearizability.Partition{Topic: topic, Index: index})
		}
	}
	if len(op.Partitions) > 0 {
		p.recorder.shared.Add(op.Done(p.recorder.now(), linearizability.OK, ""))
	}
}

// Commit commits what the client has polled, as [kgo.Client.CommitUncommittedOffsets] does, and records it.
func (p *Process) Commit(ctx context.Context, client *kgo.Client) error {
	_, generation := client.GroupMetadata()
	group, _ := client.OptValue(kgo.ConsumerGroup).(string)
	var ids []int
	for topic, all := range client.UncommittedOffsets() {
		for index, at := range all {
			op := linearizability.NewOp(linearizability.Commit, p.id, p.recorder.now())
			op.Partition = linearizability.Partition{Topic: topic, Index: index}
			op.Group, op.Generation, op.Offset = group, generation, at.Offset
			ids = append(ids, p.recorder.shared.Call(op))
		}
	}
	err := client.CommitUncommittedOffsets(ctx)
	for _, id := range ids {
		p.end(id, err, nil)
	}
	return err
}

// end records an answer. The client tries again by itself and tells of the last try, whose failure says nothing of
// those before.
func (p *Process) end(id int, err error, fill func(*linearizability.Op)) {
	if err != nil {
		p.recorder.shared.Return(id, p.recorder.now(), linearizability.Unknown, errorName(err), nil)
		return
	}
	p.recorder.shared.Return(id, p.recorder.now(), linearizability.OK, "", fill)
}

// errorName is an error's word in a history.
func errorName(err error) string {
	var code *kerr.Error
	switch {
	case errors.As(err, &code):
		return code.Message
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return err.Error()
}

// endPoll records the poll that has brought records. It needs the lock.
func (p *Process) endPoll() {
	if p.poll != nil {
		p.recorder.shared.Add(*p.poll)
		p.poll = nil
	}
}

// read adds a polled record to the poll that is under way. It needs the lock.
func (p *Process) read(r *kgo.Record) {
	now := p.recorder.now()
	if p.poll == nil {
		op := linearizability.NewOp(linearizability.Poll, p.id, now)
		p.poll = &op
	}
	*p.poll = p.poll.Done(now, linearizability.OK, "")
	appendRead(p.poll, r)
}

// appendRead adds a record to a poll's reads.
func appendRead(op *linearizability.Op, r *kgo.Record) {
	where := linearizability.Partition{Topic: r.Topic, Index: r.Partition}
	at := len(op.Reads) - 1
	for at >= 0 && op.Reads[at].Partition != where {
		at--
	}
	if at < 0 {
		op.Reads = append(op.Reads, linearizability.NewRead(where, nil, nil))
		at = len(op.Reads) - 1
	}
	read := &op.Reads[at]
	read.Offsets, read.Values = append(read.Offsets, r.Offset), append(read.Values, valueOf(r))
}

// valueOf is what stands for a record in the history: its name, or its value if nobody has given it one.
func valueOf(r *kgo.Record) string {
	if name, ok := nameOf(r); ok {
		return name
	}
	return string(r.Value)
}

func nameOf(r *kgo.Record) (string, bool) {
	for i := range r.Headers {
		if r.Headers[i].Key == Header {
			return string(r.Headers[i].Value), true
		}
	}
	return "", false
}

// name gives a record its header. One that is produced again, or copied from what was polled, gets a new name. It needs
// the lock.
func (p *Process) name(r *kgo.Record) string {
	p.last++
	name := strconv.Itoa(int(p.id)) + "-" + strconv.Itoa(p.last)
	headers := make([]kgo.RecordHeader, 0, len(r.Headers)+1) // the program's own slice is not written to
	for _, h := range r.Headers {
		if h.Key != Header {
			headers = append(headers, h)
		}
	}
	r.Headers = append(headers, kgo.RecordHeader{Key: Header, Value: []byte(name)})
	return name
}

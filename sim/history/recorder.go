package history

import (
	"slices"
	"strconv"
	"time"

	"ottla.dev/core"
	lin "ottla.dev/linearizability"
	"ottla.dev/sim/check"
	"ottla.dev/sim/fault"
)

// None is the number of an operation that is not recorded.
const None = -1

// maxPartitions is how many partitions of a seed's topics are recorded: more cost more time than they find.
const maxPartitions = 4

// Recorder collects the history of one simulation. Of the plan's partitions it records a sample that the seed draws,
// and of a partition that it records everything: a history with holes would accuse the innocent.
type Recorder struct {
	r     *lin.Recorder
	plan  *fault.Plan
	now   func() time.Duration
	logs  map[*check.Partition]*Log
	named map[core.TopicPartition]*Log // of the plan's topics
	order []*Log
	// values are the names of records, by client and number. Each is made once.
	values [][]string
}

// Log is a partition that is recorded. A nil Log is one that is not, which all methods take.
type Log struct {
	id       lin.Partition
	retained bool
	started  core.Offset // the highest offset at which the log may have started by retention
}

// New returns the recorder of a plan's simulation, whose clock is now.
func New(plan *fault.Plan, parts []*check.Partition, now func() time.Duration) *Recorder {
	h := &Recorder{plan: plan, now: now, logs: map[*check.Partition]*Log{}, named: map[core.TopicPartition]*Log{},
		values: make([][]string, len(plan.Clients))}
	random := plan.Stream(fault.StreamHistory)
	if plan.Clustered() {
		// What may be lost in a cluster is lost with one of many leaders: nobody could say what is excused by it.
		parts = slices.DeleteFunc(slices.Clone(parts), func(p *check.Partition) bool {
			return p.Caching() || plan.Lossy(slices.IndexFunc(plan.Topics, func(t fault.Topic) bool {
				return t.Name == p.Name.Topic
			}))
		})
	}
	left := len(parts)
	for _, p := range parts {
		// Each of those that are left has the same chance.
		if random.Below(uint64(left)) < uint64(max(maxPartitions-len(h.order), 0)) {
			log := h.add(p, lin.Partition{Topic: p.Name.Topic, Index: int32(p.Name.Partition)})
			log.retained = p.Retained()
			h.named[p.Name] = log
		}
		left--
	}
	allow := lin.Allow{AcksOneLoss: true, AcksOneFaults: []string{PowerCut}}
	if plan.Clustered() {
		// What one leader alone has acknowledged is lost with its leadership, for whatever reason that ends; and the next
		// one may know of a lower high watermark (KIP-207).
		allow.AcksOneFaults, allow.Anomalies = nil, []lin.Name{lin.HighWatermarkBack}
	}
	for i := range plan.Topics {
		if plan.Topics[i].Caching {
			allow.CachedTopics = append(allow.CachedTopics, plan.Topics[i].Name)
		}
	}
	h.r = lin.NewRecorder("ottla sim --seed "+strconv.FormatUint(plan.Seed, 10), allow)
	return h
}

func (h *Recorder) add(p *check.Partition, id lin.Partition) *Log {
	log := &Log{id: id, retained: true}
	h.logs[p] = log
	h.order = append(h.order, log)
	return log
}

// Log returns the partition's log, nil if it is not recorded.
func (h *Recorder) Log(p *check.Partition) *Log { return h.logs[p] }

// Made begins to record a partition of a topic that comes and goes; id tells the topic from others of its name.
func (h *Recorder) Made(p *check.Partition, id string) {
	h.add(p, lin.Partition{Topic: p.Name.Topic, TopicID: id, Index: int32(p.Name.Partition)})
}

// value is the name of a client's record.
func (h *Recorder) value(client int, number uint64) string {
	const most = 1 << 20 // more than a client sends
	if client < 0 || client >= len(h.values) || number >= most {
		return "unknown/" + strconv.Itoa(client) + "/" + strconv.FormatUint(number, 10)
	}
	v := h.values[client]
	for uint64(len(v)) <= number {
		v = append(v, "")
	}
	h.values[client] = v
	if v[number] == "" {
		v[number] = strconv.Itoa(client) + "/" + strconv.FormatUint(number, 10)
	}
	return v[number]
}

func (h *Recorder) op(kind lin.Kind, client int) lin.Op {
	return lin.NewOp(kind, int32(client), int64(h.now()))
}

// moment adds an operation that is over at once.
func (h *Recorder) moment(op lin.Op) {
	op.Return, op.Outcome = int64(h.now()), lin.OK
	h.r.Add(op)
}

// Done notes the error code that an operation was answered with: what it says of the outcome is for Classify to judge.
func (h *Recorder) Done(id int, code int16) {
	if id == None {
		return
	}
	h.r.Return(id, int64(h.now()), lin.Classify(code), errorName(code), nil)
}

func errorName(code int16) string {
	switch name := lin.ErrorName(code); {
	case code == 0:
		return ""
	case name == "":
		return "error-" + strconv.Itoa(int(code))
	default:
		return name
	}
}

// Batch is what a send brings.
type Batch struct {
	First      uint64 // the number of its first record
	Count      int
	Acks       int16
	Idempotent bool
	Producer   int64
	Epoch      int16
}

// Send notes that a client makes a batch, which it is going to send once or more often.
func (h *Recorder) Send(client int, log *Log, b Batch) int {
	if log == nil {
		return None
	}
	op := h.op(lin.Send, client)
	op.Partition, op.Acks, op.Idempotent = log.id, int8(b.Acks), b.Idempotent
	if b.Idempotent {
		op.Producer, op.Epoch = b.Producer, int32(b.Epoch)
	}
	op.Values = make([]string, b.Count)
	for i := range op.Values {
		op.Values[i] = h.value(client, b.First+uint64(i))
	}
	return h.r.Call(op)
}

// Attempt notes that a request with the batch leaves.
func (h *Recorder) Attempt(id int) {
	if id != None {
		h.r.History().Ops[id].Attempts++
	}
}

// Sent notes that a send is answered with an offset.
func (h *Recorder) Sent(id int, base core.Offset) {
	if id == None {
		return
	}
	h.r.Return(id, int64(h.now()), lin.OK, "", func(op *lin.Op) { op.Offset = int64(base) })
}

// Silent notes that a send with acks=0 has left, which is all that its client learns.
func (h *Recorder) Silent(id int) { h.Done(id, 0) }

// EndOffset notes an end offset that was asked for at the time of the call.
func (h *Recorder) EndOffset(client int, call time.Duration, log *Log, end int64) {
	if log == nil {
		return
	}
	op := h.op(lin.ListOffsets, client)
	op.Call, op.Partition, op.Offset = int64(call), log.id, end
	h.moment(op)
}

// LogStart notes that somebody was told where the log starts.
func (log *Log) LogStart(o core.Offset) {
	if log != nil {
		log.started = max(log.started, o)
	}
}

// DeleteRecords notes that a client asks to delete what lies below an offset.
func (h *Recorder) DeleteRecords(client int, log *Log, to int64) int {
	if log == nil {
		return None
	}
	op := h.op(lin.DeleteRecords, client)
	op.Partition, op.Offset = log.id, to
	return h.r.Call(op)
}

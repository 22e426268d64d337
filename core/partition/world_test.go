package partition

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/config"
	"ottla.dev/core/log"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/record"
)

const testDir = "/data"

// world is a set on a disk in memory that does nothing before it is told to.
type world struct {
	set    *Set
	disk   *logtest.Disk
	driver *logtest.Driver
	out    core.Outbox
	now    core.Instant
	fault  string
	due    []label // of the driver's pending completions, in their order
	said   []string
	closed bool
	failed bool
	cached map[core.TopicIDPartition]bool // counts what is only written, or did once

	incarnations map[string]int // of a partition's topic
	slots        map[uint32]string
	produces     map[*ProduceOp]string
	batches      map[*ProduceOp][]record.View
	fetches      map[string]*FetchOp
	queries      map[*QueryOp]string
	withSet      map[core.Message]bool // operations that are with the set
	fetchAnswer  map[*FetchOp]bool
}

// label says what a pending completion is of.
type label struct {
	kind core.InputKind
	what string
	op   *ProduceOp
}

// restart ends the process, which keeps what was written, and begins another.
func (w *world) restart() {
	w.set, w.driver = NewSet(core.Shard(0), core.NewPRNG(2)), logtest.NewDriver(w.disk)
	w.set.ProducerExpiryMs = 86_400_000
	w.out, w.due, w.closed, w.failed = core.Outbox{}, nil, false, false
}

func newWorld() *world {
	w := &world{set: NewSet(core.Shard(0), core.NewPRNG(1)), disk: logtest.NewDisk(),
		incarnations: map[string]int{}, cached: map[core.TopicIDPartition]bool{}, slots: map[uint32]string{},
		produces: map[*ProduceOp]string{},
		batches:  map[*ProduceOp][]record.View{}, fetches: map[string]*FetchOp{}, queries: map[*QueryOp]string{},
		withSet: map[core.Message]bool{}, fetchAnswer: map[*FetchOp]bool{}}
	w.driver = logtest.NewDriver(w.disk)
	w.now.Wall = 1_000_000
	w.set.ProducerExpiryMs = 86_400_000
	must(w.disk.Mkdir(testDir))
	w.disk.SyncAll()
	w.disk.Fault = func(op, path string) error {
		if op == w.fault && strings.HasSuffix(path, log.LogSuffix) || w.fault == "open" && op == "mkdir" {
			return logtest.ErrIO
		}
		return nil
	}
	return w
}

func (w *world) say(format string, args ...any) {
	w.said = append(w.said, fmt.Sprintf(format, args...))
}

// id names a partition: the topic's name in text is its id, with the incarnation.
func (w *world) id(name string) core.TopicIDPartition {
	topic, p, _ := strings.Cut(name, "-")
	var u core.UUID
	copy(u[:], topic)
	u[15] = byte(w.incarnations[name] + 1)
	return core.TopicIDPartition{Topic: u, Partition: core.PartitionID(number(p))}
}

func (w *world) nameOf(id core.TopicIDPartition) string {
	return strings.TrimRight(string(id.Topic[:15]), "\x00") + "-" + strconv.Itoa(int(id.Partition))
}

func (w *world) replica(name string) *Replica { return w.set.Replica(w.id(name)) }

// settings are a topic's, from the named arguments with a dot in them.
func settings(a args) config.Topic {
	set := map[string]string{}
	for k, v := range a.named {
		if strings.Contains(k, ".") {
			set[k] = v
		}
	}
	return config.ResolveTopic(config.Layers{Topic: set})
}

func (w *world) open(a args) {
	topic, p, _ := strings.Cut(a.word(1), "-")
	w.cached[w.id(a.word(1))] = settings(a).WriteCaching
	w.set.Open(w.now, Opening{ID: w.id(a.word(1)),
		Name: core.TopicPartition{Topic: topic, Partition: core.PartitionID(number(p))}, Dir: testDir,
		Settings: settings(a), LeaderEpoch: core.LeaderEpoch(a.number("epoch", 0))}, &w.out)
	w.slots[w.replica(a.word(1)).slot] = a.word(1)
}

func (w *world) produce(a args) {
	op := &ProduceOp{Acks: AcksAll, Timeout: a.duration("timeout", 30*time.Second)}
	if v := a.named["acks"]; v != "" && v != "all" {
		op.Acks = Acks(number(v))
	}
	for _, arg := range a.words[2:] {
		name, count, _ := strings.Cut(arg, ":")
		v := batch(a, number(count), w.now.Wall)
		op.Items = append(op.Items, ProduceItem{ID: w.id(name), Batch: v, BaseOffset: -1, LastOffset: -1, LogStart: -1,
			LogAppendTime: core.NoTimestamp})
		w.batches[op] = append(w.batches[op], v)
	}
	w.produces[op] = a.word(1)
	w.work(a.word(1), op)
}

func batch(a args, records int, now core.Timestamp) record.View {
	var b record.Builder
	b.Start(nil, 0)
	if _, ok := a.named["pid"]; ok {
		b.SetProducer(core.ProducerID(a.number("pid", 0)), core.ProducerEpoch(a.number("epoch", 0)),
			core.Sequence(a.number("seq", 0)))
	}
	ts := core.Timestamp(a.number("time", int(now)))
	for range records {
		b.Append(ts, nil, bytes.Repeat([]byte("x"), a.number("big", 10)))
	}
	_, v := b.Finish()
	return v
}

func (w *world) fetch(a args) {
	op := &FetchOp{MinBytes: a.number("min", 1), MaxBytes: a.number("max", 1<<20),
		Deadline: w.now.Mono + a.duration("wait", 0)}
	for _, arg := range a.words[2:] {
		name, offset, _ := strings.Cut(arg, "@")
		op.Items = append(op.Items, FetchItem{ID: w.id(name), Offset: core.Offset(number(offset)), MaxBytes: 1 << 20,
			LeaderEpoch: core.LeaderEpoch(a.number("epoch", -1)), LastFetchedEpoch: core.LeaderEpoch(a.number("last", -1))})
	}
	w.fetches[a.word(1)] = op
	w.work(a.word(1), op)
}

func (w *world) query(a args) {
	it := QueryItem{ID: w.id(a.word(2)), LeaderEpoch: core.LeaderEpoch(a.number("epoch", -1))}
	op := &QueryOp{}
	switch a.word(0) {
	case "ask":
		op.Kind = QueryOffset
		special := map[string]core.Timestamp{"latest": LatestTimestamp, "earliest": EarliestTimestamp, "max": MaxTimestamp,
			"local": EarliestLocalTimestamp, "tiered": LatestTieredTimestamp, "pending": EarliestPendingTimestamp}
		var ok bool
		if it.Timestamp, ok = special[a.word(3)]; !ok {
			it.Timestamp = core.Timestamp(number(a.word(3)))
		}
	case "end-of":
		op.Kind, it.Epoch = QueryEpochEnd, core.LeaderEpoch(number(a.word(3)))
	case "delete-to":
		op.Kind, it.Offset = QueryDelete, core.Offset(number(a.word(3)))
	case "describe-producers":
		op.Kind = QueryProducers
	}
	op.Items = []QueryItem{it}
	w.queries[op] = a.word(1)
	w.work(a.word(1), op)
}

func (w *world) work(name string, m core.Message) {
	w.withSet[m] = true
	if !w.set.Work(w.now, m, &w.out) {
		panic("not an operation: " + name)
	}
}

// complete delivers one completion of the disk. late takes the youngest.
func (w *world) complete(kind core.InputKind, what string, late bool) {
	match := func(l label) bool { return l.kind == kind && (what == "" || l.what == what) }
	i := slices.IndexFunc(w.due, match)
	if late {
		for j, l := range w.due {
			if match(l) {
				i = j
			}
		}
	}
	if i < 0 {
		w.say("nothing to complete")
		return
	}
	w.deliver(i)
}

func (w *world) deliver(i int) {
	l := w.due[i]
	w.due = slices.Delete(w.due, i, i+1)
	in := w.driver.Take(i)
	switch l.kind {
	case core.InputMapped, core.InputFailed:
		w.set.Mapped(w.now, in, &w.out)
	default:
		w.set.Completed(w.now, in, &w.out)
	}
}

func (w *world) job(kind string) {
	for i, j := range w.driver.Jobs {
		if kind == "" || strings.HasPrefix(string(j.AppendText(nil)), kind) {
			w.driver.Jobs = slices.Delete(w.driver.Jobs, i, i+1)
			j.Run(w.disk)
			w.set.JobDone(w.now, j, &w.out)
			return
		}
	}
	w.say("no such job")
}

func (w *world) settle() {
	for {
		w.after()
		switch {
		case len(w.due) > 0:
			w.deliver(0)
		case len(w.driver.Jobs) > 0:
			w.job("")
		default:
			return
		}
	}
}

// pass lets time go by, with a tick at every deadline.
func (w *world) pass(d time.Duration) {
	end := w.now.Mono + d
	for ticks := 0; ; ticks++ {
		at, ok := w.set.Deadline()
		if !ok || at > end {
			break
		}
		if ticks > 1000 {
			panic("ticks without end")
		}
		w.advance(max(at, w.now.Mono))
		w.set.Tick(w.now, &w.out)
		w.after()
	}
	w.advance(end)
}

func (w *world) advance(to time.Duration) {
	w.now.Wall += core.Timestamp((to - w.now.Mono).Milliseconds())
	w.now.Mono = to
}

// after takes the effects of a step. Mappings are made at once, which no rule is about.
func (w *world) after() {
	for !w.out.Empty() {
		w.label()
		for _, j := range w.out.Jobs {
			w.say("job %s", j.AppendText(nil))
		}
		for _, s := range w.out.Sends {
			w.answer(s.Message)
		}
		for _, n := range w.out.Notes {
			w.say("note: %s", n.Text)
		}
		w.driver.Execute(&w.out)
		for i := 0; i < len(w.due); i++ {
			if w.due[i].kind == core.InputMapped {
				w.deliver(i)
				i--
			}
		}
	}
	if len(w.set.Failures) > 0 && !w.failed {
		w.failed = true
		w.say("failed %s: %v", w.set.Failures[0].Dir, w.set.Failures[0].Err)
	}
	if w.set.closing && w.set.Closed() && !w.closed {
		w.closed = true
		w.say("closed")
	}
	w.set.Changed = w.set.Changed[:0]
	w.invariants()
}

// label notes what the disk will owe for the file operations of a step.
func (w *world) label() {
	for _, op := range w.out.Files {
		l := label{what: w.slots[op.Ticket.Log]}
		switch {
		case op.Kind == core.OpMap:
			l.kind = core.InputMapped
		case op.Ticket.Seq == 0:
			continue
		case op.Kind == core.OpWrite:
			l.kind, l.op = core.InputWritten, w.owner(op.Data)
			w.say("disk: write %s", l.what)
		case op.Kind == core.OpSync || op.Kind == core.OpSyncDir:
			l.kind = core.InputSynced
			w.say("disk: sync %s", l.what)
		}
		w.due = append(w.due, l)
	}
}

// owner is the operation whose batch data is.
func (w *world) owner(data []byte) *ProduceOp {
	for op, list := range w.batches {
		for _, v := range list {
			if &v[0] == &data[0] {
				return op
			}
		}
	}
	return nil
}

func (w *world) answer(m core.Message) {
	if !w.withSet[m] {
		panic(fmt.Sprintf("answered twice: %s", m.AppendText(nil)))
	}
	delete(w.withSet, m)
	switch op := m.(type) {
	case *ProduceOp:
		if slices.ContainsFunc(w.due, func(l label) bool { return l.op == op }) {
			panic("a produce request was answered while the disk writes its bytes: " + w.produces[op])
		}
		w.say("%s:%s", w.produces[op], produced(w, op))
	case *FetchOp:
		for name, f := range w.fetches {
			if f == op {
				w.say("%s:%s", name, fetched(w, op))
			}
		}
	case *CancelOp:
		w.say("cancel done")
	case *QueryOp:
		w.say("%s:%s", w.queries[op], asked(op))
	}
}

func produced(w *world, op *ProduceOp) string {
	var b strings.Builder
	for i := range op.Items {
		it := &op.Items[i]
		if it.Code != core.NoError {
			fmt.Fprintf(&b, " %s %s", w.nameOf(it.ID), it.Code)
			continue
		}
		fmt.Fprintf(&b, " %s at %d-%d", w.nameOf(it.ID), it.BaseOffset, it.LastOffset)
	}
	return b.String()
}

func fetched(w *world, op *FetchOp) string {
	var b strings.Builder
	for i := range op.Items {
		it := &op.Items[i]
		fmt.Fprintf(&b, " %s", w.nameOf(it.ID))
		switch {
		case it.Code != core.NoError:
			fmt.Fprintf(&b, " %s", it.Code)
			continue
		case it.DivergingEpoch != core.NoLeaderEpoch:
			fmt.Fprintf(&b, " diverges: epoch %d ends at %d", it.DivergingEpoch, it.DivergingEnd)
			continue
		}
		fmt.Fprintf(&b, " hw=%d", it.HighWatermark)
		if it.Len > 0 {
			fmt.Fprintf(&b, " batches=%s", batchesOf(w.driver.Read(it.File, it.Pos, it.Len)))
		}
	}
	return b.String()
}

func batchesOf(b []byte) string {
	var list []string
	for len(b) > 0 {
		v := record.View(b[:record.View(b).Size()])
		list = append(list, fmt.Sprintf("%d-%d", v.BaseOffset(), v.LastOffset()))
		b = b[len(v):]
	}
	return strings.Join(list, ",")
}

func asked(op *QueryOp) string {
	it := &op.Items[0]
	switch {
	case it.Code != core.NoError:
		return " " + it.Code.String()
	case op.Kind == QueryOffset:
		return fmt.Sprintf(" offset=%d timestamp=%d epoch=%d", it.Offset, it.Timestamp, it.Epoch)
	case op.Kind == QueryEpochEnd:
		return fmt.Sprintf(" epoch=%d ends at %d", it.Epoch, it.Offset)
	case op.Kind == QueryProducers:
		return fmt.Sprintf(" %+v", it.Producers)
	}
	return fmt.Sprintf(" start=%d", it.Offset)
}

func (w *world) state(name string) {
	r := w.replica(name)
	if r == nil || r.log == nil {
		w.say("no log")
		return
	}
	w.say("start=%d hw=%d end=%d epoch=%d", r.log.LogStartOffset(), r.highWatermark, r.log.LogEndOffset(), r.leaderEpoch)
}

// invariants hold after every step: durable before visible, unless the topic says otherwise.
func (w *world) invariants() {
	if why := w.set.Broken(w.now); why != "" {
		panic(why)
	}
	if part := w.set.Oversleeps(); part != "" {
		panic("a fetch sleeps over what has come to " + part)
	}
	for _, r := range w.set.Replicas() {
		if r.Online() && !w.cached[r.id] && r.highWatermark > r.log.SyncedOffset() {
			panic("the high watermark passed what is on disk")
		}
	}
}

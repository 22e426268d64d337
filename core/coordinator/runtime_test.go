package coordinator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

// op is an operation on the register below: "set x", "get", "wait" (held until the next set), "big" (two records).
type op struct {
	what string
	code core.ErrorCode
	got  string
}

func (o *op) Refuse(code core.ErrorCode) { o.code, o.got = code, "" }

// register is the simplest machine: one value, the last one written.
type register struct {
	value   string
	held    []*op
	alarm   time.Duration
	loaded  bool
	history []string
}

func (m *register) Replay(e Entry) error {
	if string(e.Key) == "bad" {
		return errors.New("bad key")
	}
	if string(e.Key) == "register" {
		m.value = string(e.Value)
	}
	m.history = append(m.history, fmt.Sprintf("%d %d %s=%s", e.Offset, e.ProducerID, e.Key, e.Value))
	return nil
}

func (m *register) Loaded(Turn[*op]) { m.loaded = true }

func (m *register) Decide(t Turn[*op], o *op) {
	verb, value, _ := strings.Cut(o.what, " ")
	switch verb {
	case "set":
		o.code = t.Write(Record{Key: []byte("register"), Value: []byte(value)})
	case "big":
		o.code = t.Write(Record{Key: []byte("other")}, Record{Key: []byte("register"), Value: []byte(value)})
	case "wait":
		m.held = append(m.held, o)
		return
	case "alarm":
		m.alarm = t.Now.Mono + time.Second
	}
	o.got = m.value
	t.Answer(o)
	if verb == "set" {
		for _, h := range m.held {
			h.got = m.value
			t.Answer(h)
		}
		m.held = nil
	}
}

func (m *register) Fire(t Turn[*op]) {
	m.alarm = 0
	t.Write(Record{Key: []byte("register"), Value: []byte("alarm")})
}

func (m *register) Deadline() (time.Duration, bool) { return m.alarm, m.alarm != 0 }

func (m *register) Abandon(yield func(*op)) {
	for _, h := range m.held {
		yield(h)
	}
}

// memory is a log.
type memory struct {
	batches []record.View
	end     core.Offset
	next    core.ErrorCode
	onWrite func()
}

func (l *memory) Append(_ core.Instant, batch []byte) (base, last core.Offset, code core.ErrorCode) {
	if l.next != core.NoError {
		code, l.next = l.next, core.NoError
		return 0, 0, code
	}
	v := record.View(slices.Clone(batch))
	v.SetBaseOffset(l.end)
	l.batches = append(l.batches, v)
	base, last, l.end = l.end, v.LastOffset(), v.NextOffset()
	if l.onWrite != nil {
		l.onWrite()
	}
	return base, last, core.NoError
}

const testTimeout = 5 * time.Second

type fixture struct {
	t   *testing.T
	now core.Instant
	log memory
	r   *Runtime[*op]
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, now: core.Instant{Mono: time.Hour, Wall: 1000}}
	f.r = New[*op](&f.log, testTimeout)
	return f
}

func active(t *testing.T) *fixture {
	f := newFixture(t)
	f.r.BeginLoad(1)
	f.load(1)
	return f
}

func (f *fixture) load(epoch core.LeaderEpoch) bool {
	l := NewLoader[*op](&register{}, 0)
	for _, b := range f.log.batches {
		if err := l.LoadBatch(b); err != nil {
			f.t.Fatal(err)
		}
	}
	return f.r.FinishLoad(f.now, epoch, l, 0)
}

func (f *fixture) do(what string) *op {
	o := &op{what: what}
	f.r.Submit(f.now, o)
	return o
}

// wants checks what has come out since the last time.
func (f *fixture) wants(want ...string) {
	f.t.Helper()
	var got []string
	for _, o := range f.r.Drain() {
		if o.code != core.NoError {
			got = append(got, o.what+": "+o.code.String())
		} else {
			got = append(got, o.what+": "+o.got)
		}
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnswersWaitForTheHighWatermarkInOrder(t *testing.T) {
	f := active(t)
	f.do("get")
	f.wants("get: ")
	f.do("set a")
	f.do("get")
	f.do("set b")
	f.wants()
	f.r.Advance(0)
	f.wants()
	f.r.Advance(1)
	f.wants("set a: a", "get: a")
	f.do("get") // sees b, which is not committed
	f.r.Advance(2)
	f.wants("set b: b", "get: b")
	f.do("get")
	f.wants("get: b")
}

func TestHeldOperationsAreAnsweredByLaterOnes(t *testing.T) {
	f := active(t)
	f.do("wait")
	f.wants()
	f.do("set a")
	f.wants()
	f.r.Advance(1)
	f.wants("set a: a", "wait: a")
}

func TestRefusedAppendChangesNothing(t *testing.T) {
	for code, want := range map[core.ErrorCode]string{
		core.NotEnoughReplicas:       "COORDINATOR_NOT_AVAILABLE",
		core.RequestTimedOut:         "COORDINATOR_NOT_AVAILABLE",
		core.UnknownTopicOrPartition: "COORDINATOR_NOT_AVAILABLE",
		core.MessageTooLarge:         "UNKNOWN_SERVER_ERROR",
		core.RecordListTooLarge:      "UNKNOWN_SERVER_ERROR",
		core.InvalidFetchSize:        "UNKNOWN_SERVER_ERROR",
		core.PolicyViolation:         "POLICY_VIOLATION",
	} {
		f := active(t)
		f.log.next = code
		f.do("set a")
		f.do("get")
		f.wants("set a: "+want, "get: ")
		if f.r.State() != Active {
			t.Errorf("%v: state %v", code, f.r.State())
		}
	}
}

func TestAppendThatShowsLostLeadershipDropsTheState(t *testing.T) {
	for _, code := range []core.ErrorCode{core.NotLeaderOrFollower, core.KafkaStorageError, core.FencedLeaderEpoch} {
		f := active(t)
		f.do("set a")
		f.do("wait")
		f.log.next = code
		f.do("set b")
		f.wants("set a: NOT_COORDINATOR", "set b: NOT_COORDINATOR", "wait: NOT_COORDINATOR")
		if f.r.State() != Unloaded || f.r.Machine() != nil {
			t.Errorf("%v: state %v", code, f.r.State())
		}
		f.do("get")
		f.wants("get: NOT_COORDINATOR")
	}
}

func TestFailAnswersEverythingInFlight(t *testing.T) {
	f := active(t)
	f.do("set a")
	f.do("wait")
	f.do("get")
	f.r.Fail(core.NotEnoughReplicas)
	f.wants("set a: COORDINATOR_NOT_AVAILABLE", "get: COORDINATOR_NOT_AVAILABLE", "wait: COORDINATOR_NOT_AVAILABLE")
	f.r.Advance(9)
	f.r.Tick(f.now)
	f.wants()
	if _, ok := f.r.Deadline(); ok {
		t.Error("an unloaded coordinator has a deadline")
	}
}

func TestCommitTimeout(t *testing.T) {
	f := active(t)
	f.do("set a")
	f.now.Mono += testTimeout - 1
	f.do("get")
	f.r.Tick(f.now)
	f.wants()
	if at, ok := f.r.Deadline(); !ok || at != f.now.Mono+1 {
		t.Errorf("deadline %v", at)
	}
	f.now.Mono++
	f.r.Tick(f.now)
	f.wants("set a: COORDINATOR_NOT_AVAILABLE")
	f.r.Advance(1)
	f.wants("get: a")
}

func TestTimersAreOperations(t *testing.T) {
	f := active(t)
	f.do("alarm")
	f.wants("alarm: ")
	if at, ok := f.r.Deadline(); !ok || at != f.now.Mono+time.Second {
		t.Errorf("deadline %v", at)
	}
	f.now.Mono += time.Second
	f.r.Tick(f.now)
	f.do("get")
	f.wants()
	f.r.Advance(1)
	f.wants("get: alarm")
}

func TestLifeOfARuntime(t *testing.T) {
	f := newFixture(t)
	f.do("get")
	f.wants("get: NOT_COORDINATOR")
	f.r.BeginLoad(3)
	f.do("get")
	f.wants("get: COORDINATOR_LOAD_IN_PROGRESS")
	f.r.LoadFailed(2)
	if f.r.State() != Loading {
		t.Error("the failure of another load counted")
	}
	f.r.LoadFailed(3)
	f.do("get")
	f.wants("get: NOT_COORDINATOR")
	// A load that ends after its leadership is thrown away (KAFKA-16030).
	f.r.BeginLoad(4)
	f.r.Unload()
	if f.load(4) {
		t.Error("loaded after unloading")
	}
	f.r.BeginLoad(5)
	if f.load(4) || f.r.State() != Loading {
		t.Error("an old load was taken for the new one")
	}
	if !f.load(5) || f.r.State() != Active || !f.r.Machine().(*register).loaded {
		t.Error("not loaded")
	}
	f.do("wait")
	f.r.BeginLoad(6)
	f.wants("wait: NOT_COORDINATOR")
}

func TestLoadedStateIsNotAnsweredBeforeItIsCommitted(t *testing.T) {
	f := active(t)
	f.do("set a")
	f.r.Advance(1)
	f.do("set b")
	f.r.Unload()
	f.wants("set a: a", "set b: NOT_COORDINATOR")
	f.r.BeginLoad(2)
	f.load(2) // the high watermark is not known yet
	f.do("get")
	f.r.Advance(1)
	f.wants()
	f.r.Advance(2)
	f.wants("get: b")
}

func TestHighWatermarkMayAdvanceWithinAppend(t *testing.T) {
	f := active(t)
	f.log.onWrite = func() { f.r.Advance(f.log.end) }
	f.do("set a")
	f.do("get")
	f.wants("set a: a", "get: a")
}

func TestBatchesAreGood(t *testing.T) {
	f := active(t)
	f.do("set a")
	f.do("big b")
	for i, want := range []int32{1, 2} {
		b := f.log.batches[i]
		if err := b.Check(); err != nil {
			t.Fatal(err)
		}
		if b.Count() != want || b.MaxTimestamp() != 1000 || b.HasProducerID() || b.Codec() != record.None {
			t.Errorf("batch %d: %x", i, []byte(b))
		}
	}
	want := []string{"0 -1 register=a", "1 -1 other=", "2 -1 register=b"}
	if got := f.r.Machine().(*register).history; !slices.Equal(got, want) {
		t.Errorf("replayed %q", got)
	}
}

func batchOf(base core.Offset, setup func(*record.Builder), pairs ...string) record.View {
	var b record.Builder
	b.Start(nil, base)
	if setup != nil {
		setup(&b)
	}
	for i := 0; i < len(pairs); i += 2 {
		b.Append(1, []byte(pairs[i]), []byte(pairs[i+1]))
	}
	_, v := b.Finish()
	return v
}

func TestLoader(t *testing.T) {
	m := &register{}
	l := NewLoader[*op](m, 5)
	codecs := record.NewCodecs(0)
	compressed := func(b *record.Builder) { b.SetCodec(codecs, record.Zstd, 0) }
	transactional := func(b *record.Builder) { b.SetProducer(7, 0, 0); b.SetTransactional() }
	for _, b := range []record.View{
		batchOf(4, nil, "k", "below the start", "register", "a"), // spans the log start offset
		batchOf(10, compressed, "register", "b"),                 // after a gap, as cleaning leaves them
		batchOf(11, transactional, "k", "v"),
	} {
		if err := l.LoadBatch(b); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"4 -1 k=below the start", "5 -1 register=a", "10 -1 register=b", "11 7 k=v"}
	if !slices.Equal(m.history, want) || l.End() != 12 {
		t.Errorf("replayed %q to %d", m.history, l.End())
	}
	if err := l.LoadBatch(batchOf(11, nil, "k", "v")); err == nil {
		t.Error("a batch that was loaded already was taken")
	}
	if err := l.LoadBatch(batchOf(12, nil, "bad", "v")); err == nil {
		t.Error("the machine's error was lost")
	}
	cut := batchOf(12, nil, "k", "v")
	cut[record.HeaderSize] = 0x7e // the record's length reaches past the batch
	if err := l.LoadBatch(cut); err == nil {
		t.Error("a record that cannot be read was taken")
	}
}

// TestNothingIsLostOrEarly drives a runtime at random. Every operation comes out once; an answer without an error shows
// a state whose records are all below the high watermark, and answers come in the order of the state they saw.
func TestNothingIsLostOrEarly(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFixture(t)
		epoch, hw := core.LeaderEpoch(0), core.Offset(0)
		at := map[string]core.Offset{"": 0} // the log end offset after a value was written
		out := map[*op]int{}
		var in []*op
		for i := range rapid.IntRange(1, 80).Draw(rt, "steps") {
			switch rapid.IntRange(0, 9).Draw(rt, "action") {
			case 0, 1, 2:
				value := fmt.Sprintf("set v%d", i)
				if rapid.IntRange(0, 5).Draw(rt, "refused") == 0 {
					f.log.next = rapid.SampledFrom([]core.ErrorCode{
						core.NotEnoughReplicas, core.NotLeaderOrFollower,
					}).Draw(rt, "refusal")
				}
				before := f.log.end
				in = append(in, f.do(value))
				f.log.next = core.NoError
				if f.log.end > before {
					at[value[4:]] = f.log.end
				}
			case 3, 4:
				in = append(in, f.do("get"))
			case 5:
				in = append(in, f.do("wait"))
			case 6:
				hw = min(hw+core.Offset(rapid.IntRange(0, 3).Draw(rt, "hw")), f.log.end)
				f.r.Advance(hw)
			case 7:
				f.now.Mono += time.Duration(rapid.IntRange(0, 3).Draw(rt, "s")) * time.Second
				f.r.Tick(f.now)
			case 8:
				f.r.Fail(core.NotEnoughReplicas)
			case 9:
				epoch++
				f.r.BeginLoad(epoch)
				f.load(epoch)
				f.r.Advance(hw)
			}
			if why := f.r.Broken(); why != "" {
				rt.Fatal(why)
			}
			last := core.Offset(0)
			for _, o := range f.r.Drain() {
				out[o]++
				if o.code != core.NoError {
					continue
				}
				if at[o.got] > hw {
					rt.Fatalf("%s answered %q of offset %d at high watermark %d", o.what, o.got, at[o.got], hw)
				}
				if at[o.got] < last {
					rt.Fatalf("%s answered %q after a later value", o.what, o.got)
				}
				last = at[o.got]
			}
		}
		f.r.Unload()
		for _, o := range f.r.Drain() {
			out[o]++
		}
		for _, o := range in {
			if out[o] != 1 {
				rt.Fatalf("%s came out %d times", o.what, out[o])
			}
		}
	})
}

// TestQueueThatNeverEmpties does not grow.
func TestQueueThatNeverEmpties(t *testing.T) {
	var q queue[*op]
	for i := range 1000 {
		q.push(waiting[*op]{after: core.Offset(i)})
		if i >= 3 {
			if got := q.pop().after; got != core.Offset(i-3) {
				t.Fatalf("popped %d at %d", got, i)
			}
		}
	}
	if q.len() != 3 || cap(q.items) > 64 {
		t.Errorf("%d waiting, room for %d", q.len(), cap(q.items))
	}
}

package log

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/record"
)

const (
	testParent = "/data"
	testDir    = "/data/t-0"
)

// world is a log on a disk that crashes, beside a dumb model: the list of batches.
type world struct {
	t      *rapid.T
	disk   *logtest.Disk
	driver *logtest.Driver
	ids    FileIDs
	log    *Log
	out    core.Outbox
	now    core.Instant
	clean  bool

	settings   Settings
	batches    []record.View
	uncut      []record.View // before a truncation that is not durable: a crash may undo it
	retained   core.Offset   // the highest high watermark there was; nothing below is truncated
	acked      core.Offset   // largest SyncedOffset ever reported
	checkpoint core.Offset   // recovery point on the disk
	start      core.Offset   // log start offset checkpoint
	epoch      core.LeaderEpoch
	sequences  map[core.ProducerID]core.Sequence
	pinned     []pinnedRange
	locating   []*LocateJob
	asks       map[*LocateJob]ask
}

type ask struct {
	from, limit core.Offset
	max         int
	one         bool
}

type pinnedRange struct {
	Range
	data []byte
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, disk: logtest.NewDisk(), settings: DefaultSettings(), clean: rapid.Bool().Draw(t, "clean"),
		sequences: map[core.ProducerID]core.Sequence{}, asks: map[*LocateJob]ask{}}
	w.settings.SegmentBytes = rapid.Int64Range(300, 6000).Draw(t, "segmentBytes")
	w.settings.IndexIntervalBytes = rapid.Int64Range(0, 600).Draw(t, "interval")
	w.settings.IndexBytes = rapid.Int64Range(24, 400).Draw(t, "indexBytes")
	w.settings.SegmentMs = rapid.Int64Range(100, 10000).Draw(t, "segmentMs")
	w.settings.FileDeleteDelayMs = 10
	w.now.Wall = 1_000_000
	if err := w.disk.Mkdir(testParent); err != nil {
		t.Fatal(err)
	}
	w.disk.SyncAll()
	w.open()
	return w
}

func (w *world) openJob() *OpenJob {
	return &OpenJob{Parent: testParent, Dir: testDir, Topic: core.UUID{1}, Settings: w.settings, Wall: w.now.Wall,
		LogStart: w.start, StartKnown: true, Clean: w.clean, Recovery: w.checkpoint}
}

// open recovers the log, and checks it against the model.
func (w *world) open() {
	job := w.openJob()
	job.Run(w.disk)
	if job.Err != nil {
		w.t.Fatalf("open: %v", job.Err)
	}
	w.clean = false
	if w.uncut != nil {
		w.batches, w.uncut = w.uncut, nil
	}
	end := job.Result.LogEnd
	if end < w.acked {
		w.t.Fatalf("log ends at %d, %d was acknowledged (%+v)", end, w.acked, job.Report)
	}
	for len(w.batches) > 0 && w.batches[len(w.batches)-1].LastOffset() >= end {
		w.batches = w.batches[:len(w.batches)-1]
	}
	if n := len(w.batches); n > 0 && w.batches[n-1].NextOffset() != end || n == 0 && end != 0 {
		w.t.Fatalf("log ends at %d, which is no batch's end", end)
	}
	w.driver = logtest.NewDriver(w.disk)
	w.log = New(w.now, 7, &w.ids, job, &w.out)
	w.driver.Execute(&w.out)
	w.acked = max(w.acked, w.log.SyncedOffset())
	w.rebuildSequences()
	w.compareFiles()
	w.compareState()
	// What the result calls durable is so: a crash now must not lose it.
	probe := w.disk.Clone()
	rng := core.NewPRNG(rapid.Uint64().Draw(w.t, "probe"))
	probe.Crash(&rng)
	again := w.openJob()
	again.Run(probe)
	if again.Err != nil || again.Result.LogEnd != end {
		w.t.Fatalf("a crash after recovery leaves %d of %d: %v", again.Result.LogEnd, end, again.Err)
	}
}

func (w *world) rebuildSequences() {
	w.sequences = map[core.ProducerID]core.Sequence{}
	for _, v := range w.batches {
		if v.HasProducerID() {
			w.sequences[v.ProducerID()] = v.LastSequence()
		}
	}
}

// compareFiles checks the bytes and indexes of all segments against the model.
func (w *world) compareFiles() {
	for i, s := range w.log.segments {
		var want []byte
		x := newFound(s.base)
		upper := w.log.nextBase(i)
		for _, v := range w.batches {
			if v.BaseOffset() >= s.base && v.BaseOffset() < upper {
				want = append(want, v...)
				x.take(v, w.settings.IndexIntervalBytes)
			}
		}
		got := w.disk.Bytes(w.log.path(s.base, LogSuffix))
		if !bytes.Equal(got, want) {
			w.t.Fatalf("segment %d has %d bytes, not the %d of the model", s.base, len(got), len(want))
		}
		index := withUnwritten(w.disk.Bytes(w.log.path(s.base, IndexSuffix)), &s.newIndex, IndexEntrySize)
		if n := len(x.index); s.entries*IndexEntrySize != n || len(index) < n || !bytes.Equal(index[:n], x.index) ||
			!allZero(index[n:]) {
			w.t.Fatalf("segment %d: index %x, rebuilt %x", s.base, index, x.index)
		}
		if s != w.log.active() && len(index) != len(x.index) {
			w.t.Fatalf("segment %d: index is not trimmed", s.base)
		}
		w.compareTimes(s, x)
	}
}

// compareTimes checks a time index: it has the entries of a rebuilt one, and may have more that a close added.
func (w *world) compareTimes(s *segment, x *found) {
	times := withUnwritten(w.disk.Bytes(w.log.path(s.base, TimeIndexSuffix)), &s.newTimes, TimeIndexEntrySize)
	if len(times) < s.times*TimeIndexEntrySize || !SoundTimeIndex(times[:s.times*TimeIndexEntrySize], s.base) {
		w.t.Fatalf("segment %d: time index %x is not sound", s.base, times)
	}
	have := map[TimeIndexEntry]bool{}
	for i := range s.times {
		have[TimeIndexEntryAt(times, s.base, i)] = true
	}
	for i := range len(x.timeline) / TimeIndexEntrySize {
		if e := TimeIndexEntryAt(x.timeline, s.base, i); !have[e] {
			w.t.Fatalf("segment %d: time index lacks %+v", s.base, e)
		}
	}
	firsts := map[TimeIndexEntry]bool{}
	largest := core.NoTimestamp
	for _, v := range w.batches {
		if v.BaseOffset() >= s.base && v.MaxTimestamp() > largest {
			largest = v.MaxTimestamp()
			firsts[TimeIndexEntry{largest, v.LastOffset()}] = true
		}
	}
	for e := range have {
		if !firsts[e] {
			w.t.Fatalf("segment %d: time index entry %+v is of no batch", s.base, e)
		}
	}
	if s.maxTS != x.maxTS || s.size > 0 && s.maxTSLast != x.maxTSLast || s.firstTS != x.FirstTimestamp {
		w.t.Fatalf("segment %d: timestamps %d %d %d, model %d %d %d", s.base, s.maxTS, s.maxTSLast, s.firstTS, x.maxTS,
			x.maxTSLast, x.FirstTimestamp)
	}
}

// withUnwritten is an index file as it will be when what waits is written.
func withUnwritten(file []byte, u *unwritten, size int) []byte {
	if len(u.bytes) == 0 {
		return file
	}
	from := u.first * size
	if len(file) < from+len(u.bytes) || !allZero(file[from:from+len(u.bytes)]) {
		panic("there is no room in the index for what waits")
	}
	file = bytes.Clone(file)
	copy(file[from:], u.bytes)
	return file
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// compareState checks producers and epochs against a recomputation from all batches.
func (w *world) compareState() {
	producers, epochs := NewProducers(0), Epochs{}
	for _, v := range w.batches {
		producers.Apply(v)
		if v.LeaderEpoch() > epochs.Latest() {
			epochs.Assign(v.LeaderEpoch(), v.BaseOffset())
		}
	}
	epochs.TruncateStart(w.log.start)
	if w.log.start < w.log.end && !slices.Equal(epochs.list, w.log.epochs.list) {
		w.t.Fatalf("epochs %v, recomputed %v", w.log.epochs.list, epochs.list)
	}
	if !reflect.DeepEqual(producers.All(), w.log.producers.All()) {
		w.t.Fatalf("producers differ: %+v, recomputed %+v", describe(w.log.producers), describe(producers))
	}
}

func describe(s *Producers) string {
	text := ""
	for _, p := range s.All() {
		text += fmt.Sprintf("%+v; ", *p)
	}
	return text
}

func (w *world) append(t *rapid.T) {
	if w.log.Truncating() {
		w.complete(t)
		return
	}
	if rapid.IntRange(0, 20).Draw(t, "epoch") == 0 {
		w.epoch++
	}
	w.now.Wall += core.Timestamp(rapid.IntRange(-20, 50).Draw(t, "dt"))
	var b record.Builder
	b.Start(nil, 0)
	n := rapid.IntRange(1, 4).Draw(t, "records")
	if id := core.ProducerID(rapid.IntRange(-1, 3).Draw(t, "producer")); id >= 0 {
		next := core.Sequence(0)
		if last, ok := w.sequences[id]; ok {
			next = record.AddSequence(last, 1)
		}
		b.SetProducer(id, 0, next)
	}
	for range n {
		b.Append(w.now.Wall, nil, make([]byte, rapid.IntRange(0, 100).Draw(t, "value")))
	}
	_, v := b.Finish()
	if got := w.log.Producers().Check(v); got != (Verdict{}) {
		t.Fatalf("batch is refused: %+v", got)
	}
	base, last := w.log.Append(w.now, v, w.epoch, &w.out)
	if base != w.end() || last != base+core.Offset(n)-1 {
		t.Fatalf("appended at %d..%d, want %d", base, last, w.end())
	}
	if v.HasProducerID() {
		w.sequences[v.ProducerID()] = v.LastSequence()
		if got := w.log.Producers().Check(v); !got.Duplicate || got.BaseOffset != base {
			t.Fatalf("the same batch again: %+v", got)
		}
	}
	w.batches = append(w.batches, append(record.View{}, v...))
	w.driver.Execute(&w.out)
}

func (w *world) end() core.Offset {
	if len(w.batches) == 0 {
		return w.start
	}
	return w.batches[len(w.batches)-1].NextOffset()
}

func (w *world) deliver(in core.Input) {
	switch in.Kind {
	case core.InputMapped, core.InputFailed:
		w.log.Mapped(in)
	default:
		w.log.Completed(in)
	}
	if err := w.log.Failed(); err != nil {
		w.t.Fatalf("log failed: %v", err)
	}
	w.acked = max(w.acked, w.log.SyncedOffset())
	if !w.log.Truncating() {
		w.uncut = nil
	}
}

func (w *world) complete(t *rapid.T) {
	for range rapid.IntRange(1, 6).Draw(t, "completions") {
		if n := w.driver.Pending(); n > 0 {
			w.deliver(w.driver.Take(rapid.IntRange(0, n-1).Draw(t, "completion")))
		}
	}
	w.driver.Execute(&w.out)
}

func (w *world) runJob(t *rapid.T) {
	n := len(w.driver.Jobs)
	if n == 0 {
		return
	}
	i := rapid.IntRange(0, n-1).Draw(t, "job")
	job := w.driver.Jobs[i]
	w.driver.Jobs = append(w.driver.Jobs[:i:i], w.driver.Jobs[i+1:]...)
	job.Run(w.disk)
	w.log.JobDone(job, &w.out)
	w.driver.Execute(&w.out)
}

func (w *world) settle() {
	for w.driver.Pending() > 0 || len(w.driver.Jobs) > 0 {
		for w.driver.Pending() > 0 {
			w.deliver(w.driver.Take(0))
		}
		for len(w.driver.Jobs) > 0 {
			w.runJob(w.t)
		}
	}
}

func (w *world) restart() {
	w.pinned, w.locating = nil, nil
	w.out = core.Outbox{}
	w.now.Mono += time.Second
	told := w.log.LogStartOffset()
	w.open()
	if now := w.log.LogStartOffset(); now < told {
		panic(fmt.Sprintf("the log start offset went back from %d to %d", told, now))
	}
}

func (w *world) crash(t *rapid.T) {
	rng := core.NewPRNG(rapid.Uint64().Draw(t, "crash"))
	w.lose(t, &rng)
	// Recovery itself crashes, again and again.
	for range rapid.IntRange(0, 3).Draw(t, "crashes") {
		job := w.openJob()
		w.disk.CrashAt = w.disk.Ops + rapid.IntRange(1, 40).Draw(t, "at")
		job.Run(w.disk)
		w.lose(t, &rng)
	}
	w.restart()
}

func (w *world) lose(t *rapid.T, rng *core.PRNG) {
	if rapid.Bool().Draw(t, "kill") {
		w.disk.Kill()
	} else {
		w.disk.Crash(rng)
	}
}

func (w *world) shutdown(*rapid.T) {
	w.settle()
	w.log.Close(&w.out)
	w.driver.Execute(&w.out)
	w.settle()
	if !w.log.Closed() || w.log.SyncedOffset() != w.log.LogEndOffset() {
		w.t.Fatalf("log is not closed")
	}
	w.clean, w.checkpoint, w.start = true, w.log.RecoveryPoint(), w.log.Start()
	rng := core.NewPRNG(1)
	w.disk.Crash(&rng)
	w.restart()
}

// plan compares a plan with a dumb scan.
func (w *world) plan(t *rapid.T) {
	from := core.Offset(rapid.Int64Range(int64(w.log.start), int64(w.end())).Draw(t, "from"))
	limit := core.Offset(rapid.Int64Range(0, int64(w.end())).Draw(t, "limit"))
	a := ask{from: from, limit: min(limit, w.log.WrittenOffset())}
	a.max, a.one = rapid.IntRange(0, 3000).Draw(t, "max"), rapid.Bool().Draw(t, "one")
	if rapid.IntRange(0, 3).Draw(t, "cold") > 0 {
		w.log.tail.n = 0
	}
	r, job, code := w.log.Plan(a.from, a.max, limit, a.one)
	if code != core.NoError {
		t.Fatalf("plan: %v", code)
	}
	w.answer(r, job, a)
}

func (w *world) answer(r Range, job *LocateJob, a ask) {
	if job != nil {
		w.locating = append(w.locating, job)
		w.asks[job] = a
		return
	}
	w.compareRange(r, a)
	if r.Len > 0 {
		w.log.Pin(r.File)
		w.pinned = append(w.pinned, pinnedRange{r, w.driver.Read(r.File, r.Pos, r.Len)})
	}
}

func (w *world) located(*rapid.T) {
	for len(w.locating) > 0 {
		job := w.locating[0]
		w.locating = w.locating[1:]
		job.Run(w.disk)
		if job.Err != nil {
			w.t.Fatalf("locate: %v", job.Err)
		}
		r, next, code := w.log.Located(job)
		if code == core.OffsetOutOfRange && (job.From < w.log.start || w.log.segmentOf(job.File) == nil) {
			continue
		}
		if code != core.NoError {
			w.t.Fatalf("located: %v", code)
		}
		w.answer(r, next, w.asks[job])
	}
}

func (w *world) compareRange(r Range, a ask) {
	var want []byte
	var segment *segment
	for _, v := range w.batches {
		if v.LastOffset() < a.from || v.LastOffset() >= a.limit {
			continue
		}
		s := w.log.segments[w.log.find(v.BaseOffset())]
		if segment != nil && s != segment {
			break
		}
		if len(want)+len(v) > a.max && (len(want) > 0 || !a.one) {
			break
		}
		segment = s
		want = append(want, v...)
	}
	if r.Len == 0 {
		if len(want) > 0 {
			w.t.Fatalf("plan %+v is empty, want %d bytes", a, len(want))
		}
		return
	}
	if got := w.driver.Read(r.File, r.Pos, r.Len); !bytes.Equal(got, want) {
		w.t.Fatalf("plan %+v gives %d bytes at %d, want %d", a, len(got), r.Pos, len(want))
	}
}

func (w *world) unpin(t *rapid.T) {
	if len(w.pinned) == 0 {
		return
	}
	p := w.pinned[0]
	w.pinned = w.pinned[1:]
	if got := w.driver.Read(p.File, p.Pos, p.Len); !bytes.Equal(got, p.data) {
		t.Fatalf("bytes of a pinned range changed")
	}
	w.log.Unpin(p.File)
}

func (w *world) retain(t *rapid.T) {
	s := w.settings
	s.RetentionBytes = rapid.Int64Range(0, 20000).Draw(t, "retention")
	s.RetentionMs = rapid.Int64Range(100, 5000).Draw(t, "retentionMs")
	w.log.Configure(s)
	w.retained = max(w.retained, w.log.SyncedOffset())
	w.log.Retain(w.now, w.log.SyncedOffset(), &w.out)
	w.log.Configure(w.settings)
	w.driver.Execute(&w.out)
}

func (w *world) deleteRecords(t *rapid.T) {
	start := int64(w.log.start)
	o := core.Offset(rapid.Int64Range(start, max(start, int64(w.log.SyncedOffset()))).Draw(t, "to"))
	w.log.DeleteRecords(o, &w.out)
	w.start = w.log.Start() // and this is the checkpoint
	w.startSaved(t)
}

// startSaved tells the log of a checkpoint that may be older than what has happened since.
func (w *world) startSaved(*rapid.T) {
	w.log.StartSaved(w.now, w.start, &w.out)
	w.driver.Execute(&w.out)
}

func (w *world) tick(t *rapid.T) {
	w.now.Mono += time.Duration(rapid.IntRange(0, 20).Draw(t, "ms")) * time.Millisecond
	w.log.Tick(w.now, &w.out)
	w.driver.Execute(&w.out)
}

// timestamp compares a search by time with a dumb scan over all records.
func (w *world) timestamp(t *rapid.T) {
	limit := core.Offset(rapid.Int64Range(0, int64(w.end())).Draw(t, "limit"))
	target := w.now.Wall + core.Timestamp(rapid.IntRange(-300, 50).Draw(t, "target"))
	if rapid.Bool().Draw(t, "max") {
		target = MaxTimestamp
	}
	want := record.Position{Offset: core.NoOffset, Timestamp: core.NoTimestamp}
	upper := min(limit, w.log.WrittenOffset())
	for _, v := range w.batches {
		it := record.Records(v, nil)
		for it.Next() {
			r := it.Record
			if r.Offset < w.log.start || r.Offset >= upper || v.LastOffset() >= upper {
				continue
			}
			if target == MaxTimestamp && r.Timestamp > want.Timestamp ||
				target != MaxTimestamp && r.Timestamp >= target && want.Offset == core.NoOffset {
				want = record.Position{Offset: r.Offset, Timestamp: r.Timestamp}
			}
		}
	}
	job := w.log.ByTimestamp(target, limit)
	if job == nil {
		if want.Offset != core.NoOffset {
			t.Fatalf("no job for %d, want %+v", target, want)
		}
		return
	}
	job.Run(w.disk)
	w.log.TimestampDone(job)
	if job.Err != nil {
		t.Fatalf("timestamp: %v", job.Err)
	}
	got := record.Position{Offset: core.NoOffset, Timestamp: core.NoTimestamp}
	if job.Found {
		got = record.Position{Offset: job.Offset, Timestamp: job.Timestamp}
	}
	if got != want {
		t.Fatalf("timestamp %d below %d: found %+v, want %+v", target, upper, got, want)
	}
}

func (w *world) truncate(t *rapid.T) {
	for len(w.driver.Jobs) > 0 {
		w.runJob(t)
	}
	w.located(t)
	to := core.Offset(rapid.Int64Range(int64(max(w.log.start, w.retained)), int64(w.end())).Draw(t, "to"))
	job := w.log.PlanTruncate(to)
	if job == nil {
		return
	}
	job.Run(w.disk)
	if job.Err != nil {
		t.Fatalf("truncate: %v", job.Err)
	}
	w.checkpoint, w.acked = min(w.checkpoint, job.End), min(w.acked, job.End)
	if !w.log.Truncating() {
		w.uncut = append([]record.View{}, w.batches...)
	}
	w.log.Truncate(w.now, job, &w.out)
	w.driver.Execute(&w.out)
	for len(w.batches) > 0 && w.batches[len(w.batches)-1].LastOffset() >= to &&
		w.batches[len(w.batches)-1].BaseOffset() >= w.log.start {
		w.batches = w.batches[:len(w.batches)-1]
	}
	w.acked = min(w.acked, w.log.LogEndOffset())
	for len(w.pinned) > 0 {
		w.log.Unpin(w.pinned[0].File)
		w.pinned = w.pinned[1:]
	}
	w.rebuildSequences()
	w.compareState()
}

// modelRounds is how many times as many sequences as rapid's default are tried.
const modelRounds = 5

func TestLogAgainstModel(t *testing.T) {
	for range modelRounds {
		rapid.Check(t, againstModel)
	}
}

func againstModel(t *rapid.T) {
	w := newWorld(t)
	t.Repeat(map[string]func(*rapid.T){
		"append":     w.append,
		"append2":    w.append,
		"append3":    w.append,
		"sync":       func(*rapid.T) { w.log.Sync(&w.out); w.driver.Execute(&w.out) },
		"complete":   w.complete,
		"complete2":  w.complete,
		"job":        w.runJob,
		"plan":       w.plan,
		"plan2":      w.plan,
		"located":    w.located,
		"unpin":      w.unpin,
		"crash":      w.crash,
		"shutdown":   w.shutdown,
		"retain":     w.retain,
		"delete":     w.deleteRecords,
		"tick":       w.tick,
		"timestamp":  w.timestamp,
		"truncate":   w.truncate,
		"checkpoint": func(*rapid.T) { w.checkpoint = w.log.RecoveryPoint() },
		"start":      func(*rapid.T) { w.start = w.log.Start() },
		"saved":      w.startSaved,
		"": func(t *rapid.T) {
			if w.log.LogEndOffset() != w.end() {
				t.Fatalf("log end offset %d, model %d", w.log.LogEndOffset(), w.end())
			}
			if why := w.log.Broken(); why != "" {
				t.Fatal(why)
			}
			w.compareFiles()
		},
	})
}

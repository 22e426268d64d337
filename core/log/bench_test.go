package log

import (
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/record"
)

// bench is a log whose effects are thrown away, with every completion given back at once.
type bench struct {
	log   *Log
	out   core.Outbox
	batch record.View
	now   core.Instant
}

func newBench(tb testing.TB, size int) *bench {
	tb.Helper()
	disk := logtest.NewDisk()
	if err := disk.Mkdir(testParent); err != nil {
		tb.Fatal(err)
	}
	job := &OpenJob{Parent: testParent, Dir: testDir, Topic: core.UUID{1}, Settings: DefaultSettings()}
	job.Run(disk)
	if job.Err != nil {
		tb.Fatal(job.Err)
	}
	b := &bench{now: core.Instant{Wall: 1_700_000_000_000}}
	b.log = New(b.now, 1, new(FileIDs), job, &b.out)
	b.batch = testBatch(b.now.Wall, size)
	b.produce()
	a := b.log.active()
	b.log.Mapped(core.Input{Kind: core.InputMapped, File: a.indexFile, View: make([]byte, a.indexCap*IndexEntrySize)})
	b.log.Mapped(core.Input{Kind: core.InputMapped, File: a.timesFile, View: make([]byte, a.timesCap*TimeIndexEntrySize)})
	return b
}

func testBatch(ts core.Timestamp, size int) record.View {
	var b record.Builder
	b.Start(nil, 0)
	b.SetProducer(1, 0, 0)
	b.Append(ts, nil, make([]byte, size))
	_, v := b.Finish()
	return v
}

// produce appends one batch, syncs and completes everything.
func (b *bench) produce() {
	b.log.Append(b.now, b.batch, 0, &b.out)
	b.log.Sync(&b.out)
	for i := range b.out.Files {
		op := &b.out.Files[i]
		if op.Ticket.Seq == 0 {
			continue
		}
		kind := core.InputWritten
		if op.Kind != core.OpWrite {
			kind = core.InputSynced
		}
		b.log.Completed(core.Input{Kind: kind, Ticket: op.Ticket})
	}
	b.out.Reset()
}

func BenchmarkAppendSyncComplete(b *testing.B) {
	x := newBench(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		x.produce()
	}
}

func BenchmarkPlanTail(b *testing.B) {
	x := newBench(b, 1000)
	for range 2000 {
		x.produce()
	}
	end := x.log.LogEndOffset()
	b.ReportAllocs()
	for b.Loop() {
		if r, _, code := x.log.Plan(end-100, 1<<20, end, true); r.Len == 0 || code != 0 {
			b.Fatal(r, code)
		}
	}
}

func BenchmarkIndexLookup(b *testing.B) {
	const n = 200_000
	var view []byte
	for i := range n {
		view = AppendIndexEntry(view, 0, IndexEntry{core.Offset(10 * i), int64(i+1) * 4096})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		FindOffset(view, 0, n, core.Offset(i*7919%(10*n)))
	}
}

func TestAppendAndTailPlanAllocateNothing(t *testing.T) {
	x := newBench(t, 1000)
	for range 2000 {
		x.produce()
	}
	if n := testing.AllocsPerRun(2000, x.produce); n != 0 {
		t.Errorf("append, sync, completion: %v allocations", n)
	}
	n := testing.AllocsPerRun(1000, func() {
		end := x.log.LogEndOffset()
		if r, job, _ := x.log.Plan(end-100, 1<<20, end, true); r.Len == 0 || job != nil {
			t.Error("tail plan gives nothing")
		}
	})
	if n != 0 {
		t.Errorf("tail plan: %v allocations", n)
	}
	v := x.batch
	if n := testing.AllocsPerRun(1000, func() { x.log.Producers().Check(v) }); n != 0 {
		t.Errorf("producer check: %v allocations", n)
	}
}

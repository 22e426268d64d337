package record_test

import (
	"bytes"
	"math"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

func TestNextSplitsALog(t *testing.T) {
	var log []byte
	var b record.Builder
	for i := range 5 {
		b.Start(log, core.Offset(10*i))
		b.Append(now, nil, bytes.Repeat([]byte("v"), i*40))
		b.Cover(core.Offset(10*i + 9))
		log, _ = b.Finish()
	}
	for cut := range len(log) + 1 {
		var next core.Offset
		rest := log[:cut]
		for {
			v, after, err := record.Next(rest)
			if err == record.ErrTruncated {
				if size, serr := record.SizeOf(rest); (len(rest) >= record.SizePrefix) != (serr == nil) ||
					serr == nil && size <= len(rest) {
					t.Fatalf("cut at %d: SizeOf = %d, %v with %d bytes left", cut, size, serr, len(rest))
				}
				break
			}
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			if v == nil {
				break
			}
			if v.BaseOffset() != next || v.Check() != nil || cap(v) != len(v) {
				t.Fatalf("cut at %d: batch at %d, want %d; %v", cut, v.BaseOffset(), next, v.Check())
			}
			next, rest = v.NextOffset(), after
		}
		if cut == len(log) && next != 50 {
			t.Errorf("the whole log ends at %d", next)
		}
	}
}

func TestNextTellsTornFromCorrupt(t *testing.T) {
	short := raw(1)[:60]
	short[11] = 48 // a header less its last byte, and consistent with that
	for _, c := range []struct {
		rule string
		in   []byte
		want error
	}{
		{"less than a length", make([]byte, 11), record.ErrTruncated},
		{"zeros, as a preallocated file ends", make([]byte, 100), record.ErrCorrupt},
		{"no magic yet", raw(1)[:16], record.ErrTruncated},
		{"a whole batch smaller than a header", short, record.ErrCorrupt},
		{"magic 1", edit(16, 1)(raw(1)), record.ErrMagic},
		{"magic 3", edit(16, 3)(raw(1)), record.ErrCorrupt},
	} {
		if v, rest, err := record.Next(c.in); err != c.want || v != nil || len(rest) != len(c.in) {
			t.Errorf("%s: %x, %d bytes left, %v; want %v", c.rule, v, len(rest), err, c.want)
		}
	}
}

func TestOffsetAndLeaderEpochNeedNoChecksum(t *testing.T) {
	v := batch(t, record.None, 3, 10)
	v.SetBaseOffset(1 << 40)
	v.SetLeaderEpoch(5)
	if v.Check() != nil || v.BaseOffset() != 1<<40 || v.LastOffset() != 1<<40+2 || v.LeaderEpoch() != 5 {
		t.Errorf("offset %d, epoch %d, %v", v.BaseOffset(), v.LeaderEpoch(), v.Check())
	}
	for i, r := range collect(t, v, nil) {
		if r.Offset != 1<<40+core.Offset(i) {
			t.Errorf("record %d is at %d", i, r.Offset)
		}
	}
}

func TestSequencesWrapToZero(t *testing.T) {
	for _, c := range []struct {
		s    core.Sequence
		n    int32
		want core.Sequence
	}{{0, 0, 0}, {5, 7, 12}, {math.MaxInt32, 0, math.MaxInt32}, {math.MaxInt32, 1, 0}, {math.MaxInt32 - 1, 5, 3},
		{math.MaxInt32, math.MaxInt32, math.MaxInt32 - 1}} {
		if got := record.AddSequence(c.s, c.n); got != c.want {
			t.Errorf("AddSequence(%d, %d) = %d, want %d", c.s, c.n, got, c.want)
		}
	}
	if v := batch(t, record.None, 3, 10); v.LastSequence() != core.NoSequence || v.HasProducerID() {
		t.Errorf("a batch without a producer has last sequence %d", v.LastSequence())
	}
}

func TestEmptiedBatchKeepsOffsetsAndProducer(t *testing.T) {
	var b record.Builder
	codecs := record.NewCodecs(0)
	b.Start(nil, 7)
	b.SetLeaderEpoch(2)
	b.SetProducer(3, 4, 5)
	b.SetCodec(codecs, record.Gzip, 0)
	b.Append(now, nil, nil)
	b.Append(now, nil, nil)
	_, v := b.Finish()
	w, rest, err := record.Next(record.AppendEmpty(nil, v))
	if err != nil || len(rest) != 0 || w.Check() != nil || len(w) != record.HeaderSize ||
		w.Count() != 0 || w.LastOffset() != 8 ||
		w.ProducerID() != 3 || w.ProducerEpoch() != 4 || w.LastSequence() != 6 || w.LeaderEpoch() != 2 ||
		w.MaxTimestamp() != now {
		t.Errorf("emptied batch: %x, %v, %v", w, err, w.Check())
	}
	if got := collect(t, w, nil); got != nil {
		t.Errorf("records of an emptied batch: %v", got)
	}
}

func TestBuilderAllocatesNothing(t *testing.T) {
	var b record.Builder
	buf, key, value := make([]byte, 0, 64<<10), []byte("key"), make([]byte, 100)
	change := record.LeaderChange{Leader: 1, Voters: []record.ControlVoter{{ID: 1}}}
	b.Start(buf, 0)
	b.AppendLeaderChange(now, &change) // the scratch buffer for values
	b.Finish()
	if n := testing.AllocsPerRun(100, func() {
		b.Start(buf, 0)
		for range 50 {
			b.Append(now, key, value)
		}
		out, _ := b.Finish()
		b.Start(out, 50)
		b.AppendLeaderChange(now, &change)
		b.Finish()
	}); n != 0 {
		t.Errorf("building two batches allocates %v times", n)
	}
}

func TestBuilderGuardsItsInvariants(t *testing.T) {
	for name, f := range map[string]func(*record.Builder){
		"no offsets": func(b *record.Builder) { b.Finish() },
		"an offset twice": func(b *record.Builder) {
			b.AppendAt(5, now, nil, nil)
			b.AppendAt(5, now, nil, nil)
		},
		"an offset before the base": func(b *record.Builder) { b.AppendAt(4, now, nil, nil) },
		"covering less":             func(b *record.Builder) { b.AppendAt(7, now, nil, nil); b.Cover(6) },
		"data among control":        func(b *record.Builder) { b.AppendKRaftVersion(now, 1); b.Append(now, nil, nil) },
		"control among data":        func(b *record.Builder) { b.Append(now, nil, nil); b.AppendKRaftVersion(now, 1) },
		"a level the codec lacks":   func(b *record.Builder) { record.NewCodecs(0).Compress(nil, nil, record.Gzip, 10) },
		"compression without Codecs": func(b *record.Builder) {
			b.SetCodec(nil, record.LZ4, 0)
			b.Append(now, nil, nil)
			b.Finish()
		},
		"an unknown codec to compress": func(b *record.Builder) { record.NewCodecs(0).Compress(nil, nil, 5, 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			var b record.Builder
			b.Start(nil, 5)
			f(&b)
		}()
	}
}

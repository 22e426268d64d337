package linearizability

import (
	"cmp"
	"fmt"
	"slices"
)

// checkEndOffsets follows what each process saw of a log's end. End offsets and high watermarks are kept apart, and so
// are those of read-committed clients; an answer is compared with those that were over before it was asked for.
func checkEndOffsets(v *view, f *findings) {
	for _, l := range v.partitions {
		seen := ends{}
		for _, op := range l.ends {
			seen.check(v, f, l, EndOffsetBack, op, op.Offset)
		}
		seen = ends{}
		for i := range l.reads {
			if r := &l.reads[i]; r.op.Outcome == OK && r.data.HighWatermark != None {
				seen.check(v, f, l, HighWatermarkBack, r.op, r.data.HighWatermark)
			}
		}
		checkOutOfRange(v, f, l)
	}
}

type endKey struct {
	process   int32
	committed bool
}

type ends map[endKey]end

// end is the highest that a process has seen, and the operation that saw it.
type end struct {
	op     *Op
	offset int64
}

func (e ends) check(v *view, f *findings, l *log, name Name, op *Op, offset int64) {
	// A high watermark is the same for both kinds of readers.
	key := endKey{op.Process, op.ReadCommitted && name == EndOffsetBack}
	before, ok := e[key]
	if ok && before.op.Return <= op.Call && offset < before.offset {
		what := "the end offset"
		if name == HighWatermarkBack {
			what = "the high watermark"
		}
		a := Anomaly{
			Name: name, Where: l.id.String(), Ops: []*Op{before.op, op},
			Text:    fmt.Sprintf("process %d saw %s go back from %d to %d", op.Process, what, before.offset, offset),
			Allowed: v.cutBack(l, before.op.Call),
		}
		f.add(a)
	}
	if !ok || offset >= before.offset {
		e[key] = end{op, offset}
	}
}

// checkOutOfRange finds polls that were refused as out of range at a position that lies in the log: at or below an
// end that somebody knew before, and not below what may have been deleted.
func checkOutOfRange(v *view, f *findings, l *log) {
	var known []end // by the time of the return, each the highest so far; made when there is a use for it
	for i := range l.reads {
		r := &l.reads[i]
		if r.op.Error != "OFFSET_OUT_OF_RANGE" || r.data.From == None {
			continue
		}
		if known == nil {
			known = l.knownEnds()
		}
		n, _ := slices.BinarySearchFunc(known, r.op.Call, func(e end, t int64) int { return cmp.Compare(e.op.Return, t) })
		if n == 0 || known[n-1].offset < r.data.From || l.gone(r.data.From) != "" {
			continue
		}
		f.add(Anomaly{
			Name: OutOfRange, Where: l.id.String(), Ops: []*Op{known[n-1].op, r.op},
			Text: fmt.Sprintf("offset %d is called out of range, though it is not beyond %d, which was known to be there",
				r.data.From, known[n-1].offset),
			Allowed: v.cutBack(l, known[n-1].op.Call),
		})
	}
}

// knownEnds are the operations that showed how far the log reaches, by the time of their return. Each stands with the
// highest offset that was known by then, and the operation that showed it.
func (l *log) knownEnds() []end {
	var all []end
	for i := range l.reads {
		r := &l.reads[i]
		if r.op.Outcome != OK {
			continue
		}
		reached := r.data.HighWatermark
		for _, o := range r.data.Offsets {
			reached = max(reached, o+1)
		}
		if reached != None {
			all = append(all, end{r.op, reached})
		}
	}
	for _, op := range l.ends {
		all = append(all, end{op, op.Offset})
	}
	slices.SortStableFunc(all, func(a, b end) int { return cmp.Compare(a.op.Return, b.op.Return) })
	known := all[:0]
	for _, e := range all {
		if n := len(known); n == 0 || e.offset > known[n-1].offset {
			known = append(known, e)
		}
	}
	return known
}

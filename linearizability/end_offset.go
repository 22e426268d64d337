package linearizability

import "fmt"

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
	for i := range l.reads {
		r := &l.reads[i]
		if r.op.Error != "OFFSET_OUT_OF_RANGE" || r.data.From == None {
			continue
		}
		known := l.endBefore(r.op.Call, r.data.From)
		if known == nil || l.gone(r.data.From) != "" {
			continue
		}
		f.add(Anomaly{
			Name: OutOfRange, Where: l.id.String(), Ops: []*Op{known, r.op},
			Text: fmt.Sprintf("offset %d is called out of range, though it is not beyond what was known to be there",
				r.data.From),
			Allowed: v.cutBack(l, known.Call),
		})
	}
}

// endBefore is an operation that was over before t and showed that the log reaches at least to an offset, or nil.
func (l *log) endBefore(t, offset int64) *Op {
	for i := range l.reads {
		r := &l.reads[i]
		if r.op.Outcome == OK && r.op.Return < t && max(r.bounds(0).to, r.data.HighWatermark) >= offset &&
			(len(r.data.Offsets) > 0 || r.data.HighWatermark >= offset) {
			return r.op
		}
	}
	for _, op := range l.ends {
		if op.Return < t && op.Offset >= offset {
			return op
		}
	}
	return nil
}

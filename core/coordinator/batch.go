package coordinator

import (
	"ottla.dev/core"
	"ottla.dev/core/record"
)

// encoder builds the batches of one runtime, in a buffer that it uses again.
type encoder struct {
	builder record.Builder
	buf     []byte
}

// batch returns records as one batch at offset 0. It is good until the next call.
func (e *encoder) batch(now core.Timestamp, records []Record) record.View {
	e.builder.Start(e.buf[:0], 0)
	for i := range records {
		e.builder.Append(now, records[i].Key, records[i].Value)
	}
	buf, view := e.builder.Finish()
	e.buf = buf
	return view
}

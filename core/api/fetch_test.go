package api

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/partition"
	"ottla.dev/core/wire"
)

// TestOffsetOutOfRangeTellsTheLogStartOffset: a follower that asks for what is deleted begins anew there, and has
// nobody else to ask. Without it the follower never came back into the ISR.
func TestOffsetOutOfRangeTellsTheLogStartOffset(t *testing.T) {
	h := wire.Header{Key: wire.Fetch, Version: 12, CorrelationID: 9}
	f := &FetchCall{header: h, entries: []fetchEntry{{key: fetchKey{topic: "t"}}}, wanted: []int{0},
		ops: []*partition.FetchOp{{Items: []partition.FetchItem{{Code: core.OffsetOutOfRange, LogStart: 7}}}}}
	var w wire.FetchWriter
	w.Begin(nil, h, 0, core.NoError, 0, 1)
	w.Topic("t", core.UUID{}, 1)
	f.answerEntry(&Server{}, &w, &f.entries[0])
	_, frame := w.End(nil)
	_, resp, err := wire.DecodeResponse(wire.Fetch, 12, frame[wire.PrefixSize:])
	if err != nil {
		t.Fatal(err)
	}
	p := resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	if p.ErrorCode != int16(core.OffsetOutOfRange) || p.LogStartOffset != 7 || p.HighWatermark != -1 {
		t.Errorf("answered %+v", p)
	}
}

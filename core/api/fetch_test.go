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

// TestAFollowerIsToldOfARaisedStartOnce: DeleteRecords waits for followers, and they for their way into the ISR. One
// that has not heard of a raised start is answered at once. One that has, and has not written it down, is not, or it
// would ask without rest until it has; nor is one without a session, of which nobody knows what it was told.
func TestAFollowerIsToldOfARaisedStartOnce(t *testing.T) {
	for _, c := range []struct {
		session int32
		entry   fetchEntry
		urgent  bool
	}{
		{1, fetchEntry{replicaLogStart: 3}, true},
		{1, fetchEntry{replicaLogStart: 3, told: true, logStart: 6}, true},
		{1, fetchEntry{replicaLogStart: 3, told: true, logStart: 7}, false},
		{1, fetchEntry{replicaLogStart: 7}, false},
		{0, fetchEntry{replicaLogStart: 3}, false},
	} {
		f := &FetchCall{sessionID: c.session}
		it := partition.FetchItem{LogStart: 7, DivergingEpoch: core.NoLeaderEpoch, Preferred: core.NoBroker,
			ReplicaLogStart: c.entry.replicaLogStart, ToldLogStart: f.toldStart(&c.entry)}
		if it.Urgent(true) != c.urgent || it.Urgent(false) {
			t.Errorf("%+v in session %d: urgent %v, want %v, and never for a consumer", c.entry, c.session, !c.urgent, c.urgent)
		}
	}
}

package workload

import (
	"math"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/sim/check"
	"ottla.dev/sim/fault"
)

// seen is a network that shows one replica.
type seen struct {
	Net
	bounds check.Bounds
}

func (s *seen) Bounds(int, core.TopicIDPartition) (check.Bounds, bool) { return s.bounds, true }

// odder returns a client that sees a log which has gone from 5 to 20, with a high watermark of 15, to 8 to 25, with one
// of 18; and what has failed.
func odder() (*client, *check.Partition, *glimpse, *[]string) {
	plan := &fault.Plan{Topics: []fault.Topic{{Name: "t0", Partitions: 1, Retained: true}}, Partitions: 1}
	var failed []string
	ledger := check.NewLedger(plan, func(_ check.Class, name, _ string) { failed = append(failed, name) })
	before := check.Bounds{Life: 1, Epoch: 3, Leading: true, Start: 5, Told: 5, HighWatermark: 15, End: 20}
	now := check.Bounds{Life: 1, Epoch: 3, Leading: true, Start: 8, Told: 8, HighWatermark: 18, End: 25}
	c := newClient(&seen{bounds: now}, 0, plan, fault.Client{}, core.NewPRNG(1), ledger, nil)
	return &c, ledger.Partitions()[0], &glimpse{seen: before, ok: true}, &failed
}

// Out of range is what lies below the start of the log and behind its end, at some time while it was asked for.
func TestWhatIsOutOfRange(t *testing.T) {
	for _, c := range []struct {
		at      core.Offset
		code    core.ErrorCode
		records int
		want    []string
	}{
		{-1, core.OffsetOutOfRange, 0, nil},
		{-1, core.NoError, 0, []string{"out-of-range"}},
		{4, core.NoError, 0, []string{"out-of-range"}},
		{5, core.NoError, 0, nil},
		{7, core.OffsetOutOfRange, 0, nil},
		{8, core.OffsetOutOfRange, 0, []string{"out-of-range"}},
		{18, core.NoError, 0, nil},
		{18, core.NoError, 100, []string{"out-of-range"}},
		{20, core.OffsetOutOfRange, 0, []string{"out-of-range"}},
		{21, core.OffsetOutOfRange, 0, nil},
		{25, core.NoError, 0, nil},
		{26, core.NoError, 0, []string{"out-of-range"}},
		{math.MaxInt64, core.OffsetOutOfRange, 0, nil},
	} {
		x, part, g, failed := odder()
		a := kmsg.NewFetchResponseTopicPartition()
		a.ErrorCode, a.RecordBatches = int16(c.code), make([]byte, c.records)
		x.judgeFetch(part.Name, g, c.at, &a)
		if !slices.Equal(*failed, c.want) {
			t.Errorf("%d, %v: %v, want %v", c.at, c.code, *failed, c.want)
		}
	}
}

// Records are deleted up to the high watermark, and no further.
func TestWhatIsDeleted(t *testing.T) {
	for _, c := range []struct {
		to   core.Offset
		code core.ErrorCode
		low  int64
		want []string
	}{
		{15, core.NoError, 15, nil},
		{15, core.NoError, 14, []string{"log-start"}},
		{15, core.OffsetOutOfRange, -1, []string{"out-of-range"}},
		{16, core.OffsetOutOfRange, -1, nil},
		{18, core.NoError, 18, nil},
		{19, core.NoError, 19, []string{"log-start"}},
		{19, core.OffsetOutOfRange, -1, nil},
		{-2, core.OffsetOutOfRange, -1, nil},
		{-2, core.NoError, 18, []string{"log-start"}},
	} {
		x, part, g, failed := odder()
		a := kmsg.NewDeleteRecordsResponseTopicPartition()
		a.ErrorCode, a.LowWatermark = int16(c.code), c.low
		x.judgeDeletion("DeleteRecords", part, g, c.to, &a)
		if !slices.Equal(*failed, c.want) {
			t.Errorf("%d, %v: %v, want %v", c.to, c.code, *failed, c.want)
		}
	}
}

// An answer of another leadership, or of another life, is no measure.
func TestAnswersOfAnotherLeadershipAreNotJudged(t *testing.T) {
	for name, change := range map[string]func(b *check.Bounds){
		"life":       func(b *check.Bounds) { b.Life++ },
		"epoch":      func(b *check.Bounds) { b.Epoch++ },
		"leadership": func(b *check.Bounds) { b.Leading = false },
	} {
		x, part, g, failed := odder()
		change(&x.net.(*seen).bounds)
		a := kmsg.NewFetchResponseTopicPartition()
		x.judgeFetch(part.Name, g, 26, &a)
		if len(*failed) > 0 {
			t.Errorf("another %s: %v", name, *failed)
		}
	}
}

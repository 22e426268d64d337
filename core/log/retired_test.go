package log

import (
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
)

// The last writes to the indexes of a segment are made when it is closed. One that fails must fence the log, because
// the indexes of closed segments are trusted by the next start.
func TestAFailedWriteToAClosedSegmentsIndexFencesTheLog(t *testing.T) {
	b := newBench(t, 100)
	s := b.log.Settings()
	s.SegmentBytes = 1
	b.log.Configure(s)
	file := b.log.active().timesFile
	b.log.Append(b.now, b.batch, 0, &b.out)
	if !b.log.Mapped(core.Input{Kind: core.InputFailed, File: file, Err: logtest.ErrIO}) || b.log.Failed() == nil {
		t.Error("the failure is ignored")
	}
}

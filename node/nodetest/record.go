package nodetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/linearizability"
	"ottla.dev/linearizability/franz"
)

// RecordedClient is Client with a client whose records and polls become part of the test's history; see
// [linearizability/franz] for what that does to them.
func (c *Cluster) RecordedClient(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	return c.client(t, c.recorder.Process().NewClient, opts)
}

// Recorder returns the recorder of the test's history, in which the faults are noted, for clients that the test makes
// by itself.
func (c *Cluster) Recorder() *franz.Recorder { return c.recorder }

// checkWithin is how long it may take to read everything back.
const checkWithin = 10 * time.Minute

// Check reads back every topic that recorded clients have produced to, checks the history, and fails the test with a
// report if it shows what no correct cluster shows: records that are lost, there twice or in another order, commits
// that went back, and the rest of [linearizability.Check]. It is for the end of a test: brokers must be well again, and
// producers flushed.
func (c *Cluster) Check(t testing.TB) *linearizability.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), checkWithin)
	defer cancel()
	c.faults.endAll()
	err := c.recorder.ReadBack(ctx, c.Options()...)
	if err != nil {
		t.Errorf("nodetest: %v", err)
	}
	report := linearizability.Check(c.recorder.History())
	if report.Verdict() != linearizability.VerdictOK {
		var text strings.Builder
		report.WriteText(&text)
		t.Errorf("nodetest: the history is not one of a correct cluster\n%s", text.String())
	}
	return report
}

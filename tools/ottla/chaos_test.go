package main

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ottla.dev/tools/chaos"
)

// chaosOn makes a short run with the binary that the tests are of.
func chaosOn(t *testing.T, o chaos.Options) (*chaos.Result, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("three processes and a quarter of a minute")
	}
	o.Binary = filepath.Join(t.TempDir(), "ottla")
	if out, err := exec.Command("go", "build", "-o", o.Binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var log bytes.Buffer
	o.Dir, o.Seed, o.Pace, o.Rate, o.Out, o.Inspect = t.TempDir(), 6, 4*time.Second, 600, &log, inspect
	result, err := chaos.Run(context.Background(), o)
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	result.WriteText(&log)
	return result, log.String()
}

// A few rounds of chaos on real processes lose nothing. The command makes longer ones.
func TestChaosLosesNothing(t *testing.T) {
	result, log := chaosOn(t, chaos.Options{Rounds: 3})
	if result.ExitCode() != 0 || result.Acknowledged == 0 || result.Kills == 0 || result.ComparedBatches == 0 {
		t.Fatal(log)
	}
}

// Without power, what was acknowledged is on disk; with write.caching it is not, which shows that the test can see it.
func TestPowerCuts(t *testing.T) {
	if err := chaos.CanCutPower(); err != nil {
		t.Skip(err)
	}
	if result, log := chaosOn(t, chaos.Options{PowerCuts: 1}); result.ExitCode() != 0 || result.Acknowledged == 0 {
		t.Error(log)
	}
	result, log := chaosOn(t, chaos.Options{PowerCuts: 1, Set: []string{"write.caching=true"}})
	if result.ExitCode() == 0 || result.Anomalies == 0 {
		t.Errorf("a power cut of all loses nothing that was only cached:\n%s", log)
	}
}

// What is damaged in the files of one of three brokers, while it is down or runs, is found and repaired, and nobody
// reads anything wrong. The command damages a thousand places.
func TestDamageIsFoundAndRepaired(t *testing.T) {
	result, log := chaosOn(t, chaos.Options{Flips: 100})
	damaged := 0
	for _, n := range result.Damaged {
		damaged += n
	}
	if result.ExitCode() != 0 || result.Acknowledged == 0 || damaged < 100 || result.ComparedBatches == 0 {
		t.Fatal(log)
	}
}

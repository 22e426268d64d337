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

// A few rounds of chaos on real processes lose nothing. The command makes longer ones.
func TestChaosLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("three processes and a quarter of a minute")
	}
	binary := filepath.Join(t.TempDir(), "ottla")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var log bytes.Buffer
	result, err := chaos.Run(context.Background(), chaos.Options{Binary: binary, Dir: t.TempDir(), Seed: 6, Rounds: 3,
		Pace: 4 * time.Second, Rate: 600, Out: &log, Inspect: inspect})
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	if result.ExitCode() != 0 || result.Acknowledged == 0 || result.Kills == 0 || result.ComparedBatches == 0 {
		result.WriteText(&log)
		t.Fatalf("%s\n%s", result.Verdict, &log)
	}
}

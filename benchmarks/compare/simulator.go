package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
)

const (
	// referenceFrom is the first seed of the reference world, and referenceWorlds how many are run, one after the other.
	referenceFrom   = 900_000
	referenceWorlds = 3
)

// measureSimulator runs the world that the simulator's speed is measured in, with all its checks.
func (c *comparison) measureSimulator(ctx context.Context) (map[string]float64, error) {
	out, err := exec.CommandContext(ctx, filepath.Join(c.tools.folder, "ottla"), "sim", "--reference", "--json",
		"--jobs", "1", "--start", strconv.Itoa(referenceFrom), "--seeds", strconv.Itoa(referenceWorlds)).Output()
	if err != nil {
		return nil, fmt.Errorf("the simulator: %w", err)
	}
	return parseSimulation(out)
}

// parseSimulation reads the last of the objects that the simulator prints, which is the one for all seeds.
func parseSimulation(out []byte) (map[string]float64, error) {
	var sum struct{ Seeds, Failed, Speed, EventsPerCPUSecond float64 }
	for text := json.NewDecoder(bytes.NewReader(out)); text.More(); {
		sum.Seeds = 0
		if err := text.Decode(&sum); err != nil {
			return nil, fmt.Errorf("what the simulator says: %w", err)
		}
	}
	switch {
	case sum.Failed > 0:
		return nil, errors.New("the simulator's reference world has failed")
	case sum.Seeds != referenceWorlds || sum.Speed <= 0:
		return nil, errors.New("the simulator does not say how fast it was")
	}
	return map[string]float64{"simulated": sum.Speed, "events": sum.EventsPerCPUSecond}, nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// natsModule is what NATS is built from: a module of its own, since Ottla does not depend on it.
const natsModule = "benchmarks/jetstream"

// buildNATS builds the server and its client, and returns the server's version, or "" where they cannot be had.
func buildNATS(folder string) string {
	build := exec.Command("go", "build", "-C", natsModule, "-o", folder+string(filepath.Separator), ".")
	if err := build.Run(); err != nil {
		return ""
	}
	out, err := exec.Command("go", "list", "-C", natsModule, "-m", "-f", "{{.Version}}",
		"github.com/nats-io/nats-server/v2").Output()
	if err != nil {
		return "of an unknown version"
	}
	return strings.TrimSpace(string(out))
}

func startNATS(t *tools, dir string, _ int, _ []string) (cluster, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "1")
	p, err := launch("NATS", data, ports[0], []string{filepath.Join(t.folder, "jetstream"), "serve", "--listen", ports[0],
		"--dir", data})
	if err != nil {
		return nil, err
	}
	p.nats = filepath.Join(t.folder, "jetstream")
	return cluster{p}, nil
}

// natsOutcome is what its client prints.
type natsOutcome struct {
	Records int64
	Bytes   int64
	Seconds float64
}

// runNATS runs its client, and returns the processor time that it took, too.
func runNATS(ctx context.Context, p *process, mode, stream string, flags ...string) (got natsOutcome, spent float64,
	err error) {
	cmd := exec.CommandContext(ctx, p.nats, append([]string{mode, "--server", p.address, "--stream", stream}, flags...)...)
	out, err := cmd.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return got, 0, fmt.Errorf("the client of NATS: %w\n%s", err, failed.Stderr)
	}
	if err == nil {
		err = json.Unmarshal(out, &got)
	}
	if err == nil && (got.Records <= 0 || got.Seconds <= 0) {
		err = errors.New("the client of NATS has done nothing")
	}
	if err != nil {
		return got, 0, err
	}
	return got, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

// fillNATS produces so many bytes, which do not count.
func fillNATS(ctx context.Context, p *process, stream string, recordBytes int, most int64) (natsOutcome, error) {
	made, _, err := runNATS(ctx, p, "produce", stream, "--bytes", strconv.Itoa(recordBytes), "--for", warmFor.String(),
		"--most", strconv.FormatInt(most, 10))
	return made, err
}

// measureNATS runs a workload of producers or consumers, with messages for records.
func (c *comparison) measureNATS(ctx context.Context, w workload, brokers cluster) (map[string]float64, error) {
	p := brokers[0]
	c.topics++
	mode, stream := "produce", fmt.Sprintf("%s-%d", w.name, c.topics)
	flags := []string{"--bytes", strconv.Itoa(w.recordBytes), "--for", c.lasts(w).String(),
		"--most", strconv.FormatInt(mostBytes, 10)}
	if w.way == consumeWay {
		made, err := fillNATS(ctx, p, stream, w.recordBytes, int64(prefilled))
		if err != nil {
			return nil, fmt.Errorf("filling the stream: %w", err)
		}
		writeBack()
		mode = "consume"
		flags = []string{"--records", strconv.FormatInt(made.Records, 10), "--for", c.lasts(w).String()}
	}
	p.forgetPeak()
	before, err := brokers.cpu()
	if err != nil {
		return nil, err
	}
	got, client, err := runNATS(ctx, p, mode, stream, flags...)
	if err != nil {
		return nil, err
	}
	after, err := brokers.cpu()
	if err != nil {
		return nil, err
	}
	gb := float64(got.Bytes) / gigabyte
	return map[string]float64{
		"cpu":     max(after-before, 1.0/ticks) / gb,
		"records": float64(got.Records) / got.Seconds,
		"mb":      float64(got.Bytes) / megabyte / got.Seconds,
		"peak":    p.memory("VmHWM") / mebibyte,
		"client":  client / gb,
	}, nil
}

// beginNATS is begin for a server of NATS: its first acknowledged message.
func (c *comparison) beginNATS(ctx context.Context, p *process) (time.Duration, error) {
	_, err := fillNATS(ctx, p, "first", 1, 1)
	return time.Since(p.began), err
}

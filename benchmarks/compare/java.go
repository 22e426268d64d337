package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"ottla.dev/benchmarks/load"
)

// What Kafka's own tools are asked for. They write and read so much, however long that takes.
const (
	javaRecords     = 500_000
	javaRecordBytes = 1000
	javaWithin      = 2 * time.Minute
)

// javaTool runs one of Kafka's tools and returns what it printed, and the processor time of its JVM.
func (t *tools) javaTool(ctx context.Context, class string, brokers cluster, args ...string) (string, float64, error) {
	if t.jars == "" {
		return "", 0, errors.New("there are no jars of Kafka's")
	}
	ctx, cancel := context.WithTimeout(ctx, javaWithin)
	defer cancel()
	command := t.javaCommand(append([]string{"org.apache.kafka.tools." + class, "--bootstrap-server",
		strings.Join(brokers.addresses(), ","), "--num-records", strconv.Itoa(javaRecords)}, args...)...)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w\n%s%s", class, err, out, said.Bytes())
	}
	return string(out), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

// measureJavaProducer has Kafka's producer write, with its defaults but for batch.size, as its perf tool does it.
func (c *comparison) measureJavaProducer(ctx context.Context, w workload, brokers cluster,
	topic string) (map[string]float64, error) {
	return c.measureTool(brokers, func() (float64, float64, error) {
		out, spent, err := c.tools.javaTool(ctx, "ProducerPerformance", brokers, "--topic", topic, "--record-size",
			strconv.Itoa(w.recordBytes), "--throughput", "-1", "--command-property", "acks=all", "--command-property",
			"batch.size="+strconv.Itoa(w.batchBytes))
		if err != nil {
			return 0, 0, err
		}
		rate, err := parseProducerPerformance(out)
		return rate, spent, err
	})
}

// measureJavaConsumer has Kafka's consumer read what our own client has written.
func (c *comparison) measureJavaConsumer(ctx context.Context, w workload, brokers cluster,
	topic string) (map[string]float64, error) {
	fill := load.Produce{Seeds: brokers.addresses(), Topic: topic, Partitions: w.partitions, RecordBytes: w.recordBytes,
		Clients: w.clients, For: prefillFor, MostBytes: (javaRecords + javaRecords/10) * javaRecordBytes}
	if made, err := fill.Run(ctx); err != nil || made.Records < javaRecords {
		return nil, fmt.Errorf("filling the topic: %d records, %w", made.Records, err)
	}
	writeBack()
	return c.measureTool(brokers, func() (float64, float64, error) {
		out, spent, err := c.tools.javaTool(ctx, "ConsumerPerformance", brokers, "--topic", topic, "--timeout", "20000")
		if err != nil {
			return 0, 0, err
		}
		rate, err := parseConsumerPerformance(out)
		return rate, spent, err
	})
}

// measureTool gives the figures of a run of a tool that says how many records a second there were.
func (c *comparison) measureTool(brokers cluster,
	run func() (rate, spent float64, err error)) (map[string]float64, error) {
	before, err := brokers.cpu()
	if err != nil {
		return nil, err
	}
	rate, client, err := run()
	if err != nil {
		return nil, err
	}
	after, err := brokers.cpu()
	if err != nil {
		return nil, err
	}
	const gb = float64(javaRecords*javaRecordBytes) / gigabyte
	return map[string]float64{
		"cpu":     max(after-before, 1.0/ticks) / gb,
		"records": rate,
		"mb":      rate * javaRecordBytes / megabyte,
		"peak":    brokers.memory("VmHWM") / mebibyte,
		"client":  client / gb,
	}, nil
}

// parseProducerPerformance finds the records a second in the last line, which begins with
// "500000 records sent, 123456.7 records/sec".
func parseProducerPerformance(out string) (float64, error) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	sent, rest, ok := strings.Cut(lines[len(lines)-1], " records sent, ")
	rate, _, found := strings.Cut(rest, " records/sec")
	if n, err := strconv.Atoi(sent); !ok || !found || err != nil || n != javaRecords {
		return 0, fmt.Errorf("ProducerPerformance has not sent %d records, it said:\n%s", javaRecords, out)
	}
	return strconv.ParseFloat(rate, 64)
}

// parseConsumerPerformance finds the records a second in the last line, below the names of its columns.
func parseConsumerPerformance(out string) (float64, error) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) < 2 {
		return 0, fmt.Errorf("ConsumerPerformance said:\n%s", out)
	}
	names, values := strings.Split(lines[len(lines)-2], ","), strings.Split(lines[len(lines)-1], ",")
	column := func(name string) (float64, error) {
		for i := range names {
			if strings.TrimSpace(names[i]) == name && i < len(values) {
				return strconv.ParseFloat(strings.TrimSpace(values[i]), 64)
			}
		}
		return 0, fmt.Errorf("ConsumerPerformance does not tell %s; it said:\n%s", name, out)
	}
	if n, err := column("data.consumed.in.nMsg"); err != nil || n < javaRecords {
		return 0, fmt.Errorf("ConsumerPerformance has read %v records of %d (%v); it said:\n%s", n, javaRecords, err, out)
	}
	return column("nMsg.sec")
}

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ottla.dev/benchmarks/load"
	"ottla.dev/tools/admin"
)

const benchLong = `Bench puts a load on a cluster that runs, Ottla's or Kafka's, and says what came of it.

It makes a topic of its own, whose name it prints and which stays: delete it afterwards, or give its name with --topic
to use one that is there. Without --rate producers go as fast as they can, and then a consumer reads everything back.
With --rate each record is due at a moment that does not wait for those before it; its latency counts from then, so that
a cluster that stands still for a second shows a second of late records.

The client takes processor time, too. On a small machine that is shared with the brokers, a rate says little:
'go run ./benchmarks/compare' in the source tree measures what brokers cost.`

const benchExample = `  ottla bench
  ottla bench --record-bytes 100 --batch-bytes 16384 --partitions 64 --clients 16 --for 30s
  ottla bench --rate 5000 --for 60s --consumers 2
  ottla bench --bootstrap-server host1:9092,host2:9092 --replicas 3 --rate 1000 --json`

type benchOptions struct {
	bootstrap, topic, compression                                string
	recordBytes, batchBytes, partitions, replicas, clients, rate int
	consumers                                                    int
	duration                                                     time.Duration
	most                                                         int64
	json, oneAck                                                 bool
}

// The bounds of what bench does.
const (
	benchMaxRecordBytes = 1 << 19
	benchMaxClients     = 2000
	benchTopicWithin    = 10 * time.Second
)

func newBench() *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:     "bench",
		Short:   "Measure a cluster that runs",
		Long:    benchLong,
		Example: benchExample,
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return exitError{exitUsage, err.Error()}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return o.run(ctx, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.bootstrap, "bootstrap-server", "b", admin.DefaultServer,
		"the `host:port` of any broker of the cluster; several with commas")
	f.StringVar(&o.topic, "topic", "", "use this `topic` instead of a new one")
	f.IntVar(&o.recordBytes, "record-bytes", 1000, "the `size` of a record's value")
	f.IntVar(&o.batchBytes, "batch-bytes", 0, "the `size` of a batch; 0 for the largest, 1 for the smallest")
	f.IntVar(&o.partitions, "partitions", 8, "how many `partitions` the topic has")
	f.IntVar(&o.replicas, "replicas", 1, "how many `replicas` each partition has")
	f.IntVar(&o.clients, "clients", 1, "how many `producers` there are")
	f.IntVar(&o.consumers, "consumers", 1, "how many `consumers` read everything each; 0 for none")
	f.IntVar(&o.rate, "rate", 0, "`records` that are due in a second; 0 for as fast as it goes")
	f.StringVar(&o.compression, "compression", "", "the `codec`: none, gzip, snappy, lz4 or zstd")
	f.BoolVar(&o.oneAck, "acks-1", false, "have the leader alone acknowledge; not with --rate")
	f.DurationVar(&o.duration, "for", 10*time.Second, "how `long` producers go on")
	f.Int64Var(&o.most, "max-bytes", 4<<30, "end earlier when so many `bytes` were produced; not with --rate")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// check refuses what cannot be measured.
func (o benchOptions) check() error {
	between := func(flag string, v, least, most int) error {
		if v < least || v > most {
			return fmt.Errorf("--%s must be from %d to %d", flag, least, most)
		}
		return nil
	}
	const million = 1_000_000
	for _, err := range []error{
		between("record-bytes", o.recordBytes, 8, benchMaxRecordBytes),
		between("batch-bytes", o.batchBytes, 0, million),
		between("partitions", o.partitions, 1, million),
		between("replicas", o.replicas, 1, 100),
		between("clients", o.clients, 1, benchMaxClients),
		between("consumers", o.consumers, 0, benchMaxClients),
		between("rate", o.rate, 0, 10*million),
	} {
		if err != nil {
			return err
		}
	}
	if o.rate > 0 && (o.oneAck || o.clients > 1 || o.batchBytes > 0) {
		return fmt.Errorf("--rate has one producer with acks=all: leave out --clients, --batch-bytes and --acks-1")
	}
	if o.duration <= 0 || o.most <= 0 {
		return fmt.Errorf("--for and --max-bytes must be more than 0")
	}
	return nil
}

// benchResult is what --json prints; times are in milliseconds.
type benchResult struct {
	Topic    string      `json:"topic"`
	Produced *benchRate  `json:"produced,omitempty"`
	Consumed *benchRate  `json:"consumed,omitempty"`
	Ack      *benchTimes `json:"acknowledged_ms,omitempty"`
	EndToEnd *benchTimes `json:"end_to_end_ms,omitempty"`
	Late     *benchTimes `json:"generator_late_ms,omitempty"`
	GapMS    float64     `json:"longest_gap_ms,omitempty"`
	Missing  int64       `json:"missing"`
}

type benchRate struct {
	Records  int64   `json:"records"`
	Bytes    int64   `json:"bytes"`
	Requests int64   `json:"requests,omitempty"`
	Seconds  float64 `json:"seconds"`
}

type benchTimes struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

func timesOf(h *load.Histogram) *benchTimes {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return &benchTimes{ms(h.Percentile(0.5)), ms(h.Percentile(0.99)), ms(h.Percentile(0.999)), ms(h.Max())}
}

func (o benchOptions) run(ctx context.Context, out io.Writer) error {
	seeds := strings.Split(o.bootstrap, ",")
	r := benchResult{Topic: o.topic}
	if r.Topic == "" {
		r.Topic = "bench-" + strings.ToLower(rand.Text()[:8])
		making, cancel := context.WithTimeout(ctx, benchTopicWithin)
		defer cancel()
		if err := load.CreateTopic(making, seeds, r.Topic, o.partitions, o.replicas, nil); err != nil {
			return fmt.Errorf("%w\nis there a cluster at %s? --bootstrap-server says where", err, o.bootstrap)
		}
	}
	measure := o.closed
	if o.rate > 0 {
		measure = o.paced
	}
	if err := measure(ctx, seeds, &r); err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(out).Encode(r)
	}
	r.print(out)
	return nil
}

// closed produces as fast as it goes and reads everything back.
func (o benchOptions) closed(ctx context.Context, seeds []string, r *benchResult) error {
	made, err := load.Produce{Seeds: seeds, Topic: r.Topic, Partitions: o.partitions, RecordBytes: o.recordBytes,
		BatchBytes: o.batchBytes, Clients: o.clients, OneAck: o.oneAck, Compression: o.compression, For: o.duration,
		MostBytes: o.most}.Run(ctx)
	if err != nil {
		return err
	}
	r.Produced = &benchRate{made.Records, made.Bytes, made.Requests, made.Took.Seconds()}
	if o.consumers == 0 {
		return nil
	}
	got, err := load.Consume{Seeds: seeds, Topic: r.Topic, Consumers: o.consumers, Records: made.Records,
		RecordBytes: o.recordBytes, Within: 10 * o.duration}.Run(ctx)
	r.Consumed = &benchRate{got.Records, got.Bytes, got.Requests, got.Took.Seconds()}
	r.Missing = made.Records*int64(o.consumers) - got.Records
	return err
}

// paced produces at a rate while consumers follow.
func (o benchOptions) paced(ctx context.Context, seeds []string, r *benchResult) error {
	got, err := load.Paced{Seeds: seeds, Topic: r.Topic, Partitions: o.partitions, RecordBytes: o.recordBytes,
		Rate: o.rate, For: o.duration, Consumers: o.consumers, Compression: o.compression}.Run(ctx)
	if err != nil {
		return err
	}
	r.Produced = &benchRate{Records: got.Records, Bytes: got.Bytes, Seconds: got.Took.Seconds()}
	r.Ack, r.Late = timesOf(got.Ack), timesOf(got.Late)
	if o.consumers > 0 {
		r.EndToEnd = timesOf(got.EndToEnd)
	}
	r.GapMS, r.Missing = float64(got.Gap)/float64(time.Millisecond), got.Missing
	return nil
}

func (r benchResult) print(out io.Writer) {
	fmt.Fprintf(out, "topic         %s\n", r.Topic)
	for _, line := range []struct {
		name string
		rate *benchRate
	}{{"produced", r.Produced}, {"consumed", r.Consumed}} {
		if v := line.rate; v != nil {
			fmt.Fprintf(out, "%-13s %d records in %.1f s: %.0f records/s, %.1f MB/s\n", line.name, v.Records, v.Seconds,
				float64(v.Records)/v.Seconds, float64(v.Bytes)/v.Seconds/1e6)
		}
	}
	for _, line := range []struct {
		name  string
		times *benchTimes
	}{{"acknowledged", r.Ack}, {"end to end", r.EndToEnd}, {"sent late", r.Late}} {
		if v := line.times; v != nil {
			fmt.Fprintf(out, "%-13s p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, most %.2f ms\n", line.name, v.P50, v.P99, v.P999,
				v.Max)
		}
	}
	if r.GapMS > 0 {
		fmt.Fprintf(out, "longest gap   %.1f ms between two acknowledgements\n", r.GapMS)
	}
	if r.Missing > 0 {
		fmt.Fprintf(out, "missing       %d records had not come to the consumers at the end\n", r.Missing)
	}
}

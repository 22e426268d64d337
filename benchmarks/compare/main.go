package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	brokers, workloads, dir, page, json, micro string
	full, list                                 bool
	rounds, rate                               int
	duration, within                           time.Duration
	warmup                                     int
}

const usage = `Compare measures Ottla side by side with Apache Kafka and with the least that a broker can do.

  go run ./benchmarks/compare                    what the targets speak of, about forty minutes
  go run ./benchmarks/compare --full             everything, some hours
  go run ./benchmarks/compare --list             what brokers and workloads there are
  go run ./benchmarks/compare --brokers ottla,kafka --workloads large,single --rounds 5 --for 10s --page ''
  go run ./benchmarks/compare --micro new.txt    the benchmarks of the hot paths instead, for benchstat

`

func main() {
	var o options
	flag.StringVar(&o.brokers, "brokers", "", "which brokers, as `names` with commas between them")
	flag.StringVar(&o.workloads, "workloads", "", "which workloads, as `names` with commas between them")
	flag.BoolVar(&o.full, "full", false, "every broker and workload, 5 rounds of 20 s")
	flag.BoolVar(&o.list, "list", false, "say what there is, and do nothing")
	flag.IntVar(&o.rounds, "rounds", 0, "how many `rounds` (default 3)")
	flag.DurationVar(&o.duration, "for", 0, "how `long` a workload takes (default 3s)")
	flag.DurationVar(&o.within, "within", 0, "start no more brokers after this `time` (default 50m, with --full 6h)")
	flag.IntVar(&o.warmup, "warmup", -1, "how many `MB` a broker takes before it counts (default 512)")
	flag.IntVar(&o.rate, "rate", 0, "records a `second` of the workload half, instead of half of Kafka's peak")
	flag.StringVar(&o.dir, "dir", "", "a `folder` for the brokers' data, which decides the disk")
	flag.StringVar(&o.page, "page", "docs/benchmarks.md", "the `file` to write, plots in a folder beside it; '' for none")
	flag.StringVar(&o.json, "json", "", "write all samples to this `file`")
	flag.StringVar(&o.micro, "micro", "", "run the benchmarks of the hot paths into this `file`, 10 times each")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := start(o); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// complete gives what was not said.
func (o options) complete() options {
	rounds, duration, warmup, within := 3, 3*time.Second, 512, 50*time.Minute
	if o.full {
		rounds, duration, warmup, within = 5, 20*time.Second, 4096, 6*time.Hour
	}
	if o.rounds == 0 {
		o.rounds = rounds
	}
	if o.duration == 0 {
		o.duration = duration
	}
	if o.within == 0 {
		o.within = within
	}
	if o.warmup < 0 {
		o.warmup = warmup
	}
	return o
}

func start(o options) error {
	if flag.NArg() > 0 {
		return fmt.Errorf("%q is no flag; --help shows them", flag.Arg(0))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch {
	case o.list:
		list()
		return nil
	case o.micro != "":
		return micro(ctx, o.micro)
	}
	o = o.complete()
	chosenKinds, err := choose(kinds(), func(k kind) string { return k.name },
		func(k kind) bool { return o.full || k.name != "kafka-sync" }, o.brokers, "broker")
	if err != nil {
		return err
	}
	chosen, err := choose(workloads(), func(w workload) string { return w.name },
		func(w workload) bool { return o.full || !w.full }, o.workloads, "workload")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "ottla-compare-")
	if err != nil {
		return fmt.Errorf("cannot make a folder for the brokers' data: %w", err)
	}
	defer os.RemoveAll(dir)
	return compare(ctx, o, dir, chosenKinds, chosen)
}

func compare(ctx context.Context, o options, dir string, chosenKinds []kind, chosen []workload) error {
	t, why, err := prepare(dir)
	if err != nil {
		return err
	}
	if t.jars == "" {
		fmt.Printf("Comparing without Kafka: %s.\n", why)
		chosenKinds = withoutKafka(chosenKinds)
	}
	if t.nats == "" {
		fmt.Printf("Comparing without NATS: %s cannot be built.\n", natsModule)
		chosenKinds = slices.DeleteFunc(chosenKinds, func(k kind) bool { return k.nats })
	}
	p := &page{Began: time.Now(), Command: commandLine(), Machine: describeMachine(dir), Versions: describeVersions(t),
		NoKafka: why, LoadBefore: loadAverage(), Rounds: o.rounds, Seconds: o.duration.Seconds(), Warmup: o.warmup,
		Kinds: chosenKinds, Workloads: chosen}
	fmt.Printf("Load average %s.\n", p.LoadBefore)
	c := &comparison{tools: t, kinds: chosenKinds, workloads: chosen, rounds: o.rounds, duration: o.duration,
		warmup: int64(o.warmup) * megabyte, rate: o.rate, dir: dir, out: os.Stdout, began: p.Began,
		within: o.within, warmth: new(warmth)}
	if c.rate == 0 && needsPilot(chosen) {
		fmt.Println("Kafka's peak, for the rate of the workload half:")
		if c.rate, err = c.pilot(ctx); err != nil {
			return fmt.Errorf("the peak of Kafka: %w", err)
		}
	}
	p.Rate, p.RateGiven = c.rate, o.rate > 0
	stopped := c.run(ctx)
	p.Ended, p.LoadAfter, p.Results, p.Cut = time.Now(), loadAverage(), c.results, c.cut
	fmt.Println()
	fmt.Print(p.summary())
	if o.json != "" {
		if err := writeJSON(o.json, p); err != nil {
			return err
		}
	}
	if stopped != nil {
		return errors.New("stopped; no page was written")
	}
	if o.page == "" {
		return nil
	}
	return p.write(o.page)
}

func withoutKafka(all []kind) (rest []kind) {
	for _, k := range all {
		if !k.kafka {
			rest = append(rest, k)
		}
	}
	return rest
}

// commandLine is what repeats this run.
func commandLine() string {
	return strings.Join(append([]string{"go run ./benchmarks/compare"}, os.Args[1:]...), " ")
}

func list() {
	fmt.Println("Brokers:")
	for _, k := range kinds() {
		fmt.Printf("  %-12s %s\n", k.name, k.what)
	}
	fmt.Println("Workloads (+ only with --full or by name):")
	for _, w := range workloads() {
		mark := " "
		if w.full {
			mark = "+"
		}
		fmt.Printf("%s %-12s %s\n", mark, w.name, w.what)
	}
}

// write writes the page and its plots.
func (p *page) write(file string) error {
	folder := filepath.Join(filepath.Dir(file), "benchmarks")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, plot := range plots {
		if err := os.WriteFile(filepath.Join(folder, plot.name+".svg"), []byte(plot.draw(p, plot.title)), 0o644); err != nil {
			return err
		}
	}
	if err := os.WriteFile(file, []byte(p.markdown()), 0o644); err != nil {
		return err
	}
	fmt.Println("Written:", file)
	return nil
}

func writeJSON(file string, p *page) error {
	text, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// hotPaths are the packages that have benchmarks of what happens for each request.
var hotPaths = []string{"./core/record", "./core/log", "./core/wire", "./core/partition", "./core/group",
	"./core/metadata", "./core/broker", "./node/run"}

// micro runs their benchmarks as benchstat likes them.
func micro(ctx context.Context, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	const times = "10"
	args := append([]string{"test", "-run", "^$", "-bench", ".", "-benchmem", "-benchtime", "200ms", "-count", times},
		hotPaths...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stdout, cmd.Stderr = f, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the benchmarks failed, see %s: %w", file, err)
	}
	fmt.Printf("Written: %[1]s; compare two such files with\n"+
		"  go run golang.org/x/perf/cmd/benchstat@latest old.txt %[1]s\n", file)
	return nil
}

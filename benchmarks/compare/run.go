package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ottla.dev/benchmarks/load"
)

const (
	startWithin = 90 * time.Second
	// warmFor bounds how long the bytes of a warm-up may take to be produced, and to be consumed.
	warmFor = 60 * time.Second
	// idleAfter is how long brokers rest before their idle memory is read.
	idleAfter = 2 * time.Second
	// restAfter follows the removal of a thousand files: ext4 does not give their inodes out for five seconds, and
	// whoever makes files in the meantime pays for the search.
	restAfter = 6 * time.Second
	// manyPartitions are those that make so many files.
	manyPartitions = 500
)

// comparison is a run of everything.
type comparison struct {
	tools     *tools
	kinds     []kind
	workloads []workload
	rounds    int
	duration  time.Duration
	warmup    int64 // bytes
	rate      int   // half of Kafka's peak
	dir       string
	out       io.Writer
	results   results
	topics    int // made so far, for their names
	began     time.Time
	within    time.Duration // no brokers are started after that
	cut       bool          // it was reached
	warmth    *warmth
	after     func(sample) // what is done when a workload has been measured, if anything
}

// run makes all rounds. What fails is noted and does not stop the others.
func (c *comparison) run(ctx context.Context) error {
	for round := range c.rounds {
		kinds := slices.Clone(c.kinds)
		if round%2 == 1 {
			slices.Reverse(kinds)
		}
		for _, s := range sessions(c.workloads) {
			for _, k := range kinds {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if k.alone && s.brokers > 1 {
					continue
				}
				if time.Since(c.began) > c.within {
					c.cut = true
					return nil
				}
				if err := c.session(ctx, round+1, k, s); err != nil {
					fmt.Fprintf(c.out, "  %v\n", err)
					c.results = append(c.results, sample{round + 1, k.name, startWorkload, nil, err.Error()})
				}
			}
		}
	}
	return ctx.Err()
}

// takesPart is true if a kind of broker is asked to do a workload in a round.
func (c *comparison) takesPart(k kind, w workload, round int) bool {
	switch {
	case w.own && !k.asIs(), k.nats && (!w.nats || c.tools.nats == ""):
		return false
	case w.java && (k.alone || c.tools.jars == ""):
		return false
	}
	return !w.once || round == 1 || len(c.workloads) == 1
}

// session starts brokers of a kind, runs workloads on them, and leaves nothing behind.
func (c *comparison) session(ctx context.Context, round int, k kind, s session) error {
	dir := filepath.Join(c.dir, fmt.Sprintf("%s-%d-%d", k.name, s.brokers, round))
	s.workloads = slices.DeleteFunc(slices.Clone(s.workloads), func(w workload) bool { return !c.takesPart(k, w, round) })
	if len(s.workloads) == 0 {
		return nil
	}
	fmt.Fprintf(c.out, "round %d, %s, %d broker(s), after %v\n", round, k.name, s.brokers,
		time.Since(c.began).Round(time.Second))
	many := slices.ContainsFunc(s.workloads, func(w workload) bool { return w.partitions > manyPartitions })
	defer func() {
		os.RemoveAll(dir)
		c.warmth.gather() // of what was in the page cache
		if many {
			time.Sleep(restAfter)
		}
	}()
	if err := c.warmth.gather(); err != nil {
		return err
	}
	brokers, err := c.ready(ctx, round, k, s, dir)
	defer brokers.stop()
	if err != nil {
		return err
	}
	for _, w := range s.workloads {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.one(ctx, round, k, w, brokers)
	}
	return nil
}

// ready starts brokers, which have to be stopped whatever comes of it, and gives them work that does not count.
func (c *comparison) ready(ctx context.Context, round int, k kind, s session, dir string) (cluster, error) {
	if s.brokers == 0 {
		return nil, nil
	}
	writeBack()
	defer c.warmth.lend()()
	brokers, err := k.start(c.tools, dir, s.brokers, s.settings)
	if err != nil {
		return brokers, err
	}
	first, err := c.begin(ctx, brokers)
	if err != nil {
		return brokers, fmt.Errorf("%s: %w", k.name, err)
	}
	if s.fresh {
		return brokers, nil
	}
	if s.brokers == 1 && len(s.settings) == 0 {
		c.note(sample{Round: round, Kind: k.name, Workload: startWorkload, Figures: first})
	}
	if err := c.warm(ctx, brokers); err != nil {
		return brokers, fmt.Errorf("%s: warming up: %w", k.name, err)
	}
	return brokers, nil
}

// begin waits for the first acknowledged record and measures the memory of brokers that have nothing to do.
func (c *comparison) begin(ctx context.Context, brokers cluster) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for _, p := range brokers {
		if err := p.listens(startWithin); err != nil {
			return nil, err
		}
	}
	took, err := c.first(ctx, brokers)
	if err != nil {
		return nil, fmt.Errorf("%w; the first broker said:\n%s", err, brokers[0].said)
	}
	time.Sleep(idleAfter)
	return map[string]float64{"start": milliseconds(took), "idle": brokers.memory("VmRSS") / mebibyte}, nil
}

// first waits for the first acknowledged record, and gives the time that it took from the start of the process.
func (c *comparison) first(ctx context.Context, brokers cluster) (time.Duration, error) {
	if brokers[0].nats != "" {
		return c.beginNATS(ctx, brokers[0])
	}
	if err := load.CreateTopic(ctx, brokers.addresses(), "first", 1, len(brokers), nil); err != nil {
		return 0, err
	}
	err := load.Acknowledged(ctx, brokers.addresses(), "first")
	return time.Since(brokers[0].began), err
}

// warm gives the brokers work that does not count.
func (c *comparison) warm(ctx context.Context, brokers cluster) error {
	if c.warmup == 0 {
		return nil
	}
	if brokers[0].nats != "" {
		_, err := fillNATS(ctx, brokers[0], "warm", 1000, c.warmup)
		return err
	}
	w := workload{name: "warm", recordBytes: 1000, batchBytes: 16 << 10, partitions: 8, clients: 1, brokers: len(brokers)}
	topic, err := c.topic(ctx, w, brokers)
	if err != nil {
		return err
	}
	made, err := w.produce(brokers, topic, warmFor, c.warmup).Run(ctx)
	if err != nil {
		return err
	}
	_, err = load.Consume{Seeds: brokers.addresses(), Topic: topic, Consumers: 1, Records: made.Records,
		RecordBytes: w.recordBytes, Within: warmFor}.Run(ctx)
	return err
}

// topic makes a topic for a workload, with a record in each partition: a log is made when it is needed first.
func (c *comparison) topic(ctx context.Context, w workload, brokers cluster) (name string, err error) {
	c.topics++
	name = fmt.Sprintf("%s-%d", w.name, c.topics)
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := load.CreateTopic(ctx, brokers.addresses(), name, w.partitions, len(brokers), nil); err != nil {
		return name, err
	}
	return name, load.Touch(ctx, brokers.addresses(), name, w.partitions)
}

// one runs a workload and notes its figures, or why there are none.
func (c *comparison) one(ctx context.Context, round int, k kind, w workload, brokers cluster) {
	ctx, cancel := context.WithTimeout(ctx, c.lasts(w)+besides)
	defer cancel()
	s := sample{Round: round, Kind: k.name, Workload: w.name}
	figures, err := c.warmly(ctx, w, brokers)
	if err != nil {
		s.Failed = err.Error()
	} else {
		s.Figures = figures
	}
	c.note(s)
	if c.after != nil {
		c.after(s)
	}
}

// warmly measures a workload on a disk that has nothing to write, with warm memory for what the broker will write.
func (c *comparison) warmly(ctx context.Context, w workload, brokers cluster) (map[string]float64, error) {
	if err := brokers.coolCaches(); err != nil {
		return nil, err
	}
	if err := c.warmth.gather(); err != nil {
		return nil, err
	}
	writeBack()
	defer c.warmth.lend()()
	before := processorTimes()
	figures, err := c.measure(ctx, w, brokers)
	if err != nil {
		return nil, err
	}
	maps.Copy(figures, processorTimes().since(before))
	return figures, nil
}

// note keeps a sample and shows it.
func (c *comparison) note(s sample) {
	c.results = append(c.results, s)
	if s.Failed != "" {
		fmt.Fprintf(c.out, "  %-10s failed: %s\n", s.Workload, s.Failed)
		return
	}
	var shown []string
	for _, f := range figureTable() {
		if v, ok := s.Figures[f.key]; ok {
			shown = append(shown, fmt.Sprintf("%s %s", f.key, number(v)))
		}
	}
	fmt.Fprintf(c.out, "  %-10s %s\n", s.Workload, strings.Join(shown, "  "))
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"ottla.dev/sim"
	"ottla.dev/sim/check"
	"ottla.dev/sim/cover"
	"ottla.dev/sim/fault"
)

// simOptions are the flags of `ottla sim`.
type simOptions struct {
	seeds   uint64
	start   uint64
	seed    string
	jobs    int
	brokers int
	cluster bool
	measure bool // the reference world
	trace   bool
	plan    string
	write   string
	json    bool
	history string
	cover   string
	search  uint64
	forTime time.Duration
	single  *fault.Plan // the only one to be run, if there is one
	filter  traceFilter
}

func simCommand() *cobra.Command {
	var o simOptions
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Simulate brokers with faults, from seeds",
		Long: "Simulate brokers with faults, from seeds. Each seed draws a broker, its topics, clients and faults, and\n" +
			"runs them in virtual time on a simulated disk. The exit status is 0 if all is well, 127 if an assertion\n" +
			"failed, 128 if something did not come to its end, 129 if something wrong was said or kept.",
		Example: "  ottla sim --seeds 200\n  ottla sim --cluster --for 10m\n  ottla sim --reference --seeds 5 --jobs 1\n" +
			"  ottla sim --seed 47 --brokers 3 --trace\n" +
			"  ottla sim --seed 47 --write-plan 47.plan\n  ottla sim --plan 47.plan",
		Args:             cobra.NoArgs,
		PersistentPreRun: func(*cobra.Command, []string) { collectLess(); go boundMemory() },
		RunE:             func(cmd *cobra.Command, _ []string) error { return o.run(cmd.OutOrStdout()) },
	}
	f := cmd.Flags()
	f.Uint64Var(&o.seeds, "seeds", 200, "how many seeds to run")
	f.Uint64Var(&o.start, "start", 0, "the first seed")
	f.StringVar(&o.seed, "seed", "", "run this `seed` only; 47@1 is seed 47, drawn as version 1 draws")
	f.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "seeds to run at the same time")
	f.IntVar(&o.brokers, "brokers", 1, "how many brokers a world has, at most "+strconv.Itoa(fault.MaxBrokers))
	f.BoolVar(&o.cluster, "cluster", false, "draw how many brokers a cluster has, one to "+strconv.Itoa(fault.MaxBrokers))
	f.BoolVar(&o.measure, "reference", false, "run the world that the simulator's speed is measured in, once a seed")
	f.BoolVar(&o.trace, "trace", false, "with --seed or --plan: print a line an event")
	f.IntSliceVar(&o.filter.brokers, "broker", nil, "with --trace: only lines about these `machines`, from 0")
	f.IntSliceVar(&o.filter.clients, "client", nil, "with --trace: only lines about these `clients`, from 0")
	f.StringSliceVar(&o.filter.partitions, "partition", nil, "with --trace: only lines about these, as `t0-1`")
	f.StringVar(&o.plan, "plan", "", "run the plan in this `file`")
	f.StringVar(&o.write, "write-plan", "",
		"with --seed: write what the seed has drawn to this `file` (- prints it), and do not run it")
	f.BoolVar(&o.json, "json", false, "print a JSON object a seed, and one for all")
	f.StringVar(&o.history, "history", "",
		"with --seed or --plan: write what the clients have seen to this `file`, for ottla check")
	f.StringVar(&o.cover, "coverage", "", "add what was reached to this `file`, for ottla sim coverage")
	f.Uint64Var(&o.search, "search", searchOneIn,
		"search the histories of one seed in so many with Porcupine, of the others only the topics")
	f.DurationVar(&o.forTime, "for", 0, "run seeds for this long instead of a number of them")
	cmd.AddCommand(huntCommand(), mutantsCommand(), shrinkCommand(), diffCommand(),
		showCommand(), coverageCommand())
	return cmd
}

func (o *simOptions) run(out io.Writer) error {
	if o.jobs < 1 {
		return fmt.Errorf("--jobs %d: at least 1", o.jobs)
	}
	if o.brokers < 1 || o.brokers > fault.MaxBrokers {
		return fmt.Errorf("--brokers %d: 1 to %d", o.brokers, fault.MaxBrokers)
	}
	one := o.seed != "" || o.plan != ""
	switch {
	case o.seed != "" && o.plan != "":
		return fmt.Errorf("--seed and --plan: one of them")
	case o.filter.any() && !o.trace:
		return fmt.Errorf("--broker, --client and --partition need --trace")
	case o.trace && !one:
		return fmt.Errorf("--trace needs --seed or --plan")
	case o.history != "" && !one:
		return fmt.Errorf("--history needs --seed or --plan")
	case o.write != "" && o.seed == "":
		return fmt.Errorf("--write-plan needs --seed")
	}
	if one {
		plan, err := o.only()
		if err != nil {
			return err
		}
		if o.write != "" {
			return writePlan(out, o.write, plan.String())
		}
		o.filter.machines = max(len(plan.Machines), 1)
		o.single, o.start, o.seeds, o.jobs = plan, plan.Seed, 1, 1
	}
	s := &simRun{options: o, out: out, began: time.Now()}
	if o.cover != "" {
		s.cover = cover.New()
	}
	s.all()
	if s.cover != nil && s.err == nil {
		s.err = addCoverage(o.cover, s.cover)
	}
	if s.err != nil {
		return s.err
	}
	return s.finish()
}

// only gives the one plan that is to be run.
func (o *simOptions) only() (*fault.Plan, error) {
	if o.plan != "" {
		return readPlan(o.plan)
	}
	seed, err := fault.ParseSeed(o.seed)
	if err != nil {
		return nil, err
	}
	return o.draw(seed), nil
}

// draw draws the plan of a seed.
func (o *simOptions) draw(seed uint64) *fault.Plan {
	n := o.brokers
	switch {
	case o.single != nil:
		return o.single
	case o.measure:
		return fault.Reference(seed)
	case o.cluster:
		n = fault.DrawBrokers(seed)
	case n == 1:
		return fault.Draw(seed)
	}
	return fault.DrawCluster(seed, n)
}

// replay is the command that runs a seed again.
func (o *simOptions) replay(seed uint64) string {
	text := "ottla sim --seed " + fault.SeedText(seed)
	switch {
	case o.plan != "":
		text = "ottla sim --plan " + o.plan
	case o.measure:
		text += " --reference"
	case o.cluster:
		text += " --cluster"
	case o.brokers > 1:
		text += " --brokers " + strconv.Itoa(o.brokers)
	}
	return text + " --trace"
}

// simRun is the run of many seeds.
type simRun struct {
	options *simOptions
	out     io.Writer
	began   time.Time
	next    atomic.Uint64

	mu      sync.Mutex
	done    uint64
	failed  int
	worst   check.Class
	sum     sim.Stats
	cover   *cover.Coverage // nil if nobody wants it
	printed time.Time
	open    int   // histories whose search was given up
	err     error // of writing a history
}

func (s *simRun) all() {
	var wg sync.WaitGroup
	for range s.options.jobs {
		wg.Go(func() {
			for {
				n := s.next.Add(1) - 1
				if s.options.forTime > 0 && time.Since(s.began) > s.options.forTime ||
					s.options.forTime == 0 && n >= s.options.seeds {
					return
				}
				s.report(s.runSeed(s.options.start + n))
			}
		})
	}
	wg.Wait()
}

// line returns where the lines of the trace go.
func (s *simRun) line() func([]byte) {
	if !s.options.trace {
		return nil
	}
	return func(line []byte) {
		if s.options.filter.shows(line) {
			fmt.Fprintf(s.out, "%s\n", line)
		}
	}
}

// simResult is the result of a seed, with the stack of a panic.
type simResult struct {
	sim.Result
	stack    string
	coverage *cover.Coverage
}

// runSeed simulates one seed.
func (s *simRun) runSeed(seed uint64) simResult {
	w := sim.New(s.options.draw(seed), s.line())
	if s.cover != nil {
		w.Watch()
	}
	r := runWorld(w, s.options.search)
	s.writeHistory(w)
	if s.cover != nil {
		r.coverage = w.Coverage()
	}
	return r
}

// runWorld simulates to the end. A panic is the seed's failure and not the program's: this is the one place that
// catches one.
func runWorld(w *sim.World, search uint64) simResult { return runPaced(w, search, nil) }

// runPaced is runWorld, and says how far it is.
func runPaced(w *sim.World, search uint64, p *pace) (r simResult) {
	defer func() {
		if p := recover(); p != nil {
			r.stack = string(debug.Stack())
			w.Release()
			r.Result = w.Result()
			r.Tail = w.Tail(60)
			r.Failure = &check.Failure{Class: check.Assertion, Check: "panic", Text: fmt.Sprint(p), At: r.Stats.Simulated}
		}
	}()
	r.Result = p.run(w)
	if p == nil || !p.givenUp {
		searchHistory(w, search, &r)
	}
	return r
}

func (s *simRun) report(r simResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done++
	s.sum.Add(r.Stats)
	if r.coverage != nil {
		s.cover.Add(r.coverage)
	}
	if r.Report != nil && len(r.Report.Inconclusive) > 0 {
		s.open++
	}
	f := r.Failure
	if f != nil {
		s.failed++
		s.worst = max(s.worst, f.Class)
	}
	switch {
	case s.options.json:
		s.object(r)
	case f != nil:
		fmt.Fprintf(s.out, "seed %d: %v\n    replay: %s\n", r.Seed, f, s.options.replay(r.Seed))
		if s.options.seeds == 1 && s.options.forTime == 0 {
			fmt.Fprintf(s.out, "%s%s", r.stack, map[bool]string{false: r.Tail}[s.options.trace])
		}
		s.tell(r.Report)
	case s.options.seeds == 1 && s.options.forTime == 0:
		fmt.Fprintf(s.out, "seed %d: ok, hash %016x, %d events, %d starts\n", r.Seed, r.Hash, r.Stats.Events, r.Stats.Starts)
	case time.Since(s.printed) > 2*time.Second:
		s.printed = time.Now()
		fmt.Fprintf(s.out, "%d seeds, %d failed, %s\n", s.done, s.failed, speedOf(&s.sum))
	}
}

// object prints the result of a seed for machines.
func (s *simRun) object(r simResult) {
	object := map[string]any{"seed": r.Seed, "hash": fmt.Sprintf("%016x", r.Hash), "stats": r.Stats}
	if f := r.Failure; f != nil {
		object["class"], object["check"], object["text"] = f.Class.String(), f.Check, f.Text
		if found := anomalies(r.Report); len(found) > 0 {
			object["anomalies"] = found
		}
		object["replay"] = s.options.replay(r.Seed)
		if r.stack != "" {
			object["stack"] = r.stack
		}
	}
	s.encode(object)
}

func (s *simRun) encode(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(s.out, "%s\n", b)
}

func (s *simRun) finish() error {
	if s.options.json {
		s.encode(map[string]any{"seeds": s.done, "failed": s.failed, "undecided": s.open, "stats": s.sum,
			"speed": s.sum.Simulated.Seconds() / cpuTime().Seconds(), "cpuSeconds": cpuTime().Seconds(),
			"eventsPerCPUSecond": float64(s.sum.Events) / cpuTime().Seconds()})
	} else {
		fmt.Fprintf(s.out, "%d seeds, %d failed, %s: %d starts, %d crashes, %d kills, %d clean ends, %d halts, "+
			"%d disk faults, %d records acknowledged, %d read, %d commits\n", s.done, s.failed, speedOf(&s.sum), s.sum.Starts,
			s.sum.Crashes, s.sum.Kills, s.sum.CleanEnds, s.sum.Halts, s.sum.Injected, s.sum.Acked, s.sum.Read, s.sum.Commits)
		fmt.Fprintf(s.out, "fired: %v\n", s.sum.Fired)
		if s.open > 0 {
			fmt.Fprintf(s.out, "histories that were not searched to the end, and had nothing wrong until there: %d\n", s.open)
		}
	}
	if s.failed > 0 {
		return exitError{code: int(s.worst)}
	}
	return nil
}

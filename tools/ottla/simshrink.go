package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ottla.dev/sim"
	"ottla.dev/sim/fault"
	"ottla.dev/sim/shrink"
)

// shrinkOptions are the flags of `ottla sim shrink`.
type shrinkOptions struct {
	world   simOptions // brokers and cluster
	forTime time.Duration
	out     string
}

func shrinkCommand() *cobra.Command {
	var o shrinkOptions
	cmd := &cobra.Command{
		Use:   "shrink SEED|PLAN",
		Short: "Make the plan of a failing seed small, and keep it failing",
		Long: "Make the plan of a failing seed small: clients, faults, stops, machines and settings are left out for as\n" +
			"long as the same check fails. The plan is printed, or written to a file, which ottla sim --plan runs.",
		Example: "  ottla sim shrink 47\n  ottla sim shrink 47 --brokers 3 --for 5m --out 47.plan\n" +
			"  ottla sim shrink 47.plan",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.world.brokers, "brokers", 1, "how many brokers the seed's world has")
	f.BoolVar(&o.world.cluster, "cluster", false, "the seed draws how many brokers there are")
	f.DurationVar(&o.forTime, "for", time.Minute, "how long to try")
	f.StringVar(&o.out, "out", "", "write the plan to this `file`")
	return cmd
}

func (o *shrinkOptions) run(what string, out, progress io.Writer) error {
	if o.world.brokers < 1 || o.world.brokers > fault.MaxBrokers {
		return fmt.Errorf("--brokers %d: 1 to %d", o.world.brokers, fault.MaxBrokers)
	}
	plan, err := o.world.seedOrPlan(what)
	if err != nil {
		return err
	}
	s := &shrinking{began: time.Now(), progress: progress}
	first := s.simulate(plan)
	if first.Failure == nil {
		return fmt.Errorf("%s does not fail: there is nothing to shrink", what)
	}
	s.most = mostTimes * first.Stats.Events
	s.check, s.print = first.Failure.Check, fingerprint(first.Failure, first.stack)
	fmt.Fprintf(progress, "%v\n", first.Failure)
	shrinker := shrink.Shrinker{Fails: s.fails, Over: func() bool { return time.Since(s.began) > o.forTime },
		Smaller: s.smaller}
	small := shrinker.Shrink(plan)
	last := s.simulate(small)
	if last.Failure == nil {
		return errors.New("the small plan does not fail when it is run once more: a simulation is not deterministic")
	}
	head := fmt.Sprintf("# %v\n# shrunk from %s in %d runs\n", oneLine(last.Failure.Error()), o.world.named(what), s.runs)
	fmt.Fprintf(progress, "%d runs in %s: %s to %s\n", s.runs, time.Since(s.began).Round(time.Second), size(plan),
		size(small))
	if o.out == "" {
		o.out = "-"
	} else {
		fmt.Fprintf(progress, "run it: ottla sim --plan %s --trace\n", o.out)
	}
	// A plan begins with its version.
	version, rest, _ := strings.Cut(small.String(), "\n")
	return writePlan(out, o.out, version+"\n"+head+rest)
}

// seedOrPlan reads the plan in a file of that name, or draws that of a seed.
func (o *simOptions) seedOrPlan(what string) (*fault.Plan, error) {
	if _, err := os.Stat(what); err == nil {
		return readPlan(what)
	}
	seed, err := fault.ParseSeed(what)
	if err != nil {
		return nil, fmt.Errorf("there is no file %s, and %w", what, err)
	}
	return o.draw(seed), nil
}

// named is what seedOrPlan was asked for, with the world.
func (o *simOptions) named(what string) string {
	if _, err := os.Stat(what); err == nil {
		return what
	}
	text := strings.TrimPrefix(strings.TrimSuffix(o.replay(0), " --trace"), "ottla sim --seed "+fault.SeedText(0))
	seed, _ := fault.ParseSeed(what)
	return "seed " + fault.SeedText(seed) + text
}

func readPlan(name string) (*fault.Plan, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	p, err := fault.Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// writePlan writes the text of a plan to a file, or prints it.
func writePlan(out io.Writer, name, text string) error {
	if name == "-" {
		_, err := io.WriteString(out, text)
		return err
	}
	const readable = 0o644
	return os.WriteFile(name, []byte(text), fs.FileMode(readable))
}

// shrinking is the run of `ottla sim shrink`.
type shrinking struct {
	began    time.Time
	progress io.Writer
	printed  time.Time
	runs     int
	check    string
	print    string // of a panic
	most     int    // events of a smaller plan's world
	latest   *fault.Plan
}

// mostTimes is how many times as many events as the first world had a smaller plan's may have. What is left out may be
// what ended something that goes on and on, and takes all memory.
const mostTimes = 5

func (s *shrinking) simulate(p *fault.Plan) simResult {
	return runPaced(sim.New(p, nil), searchOneIn, &pace{most: s.most})
}

// fails reports whether a plan fails as the first one did: by the same check, and a panic in the same function.
func (s *shrinking) fails(p *fault.Plan) (time.Duration, bool) {
	r := s.simulate(p)
	if s.runs++; time.Since(s.printed) > 2*time.Second && s.latest != nil {
		s.printed = time.Now()
		fmt.Fprintf(s.progress, "%s: %d runs, %s\n", time.Since(s.began).Round(time.Second), s.runs, size(s.latest))
	}
	f := r.Failure
	if f == nil || f.Check != s.check || r.stack != "" && fingerprint(f, r.stack) != s.print {
		return 0, false
	}
	return f.At, true
}

func (s *shrinking) smaller(p *fault.Plan) { s.latest = p }

// size says how large a plan is.
func size(p *fault.Plan) string {
	text := p.String()
	return fmt.Sprintf("%d lines, %d bytes, %v", strings.Count(text, "\n"), len(text), p.Duration.Round(time.Millisecond))
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }

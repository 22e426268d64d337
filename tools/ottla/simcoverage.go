package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"ottla.dev/core/probe"
	"ottla.dev/sim/cover"
	"ottla.dev/sim/fault"
)

// coverageOptions are the flags of `ottla sim coverage`.
type coverageOptions struct {
	seeds   uint64
	start   uint64
	jobs    int
	brokers int
	cluster bool
	json    bool
	from    []string
	require bool
	further uint64
	all     bool
}

func coverageCommand() *cobra.Command {
	var o coverageOptions
	cmd := &cobra.Command{
		Use:   "coverage",
		Short: "Tell what simulations reach, and what they never do",
		Long: "Tell what simulations reach, and what they never do. Probes are rare moments of the machines in the core,\n" +
			"such as a duplicate that is answered from a producer's window; all of them should be passed sometimes.\n" +
			"Faults are counted in the seeds that have them on: one that is on and does not strike tests nothing.\n\n" +
			"Without other flags it runs as many single brokers as clusters. With --from it runs nothing, and adds up\n" +
			"the files that ottla sim --coverage has written. With --require the exit status is 1 if a probe was never\n" +
			"passed, unless it is known that it cannot be; --further says how many more seeds may be run to reach it.",
		Example: "  ottla sim coverage --seeds 100\n  ottla sim coverage --brokers 3 --start 5000 --seeds 60\n" +
			"  ottla sim --cluster --seeds 200 --coverage run.json\n" +
			"  ottla sim coverage --from run.json --require",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.OutOrStdout()) },
	}
	f := cmd.Flags()
	f.Uint64Var(&o.seeds, "seeds", 100, "how many seeds to run, of each kind of world")
	f.Uint64Var(&o.start, "start", 0, "the first seed")
	f.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "seeds to run at the same time")
	f.IntVar(&o.brokers, "brokers", 0, "only worlds of so many brokers, at most "+strconv.Itoa(fault.MaxBrokers))
	f.BoolVar(&o.cluster, "cluster", false, "only clusters, of one to "+strconv.Itoa(fault.MaxBrokers)+" brokers")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	f.StringSliceVar(&o.from, "from", nil, "add up these `files` instead of running seeds")
	f.BoolVar(&o.require, "require", false, "fail if a probe was not passed that could be")
	f.Uint64Var(&o.further, "further", 0, "with --require: run up to so many more seeds of each kind asked for")
	f.BoolVar(&o.all, "all", false, "list all probes, with what they mean, and the tables of states and events")
	return cmd
}

func (o *coverageOptions) run(out io.Writer) error {
	if o.brokers < 0 || o.brokers > fault.MaxBrokers {
		return fmt.Errorf("--brokers %d: 1 to %d", o.brokers, fault.MaxBrokers)
	}
	sum := cover.New()
	var err error
	switch {
	case len(o.from) > 0:
		for _, name := range o.from {
			var c *cover.Coverage
			if c, err = readCoverage(name); err != nil {
				return err
			}
			sum.Add(c)
		}
	default:
		err = o.simulateAll(out, sum, o.seeds)
	}
	if err == nil && o.require {
		err = o.goOn(out, sum)
	}
	if err != nil {
		return err
	}
	if o.json {
		b, err := json.Marshal(sum)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", b)
	} else {
		o.print(out, sum)
	}
	if missing := sum.Required(); o.require && len(missing) > 0 {
		return fmt.Errorf("%d probes were never passed: let the worlds or the clients reach them, or say in "+
			"sim/cover/excused.go why they cannot be", len(missing))
	}
	return nil
}

// portion is how many seeds of each kind of world are run before it is looked at again what is missing.
const portion = 50

// goOn runs further seeds as long as there are any and required probes are missing. Which seeds pass a probe changes
// with every change of a machine or a world: a few hundred seeds that do not are no sign that nobody could.
func (o *coverageOptions) goOn(out io.Writer, sum *cover.Coverage) error {
	for o.start += o.seeds; o.further > 0 && len(sum.Required()) > 0; o.start += portion {
		if !o.json {
			fmt.Fprintf(out, "after %d seeds %v are missing; running further seeds\n", sum.Seeds, sum.Required())
		}
		n := min(o.further, portion)
		if err := o.simulateAll(out, sum, n); err != nil {
			return err
		}
		o.further -= n
	}
	return nil
}

// simulateAll runs so many seeds of the worlds that the flags ask for: of single brokers and of clusters, if they ask
// for none.
func (o *coverageOptions) simulateAll(out io.Writer, sum *cover.Coverage, seeds uint64) error {
	if o.brokers > 0 || o.cluster {
		return o.simulate(out, sum, &simOptions{brokers: max(o.brokers, 1), cluster: o.cluster}, seeds)
	}
	if err := o.simulate(out, sum, &simOptions{brokers: 1}, seeds); err != nil {
		return err
	}
	return o.simulate(out, sum, &simOptions{brokers: 1, cluster: true}, seeds)
}

// simulate runs seeds of one kind of worlds. Failures are another command's business, and only told.
func (o *coverageOptions) simulate(out io.Writer, sum *cover.Coverage, worlds *simOptions, seeds uint64) error {
	if o.jobs < 1 {
		return fmt.Errorf("--jobs %d: at least 1", o.jobs)
	}
	s := &simRun{options: worlds, out: io.Discard, began: time.Now(), cover: sum}
	var wg sync.WaitGroup
	for range o.jobs {
		wg.Go(func() {
			for n := s.next.Add(1) - 1; n < seeds; n = s.next.Add(1) - 1 {
				r := s.runSeed(o.start + n)
				s.report(r)
				if r.Failure != nil && !o.json {
					fmt.Fprintf(out, "seed %d: %v\n    replay: %s\n", r.Seed, r.Failure, s.options.replay(r.Seed))
				}
			}
		})
	}
	wg.Wait()
	return nil
}

func (o *coverageOptions) print(out io.Writer, c *cover.Coverage) {
	missing, excused := c.Missing(), c.Excused()
	fmt.Fprintf(out, "%d seeds: %d of %d probes were passed\n", c.Seeds, c.Reached(), probe.Count-1)
	if o.all {
		printProbes(out, c)
	} else {
		printRare(out, c)
	}
	if len(missing) > 0 {
		fmt.Fprintf(out, "\nnever passed:\n")
		for _, p := range missing {
			fmt.Fprintf(out, "  %-11s %s\n              %s\n", p.Machine(), p, p.Meaning())
			if why := cover.Rare(p); why != "" {
				fmt.Fprintf(out, "              rare: %s\n", why)
			}
		}
	}
	if len(excused) > 0 {
		fmt.Fprintf(out, "\nnot passed, and known to be out of reach:\n")
		for _, p := range excused {
			fmt.Fprintf(out, "  %-11s %s\n              %s\n", p.Machine(), p, cover.Excuse(p))
		}
	}
	printFaults(out, c)
	if !o.all {
		printMatrices(out, c)
		return
	}
	for _, m := range cover.Matrices() {
		printTable(out, c, &m)
	}
}

// rarely is in how few seeds a probe counts as rare, in percent.
const rarely = 2

// printRare lists what few seeds reach.
func printRare(out io.Writer, c *cover.Coverage) {
	var rare []string
	for p := range probe.All() {
		if n := c.Probes[p.Name()]; n.Seeds > 0 && n.Seeds*100 <= c.Seeds*rarely {
			rare = append(rare, fmt.Sprintf("%s %d", p, n.Seeds))
		}
	}
	if len(rare) > 0 {
		fmt.Fprintf(out, "\npassed in few seeds (the number is how many; --all lists all probes):\n  %s\n",
			strings.Join(rare, ", "))
	}
}

func printProbes(out io.Writer, c *cover.Coverage) {
	machine := ""
	for p := range probe.All() {
		if p.Machine() != machine {
			machine = p.Machine()
			fmt.Fprintf(out, "\n%-30s seeds     times\n", machine)
		}
		n := c.Probes[p.Name()]
		fmt.Fprintf(out, "  %-28s %5d %9d  %s\n", p, n.Seeds, n.Times, p.Meaning())
	}
}

// printFaults lists in how many of the seeds that have a fault on it has struck.
func printFaults(out io.Writer, c *cover.Coverage) {
	fmt.Fprintf(out, "\n%-36s    on  struck\n", "faults, by seeds")
	for _, name := range slices.Sorted(maps.Keys(c.Faults)) {
		f, note := c.Faults[name], ""
		if f.Fired*5 < f.On {
			note = "  less than one in five"
		}
		fmt.Fprintf(out, "  %-34s %5d  %5d%s\n", name, f.On, f.Fired, note)
	}
}

// readCoverage reads a file that ottla sim --coverage has written.
func readCoverage(name string) (*cover.Coverage, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	c := &cover.Coverage{}
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("%s is not what ottla sim --coverage writes: %w", name, err)
	}
	return c, nil
}

// addCoverage adds to a file, which need not be there.
func addCoverage(name string, c *cover.Coverage) error {
	before, err := readCoverage(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		before = cover.New()
	case err != nil:
		return err
	}
	before.Add(c)
	b, err := json.Marshal(before)
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(b, '\n'), 0o644)
}

// printMatrices tells of each machine which events never came in which state.
func printMatrices(out io.Writer, c *cover.Coverage) {
	for _, m := range cover.Matrices() {
		met, possible := 0, 0
		for _, s := range m.States {
			for _, e := range m.Events {
				if !m.Impossible(s, e) {
					possible++
					if c.Matrices[m.Name][s][e].Seeds > 0 {
						met++
					}
				}
			}
		}
		fmt.Fprintf(out, "\n%s: %d of %d pairs of a state and an event were met; never:\n", m.Name, met, possible)
		for _, s := range m.States {
			switch list := c.Unmet(&m, s); {
			case len(list) == 0:
			case len(list) == len(m.Events):
				fmt.Fprintf(out, "  %-22s anything\n", s)
			default:
				fmt.Fprintf(out, "  %-22s %s\n", s, strings.Join(list, ", "))
			}
		}
	}
}

// printTable prints one matrix: in how many seeds an event came in a state.
func printTable(out io.Writer, c *cover.Coverage, m *cover.Matrix) {
	fmt.Fprintf(out, "\n%-28s", m.Name+", by seeds")
	for j := range m.States {
		fmt.Fprintf(out, " %5s", "("+strconv.Itoa(j+1)+")")
	}
	fmt.Fprintln(out)
	for _, e := range m.Events {
		fmt.Fprintf(out, "  %-26s", e)
		for _, s := range m.States {
			n := strconv.Itoa(c.Matrices[m.Name][s][e].Seeds)
			if m.Impossible(s, e) {
				n = "-"
			}
			fmt.Fprintf(out, " %5s", n)
		}
		fmt.Fprintln(out)
	}
	for j, s := range m.States {
		fmt.Fprintf(out, "  (%d) %s\n", j+1, s)
	}
}

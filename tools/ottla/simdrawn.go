package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"ottla.dev/tools/mutants"
)

// drawnOptions are the flags of `ottla sim mutants` about bugs that a seed draws.
type drawnOptions struct {
	number int
	seed   uint64
	in     string
	worlds string
	tests  bool
	json   bool
}

func (o *drawnOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.number, "drawn", 0, "draw so `many` small changes of the source instead of the planted bugs")
	f.Uint64Var(&o.seed, "draw-seed", 1, "the seed that they are drawn from")
	f.StringVar(&o.in, "in", "", "with --drawn: the `packages` that are changed, with commas between (default "+
		strings.Join(mutants.Decisions, ",")+")")
	f.StringVar(&o.worlds, "worlds", string(mutants.Mixed), "with --drawn: where they are looked for: mixed, single, "+
		"cluster, damage, rot, aimed, late or moves")
	f.BoolVar(&o.tests, "tests", false, "with --drawn: run the package's tests on those that survive")
	f.BoolVar(&o.json, "json", false, "with --drawn: print the result as one JSON object, and no progress")
}

func (o *drawnOptions) draw(root string) ([]*mutants.Mutant, error) {
	d := mutants.Drawing{Number: o.number, Seed: o.seed, Worlds: mutants.Worlds(o.worlds)}
	if !d.Worlds.Known() {
		return nil, fmt.Errorf("--worlds %s: mixed, single, cluster, damage, rot, aimed, late or moves", o.worlds)
	}
	if o.in != "" {
		d.In = strings.Split(o.in, ",")
	}
	return mutants.Draw(root, d)
}

// testPatience bounds a package's tests with a mutant in it.
const testPatience = "3m"

// failing is how `go test` says which test has failed.
var failing = regexp.MustCompile(`(?m)^--- FAIL: ([^ ]+)`)

// failingTest runs the short tests of a mutant's package with it, and names one that fails.
func failingTest(m *mutants.Mutant, root, scratch string) (string, error) {
	overlay, err := m.Overlay(root, scratch)
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "test", "-short", "-vet=off", "-timeout", testPatience, "-overlay", overlay, "./"+m.Folder())
	cmd.Dir = root
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Start(); err != nil {
		return "", err
	}
	limit := unix.Rlimit{Cur: mutantMemory, Max: mutantMemory}
	_ = unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_AS, &limit, nil)
	var failed *exec.ExitError
	if err := cmd.Wait(); err == nil {
		return "", nil
	} else if !errors.As(err, &failed) {
		return "", err
	}
	if found := failing.FindSubmatch(text.Bytes()); found != nil {
		return string(found[1]), nil
	}
	return "a test that did not end", nil
}

// drawnRow is what became of one drawn bug.
type drawnRow struct {
	Place  string  `json:"place"`
	Kind   string  `json:"kind"`
	Change string  `json:"change"`
	Check  string  `json:"check,omitempty"`
	Said   string  `json:"said,omitempty"`
	Test   string  `json:"test,omitempty"`
	Seeds  int     `json:"seeds"`
	CPU    float64 `json:"cpuSeconds"`
}

// drawnSummary is what `ottla sim mutants --drawn --json` prints.
type drawnSummary struct {
	Seed   uint64     `json:"seed"`
	Commit string     `json:"commit"`
	Ran    int        `json:"ran"`
	Killed int        `json:"killed"` // by the simulator
	Tested int        `json:"tested"` // killed by tests, and not by the simulator
	Rows   []drawnRow `json:"mutants"`
}

// drawnResult prints what became of drawn bugs, and the share of them that was found.
func (r *mutantRun) drawnResult(list []*mutants.Mutant) error {
	s := drawnSummary{Seed: r.options.drawn.seed, Commit: r.commit, Rows: []drawnRow{}}
	for _, m := range list {
		o, ok := r.results[m.Name]
		if !ok {
			continue
		}
		s.Ran++
		if o.Check != "" {
			s.Killed++
		} else if o.Test != "" {
			s.Tested++
		}
		s.Rows = append(s.Rows, drawnRow{m.Name, m.Kind, m.Why, o.Check, o.Said, o.Test, o.Seeds, o.CPU})
	}
	if r.options.drawn.json {
		b, err := json.Marshal(s)
		fmt.Fprintf(r.out, "%s\n", b)
		return err
	}
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\nPLACE\tCHANGE\tKILLED BY\tSEEDS\tCPU S\n")
	for _, row := range s.Rows {
		by := cmp.Or(row.Check, row.Test, "survives")
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%.1f\n", row.Place, row.Change, by, row.Seeds, row.CPU)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "\n%d of %d killed by the simulator (%d %%)", s.Killed, s.Ran, percent(s.Killed, s.Ran))
	if r.options.drawn.tests {
		fmt.Fprintf(r.out, ", %d more by tests of their packages (%d %% together)", s.Tested,
			percent(s.Killed+s.Tested, s.Ran))
	}
	fmt.Fprintln(r.out)
	return nil
}

func percent(part, of int) int { return 100 * part / max(of, 1) }

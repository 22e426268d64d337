package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ottla.dev/tools/mutants"
)

// mutantsOptions are the flags of `ottla sim mutants`.
type mutantsOptions struct {
	only    string
	seeds   uint64
	forTime time.Duration
	jobs    int
	list    bool
	noTable bool
	binary  string
	drawn   drawnOptions
}

func mutantsCommand() *cobra.Command {
	var o mutantsOptions
	cmd := &cobra.Command{
		Use:   "mutants",
		Short: "Plant bugs in the broker and see that the simulator finds them",
		Long: "Plant bugs in the broker, one after the other, and see that the simulator finds them. The bugs are the\n" +
			"files in " + mutants.Folder + ", the result is written to docs/mutants.md. A failure that the untouched\n" +
			"broker shows as well does not count. Needs the project's source and a Go toolchain. The exit status\n" +
			"is 1 if a bug survives that is not noted as open or equivalent.\n\n" +
			"With --drawn the bugs are small changes of the source that a seed draws, a comparison turned or a\n" +
			"statement left out. Nothing is written then, and survivors are no failure: many change nothing that\n" +
			"anybody could see.",
		Example: "  ottla sim mutants\n  ottla sim mutants --only canary\n" +
			"  ottla sim mutants --only canary --build canary.exe\n" +
			"  ottla sim mutants --only raft- --for 2m --jobs 1\n" +
			"  ottla sim mutants --drawn 40 --draw-seed 7 --in core/raft --for 30s --tests",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.OutOrStdout()) },
	}
	f := cmd.Flags()
	f.StringVar(&o.only, "only", "", "only those whose `names` begin with one of these, with commas between")
	f.Uint64Var(&o.seeds, "seeds", 300, "how many seeds to try at most")
	f.DurationVar(&o.forTime, "for", time.Minute, "how much processor time to spend on each at most")
	f.IntVar(&o.jobs, "jobs", 2, "mutants to run at the same time")
	f.BoolVar(&o.list, "list", false, "list the mutants and run none")
	f.BoolVar(&o.noTable, "no-table", false, "leave docs/mutants.md alone")
	f.StringVar(&o.binary, "build", "", "build ottla with the one mutant in it as this `file`, and run nothing")
	o.drawn.flags(f)
	return cmd
}

func (o *mutantsOptions) run(out io.Writer) error {
	root, err := mutants.Root()
	if err != nil {
		return err
	}
	all, err := o.load(root)
	if err != nil {
		return err
	}
	var wanted []*mutants.Mutant
	for _, m := range all {
		if o.wants(m.Name) {
			wanted = append(wanted, m)
		}
	}
	if len(wanted) == 0 {
		return fmt.Errorf("no mutant has a name that begins with %q; ottla sim mutants --list shows them", o.only)
	}
	if o.list {
		for _, m := range wanted {
			if o.drawn.number > 0 {
				fmt.Fprintf(out, "%s: %s: %s\n", m.Name, m.Kind, m.Why)
			} else {
				fmt.Fprintf(out, "%s: %s\n", m.Name, m.Origin)
			}
		}
		return nil
	}
	if o.jobs < 1 {
		return fmt.Errorf("--jobs %d: at least 1", o.jobs)
	}
	if o.binary != "" {
		return o.build(wanted, root, out)
	}
	r := &mutantRun{options: o, root: root, out: out, results: map[string]mutants.Outcome{},
		commit: mutants.Commit(root)}
	if o.drawn.number > 0 {
		err := r.all(wanted)
		return errors.Join(r.drawnResult(wanted), err)
	}
	if !o.noTable {
		r.table = all
	}
	if err := r.all(wanted); err != nil {
		return err
	}
	return r.finish(wanted)
}

// load reads the planted bugs, or draws some.
func (o *mutantsOptions) load(root string) ([]*mutants.Mutant, error) {
	if o.drawn.number > 0 {
		return o.drawn.draw(root)
	}
	return mutants.Load(root)
}

// build builds one mutant, to be looked at: its seeds replayed, its plans shrunk.
func (o *mutantsOptions) build(wanted []*mutants.Mutant, root string, out io.Writer) error {
	if len(wanted) != 1 {
		return fmt.Errorf("--build is for one mutant, and %q are %d; ottla sim mutants --list shows them", o.only,
			len(wanted))
	}
	scratch, err := os.MkdirTemp("", "ottla-mutant-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return err
	}
	if err := wanted[0].Build(root, scratch, binary); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %s, run it as %s sim\n", o.binary, wanted[0].Name, o.binary)
	return nil
}

func (o *mutantsOptions) wants(name string) bool {
	for prefix := range strings.SplitSeq(o.only, ",") {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// mutantRun is the run of `ottla sim mutants`.
type mutantRun struct {
	options *mutantsOptions
	root    string
	commit  string
	out     io.Writer
	table   []*mutants.Mutant // to be written, nil: not at all

	mu      sync.Mutex
	results map[string]mutants.Outcome
	err     error
}

func (r *mutantRun) all(list []*mutants.Mutant) error {
	next := make(chan *mutants.Mutant)
	var wg sync.WaitGroup
	for range r.options.jobs {
		wg.Go(func() {
			for m := range next {
				o, err := r.try(m)
				r.note(m, o, err, len(list))
			}
		})
	}
	for _, m := range list {
		next <- m
	}
	close(next)
	wg.Wait()
	return r.err
}

func (r *mutantRun) note(m *mutants.Mutant, o mutants.Outcome, err error, of int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.err = errors.Join(r.err, err)
		fmt.Fprintf(r.out, "%s: %v\n", m.Name, err)
		return
	}
	o.Commit = r.commit
	r.results[m.Name] = o
	if r.table != nil { // after each, so that nothing is lost when the run is cut short
		r.err = errors.Join(r.err, mutants.WriteTable(r.root, r.table, r.results))
	}
	if !r.options.drawn.json {
		fmt.Fprintf(r.out, "%d of %d: %s: %s\n", len(r.results), of, m.Name, o.Text())
	}
}

// try builds a mutant and hunts it, past failures that the untouched broker shows as well.
func (r *mutantRun) try(m *mutants.Mutant) (mutants.Outcome, error) {
	scratch, err := os.MkdirTemp("", "ottla-mutant-")
	if err != nil {
		return mutants.Outcome{}, err
	}
	defer os.RemoveAll(scratch)
	binary := filepath.Join(scratch, "ottla")
	if err := m.Build(r.root, scratch, binary); err != nil {
		return mutants.Outcome{}, err
	}
	spent := mutants.Outcome{}
	from := uint64(0)
	for from < r.options.seeds && spent.CPU < r.options.forTime.Seconds() {
		found, err := r.hunt(m, binary, from, r.options.forTime-time.Duration(spent.CPU*float64(time.Second)))
		if err != nil {
			return spent, err
		}
		spent.CPU += found.CPU
		if len(found.Groups) == 0 {
			spent.Seeds = int(from + found.Seeds)
			break
		}
		g := found.Groups[0]
		spent.Seeds = int(g.Index) + 1
		o := huntOptions{worlds: string(m.Worlds)}
		if clean := o.at(g.Index).run(searchOneIn); clean.Failure == nil || clean.Failure.Check != g.Check {
			spent.Check, spent.Said, spent.Replay = g.Check, g.Text, g.Replay
			return spent, nil
		}
		from = g.Index + 1
	}
	if r.options.drawn.tests {
		spent.Test, err = failingTest(m, r.root, scratch)
	}
	return spent, err
}

const (
	// mutantMemory is how much address space a mutant's process may have: some leak without end.
	mutantMemory = 8 << 30
	// mutantPatience is how many more seconds of processor time a mutant's process may take to come to an end. It ends by
	// itself before, and says whether a world has stood still.
	mutantPatience = 60
)

// hunt runs a mutant's seeds from one on to its first failure.
func (r *mutantRun) hunt(m *mutants.Mutant, binary string, from uint64, cpu time.Duration) (huntResult, error) {
	cmd := exec.Command(binary, "sim", "hunt", "--json", "--until-first", "--jobs", "1", "--worlds", string(m.Worlds),
		"--start", "0", "--from", strconv.FormatUint(from, 10),
		"--seeds", strconv.FormatUint(r.options.seeds, 10), "--cpu", cpu.String())
	var text, trouble bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &trouble
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOTRACEBACK=single")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return huntResult{}, err
	}
	limit := unix.Rlimit{Cur: mutantMemory, Max: mutantMemory}
	_ = unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_AS, &limit, nil) // else it is the machine's
	limit.Max = uint64(cpu.Seconds()) + mutantPatience
	limit.Cur = limit.Max
	_ = unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_CPU, &limit, nil)
	err := cmd.Wait()
	var found huntResult
	if json.Unmarshal(text.Bytes(), &found) == nil && found.Seeds > 0 {
		return found, nil
	}
	found.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if found.CPU > cpu.Seconds()+mutantPatience-1 {
		return found, nil // nobody knows why
	}
	said := trouble.String()
	if cmd.ProcessState.ExitCode() == exitMemory || strings.Contains(said, "out of memory") ||
		strings.Contains(said, "stack overflow") {
		found.Groups = []*group{{Check: "memory", Text: "the process has run out of memory", Index: from}}
		return found, nil
	}
	return found, fmt.Errorf("running %s: %w\n%s", m.Name, err, said)
}

func (r *mutantRun) finish(list []*mutants.Mutant) error {
	killed, survived := 0, []string{}
	for _, m := range list {
		switch {
		case r.results[m.Name].Check != "":
			killed++
		case m.Equivalent == "" && m.Open == "":
			survived = append(survived, m.Name)
		}
	}
	fmt.Fprintf(r.out, "%d of %d mutants killed\n", killed, len(list))
	if len(survived) > 0 {
		return exitError{code: 1, text: "survived: " + strings.Join(survived, " ")}
	}
	return nil
}

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ottla.dev/sim"
)

// traceFilter chooses lines of a trace. Of each kind that is asked for, a line must be about one.
type traceFilter struct {
	machines   int // of the world
	brokers    []int
	clients    []int
	partitions []string
}

func (f *traceFilter) any() bool { return len(f.brokers)+len(f.clients)+len(f.partitions) > 0 }

// shows reports whether a line is wanted. What concerns everybody always is.
func (f *traceFilter) shows(line []byte) bool {
	if !f.any() {
		return true
	}
	words := strings.Fields(string(line))
	if len(words) > 1 && (words[1] == "FAILED" || words[1] == "heal") {
		return true
	}
	about := func(is func(word string) bool) bool { return slices.ContainsFunc(words, is) }
	return (len(f.brokers) == 0 || about(f.broker)) && (len(f.clients) == 0 || about(f.client)) &&
		(len(f.partitions) == 0 || about(f.partition))
}

func (f *traceFilter) broker(word string) bool {
	return slices.ContainsFunc(f.brokers, func(n int) bool {
		number := strconv.Itoa(n)
		name, _, _ := strings.Cut(word, "/")
		return name == "b"+number || word == "node="+number || f.host(word, n) || ends(word, number)
	})
}

func (f *traceFilter) client(word string) bool {
	return slices.ContainsFunc(f.clients, func(n int) bool {
		number := strconv.Itoa(n)
		return word == "client="+number || f.host(word, f.machines+n) || ends(word, "c"+number)
	})
}

func (f *traceFilter) host(word string, n int) bool {
	number := strconv.Itoa(n)
	return word == "host="+number || word == "peer="+number
}

// ends reports whether a word is a way from or to somebody, as in 2->1.
func ends(word, who string) bool {
	from, to, ok := strings.Cut(word, "->")
	return ok && (from == who || to == who)
}

func (f *traceFilter) partition(word string) bool {
	return slices.ContainsFunc(f.partitions, func(name string) bool {
		return word == "part="+name || word == name || word == name+":" || strings.Contains(word, "/"+name+"/")
	})
}

func diffCommand() *cobra.Command {
	var o simOptions
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Show where two simulations begin to differ",
		Long: "Show the first line in which the traces of two simulations differ. Each is a seed, the file of a plan, or\n" +
			"a file that a trace was written to, say by another build. The exit status is 1 if they differ.",
		Example: "  ottla sim diff 47.plan 47-without-the-crash.plan\n  ottla sim diff old.trace new.trace",
		Args:    cobra.ExactArgs(2),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.diff(args[0], args[1], cmd.OutOrStdout()) },
	}
	f := cmd.Flags()
	f.IntVar(&o.brokers, "brokers", 1, "how many brokers the worlds of seeds have")
	f.BoolVar(&o.cluster, "cluster", false, "seeds draw how many brokers there are")
	return cmd
}

// around is how many lines a difference is shown with, before and after.
const around = 5

func (o *simOptions) diff(a, b string, out io.Writer) error {
	first, err := o.traceOf(a)
	if err != nil {
		return err
	}
	second, err := o.traceOf(b)
	if err != nil {
		return err
	}
	at := 0
	for at < len(first) && at < len(second) && first[at] == second[at] {
		at++
	}
	if at == len(first) && at == len(second) {
		fmt.Fprintf(out, "the same: %d lines\n", at)
		return nil
	}
	fmt.Fprintf(out, "line %d differs:\n", at+1)
	for _, line := range first[max(at-around, 0):at] {
		fmt.Fprintf(out, "  %s\n", line)
	}
	for _, side := range []struct {
		mark  string
		lines []string
	}{{"-", first}, {"+", second}} {
		for _, line := range side.lines[at:min(at+around, len(side.lines))] {
			fmt.Fprintf(out, "%s %s\n", side.mark, line)
		}
		if at == len(side.lines) {
			fmt.Fprintf(out, "%s (the end)\n", side.mark)
		}
	}
	return exitError{code: 1}
}

// traceOf reads a trace, or makes that of a seed or a plan.
func (o *simOptions) traceOf(what string) ([]string, error) {
	var lines []string
	if file, err := os.Open(what); err == nil {
		defer file.Close()
		const longest = 1 << 20
		s := bufio.NewScanner(file)
		s.Buffer(nil, longest)
		for s.Scan() {
			lines = append(lines, s.Text())
		}
		if err := s.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		if len(lines) == 0 {
			return nil, errors.New(what + " is empty")
		}
		if !strings.HasPrefix(lines[0], "ottla-plan") {
			at, _, _ := strings.Cut(lines[0], " ")
			if _, err := strconv.ParseUint(at, 10, 64); err != nil {
				return nil, fmt.Errorf("%s: line 1: neither a trace, whose lines begin with a time, nor a plan", what)
			}
			return lines, nil
		}
	}
	plan, err := o.seedOrPlan(what)
	if err != nil {
		return nil, err
	}
	lines = nil
	runWorld(sim.New(plan, func(line []byte) { lines = append(lines, string(line)) }), 0)
	return lines, nil
}

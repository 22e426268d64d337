package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"ottla.dev/linearizability"
	"ottla.dev/linearizability/search"
	"ottla.dev/sim"
	"ottla.dev/sim/check"
)

const (
	// searchOneIn is how many seeds there are to one whose history Porcupine searches: it costs more than it finds.
	searchOneIn = 10
	// The bounds of a search count operations, so that the result of a seed does not depend on the machine; the timeout
	// is there for what nobody has thought of.
	searchWindowOps       = 300
	searchWindowProcesses = 6
	searchWindows         = 4 // of one object
	searchSteps           = 1_000_000
	searchTimeout         = time.Minute
	// reportLines is how many lines of a report are printed if it is not for one seed alone.
	reportLines = 30
)

// searchHistory has Porcupine search the history of a seed that is well so far, of most seeds only what it says of
// topics, which no other checker looks at.
func searchHistory(w *sim.World, oneIn uint64, r *simResult) {
	if r.Failure != nil || oneIn == 0 {
		return
	}
	h := w.History()
	_, err := search.Check(h, r.Report, search.Options{Timeout: searchTimeout, MaxWindows: searchWindows,
		WindowOps: searchWindowOps, WindowProcesses: searchWindowProcesses, Steps: searchSteps, NoPictures: true,
		TopicsOnly: r.Seed%oneIn != 0})
	if a := r.Report.First(); err == nil && a != nil {
		r.Failure = &check.Failure{Class: check.Correctness, Check: string(a.Name), Text: "history: " + a.Where + ": " +
			a.Text, At: r.Stats.Simulated}
	}
}

// writeHistory writes the file that was asked for.
func (s *simRun) writeHistory(w *sim.World) {
	if s.options.history == "" {
		return
	}
	file, err := os.Create(s.options.history)
	if err == nil {
		err = linearizability.WriteHistory(file, w.History())
		if closed := file.Close(); err == nil {
			err = closed
		}
	}
	s.err = err
}

// anomalies counts, by name, what is not allowed.
func anomalies(r *linearizability.Report) map[string]int {
	found := map[string]int{}
	if r == nil {
		return found
	}
	for _, c := range r.Counts {
		if c.Total > c.Allowed {
			found[string(c.Name)] = c.Total - c.Allowed
		}
	}
	return found
}

// tell prints what is wrong with a history.
func (s *simRun) tell(r *linearizability.Report) {
	if r == nil || r.First() == nil {
		return
	}
	shown := *r
	shown.Anomalies = nil
	for _, a := range r.Anomalies {
		if a.Allowed == "" {
			shown.Anomalies = append(shown.Anomalies, a)
		}
	}
	var b strings.Builder
	if err := shown.WriteText(&b); err != nil {
		panic(err) // a builder takes everything
	}
	lines := strings.SplitAfter(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) > reportLines && s.options.seeds != 1 {
		lines = append(lines[:reportLines], "... (all of it with --seed)")
	}
	fmt.Fprintf(s.out, "    %s\n", strings.Join(lines, "    "))
}

package chaos

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"ottla.dev/linearizability"
)

// Result is what came of a run.
type Result struct {
	Seed    uint64                  `json:"seed"`
	Verdict linearizability.Verdict `json:"verdict"`
	Seconds float64                 `json:"seconds"`
	Rounds  int                     `json:"rounds"`
	// Kills counts processes, not faults.
	Kills  int            `json:"kills"`
	Faults map[string]int `json:"faults"`

	Acknowledged int64 `json:"records_acknowledged"`
	Unknown      int64 `json:"records_of_unknown_outcome"`
	Read         int64 `json:"records_read_by_group"`
	Commits      int64 `json:"offsets_committed"`
	Topics       int64 `json:"topics_made"`

	// LongestOutageSeconds is the longest that a producer waited for an answer to a record, LongestOutageAt when that
	// was, in seconds from when the load began.
	LongestOutageSeconds float64 `json:"longest_outage_seconds"`
	LongestOutageAt      float64 `json:"longest_outage_at"`
	// Elections is the sum of the partitions' leader epochs, ControllerElections the quorum's epoch.
	Elections           int `json:"elections"`
	ControllerElections int `json:"controller_elections"`
	// HealSeconds is how long all replicas took to be in sync after the last fault.
	HealSeconds float64 `json:"heal_seconds"`
	// ComparedBatches is how many batches were found to be the same on two replicas.
	ComparedBatches int `json:"compared_batches"`

	// Trials are those of a drill.
	Trials []Trial `json:"trials,omitempty"`
	// Damaged is how many places in files were damaged, by the kind of file, and LongestRepairSeconds how long it took at
	// most until a broker had again what the others have.
	Damaged              map[string]int `json:"damaged,omitempty"`
	LongestRepairSeconds float64        `json:"longest_repair_seconds,omitempty"`

	Anomalies int      `json:"anomalies"`
	Problems  []string `json:"problems"`
	// History is the file that holds it, or empty.
	History string `json:"history"`

	// Report is the check of the history.
	Report *linearizability.Report `json:"-"`
}

// ExitCode is the result as the status of a command.
func (r *Result) ExitCode() int { return r.Verdict.ExitCode() }

// writeHistory writes the history beside the data, and returns the file's name.
func (r *run) writeHistory(h *linearizability.History) string {
	name := filepath.Join(r.options.Dir, "history.jsonl")
	file, err := os.Create(name)
	if err == nil {
		out := bufio.NewWriterSize(file, 1<<20)
		err = linearizability.WriteHistory(out, h)
		if err == nil {
			err = out.Flush()
		}
		if closed := file.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		r.problem("the history cannot be written: %v", err)
		return ""
	}
	return name
}

// sumOf adds up the faults whose names begin with one of these.
func (r *Result) sumOf(prefixes ...string) (n int) {
	for _, name := range slices.Sorted(maps.Keys(r.Faults)) {
		for _, p := range prefixes {
			if strings.HasPrefix(name, p) {
				n += r.Faults[name]
			}
		}
	}
	return n
}

// WriteText writes the table for people.
func (r *Result) WriteText(to io.Writer) error {
	out := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("seed", "%d", r.Seed)
	line("time", "%.0fs, %d rounds", r.Seconds, r.Rounds)
	line("kills", "%d processes in %d faults", r.Kills, r.sumOf("kill"))
	line("pauses", "%d", r.sumOf("pause"))
	line("partitions", "%d", r.sumOf("isolate", "one-way", "bridge", "ring"))
	line("bad links", "%d", r.sumOf("slow", "reset", "half-open"))
	if n := r.sumOf("power-cut"); n > 0 {
		line("power cuts", "%d", n)
	}
	damaged := 0
	for _, kind := range slices.Sorted(maps.Keys(r.Damaged)) {
		damaged += r.Damaged[kind]
		line("damaged "+kind, "%d", r.Damaged[kind])
	}
	if damaged > 0 {
		line("damaged", "%d places: %d bits flipped, %d pages of zeros, %d files cut; %d times below a running process",
			damaged,
			r.Faults["damage: flip"], r.Faults["damage: zero"], r.Faults["damage: cut"], r.Faults["damage while it runs"])
		line("repaired", "after %.1fs at most", r.LongestRepairSeconds)
	}
	line("records acknowledged", "%d, and %d of unknown outcome", r.Acknowledged, r.Unknown)
	line("read by the group", "%d, with %d offsets committed", r.Read, r.Commits)
	line("topics made", "%d", r.Topics)
	line("longest outage", "%.1fs, of a producer's record sent at %.1fs", r.LongestOutageSeconds, r.LongestOutageAt)
	line("elections", "%d of partitions, %d of controllers", r.Elections, r.ControllerElections)
	line("in sync again", "%.1fs after the last fault", r.HealSeconds)
	line("compared on disk", "%d batches", r.ComparedBatches)
	line("anomalies", "%d", r.Anomalies)
	line("problems", "%d", len(r.Problems))
	line("verdict", "%s", r.Verdict)
	if err := out.Flush(); err != nil {
		return err
	}
	if len(r.Trials) > 0 {
		if err := writeTrials(to, r.Trials); err != nil {
			return err
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintln(to, "problem:", p)
	}
	if r.Report != nil && r.Report.Verdict() != linearizability.VerdictOK {
		return r.Report.WriteText(to)
	}
	return nil
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"ottla.dev/core/probe"
	"ottla.dev/sim"
	"ottla.dev/sim/check"
	"ottla.dev/sim/fault"
	"ottla.dev/tools/mutants"
)

// huntOptions are the flags of `ottla sim hunt`.
type huntOptions struct {
	forTime    time.Duration
	cpu        time.Duration
	seeds      uint64
	start      int64
	from       uint64
	jobs       int
	worlds     string
	json       bool
	untilFirst bool
	search     uint64
}

func huntCommand() *cobra.Command {
	o := huntOptions{search: searchOneIn}
	cmd := &cobra.Command{
		Use:   "hunt",
		Short: "Look for failures on fresh seeds, and group them",
		Long: "Look for failures on fresh seeds: single brokers and clusters in turn, until the time is up. A failure\n" +
			"does not end the hunt. Failures of the same kind are one group, with a command that shows the first of\n" +
			"them again. The exit status is that of ottla sim.",
		Example: "  ottla sim hunt --for 10m --jobs 2\n  ottla sim hunt --seeds 1000 --start 5000 --worlds cluster",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.OutOrStdout()) },
	}
	f := cmd.Flags()
	f.DurationVar(&o.forTime, "for", 0, "how long to hunt; 10m if there is no other limit")
	f.DurationVar(&o.cpu, "cpu", 0, "how much processor time to spend")
	f.Uint64Var(&o.seeds, "seeds", 0, "how many seeds to run at most")
	f.Int64Var(&o.start, "start", -1, "the first seed; by default one that depends on the time")
	f.Uint64Var(&o.from, "from", 0, "how many worlds to pass over")
	f.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "seeds to run at the same time")
	f.StringVar(&o.worlds, "worlds", string(mutants.Mixed), "single, cluster, damage, rot or aimed (clusters in "+
		"which files rot), late or moves (requests come late, leaders move), or mixed: single and cluster in turn")
	f.BoolVar(&o.json, "json", false, "print the result as one JSON object, and no progress")
	f.BoolVar(&o.untilFirst, "until-first", false, "end at the first failure")
	return cmd
}

func (o *huntOptions) run(out io.Writer) error {
	switch worlds := mutants.Worlds(o.worlds); {
	case o.jobs < 1:
		return fmt.Errorf("--jobs %d: at least 1", o.jobs)
	case !worlds.Known():
		return fmt.Errorf("--worlds %s: single, cluster, damage, rot, aimed, late, moves or mixed", o.worlds)
	}
	if o.forTime == 0 && o.seeds == 0 && o.cpu == 0 {
		o.forTime = 10 * time.Minute
	}
	if o.start < 0 {
		// Fresh seeds, and far from those that everybody runs all the time.
		o.start = time.Now().Unix() % 1_000_000 * 1000
	}
	h := &hunt{options: o, out: out, began: time.Now(), printed: time.Now()}
	h.next.Store(o.from)
	h.all()
	return h.finish()
}

// quarry is a seed and how many brokers its world has.
type quarry struct {
	seed    uint64
	brokers int
}

// at gives the n-th world of a hunt. Mixed worlds of two consecutive numbers are of one seed.
func (o *huntOptions) at(n uint64) quarry {
	seed, cluster := uint64(o.start)+n, o.worlds == string(mutants.Cluster)
	if o.worlds == string(mutants.Mixed) {
		seed, cluster = uint64(o.start)+n/2, n%2 == 1
	}
	switch mutants.Worlds(o.worlds) {
	case mutants.Damage:
		return o.among(n, func(p *fault.Plan) bool { return len(p.Rots) > 0 })
	case mutants.Rot:
		return o.among(n, func(p *fault.Plan) bool { return len(p.Rots) > 0 && !harmed(p, anyHarm) })
	case mutants.Aimed:
		return o.among(n, func(p *fault.Plan) bool { return harmed(p, aimed) })
	case mutants.Late:
		return o.among(n, func(p *fault.Plan) bool { return len(p.Lates) > 0 })
	case mutants.Moves:
		return o.among(n, moving)
	}
	if !cluster {
		return quarry{seed, 1}
	}
	// Three brokers are what most clusters have, and what most rules are about.
	if n := fault.DrawBrokers(seed); n > 1 && seed%2 == 1 {
		return quarry{seed, n}
	}
	return quarry{seed, 3}
}

// moving reports whether somebody has the leaders of a partition move back and forth all the time.
func moving(p *fault.Plan) bool {
	elections := 0
	for i := range p.Operations {
		if p.Operations[i].Kind == fault.ElectPreferred {
			elections++
		}
	}
	return elections >= leastMoves
}

// leastMoves is how many elections of preferred leaders make a world one of moves.
const leastMoves = 15

// harmed reports whether harm of a kind is done to some file.
func harmed(p *fault.Plan, is func(fault.Harm) bool) bool {
	return slices.ContainsFunc(p.Rots, func(r fault.Rot) bool { return is(r.Harm) })
}

func anyHarm(h fault.Harm) bool { return h != 0 }

func aimed(h fault.Harm) bool { return h == fault.Aimed }

// lookedAmong is among how many seeds one is looked for whose world is of a kind.
const lookedAmong = 40

// among finds the n-th world of a kind: the first of it among some seeds.
func (o *huntOptions) among(n uint64, is func(*fault.Plan) bool) quarry {
	seed := uint64(o.start) + n*lookedAmong
	for s := seed; s < seed+lookedAmong; s++ {
		if q := (quarry{s, 3}); is(q.plan()) {
			return q
		}
	}
	return quarry{seed, 3}
}

func (q quarry) run(search uint64) simResult {
	return runWorld(sim.New(q.plan(), nil), search)
}

func (q quarry) plan() *fault.Plan {
	o := simOptions{brokers: q.brokers}
	return o.draw(q.seed)
}

func (q quarry) replay() string {
	o := simOptions{brokers: q.brokers}
	return o.replay(q.seed)
}

// group is the failures of one kind.
type group struct {
	Check       string  `json:"check"`
	Class       string  `json:"class"`
	Fingerprint string  `json:"fingerprint"`
	Count       int     `json:"count"`
	Text        string  `json:"text"` // of the first
	Index       uint64  `json:"index"`
	Replay      string  `json:"replay"`
	CPU         float64 `json:"cpuSeconds"` // spent until the first
}

// hunt is the run of `ottla sim hunt`.
type hunt struct {
	options *huntOptions
	out     io.Writer
	began   time.Time
	next    atomic.Uint64
	over    atomic.Bool
	pace    *pace // of the only world at a time, or nil

	mu      sync.Mutex
	done    uint64
	failed  int
	worst   check.Class
	sum     sim.Stats
	printed time.Time
	groups  []*group
}

func (h *hunt) all() {
	var wg sync.WaitGroup
	if h.options.jobs == 1 {
		h.pace = &pace{}
		go h.watch()
	}
	for range h.options.jobs {
		wg.Go(func() {
			for {
				n := h.next.Add(1) - 1
				if h.timeUp(n) {
					return
				}
				q := h.options.at(n)
				h.report(n, q, runPaced(sim.New(q.plan(), nil), h.options.search, h.pace))
			}
		})
	}
	wg.Wait()
}

func (h *hunt) timeUp(n uint64) bool {
	o := h.options
	return h.over.Load() || o.seeds > 0 && n >= o.seeds || o.forTime > 0 && time.Since(h.began) > o.forTime ||
		o.cpu > 0 && cpuTime() > o.cpu
}

func (h *hunt) report(n uint64, q quarry, r simResult) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done++
	h.sum.Add(r.Stats)
	if f := r.Failure; f != nil {
		h.failed++
		h.worst = max(h.worst, f.Class)
		h.over.Store(h.options.untilFirst)
		h.group(n, q, r)
	}
	if !h.options.json && time.Since(h.printed) > 5*time.Second {
		h.printed = time.Now()
		fmt.Fprintln(h.out, h.progress())
	}
}

func (h *hunt) group(n uint64, q quarry, r simResult) {
	f := r.Failure
	print := fingerprint(f, r.stack)
	for _, g := range h.groups {
		if g.Check == f.Check && g.Fingerprint == print {
			g.Count++
			return
		}
	}
	h.groups = append(h.groups, &group{Check: f.Check, Class: f.Class.String(), Fingerprint: print, Count: 1,
		Text: f.Text, Index: n, Replay: q.replay(), CPU: cpuTime().Seconds()})
	if !h.options.json {
		fmt.Fprintf(h.out, "new: %v\n    replay: %s\n", f, q.replay())
	}
}

// fingerprint is what failures of one kind have in common: the words of the failure, and where the core panicked.
func fingerprint(f *check.Failure, stack string) string {
	var b strings.Builder
	digits := false
	for _, c := range f.Text {
		if c >= '0' && c <= '9' {
			if !digits {
				b.WriteByte('#')
			}
			digits = true
			continue
		}
		digits = false
		b.WriteRune(c)
	}
	const most = 160
	text := b.String()
	if len(text) > most {
		text = text[:most]
	}
	if stack != "" {
		text += " in " + panicked(stack)
	}
	return text
}

// panicked finds the function that panicked: the first of the project's after the runtime's.
func panicked(stack string) string {
	_, after, _ := strings.Cut(stack, "\npanic(")
	for line := range strings.SplitSeq(after, "\n") {
		if name, ok := strings.CutPrefix(line, "ottla.dev/"); ok {
			if i := strings.LastIndexByte(name, '('); i > 0 {
				name = name[:i]
			}
			return name
		}
	}
	return "an unknown place"
}

func (h *hunt) progress() string {
	return fmt.Sprintf("%d seeds, %s simulated, %s, %d of %d probes reached, %d failed in %d groups", h.done,
		h.sum.Simulated.Round(time.Second), speedOf(&h.sum), h.sum.Probes.Reached(), probe.Count-1, h.failed,
		len(h.groups))
}

// speedOf is simulated time, and events, a second of this process's processor time.
func speedOf(sum *sim.Stats) string {
	cpu := max(cpuTime().Seconds(), 0.001)
	return fmt.Sprintf("%.0f simulated seconds and %.0f events a CPU second", sum.Simulated.Seconds()/cpu,
		float64(sum.Events)/cpu)
}

// huntResult is what `ottla sim hunt --json` prints.
type huntResult struct {
	Seeds     uint64        `json:"seeds"`
	Failed    int           `json:"failed"`
	Simulated time.Duration `json:"simulated"`
	CPU       float64       `json:"cpuSeconds"`
	Groups    []*group      `json:"groups"`
}

func (h *hunt) finish() error {
	if h.options.json {
		b, err := json.Marshal(huntResult{h.done, h.failed, h.sum.Simulated, cpuTime().Seconds(), h.groups})
		if err != nil {
			return err
		}
		fmt.Fprintf(h.out, "%s\n", b)
	} else {
		fmt.Fprintln(h.out, h.progress())
		for _, g := range h.groups {
			fmt.Fprintf(h.out, "%s %s, %d times: %s\n    replay: %s\n", g.Class, g.Check, g.Count, g.Text, g.Replay)
		}
	}
	if h.failed > 0 {
		return exitError{code: int(h.worst)}
	}
	return nil
}

package search

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"

	"ottla.dev/linearizability"
)

const (
	// MaxWindowOps is the most operations of one search.
	MaxWindowOps = 2000
	// MaxWindowProcesses is the most processes of one search. What overlaps is what costs.
	MaxWindowProcesses = 10
	// windowOverlap is the part of their operations that two windows share which follow one another: one in so many.
	windowOverlap = 10
	// DefaultTimeout is for one window.
	DefaultTimeout = 10 * time.Second
)

// Options limit the searches.
type Options struct {
	// Timeout is for one window; 0 stands for DefaultTimeout.
	Timeout time.Duration
	// MaxWindows bounds the windows of one object; 0 means all. Those left out are noted in the report.
	MaxWindows int
	// WindowOps and WindowProcesses make windows smaller than MaxWindowOps and MaxWindowProcesses; 0 stands for these.
	WindowOps, WindowProcesses int
	// Steps is how many steps of the model the search of one window may take; 0 means any number. Unlike a time it gives
	// the same result on every machine.
	Steps int
	// TopicsOnly leaves out everything but the existence of topics, which is cheap to search.
	TopicsOnly bool
	// NoPictures has no findings returned: a picture takes another search.
	NoPictures bool
}

// Finding is a window that is not linearizable, or on which the search gave up.
type Finding struct {
	// Object names what was searched.
	Object  string
	Illegal bool

	model porcupine.Model
	info  porcupine.LinearizationInfo
}

// WriteHTML writes Porcupine's interactive picture of the window.
func (f *Finding) WriteHTML(w io.Writer) error { return porcupine.Visualize(f.model, f.info, w) }

// Check searches all objects of a history and adds to the report what it finds: a NotLinearizable anomaly for each
// window without a linearization, and a line of Inconclusive for each on which time ran out. It returns the same as
// findings, the illegal ones first. What Porcupine does near its timeout depends on the machine. The error is a
// *linearizability.MalformedError.
func Check(h *linearizability.History, r *linearizability.Report, o Options) ([]Finding, error) {
	o = o.bounded()
	s := searcher{options: o, report: r, allow: h.Allow}
	if o.TopicsOnly {
		if err := h.Validate(); err != nil {
			return nil, err
		}
		s.topics(h)
		return s.findings, nil
	}
	logs, err := linearizability.Appends(h)
	if err != nil {
		return nil, err
	}
	offsets, err := linearizability.CommittedOffsets(h)
	if err != nil {
		return nil, err
	}
	for _, l := range logs {
		s.object(l.Partition.String()+", appends", logModel(), logOperations(l.Appends), true)
	}
	for _, g := range offsets {
		name := fmt.Sprintf("group %s, %s, committed offset", g.Group, g.Partition)
		s.object(name, offsetModel(), offsetOperations(beginning(g.Ops, o.WindowOps)), false)
	}
	s.topics(h)
	slices.SortStableFunc(s.findings, func(a, b Finding) int { return cmp.Compare(illegalFirst(a), illegalFirst(b)) })
	return s.findings, nil
}

// Picture returns a window of the appends of a partition, the last one, whether it is linearizable or not, for
// Porcupine's picture of it: of the partition that is named, as Partition.String does, or else of the one with the most
// appends. It is false if the history has no appends, or cannot be checked.
func Picture(h *linearizability.History, partition string, o Options) (f Finding, ok bool) {
	logs, err := linearizability.Appends(h)
	if err != nil {
		return f, false
	}
	best := -1
	for i, l := range logs {
		switch {
		case len(l.Appends) == 0:
		case l.Partition.String() == partition:
			best = i
		case best < 0 || logs[best].Partition.String() != partition && len(l.Appends) > len(logs[best].Appends):
			best = i
		}
	}
	if best < 0 {
		return f, false
	}
	o = o.bounded()
	windows := windowsOf(logOperations(logs[best].Appends), o.WindowOps, o.WindowProcesses)
	ops := withoutGapsInClients(windows[len(windows)-1])
	result, info := porcupine.CheckOperationsVerbose(logModel(), ops, o.Timeout)
	return Finding{Object: logs[best].Partition.String() + ", appends", Illegal: result == porcupine.Illegal,
		model: logModel(), info: info}, true
}

// bounded has a value for everything.
func (o Options) bounded() Options {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.WindowOps <= 0 || o.WindowOps > MaxWindowOps {
		o.WindowOps = MaxWindowOps
	}
	if o.WindowProcesses <= 0 || o.WindowProcesses > MaxWindowProcesses {
		o.WindowProcesses = MaxWindowProcesses
	}
	return o
}

func (s *searcher) topics(h *linearizability.History) {
	names, topics := topicOperations(h)
	for _, name := range names {
		s.object("topic "+name, topicModel(older(topics[name])), topics[name], false)
	}
}

func illegalFirst(f Finding) int {
	if f.Illegal {
		return 0
	}
	return 1
}

type searcher struct {
	options  Options
	report   *linearizability.Report
	allow    linearizability.Allow
	findings []Finding
}

// object searches one object. Any part of the appends of a log must be in order by itself, so a log is cut up; a
// register cannot be, since a window of it would begin with a value that nobody knows.
func (s *searcher) object(name string, m porcupine.Model, ops []porcupine.Operation, cut bool) {
	if len(ops) == 0 {
		return
	}
	windows := [][]porcupine.Operation{ops}
	if cut {
		windows = windowsOf(ops, s.options.WindowOps, s.options.WindowProcesses)
	} else if len(ops) > s.options.WindowOps {
		s.report.Notes = append(s.report.Notes, fmt.Sprintf("%s: %d operations are too many to search", name, len(ops)))
		return
	}
	for i, w := range windows {
		if s.options.MaxWindows > 0 && i == s.options.MaxWindows {
			s.report.Notes = append(s.report.Notes, fmt.Sprintf("%s: %d of %d windows were not searched", name,
				len(windows)-i, len(windows)))
			return
		}
		s.window(name, m, w)
	}
}

func (s *searcher) window(name string, m porcupine.Model, ops []porcupine.Operation) {
	ops = withoutGapsInClients(ops)
	bounded, tired := bounded(m, s.options.Steps)
	result := porcupine.CheckOperationsTimeout(bounded, ops, s.options.Timeout)
	if result == porcupine.Ok {
		return
	}
	switch {
	case tired():
		result = porcupine.Unknown
		s.report.Inconclusive = append(s.report.Inconclusive,
			fmt.Sprintf("%s: the search of %d operations did not end within %d steps", name, len(ops), s.options.Steps))
	case result == porcupine.Unknown:
		s.report.Inconclusive = append(s.report.Inconclusive,
			fmt.Sprintf("%s: the search of %d operations did not end within %s", name, len(ops), s.options.Timeout))
	}
	if !s.options.NoPictures {
		// It takes another search, which may not end when the first one did; what it has by then is drawn.
		_, info := porcupine.CheckOperationsVerbose(m, ops, s.options.Timeout)
		s.findings = append(s.findings, Finding{Object: name, Illegal: result == porcupine.Illegal, model: m, info: info})
	}
	if result == porcupine.Illegal {
		a := linearizability.Anomaly{
			Name: linearizability.NotLinearizable, Where: name,
			Text: fmt.Sprintf("Porcupine finds no order for %d operations", len(ops)),
		}
		if slices.Contains(s.allow.Anomalies, a.Name) {
			a.Allowed = "the history's header allows it"
		}
		s.report.Add(a)
	}
}

// bounded is the model until it has taken so many steps; then nothing is possible any more, so that the search runs out
// of ways soon. Tired says that it was so.
func bounded(m porcupine.Model, most int) (bounded porcupine.Model, tired func() bool) {
	if most <= 0 {
		return m, func() bool { return false }
	}
	var steps atomic.Int64 // a search that is out of time may still be running
	step := m.Step
	m.Step = func(state, input, output any) (bool, any) {
		if steps.Add(1) > int64(most) {
			return false, state
		}
		return step(state, input, output)
	}
	return m, func() bool { return steps.Load() > int64(most) }
}

// windowsOf cuts operations up into windows of at most so many operations and processes: processes in groups, and each
// group's operations by the time of their calls.
func windowsOf(ops []porcupine.Operation, most, processes int) [][]porcupine.Operation {
	group := map[int]int{}
	var groups [][]porcupine.Operation
	for _, op := range ops {
		g, ok := group[op.ClientId]
		if !ok {
			g = len(group) / processes
			group[op.ClientId] = g
			if g == len(groups) {
				groups = append(groups, nil)
			}
		}
		groups[g] = append(groups[g], op)
	}
	var windows [][]porcupine.Operation
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
		for from := 0; ; from += most - most/windowOverlap {
			to := min(from+most, len(g))
			windows = append(windows, g[from:to])
			if to == len(g) {
				break
			}
		}
	}
	return windows
}

// withoutGapsInClients numbers the clients from 0, and gives each operation that overlaps an earlier one of its
// process a client of its own, because a picture has a row a client and one operation at a time in it.
func withoutGapsInClients(ops []porcupine.Operation) []porcupine.Operation {
	ops = slices.Clone(ops)
	slices.SortStableFunc(ops, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	type row struct {
		process int
		until   int64
	}
	var rows []row
	for i := range ops {
		op := &ops[i]
		at := slices.IndexFunc(rows, func(r row) bool { return r.process == op.ClientId && r.until < op.Call })
		if at < 0 {
			at = len(rows)
			rows = append(rows, row{process: op.ClientId})
		}
		rows[at].until = op.Return
		op.ClientId = at
	}
	return ops
}

// beginning is at most n of a register's operations in the order of their calls, such that the others don't matter:
// without fetches that may have seen what came later. If anybody breaks the order in it, it is broken.
func beginning(ops []*linearizability.Op, n int) []*linearizability.Op {
	if len(ops) <= n {
		return ops
	}
	later := ops[n].Call
	return slices.DeleteFunc(slices.Clone(ops[:n]), func(op *linearizability.Op) bool {
		return op.Kind == linearizability.FetchCommitted && op.Return >= later
	})
}

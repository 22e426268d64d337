package main

import (
	"fmt"
	"strings"
	"time"
)

// page is what docs/benchmarks.md is made of.
type page struct {
	Began, Ended time.Time `json:"-"`
	Command      string    `json:"command"`
	Machine      machine   `json:"machine"`
	Versions     []string  `json:"versions"`
	// NoKafka says why Kafka did not take part.
	NoKafka string `json:"no_kafka,omitempty"`
	// Cut is true if the run ended at its bound.
	Cut        bool    `json:"cut"`
	LoadBefore string  `json:"load_before"`
	LoadAfter  string  `json:"load_after"`
	Rounds     int     `json:"rounds"`
	Seconds    float64 `json:"seconds"`
	Warmup     int     `json:"warmup_mb"`
	// Rate is that of the workload half: half of Kafka's peak, unless it was given.
	Rate      int        `json:"rate"`
	RateGiven bool       `json:"rate_given"`
	Kinds     []kind     `json:"-"`
	Workloads []workload `json:"-"`
	Results   results    `json:"samples"`
}

// markdown is the page. The plots are in the folder named benchmarks beside it.
func (p *page) markdown() string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\n<!-- Written by go run ./benchmarks/compare; do not edit. -->\n\n")
	p.writeCircumstances(&b)
	p.writeTargets(&b)
	for _, plot := range plots {
		fmt.Fprintf(&b, "![%s](benchmarks/%s.svg)\n\n", plot.title, plot.name)
	}
	p.writeRatios(&b)
	p.writeFigures(&b)
	p.writeFailures(&b)
	b.WriteString(method)
	return b.String()
}

const method = `## How it is measured

Each broker is a process of its own on loopback with a fresh data folder, one kind at a time, in turn: A B C in one
round, C B A in the next. One client, franz-go in the process of the comparison, drives all with the same options; on a
small machine it takes more of the processor than the brokers do, so that records a second say more about the client
than the broker, and CPU-seconds per GB are the figure to look at. They are what the kernel accounts the broker's
process, the JVM's compiler and collector among it. Each broker gets work that does not count before its first workload.

Latencies come from an open loop: each record is due at a moment that does not depend on those before it, and its
latency counts from then. How late the generator itself was is a figure of its own. Kafka's peak, half of which is the
load of one of them, is measured with the same open loop, given more than it can take.

What the machine's host keeps of its processors is a figure, too. It was seen to let a busy guest stand still for tens
of milliseconds at a time: where much is stolen p99 may show that, and not the broker.

The host of a virtual machine takes memory back that nobody uses, and the first store to it costs several times as much
as the copy. So the comparison keeps memory warm and lends it to each workload while it needs some, and what a workload
wrote leaves the page cache behind it: nobody pays for what others wrote before.

The workloads java and java-fetch are a second opinion: Kafka's own perf tools instead of franz-go, without the limit
program, which does not speak to them. NATS has no Kafka protocol and is driven by a client of its own that does the
same (benchmarks/jetstream): messages for records, so many of them on their way, acknowledged one by one.

Kafka's storage is formatted before the clock of its start begins. The limit program does the least that a broker can
(benchmarks/limit): it reads, checks the CRC-32C, writes once, syncs if asked to, and sends from mapped files in as few
calls as there can be, which costs less than sendfile between processes of one machine (docs/decisions). It does not ask
the file system for blocks ahead of what it writes, as Ottla does: a ratio below 1 is possible.

` + "`go run ./benchmarks/compare --list`" + ` explains all workloads; those that are missing here were not
chosen in this run.
`

func (p *page) writeCircumstances(b *strings.Builder) {
	fmt.Fprintf(b, "Measured on %s in %v with\n\n```\n%s\n```\n\n", p.Began.UTC().Format("2006-01-02 15:04 UTC"),
		p.Ended.Sub(p.Began).Round(time.Second), p.Command)
	b.WriteString("| | |\n|---|---|\n")
	for _, row := range [][2]string{
		{"Processor", fmt.Sprintf("%d x %s", p.Machine.CPUs, p.Machine.CPU)},
		{"Memory, file system, kernel", strings.Join([]string{p.Machine.Memory, p.Machine.Disk, p.Machine.Kernel}, ", ")},
		{"Versions", strings.Join(p.Versions, ", ")},
		{"Load average before and after", p.LoadBefore + " and " + p.LoadAfter},
		{"Rounds, seconds of each workload, MB of the warm-up",
			fmt.Sprintf("%d, %s, %d", p.Rounds, number(p.Seconds), p.Warmup)},
	} {
		fmt.Fprintf(b, "| %s | %s |\n", row[0], row[1])
	}
	b.WriteString("\n")
	if p.Machine.busy(p.LoadBefore) {
		b.WriteString("**The machine was busy with other work when the run began.** Rates, latencies and times of " +
			"starts are worthless\nas they stand, and " +
			"ratios of them nearly so; ratios of CPU-seconds and of memory mean something.\n\n")
	}
	if p.Cut {
		b.WriteString("**The run was cut short by --within:** the last round is not complete.\n\n")
	}
	if p.NoKafka != "" {
		fmt.Fprintf(b, "**Kafka did not take part:** %s.\n\n", p.NoKafka)
	}
	for _, k := range p.Kinds {
		fmt.Fprintf(b, "- `%s`: %s\n", k.name, k.what)
	}
	b.WriteString("\n")
}

func (p *page) writeTargets(b *strings.Builder) {
	b.WriteString("## Targets\n\nMedians of the ratios that single rounds gave, with the least and the most.\n\n" +
		"| what | figure | of | target | measured | |\n|---|---|---|---|---|---|\n")
	for _, t := range targetTable() {
		s := t.measured(p.Results)
		if s.N == 0 {
			continue
		}
		f, word := figureOf(t.figure), "at most"
		if f.more {
			word = "at least"
		}
		bound, of := fmt.Sprintf("%s %s x", word, number(t.bound)), fmt.Sprintf("`%s` to `%s`", t.kind, t.to)
		if t.to == "" {
			bound, of = strings.TrimSpace(fmt.Sprintf("%s %s %s", word, number(t.bound), f.unit)), fmt.Sprintf("`%s`", t.kind)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", t.what, f.title, of, bound, s.text(), t.verdict(s))
	}
	b.WriteString("\n")
}

// text is the median with the least and the most, if there are several.
func (s spread) text() string {
	if s.N == 0 {
		return ""
	}
	if s.N == 1 {
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s-%s)", number(s.Median), number(s.Min), number(s.Max))
}

// pairs are what ratios are made of.
func (p *page) pairs() (pairs [][2]string) {
	there := map[string]bool{}
	for _, k := range p.Kinds {
		there[k.name] = true
	}
	for _, pair := range [][2]string{{"ottla", "kafka"}, {"ottla-cache", "kafka"}, {"ottla", "kafka-sync"},
		{"ottla", "limit-sync"}, {"ottla-cache", "limit"}, {"kafka", "limit"}, {"nats", "kafka"}} {
		if there[pair[0]] && there[pair[1]] {
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

func (p *page) writeRatios(b *strings.Builder) {
	pairs := p.pairs()
	if len(pairs) == 0 {
		return
	}
	b.WriteString("## Ratios\n\nBelow 1 the first costs less, or waits less; of rates, above 1 it is faster.\n\n" +
		"| workload | figure |")
	for _, pair := range pairs {
		fmt.Fprintf(b, " %s / %s |", pair[0], pair[1])
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(pairs)) + "\n")
	for _, w := range p.names() {
		for _, f := range figureTable() {
			if f.alone {
				continue
			}
			row, any := "", false
			for _, pair := range pairs {
				s := p.Results.ratio(w, pair[0], pair[1], f.key)
				row, any = row+" "+s.text()+" |", any || s.N > 0
			}
			if any {
				fmt.Fprintf(b, "| %s | %s |%s\n", w, f.title, row)
			}
		}
	}
	b.WriteString("\n")
}

// names are those of the workloads, the start first.
func (p *page) names() []string {
	names := []string{startWorkload}
	for _, w := range p.Workloads {
		names = append(names, w.name)
	}
	return names
}

func (p *page) writeFigures(b *strings.Builder) {
	b.WriteString("## Figures\n")
	for i, name := range p.names() {
		what := "from the start of the process to the first record"
		if i > 0 {
			w := p.Workloads[i-1]
			if what = w.what; w.way == pacedWay && w.rate == 0 {
				what += fmt.Sprintf(": %s records a second", number(float64(p.Rate)))
				if p.RateGiven {
					what += ", given by --rate and not found by a look at Kafka's peak"
				}
			}
		}
		fmt.Fprintf(b, "\n### %s\n\n%s\n\n| |", name, what)
		for _, k := range p.Kinds {
			fmt.Fprintf(b, " %s |", k.name)
		}
		b.WriteString("\n|---|" + strings.Repeat("---|", len(p.Kinds)) + "\n")
		for _, f := range figureTable() {
			row, any := "", false
			for _, k := range p.Kinds {
				s := p.Results.spread(name, k.name, f.key)
				row, any = row+" "+s.text()+" |", any || s.N > 0
			}
			if any {
				fmt.Fprintf(b, "| %s |%s\n", strings.TrimSuffix(f.title+", "+f.unit, ", "), row)
			}
		}
	}
	b.WriteString("\n")
}

func (p *page) writeFailures(b *strings.Builder) {
	first := true
	for _, s := range p.Results {
		if s.Failed == "" {
			continue
		}
		if first {
			b.WriteString("## What failed\n\n")
			first = false
		}
		line, _, _ := strings.Cut(s.Failed, "\n")
		fmt.Fprintf(b, "- round %d, `%s`, %s: %s\n", s.Round, s.Kind, s.Workload, line)
	}
	if !first {
		b.WriteString("\n")
	}
}

// summary is what the terminal gets: the ratios of CPU, and the targets.
func (p *page) summary() string {
	var b strings.Builder
	pairs := p.pairs()
	if len(pairs) > 0 {
		fmt.Fprintf(&b, "Broker CPU per GB, median (least-most) of the ratios of %d round(s):\n%-12s", p.Rounds, "")
		for _, pair := range pairs {
			fmt.Fprintf(&b, " %22s", pair[0]+" / "+pair[1])
		}
		b.WriteString("\n")
		for _, w := range p.Workloads {
			row := ""
			for _, pair := range pairs {
				row += fmt.Sprintf(" %22s", p.Results.ratio(w.name, pair[0], pair[1], "cpu").text())
			}
			if strings.TrimSpace(row) != "" {
				fmt.Fprintf(&b, "%-12s%s\n", w.name, row)
			}
		}
	}
	for _, t := range targetTable() {
		if s := t.measured(p.Results); s.N > 0 {
			verdict := "met"
			if t.missedBy(s) > 1 {
				verdict = "MISSED"
			}
			fmt.Fprintf(&b, "%-7s %s, %s, %s: %s, target %s\n", verdict, t.what, figureOf(t.figure).title,
				strings.TrimSuffix(t.kind+" to "+t.to, " to "), s.text(), number(t.bound))
		}
	}
	return b.String()
}

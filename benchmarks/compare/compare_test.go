package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRatiosAreMadeWithinRounds(t *testing.T) {
	var r results
	add := func(round int, kind string, cpu float64) {
		r = append(r, sample{Round: round, Kind: kind, Workload: "large", Figures: map[string]float64{"cpu": cpu}})
	}
	// The machine got ten times slower in round 2 and the other broker failed in round 4.
	for round, cpu := range map[int]float64{1: 1, 2: 10, 3: 1.5, 4: 7} {
		add(round, "ottla", cpu)
	}
	for round, cpu := range map[int]float64{1: 2, 2: 20, 3: 2} {
		add(round, "kafka", cpu)
	}
	if got, want := r.ratio("large", "ottla", "kafka", "cpu"), (spread{0.5, 0.5, 0.75, 3}); got != want {
		t.Errorf("ratio = %v, want %v", got, want)
	}
	if got := r.ratio("large", "ottla", "limit", "cpu"); got.N != 0 {
		t.Errorf("a ratio to what was not measured: %v", got)
	}
}

func TestTheMedianHasAsManyBelowAsAbove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 1e9), 1, 20).Draw(t, "values")
		before := slices.Clone(values)
		s := spreadOf(values)
		below, above := 0, 0
		for _, v := range values {
			if v < s.Median {
				below++
			}
			if v > s.Median {
				above++
			}
		}
		if s.Min != slices.Min(values) || s.Max != slices.Max(values) || 2*below > len(values) || 2*above > len(values) {
			t.Fatalf("%v of %v", s, values)
		}
		if !slices.Equal(values, before) {
			t.Fatalf("the values were sorted in place")
		}
	})
	if got := spreadOf([]float64{4, 1}).Median; got != 2.5 {
		t.Errorf("the median of 1 and 4 = %v", got)
	}
}

func TestATargetIsMetAtItsBoundWhicheverWayIsBetter(t *testing.T) {
	for _, c := range []struct {
		figure string
		median float64
		met    bool
	}{{"cpu", 0.5, true}, {"cpu", 0.51, false}, {"cpu", 0.1, true}, {"mb", 0.5, true}, {"mb", 0.49, false},
		{"mb", 3, true}} {
		by := target{figure: c.figure, bound: 0.5}.missedBy(spread{Median: c.median})
		if met := by <= 1; met != c.met {
			t.Errorf("%s at %v of at best 0.5: met %v, want %v", c.figure, c.median, met, c.met)
		}
	}
}

func TestTargetsNameWhatThereIs(t *testing.T) {
	named := func(name string) bool {
		return slices.ContainsFunc(kinds(), func(k kind) bool { return k.name == name })
	}
	for _, target := range targetTable() {
		figureOf(target.figure)
		known := target.workload == startWorkload ||
			slices.ContainsFunc(workloads(), func(w workload) bool { return w.name == target.workload })
		if !known || !named(target.kind) || target.to != "" && !named(target.to) {
			t.Errorf("%+v names what there is not", target)
		}
	}
}

func TestProcessorTimeIsReadBehindAnyName(t *testing.T) {
	const rest = " S 1 7 7 0 -1 4194304 1 0 0 0 150 25 0 0 20 0 9 0 100 1 1"
	for _, name := range []string{"ottla", "a b", ") (", "x) S 1 2 3"} {
		got, err := parseStat("17 (" + name + ")" + rest)
		if err != nil || got != 1.75 {
			t.Errorf("%q: %v, %v; want 1.75", name, got, err)
		}
	}
	for _, text := range []string{"", "17 (ottla", "17 (ottla) S 1", "17 (a) S 1 7 7 0 -1 4 1 0 0 0 x 25 0"} {
		if _, err := parseStat(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestWhatHarmsBrokersEndsItsSession(t *testing.T) {
	all := sessions(workloads())
	n := 0
	for _, s := range all {
		for i, w := range s.workloads {
			n++
			if w.brokers != s.brokers || !slices.Equal(w.settings, s.settings) {
				t.Errorf("%s runs on %d brokers with %v", w.name, s.brokers, s.settings)
			}
			if w.last && i+1 < len(s.workloads) {
				t.Errorf("%s runs on brokers that %s has harmed", s.workloads[i+1].name, w.name)
			}
		}
	}
	if n != len(workloads()) {
		t.Errorf("%d workloads in sessions, want %d", n, len(workloads()))
	}
}

func TestAnUnknownNameIsRefusedWithThoseThatAreKnown(t *testing.T) {
	name := func(k kind) string { return k.name }
	usual := func(k kind) bool { return k.kafka }
	got, err := choose(kinds(), name, usual, "kafka, limit", "broker")
	if err != nil || len(got) != 2 || got[1].name != "limit" {
		t.Errorf("kafka, limit: %d brokers, %v", len(got), err)
	}
	if got, err := choose(kinds(), name, usual, "", "broker"); err != nil || len(got) != 2 {
		t.Errorf("the usual: %d brokers, %v", len(got), err)
	}
	_, err = choose(kinds(), name, usual, "pulsar", "broker")
	if err == nil || !strings.Contains(err.Error(), "ottla-cache") {
		t.Errorf("pulsar: %v", err)
	}
}

func TestThePageSaysWhatIsMissingAndItsPlotsAreXML(t *testing.T) {
	for _, kafka := range []bool{true, false} {
		p := &page{Began: time.Unix(0, 0), Ended: time.Unix(100, 0), Command: "compare", Machine: machine{CPUs: 2},
			LoadBefore: "9.00 8 7", LoadAfter: "1 2 3", Rounds: 1, Seconds: 3, Kinds: kinds(), Workloads: workloads()}
		if !kafka {
			p.Kinds, p.NoKafka = withoutKafka(kinds()), "Java <cannot> be started"
		}
		for i, k := range p.Kinds {
			for _, w := range append(workloads(), workload{name: startWorkload}) {
				s := sample{Round: 1, Kind: k.name, Workload: w.name, Figures: map[string]float64{}}
				for j, f := range figureTable() {
					s.Figures[f.key] = float64(i+1) * math.Pow(10, float64(j%4))
				}
				p.Results = append(p.Results, s)
			}
		}
		p.Results = append(p.Results, sample{Round: 2, Kind: "ottla", Workload: "large", Failed: "it broke\nbadly"})
		text := p.markdown()
		for _, want := range []string{"busy", "9.00 8 7", "it broke", "```\ncompare\n```"} {
			if !strings.Contains(text, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
		if strings.Contains(text, "did not take part") == kafka {
			t.Errorf("with Kafka %v the page says the contrary", kafka)
		}
		for _, plot := range plots {
			checkXML(t, plot.name, plot.draw(p, plot.title))
			checkXML(t, plot.name, plot.draw(&page{Kinds: p.Kinds}, plot.title))
		}
	}
}

func checkXML(t *testing.T, name, text string) {
	t.Helper()
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") || strings.Contains(text, "%!") {
		t.Errorf("%s has no number where one belongs:\n%s", name, text)
	}
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
	}
}

func TestProcessesAreStoppedAndTellWhatTheyUsed(t *testing.T) {
	dir := t.TempDir()
	c := cluster{}
	for _, script := range []string{"trap 'exit 0' TERM; while :; do :; done", "exec sleep 100"} {
		p, err := launch("a script", dir, "127.0.0.1:1", []string{"/bin/sh", "-c", script})
		if err != nil {
			t.Fatal(err)
		}
		defer p.kill()
		c = append(c, p)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		spent, err := c.cpu()
		if os.IsNotExist(err) {
			t.Skip("there is no /proc")
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%v CPU-seconds, %v", spent, err)
		}
		if spent > 0 {
			break
		}
	}
	if c.memory("VmRSS") <= 0 {
		t.Error("the processes have no memory")
	}
	c.stop()
	if spent, err := c.cpu(); err != nil || spent <= 0 || !c[0].ended() || !c[1].ended() {
		t.Errorf("after their end: %v CPU-seconds, %v", spent, err)
	}
	if err := c[0].listens(time.Minute); err == nil || !strings.Contains(err.Error(), "ended before it was ready") {
		t.Errorf("a process that ended: %v", err)
	}
}

func TestNumbersKeepThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.123: "0.12", 1.5: "1.50", 12.34: "12.3", 123.4: "123", 1234: "1,234",
		1234567: "1,234,567"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
}

func TestWhatIsSaidToBeExplainedHasAHeading(t *testing.T) {
	text, err := os.ReadFile("../../docs/" + missedPage)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range explained() {
		if !strings.Contains(string(text), "\n## "+name+"\n") {
			t.Errorf("%s has no heading %q", missedPage, name)
		}
		known := slices.ContainsFunc(targetTable(), func(x target) bool { return x.workload == name })
		if !known {
			t.Errorf("no target speaks of %q", name)
		}
	}
}

func TestTheSimulatorsLastWordCounts(t *testing.T) {
	const seed = `{"seed":900000,"hash":"ab"}` + "\n"
	const sum = `{"seeds":3,"failed":0,"speed":701.5,"eventsPerCPUSecond":840000,"cpuSeconds":2}`
	got, err := parseSimulation([]byte(seed + seed + seed + sum + "\n"))
	if err != nil || got["simulated"] != 701.5 || got["events"] != 840000 {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", seed, seed + "{", strings.Replace(sum, `"failed":0`, `"failed":1`, 1), "null",
		strings.Replace(sum, `"seeds":3`, `"seeds":2`, 1), sum + seed} {
		if got, err := parseSimulation([]byte(text)); err == nil {
			t.Errorf("%q gives %v", text, got)
		}
	}
}

func TestWhatTargetsSpeakOfIsInTheDefaultSet(t *testing.T) {
	for _, w := range workloads() {
		spoken := slices.ContainsFunc(targetTable(), func(x target) bool { return x.workload == w.name })
		if spoken && w.full {
			t.Errorf("the default set lacks %s", w.name)
		}
	}
}

func TestWhatKafkasToolsSay(t *testing.T) {
	const sent = "250000 records sent, 49990.0 records/sec (47.67 MB/sec), 3.2 ms avg latency, 9.0 ms max latency.\n" +
		"500000 records sent, 123456.7 records/sec (117.74 MB/sec), 3.20 ms avg latency, 300.00 ms max latency, 1 ms 50th.\n"
	if got, err := parseProducerPerformance(sent); err != nil || got != 123456.7 {
		t.Errorf("producer: %v, %v", got, err)
	}
	const names = "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms\n"
	const row = "2026-01-01 00:00:00:000, 2026-01-01 00:00:01:000, 476.8, 476.8, 500012, 480001.5, 12\n"
	if got, err := parseConsumerPerformance("a warning\n" + names + row); err != nil || got != 480001.5 {
		t.Errorf("consumer: %v, %v", got, err)
	}
	for _, text := range []string{"", "\n", names, row, names + "x", strings.Replace(names+row, "500012", "499999", 1)} {
		if got, err := parseConsumerPerformance(text); err == nil {
			t.Errorf("consumer: %q gives %v", text, got)
		}
	}
	for _, text := range []string{"", "0 records sent", strings.ReplaceAll(sent, "500000", "499999")} {
		if got, err := parseProducerPerformance(text); err == nil {
			t.Errorf("producer: %q gives %v", text, got)
		}
	}
}

func TestProcessorTimesAreSharesOfWhatPassed(t *testing.T) {
	before := parseProcessors("cpu  100 10 50 800 40 1 9 30 7 7\ncpu0 1 2 3\n")
	after := parseProcessors("cpu  160 10 70 820 40 1 9 40 9 9\n")
	if before.all != 1040 || before.stolen != 30 {
		t.Fatalf("%+v", before)
	}
	got := after.since(before)
	if got["stolen"] != 100*10/110.0 || got["busy"] != 100*80/110.0 {
		t.Fatalf("%v", got)
	}
	if parseProcessors("nothing") != (processors{}) || after.since(after) != nil {
		t.Fatal("nothing is told of nothing")
	}
}

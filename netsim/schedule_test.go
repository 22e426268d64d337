package netsim

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// anyWindow draws windows without regard to sense.
func anyWindow(t *rapid.T) Window {
	hosts := rapid.SliceOfNDistinct(rapid.Int32Range(0, 9), 0, 10, rapid.ID[int32])
	list := func(name string) (h []Host) {
		for _, n := range hosts.Draw(t, name) {
			h = append(h, Host(n))
		}
		return h
	}
	span := rapid.Int64Range(0, int64(100*time.Hour))
	w := Window{Kind: Kind(rapid.IntRange(1, int(kinds)-1).Draw(t, "kind")), Hosts: list("hosts"), Peers: list("peers"),
		From: time.Duration(span.Draw(t, "from"))}
	w.To = w.From + 1 + time.Duration(span.Draw(t, "to"))
	if rapid.Bool().Draw(t, "never") {
		w.To = Never
	}
	if rapid.Bool().Draw(t, "flaps") {
		w.Every = time.Millisecond + time.Duration(span.Draw(t, "every"))
	}
	switch {
	case w.Kind.Strikes():
		w.OneIn = rapid.Uint64Min(1).Draw(t, "one in")
	case w.Kind == Slow:
		w.Delay = time.Duration(rapid.Int64Range(0, int64(maxDelay)).Draw(t, "delay"))
		w.Bandwidth = rapid.Int64Range(0, maxSpeed).Draw(t, "bandwidth")
	}
	return w
}

func TestAScheduleReadsAsItPrints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := rapid.Int64Range(0, int64(maxDelay))
		s := &Schedule{Settings: Settings{Link: Link{DelayMean: time.Duration(span.Draw(t, "delay"))},
			ConnectTimeout: time.Duration(span.Draw(t, "connect"))}}
		for range rapid.IntRange(0, 5).Draw(t, "windows") {
			if w := anyWindow(t); w.Check(10) == nil {
				s.Windows = append(s.Windows, w)
			}
		}
		if rapid.Bool().Draw(t, "path") {
			s.Paths = []Path{{From: 3, To: 0, Link: Link{Bandwidth: 5, Queue: 77, DelayMin: 1, DelayMean: 2}}}
		}
		again, err := Parse(s.String(), 10)
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Fatalf("%v\n%s\n%+v", err, s, again)
		}
	})
}

func TestDrawnSchedulesKeepTheBudgetAndReadAsTheyPrint(t *testing.T) {
	var seen [kinds]int
	flapping, calm := 0, 0
	for seed := range uint64(300) {
		hosts := 1 + int(seed%9)
		b := DefaultBudget(hosts, max(1, min(hosts, int(seed%8))), 30*time.Second)
		s := Draw(seed, b)
		if err := b.Check(s.Windows); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, s)
		}
		again, err := Parse(s.String(), hosts)
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Fatalf("seed %d: %v\n%s", seed, err, s)
		}
		on := map[Kind]bool{}
		for _, w := range s.Windows {
			on[w.Kind] = true
			if w.Every > 0 {
				flapping++
			}
		}
		for k := range on {
			seen[k]++
		}
		if len(on) == 0 {
			calm++
		}
	}
	for k := Partition; k < kinds; k++ {
		if seen[k] < 15 || seen[k] > 270 {
			t.Errorf("%s is on in %d seeds of 300", k, seen[k])
		}
	}
	if flapping < 20 || calm < 5 {
		t.Errorf("%d flap, %d seeds without faults", flapping, calm)
	}
}

func TestParseRefuses(t *testing.T) {
	for rule, line := range map[string]string{
		"unknown words":          "earthquake from=1s to=2s",
		"unknown fields":         "partition from=1s to=2s depth=3",
		"fields that come twice": "partition from=1s to=2s from=1s",
		"words without values":   "partition from=1s to=2s hosts",
		"no time":                "partition from=2s to=2s",
		"hosts that are not":     "partition from=1s to=2s hosts=0,5",
		"hosts twice":            "partition from=1s to=2s hosts=0,0",
		"strikes without a rate": "reset from=1s to=2s",
		"a rate for a partition": "clog from=1s to=2s one-in=3",
		"small rings":            "ring from=1s to=2s hosts=0,1,2",
		"isolated groups":        "isolate from=1s to=2s hosts=0,1",
		"bridges to nowhere":     "bridge from=1s to=2s hosts=0,1",
		"minus":                  "slow from=1s to=2s delay=-1s",
		"paths from nowhere":     "path dst=1",
		"delays upside down":     "settings delay-min=2s delay-mean=1s",
	} {
		if _, err := Parse(line, 5); err == nil {
			t.Errorf("%s: taken", rule)
		}
	}
	if _, err := Parse("# nothing\n\n  partition from=1s to=2s\n", 5); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("settings delay-mean=1ms\npath src=0 dst=1 queue=3\nring from=1s to=never hosts=0,1,2,3 every=1ms\n")
	f.Add("slow from=1s to=2s delay=3ms bandwidth=1000\nreset from=1s to=2s one-in=3 peers=2\n# x\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text, 5)
		if err != nil {
			return
		}
		again, err := Parse(s.String(), 5)
		if err != nil || again.String() != s.String() {
			t.Fatalf("%v\n%s", err, s)
		}
	})
}

func TestBudgetRefuses(t *testing.T) {
	b := DefaultBudget(6, 3, time.Minute)
	for _, c := range []struct{ rule, text, want string }{
		{"one voter may be away for long", "isolate from=1s to=50s hosts=0", ""},
		{"two voters may not", "isolate from=1s to=50s hosts=0\nisolate from=1s to=50s hosts=1", "no majority from"},
		{"but for a while", "partition from=1s to=9s hosts=0,1,2", ""},
		{"all voters apart from clients may", "partition from=1s to=50s hosts=0,1,2", ""},
		{"a bridge of three has two majorities", "bridge from=1s to=50s hosts=0 peers=2", ""},
		{"one-way counts", "one-way from=1s to=50s hosts=0,1,2 peers=0,1,2", "no majority"},
		{"flapping counts as there", "hang from=1s to=50s every=1ms", "no majority"},
		{"a second outage too soon", "refuse from=1s to=3s\nhang from=4s to=6s", "again"},
		{"a second outage after a calm", "refuse from=1s to=3s\nhang from=6s to=9s", ""},
		{"adjoining windows are one outage", "refuse from=1s to=8s\nhang from=8s to=16s", "no majority from"},
		{"resets all the time", "reset from=1s to=3s one-in=2", "at least"},
		{"faults without end", "slow from=1s to=never delay=1s", "lasts until"},
	} {
		s, err := Parse(c.text, 6)
		if err != nil {
			t.Fatal(err)
		}
		err = b.Check(s.Windows)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.rule, err)
		}
	}
}

// TestWindowsCoverWhatTheyAreSaidTo compares the ways that are cut with a picture: row from, column to.
func TestWindowsCoverWhatTheyAreSaidTo(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"partition from=0s to=1s hosts=0,1", "..xxx ..xxx xx... xx... xx..."},
		{"partition from=0s to=1s hosts=0 peers=1", ".x... x.... ..... ..... ....."},
		{"isolate from=0s to=1s hosts=2", "..x.. ..x.. xx.xx ..x.. ..x.."},
		{"bridge from=0s to=1s hosts=0,1 peers=3,4", "...xx ...xx ..... xx... xx..."},
		{"ring from=0s to=1s hosts=0,1,2,3,4", "..xx. ...xx x...x xx... .xx.."},
		{"one-way from=0s to=1s hosts=0", ".xxxx ..... ..... ..... ....."},
		{"one-way from=0s to=1s peers=0", "..... x.... x.... x.... x...."},
		{"clog from=0s to=1s", ".xxxx x.xxx xx.xx xxx.x xxxx."},
	} {
		s, err := Parse(c.line, 5)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for from := range Host(5) {
			for to := range Host(5) {
				condition := ConditionAt(s.Windows, 0, from, to)
				if got.WriteByte('.'); condition.Blocked != 0 {
					str := got.String()
					got.Reset()
					got.WriteString(str[:len(str)-1] + "x")
				}
			}
			got.WriteByte(' ')
		}
		if strings.TrimSpace(got.String()) != c.want {
			t.Errorf("%s: %s, want %s", c.line, got.String(), c.want)
		}
	}
}

func TestEveryHostOfARingReachesAMajority(t *testing.T) {
	for n := ringLeast; n < 12; n++ {
		w := Window{Kind: Ring, To: 1}
		for h := range n {
			w.Hosts = append(w.Hosts, Host(h))
		}
		for from := range Host(n) {
			reached := 0
			for to := range Host(n) {
				if !w.Covers(from, to) {
					reached++
				}
			}
			if reached <= n/2 || reached == n {
				t.Errorf("ring of %d: host %d reaches %d", n, from, reached)
			}
		}
	}
}

func TestEdgesAreWhereAWindowComesAndGoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := Window{Kind: Clog, From: time.Duration(rapid.Int64Range(0, 20).Draw(t, "from")),
			Every: time.Duration(rapid.Int64Range(0, 9).Draw(t, "every"))}
		w.To = w.From + time.Duration(rapid.Int64Range(1, 40).Draw(t, "for"))
		edge, ok := NextEdge([]Window{w}, -1)
		for at := time.Duration(0); at < 70; at++ {
			changes := w.ActiveAt(at) != w.ActiveAt(at-1)
			if changes && (!ok || edge != at) {
				t.Fatalf("%+v changes at %d, the next edge is at %d", w, at, edge)
			}
			if ok && edge == at {
				edge, ok = NextEdge([]Window{w}, at)
			}
		}
		if ok {
			t.Fatalf("%+v: an edge at %d", w, edge)
		}
	})
}

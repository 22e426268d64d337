package linearizability

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// expectation is what the comments at the top of a history say that a check finds.
type expectation struct{ anomalies, allowed []string }

func readCase(t *testing.T, file string) (*History, expectation) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var e expectation
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "# expect:"); ok {
			e.anomalies = strings.Fields(rest)
		}
		if rest, ok := strings.CutPrefix(line, "# allowed:"); ok {
			e.allowed = strings.Fields(rest)
		}
	}
	h, err := ReadHistory(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return h, e
}

func found(r *Report) expectation {
	var e expectation
	for _, c := range r.Counts {
		if c.Allowed < c.Total {
			e.anomalies = append(e.anomalies, string(c.Name))
		}
		if c.Allowed > 0 {
			e.allowed = append(e.allowed, string(c.Name))
		}
	}
	return e
}

func same(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func anomalyFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/anomalies/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no histories: %v", err)
	}
	return files
}

// TestAnomalies checks histories made by hand: for each anomaly some that show it, and near misses that do not.
func TestAnomalies(t *testing.T) {
	for _, file := range anomalyFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".jsonl"), func(t *testing.T) {
			h, want := readCase(t, file)
			r := Check(h)
			if got := found(r); !same(got.anomalies, want.anomalies) || !same(got.allowed, want.allowed) {
				var text strings.Builder
				r.WriteText(&text)
				t.Errorf("found %v, want %v\n%s", got, want, text.String())
			}
		})
	}
}

// TestEveryAnomalyHasHistories holds the catalogue together: a history that shows each anomaly, and a near miss.
func TestEveryAnomalyHasHistories(t *testing.T) {
	files := anomalyFiles(t)
	checked := map[Name]bool{NotLinearizable: true} // of package search
	for _, c := range checkers {
		for _, n := range c.names {
			checked[n] = true
		}
	}
	for _, name := range allNames {
		if !checked[name] {
			t.Errorf("no checker has %s", name)
		}
		if name == NotLinearizable {
			continue
		}
		for _, kind := range []string{".shows", ".near"} {
			if !slices.Contains(files, "testdata/anomalies/"+string(name)+kind+".jsonl") {
				t.Errorf("no history %s%s", name, kind)
			}
		}
		h, want := readCase(t, "testdata/anomalies/"+string(name)+".shows.jsonl")
		if !slices.Contains(append(want.anomalies, want.allowed...), string(name)) {
			t.Errorf("%s.shows does not expect it", name)
		}
		for _, a := range Check(h).Anomalies {
			if len(a.Ops) == 0 || a.Text == "" || a.Where == "" || slices.Contains(a.Ops, nil) {
				t.Errorf("%s does not say what shows it: %+v", a.Name, a)
			}
		}
	}
}

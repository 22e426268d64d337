package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ottla.dev/linearizability"
)

func runCheck(t *testing.T, stdin string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := newCheck()
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.Execute()
	var exit exitError
	switch {
	case errors.As(err, &exit):
		code = exit.code
	case err != nil:
		code = 1
		stderr.WriteString(err.Error())
	}
	return code, stdout.String(), stderr.String()
}

func TestCheckExitsWithTheClassOfItsResult(t *testing.T) {
	const anomalies = "../../linearizability/testdata/anomalies/"
	for _, c := range []struct {
		name, stdin string
		args        []string
		code        int
		says        string
	}{
		{"ok", "", []string{anomalies + "lost-write.near.jsonl"}, linearizability.ExitOK, "verdict: ok"},
		{"anomalies", "", []string{anomalies + "lost-write.shows.jsonl"}, linearizability.ExitAnomalies, "lost-write in t-0"},
		{"inconclusive", "", []string{anomalies + "unseen.incomplete.jsonl"}, linearizability.ExitInconclusive,
			"verdict: inconclusive"},
		{"malformed", "{}", []string{"-"}, linearizability.ExitMalformed, "malformed: line 1: no header"},
		{"malformed, as JSON", "{}", []string{"-", "--json"}, linearizability.ExitMalformed, `"malformed_line": 1`},
		{"as JSON", "", []string{anomalies + "lost-write.shows.jsonl", "--json"}, linearizability.ExitAnomalies,
			`"verdict": "anomalies"`},
		{"no file", "", []string{"no-such-file"}, 1, "no such file"},
		{"no argument", "", nil, 1, "accepts 1 arg"},
		{"a picture without a search", "", []string{"-", "--html", "x", "--search=false"}, 1, "--html"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := runCheck(t, c.stdin, c.args...)
			if code != c.code || !strings.Contains(out+errs, c.says) {
				t.Errorf("exit %d, want %d\n%s%s", code, c.code, out, errs)
			}
		})
	}
}

func TestCheckDraws(t *testing.T) {
	page := filepath.Join(t.TempDir(), "order.html")
	code, _, errs := runCheck(t, "", "../../linearizability/testdata/anomalies/realtime-order.shows.jsonl", "--html", page)
	if code != linearizability.ExitAnomalies || !strings.Contains(errs, "shows t-0, appends") {
		t.Errorf("exit %d: %s", code, errs)
	}
	text, err := os.ReadFile(page)
	if err != nil || !bytes.Contains(text, []byte("<html")) {
		t.Errorf("no page: %v", err)
	}
}

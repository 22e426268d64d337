package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestATraceIsFiltered(t *testing.T) {
	one := []int{1}
	for _, c := range []struct {
		rule   string
		filter traceFilter
		line   string
		want   bool
	}{
		{"no filter shows all", traceFilter{}, "5 tick b0/control", true},
		{"a machine's own lines", traceFilter{brokers: one}, "5 tick b1/shard/0", true},
		{"not those of others", traceFilter{brokers: one}, "5 tick b10/shard/0", false},
		{"what comes to it", traceFilter{brokers: one}, "5 0->1 Fetch took=1ms", true},
		{"and not to a client of that number", traceFilter{brokers: one}, "5 0->c1 Fetch took=1ms", false},
		{"events of its network", traceFilter{brokers: one}, "5 net 5 closed 2d host=1 peer=0", true},
		{"a client's lines", traceFilter{clients: one, machines: 3}, "5 lost client=1", true},
		{"what a client says", traceFilter{clients: one, machines: 3}, "5 c1->0 Fetch took=1ms", true},
		{"hosts behind the machines are clients", traceFilter{clients: one, machines: 3},
			"5 net 5 reset 2d host=4 peer=0", true},
		{"partitions", traceFilter{partitions: []string{"t0-1"}}, "5 0->1 Fetch part=t0-1 epoch=1", true},
		{"and not those that begin so", traceFilter{partitions: []string{"t0-1"}}, "5 0->1 Fetch part=t0-11 epoch=1", false},
		{"both are asked for", traceFilter{brokers: one, partitions: []string{"t0-1"}}, "5 0->2 Fetch part=t0-1", false},
		{"failures are always shown", traceFilter{brokers: one}, "5 FAILED isr text", true},
	} {
		if got := c.filter.shows([]byte(c.line)); got != c.want {
			t.Errorf("%s: %v for %q", c.rule, got, c.line)
		}
	}
}

func TestDiffShowsTheFirstLineThatDiffers(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a, b := file("a", "1 one\n2 two\n3 three\n"), file("b", "1 one\n2 TWO\n3 three\n")
	var out strings.Builder
	o := simOptions{brokers: 1}
	if err := o.diff(a, b, &out); err == nil || !strings.HasPrefix(out.String(), "line 2 differs:\n  1 one\n- 2 two\n") {
		t.Errorf("%v\n%s", err, &out)
	}
	out.Reset()
	if err := o.diff(a, a, &out); err != nil || out.String() != "the same: 3 lines\n" {
		t.Errorf("%v\n%s", err, &out)
	}
	plan := "ottla-plan 1\nworld seed=1 duration=1s shards=1\ntopic t0 partitions=1\n"
	p, q := file("p", plan), file("q", plan+"stop kill at=500ms down=10ms\n")
	out.Reset()
	if err := o.diff(p, q, &out); err == nil || !strings.Contains(out.String(), "\n+ 500000 stop kill") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestShrinkRefusesWhatDoesNotFail(t *testing.T) {
	o := shrinkOptions{world: simOptions{brokers: 1}}
	var out strings.Builder
	if err := o.run("no-such-file", &out, &out); err == nil || !strings.Contains(err.Error(), "no file no-such-file") {
		t.Error(err)
	}
	if err := o.run("../../sim/testdata/plans/canary.plan", &out, &out); err == nil ||
		!strings.Contains(err.Error(), "does not fail") {
		t.Error(err)
	}
}

package partition

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ottla.dev/core"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts in testdata give as what they should give")

// TestScripts runs testdata/*.txt. A script is commands and, indented under each, everything that came out of it: the
// completions that the disk now owes, jobs, and answers. Nothing on the disk happens before a command says so.
//
//	open PARTITION [epoch=N] [SETTING=VALUE]…     a replica of a topic; partitions are named topic-index
//	produce NAME PARTITION:RECORDS… [acks=all|1|0 timeout=D pid=N epoch=N seq=N big=BYTES time=T]
//	fetch NAME PARTITION@OFFSET… [min=N max=N wait=D epoch=N last=EPOCH]
//	cancel NAME
//	ask NAME PARTITION latest|earliest|max|tiered|pending|TIMESTAMP [epoch=N]     ListOffsets
//	end-of NAME PARTITION EPOCH      delete-to NAME PARTITION OFFSET      describe-producers NAME PARTITION
//	written [LABEL] | synced [LABEL]    the oldest such operation of the disk completes (of that partition)
//	late written | late synced          the youngest does
//	job [TEXT]                          the oldest job runs (whose text begins so) and comes back
//	settle                              the disk and the jobs do everything they owe
//	break write|sync|open|none          what the disk refuses from now on
//	pass D | configure PARTITION SETTING=VALUE… | lead PARTITION EPOCH | remove PARTITION | retain | close | checkpoint
//	state PARTITION | restart           the set is forgotten with all that was under way, not what was written
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s: %s", file, firstDifference(string(want), got))
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	last := ""
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d, after %q\nwant %s\ngot  %s", i+1, last, w[i], g[i])
		}
		if !strings.HasPrefix(w[i], " ") {
			last = w[i]
		}
	}
	return fmt.Sprintf("%d lines instead of %d", len(g), len(w))
}

func runScript(script string) string {
	var out strings.Builder
	s := newWorld()
	for line := range strings.SplitSeq(strings.TrimRight(script, "\n"), "\n") {
		if strings.HasPrefix(line, " ") {
			continue // what came out last time
		}
		out.WriteString(line + "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s.command(parse(strings.Fields(line)))
		for _, said := range s.said {
			out.WriteString("    " + said + "\n")
		}
		s.said = nil
	}
	return out.String()
}

// args are the words of a command: positional ones, and key=value.
type args struct {
	words []string
	named map[string]string
}

func parse(fields []string) args {
	a := args{named: map[string]string{}}
	for _, f := range fields {
		if key, value, ok := strings.Cut(f, "="); ok {
			a.named[key] = value
		} else {
			a.words = append(a.words, f)
		}
	}
	return a
}

func (a args) word(i int) string {
	if i < len(a.words) {
		return a.words[i]
	}
	return ""
}

func (a args) number(key string, or int) int {
	if v, ok := a.named[key]; ok {
		return number(v)
	}
	return or
}

func (a args) duration(key string, or time.Duration) time.Duration {
	if v, ok := a.named[key]; ok {
		return duration(v)
	}
	return or
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	must(err)
	return n
}

func duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	must(err)
	return d
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (w *world) command(a args) {
	switch a.word(0) {
	case "open":
		w.open(a)
	case "produce":
		w.produce(a)
	case "fetch":
		w.fetch(a)
	case "cancel":
		w.work("cancel "+a.word(1), &CancelOp{Fetch: w.fetches[a.word(1)]})
	case "ask", "end-of", "delete-to", "describe-producers":
		w.query(a)
	case "written":
		w.complete(core.InputWritten, a.word(1), false)
	case "synced":
		w.complete(core.InputSynced, a.word(1), false)
	case "late":
		kind := core.InputWritten
		if a.word(1) == "synced" {
			kind = core.InputSynced
		}
		w.complete(kind, "", true)
	case "job":
		w.job(strings.Join(a.words[1:], " "))
	case "settle":
		w.settle()
	case "break":
		w.fault = a.word(1)
	default:
		w.change(a)
	}
	w.after()
}

func (w *world) change(a args) {
	switch a.word(0) {
	case "pass":
		w.pass(duration(a.word(1)))
	case "configure":
		w.cached[w.id(a.word(1))] = w.cached[w.id(a.word(1))] || settings(a).WriteCaching
		w.set.Configure(w.replica(a.word(1)), settings(a), &w.out)
		w.set.Configured(w.now, w.replica(a.word(1)), &w.out)
	case "lead":
		w.set.SetLeaderEpoch(w.replica(a.word(1)), core.LeaderEpoch(number(a.word(2))), &w.out)
	case "remove":
		r := w.replica(a.word(1))
		w.incarnations[a.word(1)]++
		w.set.Remove(w.now, r, &w.out)
	case "retain":
		w.set.Retain(w.now, &w.out)
	case "close":
		w.set.Close(&w.out)
	case "checkpoint":
		w.set.Checkpointed(w.now, w.set.TakeCheckpoint(), &w.out)
	case "restart":
		w.restart()
	case "state":
		w.state(a.word(1))
	default:
		panic("unknown command " + a.word(0))
	}
}

package trace

import (
	"strings"
	"testing"
	"time"
)

func TestEveryWordCounts(t *testing.T) {
	hash := func(f func(t *Trace)) uint64 {
		tr := New(nil)
		f(tr)
		return tr.Hash()
	}
	base := hash(func(t *Trace) { t.Begin(time.Second, "a").Word("b").Num("n", 1).End() })
	for name, other := range map[string]func(*Trace){
		"time":   func(t *Trace) { t.Begin(2*time.Second, "a").Word("b").Num("n", 1).End() },
		"word":   func(t *Trace) { t.Begin(time.Second, "a").Word("c").Num("n", 1).End() },
		"number": func(t *Trace) { t.Begin(time.Second, "a").Word("b").Num("n", 2).End() },
		"lines":  func(t *Trace) { t.Begin(time.Second, "a").Word("b").End(); t.Begin(0, "n=1").End() },
	} {
		if hash(other) == base {
			t.Errorf("another %s has the same hash", name)
		}
	}
	if again := hash(func(t *Trace) { t.Begin(time.Second, "a").Word("b").Num("n", 1).End() }); again != base {
		t.Error("the same line has another hash")
	}
}

func TestTheTailIsTheLastLines(t *testing.T) {
	var all strings.Builder
	tr := New(func(line []byte) { all.Write(line); all.WriteByte('\n') })
	for i := range 20_000 {
		tr.Begin(time.Duration(i)*time.Microsecond, "event").Num("i", int64(i)).End()
	}
	if got := tr.Tail(2); got != "19998 event i=19998\n19999 event i=19999\n" {
		t.Errorf("tail %q", got)
	}
	if !strings.HasSuffix(all.String(), tr.Tail(100)) || tr.Lines() != 20_000 {
		t.Error("the tail is not the end of the trace")
	}
}

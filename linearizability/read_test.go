package linearizability

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const header = `{"ottla_history":1}` + "\n"

func TestMalformedFilesNameLineAndReason(t *testing.T) {
	// op is a file with one operation, which its fields follow.
	op := func(fields string) string { return header + `{"process":1,"call":3,` + fields + `}` }
	const send = `"kind":"send","outcome":"info",`
	const poll = `"kind":"poll","outcome":"ok"`
	const commit = `"kind":"commit","outcome":"info",`
	const where = `"topic":"t","partition":0`
	long := strings.Repeat("x", MaxLineBytes+1)
	for _, c := range []struct{ name, text, want string }{
		{"empty file", "", "line 1: no header"},
		{"no header", `{"process":1,"kind":"poll","call":1,"outcome":"info"}`, "line 1: no header"},
		{"another version", `{"ottla_history":2,"new":1}`, "line 1: the history has version 2; only version 1 is"},
		{"unknown field of the header", `{"ottla_history":1,"alow":{}}`, `line 1: unknown field "alow"`},
		{"unknown anomaly", `{"ottla_history":1,"allow":{"anomalies":["skp"]}}`, `line 1: no anomaly is called "skp"`},
		{"not JSON", header + "\n# c\n{", "line 4: the line ends in the middle"},
		{"two values", op(poll) + "{}", "line 2: more than one value"},
		{"unknown field", op(poll + `,"retrun":2`), `line 2: unknown field "retrun"`},
		{"unknown kind", op(`"kind":"sned","outcome":"ok"`), `line 2: no kind of operation is called "sned"`},
		{"no kind", op(`"outcome":"ok"`), `line 2: no kind`},
		{"no process", header + `{"kind":"poll","call":1,"outcome":"ok"}`, `line 2: no process`},
		{"no call", header + `{"process":1,"kind":"poll","outcome":"ok"}`, `line 2: no call`},
		{"unknown outcome", op(`"kind":"poll","outcome":"unknown"`), `line 2: outcome "unknown" is none of`},
		{"ok without return", op(poll), `line 2: poll: it is ok but never returned`},
		{"returns before its call", op(poll + `,"return":2`), `line 2: poll: it returns at 2`},
		{"time before 0", header + `{"process":1,"call":-3,` + poll + `}`, `line 2: poll: the call is before`},
		{"negative process", header + `{"process":-1,"call":3,` + poll + `}`, `line 2: poll: the process is negative`},
		{"send to nowhere", op(send + `"values":["a"]`), `line 2: send: it needs a topic`},
		{"send of nothing", op(send + where), `line 2: send: it needs values`},
		{"offsets without values", op(poll + `,"return":4,"reads":[{` + where + `,"offsets":[1]}]`),
			`line 2: poll: a read has 1 offsets and 0 values`},
		{"offset beyond all", op(commit + where + `,"group":"g","offset":9000000000000000000`),
			`line 2: commit: offset 9000000000000000000 is not`},
		{"commit of nothing", op(commit + where + `,"group":"g"`), `line 2: commit: it needs an offset`},
		{"commit of nobody", op(commit + where + `,"offset":1`), `line 2: commit: it needs a group`},
		{"number too large", op(poll + `,"return":99999999999999999999`), `line 2: return is a number`},
		{"not UTF-8", header + "{\"process\":1,\"kind\":\"\xff\"}", "line 2: not UTF-8"},
		{"line too long", header + long, "line 2: longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadHistory(strings.NewReader(c.text))
			var m *MalformedError
			if !errors.As(err, &m) || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestValuesMustBeUnique(t *testing.T) {
	line := `{"process":1,"kind":"send","call":1,"outcome":"info","topic":"t","partition":0,"values":["a"]}` + "\n"
	h, err := ReadHistory(strings.NewReader(header + line + line))
	if err != nil {
		t.Fatal(err)
	}
	r := Check(h)
	if r.Verdict() != VerdictMalformed || r.Verdict().ExitCode() != ExitMalformed ||
		!strings.Contains(r.Malformed.Error(), "line 3: value \"a\" was sent to t-0 before, by line 2") {
		t.Errorf("%s: %v", r.Verdict(), r.Malformed)
	}
}

// TestWriteAndRead holds that what is written is read again as it was.
func TestWriteAndRead(t *testing.T) {
	for _, file := range anomalyFiles(t) {
		h, _ := readCase(t, file)
		var text bytes.Buffer
		if err := WriteHistory(&text, h); err != nil {
			t.Fatal(err)
		}
		again, err := ReadHistory(&text)
		if err != nil {
			t.Fatal(err)
		}
		for i := range h.Ops {
			h.Ops[i].Line, again.Ops[i].Line = 0, 0
		}
		if d := cmp.Diff(h, again, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: %s", file, d)
		}
	}
}

func TestWriteRefusesWhatJSONCannotHold(t *testing.T) {
	op := NewOp(Send, 1, 2)
	op.Partition, op.Values = Partition{Topic: "t"}, []string{"\xff"}
	if err := WriteHistory(new(bytes.Buffer), &History{Ops: []Op{op}}); err == nil {
		t.Error("written")
	}
}

// FuzzReadHistory holds that no file makes the reader or the checkers panic, and that what is read can be written and
// read again to the same verdict.
func FuzzReadHistory(f *testing.F) {
	files, err := os.ReadDir("testdata/anomalies")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile("testdata/anomalies/" + file.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := ReadHistory(bytes.NewReader(text))
		if err != nil {
			return
		}
		r := Check(h)
		if err := r.WriteText(new(bytes.Buffer)); err != nil {
			t.Fatal(err)
		}
		if err := r.WriteJSON(new(bytes.Buffer)); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := WriteHistory(&out, h); err != nil {
			t.Fatal(err)
		}
		again, err := ReadHistory(&out)
		if err != nil {
			t.Fatal(err)
		}
		if v := Check(again).Verdict(); v != r.Verdict() {
			t.Fatalf("%s, and %s after writing and reading", r.Verdict(), v)
		}
	})
}

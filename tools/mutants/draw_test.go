package mutants

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const decisions = `package p

type code int16

const (
	none code = iota
	one
	two
)

type log struct{ end, start int; open bool; worst code }

func (l *log) append(n int) bool {
	if n < 0 || !l.open {
		return false
	}
	l.end = l.end + n - 1
	if l.start > l.end {
		panic("start")
	}
	l.tidy()
	l.worst = l.code()
	return true
}

func (l *log) tidy() {
	for l.start != l.end {
		switch {
		case l.open:
			continue
		}
		l.start++
	}
}

func (l *log) code() code {
	return two
}

func (l *log) String() string {
	if l.open {
		return "open"
	}
	return "closed"
}
`

// All that can be changed in a small file, as it is shown.
func TestFindListsEveryDecision(t *testing.T) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", decisions, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	if _, err := new(types.Config).Check("p", fset, []*ast.File{file}, info); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range find(decisions, fset, file, info) {
		got = append(got, c.kind+": "+c.what)
	}
	want := []string{
		"statement: without l.end = l.end + n - 1",
		"statement: without l.tidy()",
		"statement: without l.worst = l.code()",
		"condition: negated: n < 0 || !l.open",
		"operand: without n < 0 ||",
		"operand: without || !l.open",
		"comparison: n < 0 -> n <= 0",
		"leave: without return false",
		"boolean: return false -> return true",
		"one: l.end + n - 1 -> l.end + n - 1 + 1",
		"one: l.end + n - 1 -> l.end + n",
		"boolean: return true -> return false",
		"comparison: l.start != l.end -> l.start == l.end",
		"statement: without l.start++",
		"condition: negated: l.open",
		"leave: without continue",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// An edit has whole lines, and as many of them as it takes to say which are meant.
func TestAnEditIsWidenedUntilItIsUnique(t *testing.T) {
	const src = "a\nreturn\nb\nreturn\nc\n"
	from := strings.LastIndex(src, "return")
	got := lines("f", src, from, from+len("return"), "")
	if want := (edit{"f", "return\nc\n", "\nc\n"}); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := lines("f", src, 0, 1, "z"); got != (edit{"f", "a\n", "z\n"}) {
		t.Errorf("%q", got)
	}
}

// A seed draws the same mutants again, more of them begin with the fewer, and each of them changes a file and compiles.
func TestDrawnMutantsComeBack(t *testing.T) {
	if testing.Short() {
		t.Skip("needs everything compiled")
	}
	draw := func(n int, seed uint64) (names []string, drawn []*Mutant) {
		drawn, err := Draw(root, Drawing{Number: n, Seed: seed, In: []string{"core/raft"}, Worlds: Cluster})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range drawn {
			names = append(names, m.Name+m.Why)
		}
		return names, drawn
	}
	few, _ := draw(5, 3)
	many, drawn := draw(12, 3)
	if other, _ := draw(5, 4); len(few) != 5 || !slices.Equal(few, many[:5]) || slices.Equal(few, other) {
		t.Errorf("%q, then %q; of another seed %q", few, many, other)
	}
	for _, m := range drawn {
		changed, err := m.Apply(root)
		if err != nil || len(changed) != 1 || m.Folder() != "core/raft" {
			t.Errorf("%s: %v", m.Name, err)
		}
		for file, text := range changed {
			if b, err := os.ReadFile(filepath.Join(root, file)); err != nil || string(b) == text {
				t.Errorf("%s leaves %s as it is (%v)", m.Name, file, err)
			}
		}
	}
	if _, err := Draw(root, Drawing{Number: 1, In: []string{"core/record"}}); err == nil {
		t.Error("mutations are drawn where nothing is decided")
	}
}

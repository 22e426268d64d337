package lint

import (
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

var shrink = flag.Bool("shrink", false, "write the list of long functions again, without what it no longer needs")

const exceptionsFile = "long_functions.txt"

func goFiles(t *testing.T) []*goFile {
	t.Helper()
	files, err := readGoFiles(root(t))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestLinesAndPackages(t *testing.T) {
	files := goFiles(t)
	for _, f := range files {
		for _, line := range checkLines(f) {
			t.Error(line)
		}
	}
	for _, line := range checkPackages(files) {
		t.Error(line)
	}
}

func TestLongFunctionsOnlyShrink(t *testing.T) {
	text, err := os.ReadFile(exceptionsFile)
	if err != nil {
		t.Fatal(err)
	}
	exceptions, err := parseExceptions(string(text))
	if err != nil {
		t.Fatal(err)
	}
	long := longFuncs(goFiles(t))
	if *shrink {
		exceptions = shrunk(long, exceptions)
		out := "# Functions over the limit, with their lines. This list may only shrink: go test ./tools/lint -shrink\n"
		for _, e := range exceptions {
			out += fmt.Sprintf("%s %d\n", e.name, e.lines)
		}
		if err := os.WriteFile(exceptionsFile, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range ratchet(long, exceptions) {
		t.Error(line)
	}
}

// shrunk is the list without what it no longer needs; it never gains or raises an entry.
func shrunk(long, exceptions []longFunc) (kept []longFunc) {
	for _, f := range long {
		i := slices.IndexFunc(exceptions, func(e longFunc) bool { return e.name == f.name })
		if i >= 0 {
			kept = append(kept, longFunc{f.name, min(f.lines, exceptions[i].lines)})
		}
	}
	return kept
}

func TestRatchet(t *testing.T) {
	for _, c := range []struct {
		rule             string
		long, exceptions []longFunc
		want             string
	}{
		{"nothing long, nothing listed", nil, nil, ""},
		{"a long function on the list", []longFunc{{"a:f", 90}}, []longFunc{{"a:f", 90}}, ""},
		{"a long function off the list", []longFunc{{"a:f", 90}}, nil, "at most 70"},
		{"a listed function grew", []longFunc{{"a:f", 91}}, []longFunc{{"a:f", 90}}, "grew from 90 to 91"},
		{"a listed function shrank", []longFunc{{"a:f", 80}}, []longFunc{{"a:f", 90}}, ""},
		{"a listed function is short now", nil, []longFunc{{"a:f", 90}}, "nothing needs"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			found := strings.Join(ratchet(c.long, c.exceptions), "\n")
			if c.want == "" && found != "" || !strings.Contains(found, c.want) {
				t.Fatalf("found %q, want %q", found, c.want)
			}
		})
	}
	kept := shrunk([]longFunc{{"a:f", 80}, {"a:new", 99}}, []longFunc{{"a:f", 90}, {"a:gone", 75}})
	if want := []longFunc{{"a:f", 80}}; !slices.Equal(kept, want) {
		t.Fatalf("kept %v, want %v", kept, want)
	}
}

func source(t *testing.T, path, text string) *goFile {
	t.Helper()
	f := &goFile{path: path, text: []byte(text), fset: token.NewFileSet()}
	var err error
	if f.syntax, err = parser.ParseFile(f.fset, path, text, parser.ParseComments); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTidyRules(t *testing.T) {
	body := strings.Repeat("\tprintln()\n", maxFuncLines-1)
	long := "package x\nfunc (t *T[K]) f() {\n" + body + "}\ntype T[K any] struct{}\n"
	short := strings.Replace(long, "\tprintln()\n", "", 1)
	if got := longFuncs([]*goFile{source(t, "x/a.go", long)}); len(got) != 1 || got[0] != (longFunc{"x/a.go:T.f", 71}) {
		t.Errorf("a function of 71 lines: %v", got)
	}
	if got := longFuncs([]*goFile{source(t, "x/a.go", short), source(t, "x/a_test.go", long)}); len(got) != 0 {
		t.Errorf("a function of 70 lines, and a long test: %v", got)
	}
	table := "package x\nfunc f() []int {\n\treturn []int{\n" + strings.Repeat("\t\t1,\n", 2*maxFuncLines) + "\t}\n}\n"
	if got := longFuncs([]*goFile{source(t, "x/a.go", table)}); len(got) != 0 {
		t.Errorf("a long table: %v", got)
	}
	wide := "package x\n//" + strings.Repeat("é", maxColumns-2) + "\n"
	if got := checkLines(source(t, "a.go", wide)); len(got) != 0 {
		t.Errorf("a line of 120: %v", got)
	}
	if got := checkLines(source(t, "a.go", wide+"//"+strings.Repeat("é", maxColumns-1)+"\n")); len(got) != 1 {
		t.Errorf("a line of 121: %v", got)
	}
	if got := checkLines(source(t, "a.go", "package x\n"+strings.Repeat("\n", maxFileLines))); len(got) != 1 {
		t.Errorf("a file of 1001 lines: %v", got)
	}
	doc := source(t, "x/doc.go", "// Package x is documented.\npackage x\n")
	for _, c := range []struct {
		rule  string
		files []*goFile
		want  int
	}{
		{"documented", []*goFile{doc, source(t, "x/a.go", "package x\n")}, 0},
		{"undocumented", []*goFile{source(t, "x/a.go", "package x\n")}, 1},
		{"documented elsewhere too", []*goFile{doc, source(t, "x/a.go", "// Package x again.\npackage x\n")}, 1},
		{"a name that says nothing", []*goFile{source(t, "util/doc.go", "// Package util.\npackage util\n")}, 1},
	} {
		if got := checkPackages(c.files); len(got) != c.want {
			t.Errorf("%s: %v", c.rule, got)
		}
	}
}

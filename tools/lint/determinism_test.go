package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// load type-checks packages; a package that does not compile fails the test.
func load(t *testing.T, patterns ...string) []*packages.Package {
	t.Helper()
	found, err := packages.Load(&packages.Config{
		Dir: root(t),
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedSyntax |
			packages.NeedTypes | packages.NeedTypesInfo | packages.NeedExportFile,
	}, patterns...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range found {
		if len(p.Errors) > 0 {
			t.Errorf("%s does not compile: %v", p.PkgPath, p.Errors[0])
		}
	}
	return found
}

func TestCoreAndSimAreDeterministic(t *testing.T) {
	checked := 0
	for _, p := range load(t, deterministicFolders(t)...) {
		if p.Name == "main" || strings.HasPrefix(p.PkgPath, module+"/netsim/proxy") {
			continue // programs and the proxy of real sockets are drivers
		}
		checked++
		for _, f := range Determinism(p) {
			t.Error(f)
		}
		for _, f := range Codec(p) {
			t.Error(f)
		}
	}
	if checked < 8 {
		t.Fatalf("checked %d packages only", checked)
	}
}

// deterministicFolders are the patterns of the folders under the rules that exist.
func deterministicFolders(t *testing.T) (patterns []string) {
	for _, folder := range []string{"core", "sim", "netsim"} {
		if _, err := os.Stat(filepath.Join(root(t), folder)); err == nil {
			patterns = append(patterns, "./"+folder+"/...")
		}
	}
	return patterns
}

func TestTestsOfCoreAndSimRepeat(t *testing.T) {
	for _, file := range goFiles(t) {
		top, _, _ := strings.Cut(file.path, "/")
		driver := strings.HasPrefix(file.path, "netsim/proxy/") || file.syntax.Name.Name == "main"
		if !file.isTest() || driver || top != "core" && top != "sim" && top != "netsim" {
			continue
		}
		for _, f := range TestDeterminism(file.fset, file.syntax) {
			t.Error(f)
		}
	}
}

func TestTestRules(t *testing.T) {
	for _, c := range []struct{ rule, body, want string }{
		{"clocks", "time.Now()", "time.Now"},
		{"sleeping", "time.Sleep(1)", "time.Sleep"},
		{"durations are data", "_ = time.Second", ""},
		{"the global generator", "_ = rand.IntN(4)", "rand.IntN"},
		{"a seeded generator", "_ = rand.New(rand.NewPCG(1, 2))", ""},
		{"goroutines", "go func() {}()", "goroutine"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			fset := token.NewFileSet()
			source := "package x\nimport (\n\"time\"\n\"math/rand/v2\"\n)\nfunc f() {\n" + c.body + "\n}\n"
			file, err := parser.ParseFile(fset, "x_test.go", source, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			found := TestDeterminism(fset, file)
			if c.want == "" && len(found) > 0 || c.want != "" &&
				(len(found) != 1 || !strings.Contains(found[0].Message, c.want)) {
				t.Fatalf("found %v, want %q", found, c.want)
			}
		})
	}
}

var wantComment = regexp.MustCompile(`// want "(.*)"`)

// TestFixtures demands that each rule gives exactly the findings that the fixtures announce.
func TestFixtures(t *testing.T) {
	for _, p := range load(t, "./tools/lint/testdata/determinism", "./tools/lint/testdata/codec") {
		type line struct {
			file string
			line int
		}
		want := map[line]string{}
		for _, file := range p.Syntax {
			eachComment(file, func(c *ast.Comment) {
				if m := wantComment.FindStringSubmatch(c.Text); m != nil {
					pos := p.Fset.Position(c.Pos())
					want[line{filepath.Base(pos.Filename), pos.Line}] = m[1]
				}
			})
		}
		if len(want) == 0 {
			t.Fatalf("%s announces nothing", p.PkgPath)
		}
		for _, f := range append(Determinism(p), Codec(p)...) {
			at := line{filepath.Base(f.Pos.Filename), f.Pos.Line}
			pattern, ok := want[at]
			if !ok {
				t.Errorf("not announced: %s", f)
				continue
			}
			if !regexp.MustCompile(pattern).MatchString(f.Message) {
				t.Errorf("%s, want %q", f, pattern)
			}
			delete(want, at)
		}
		for at, pattern := range want {
			t.Errorf("%s:%d: not found: %s", at.file, at.line, pattern)
		}
	}
}

func eachComment(file *ast.File, do func(*ast.Comment)) {
	for _, group := range file.Comments {
		for _, c := range group.List {
			do(c)
		}
	}
}

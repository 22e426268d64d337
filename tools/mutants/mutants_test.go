package mutants

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

func all(t *testing.T) []*Mutant {
	t.Helper()
	list, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Fatal("there are no mutants")
	}
	return list
}

// Whoever changes a line that a mutant changes, changes the mutant too: it must go on planting its bug.
func TestEveryMutantApplies(t *testing.T) {
	for _, m := range all(t) {
		changed, err := m.Apply(root)
		if err != nil {
			t.Error(err)
			continue
		}
		for file, text := range changed {
			if b, err := os.ReadFile(filepath.Join(root, file)); err != nil || string(b) == text {
				t.Errorf("%s leaves %s as it is (%v)", m.Name, file, err)
			}
		}
	}
}

// A mutant that does not compile is no mutant. Packages are checked against the compiled ones of the build cache.
func TestEveryMutantCompiles(t *testing.T) {
	if testing.Short() {
		t.Skip("needs everything compiled")
	}
	exports := exportData(t)
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, m := range all(t) {
		changed, err := m.Apply(root)
		if err != nil {
			continue // another test says so
		}
		folders := map[string]bool{}
		for file := range changed {
			folders[filepath.Dir(file)] = true
		}
		for folder := range folders {
			files := parseFolder(t, fset, folder, changed)
			conf := types.Config{Importer: imports, Error: func(err error) { t.Errorf("%s: %v", m.Name, err) }}
			_, _ = conf.Check("ottla.dev/"+folder, fset, files, nil)
		}
	}
}

// exportData lists the compiled form of every package that the core needs.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-trimpath", "-export", "-deps", "-json=ImportPath,Export", "./core/...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		if err := d.Decode(&p); err == io.EOF {
			return exports
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
	}
}

func parseFolder(t *testing.T, fset *token.FileSet, folder string, changed map[string]string) []*ast.File {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, folder))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, e := range entries {
		name := folder + "/" + e.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		var source any
		if text, ok := changed[name]; ok {
			source = text
		}
		f, err := parser.ParseFile(fset, filepath.Join(root, name), source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

func TestParse(t *testing.T) {
	const head = "origin: KIP-1\nsees: S1\nwhy: because\n of this\n"
	m, err := Parse("x", head+"--- core/a.go\n<<<\nold\n===\nnew\n>>>\n")
	if err != nil || m.Why != "because of this" || len(m.edits) != 1 ||
		m.edits[0] != (edit{"core/a.go", "old\n", "new\n"}) {
		t.Errorf("%+v, %v", m, err)
	}
	for _, bad := range []string{"", head, "origin: a\n", head + "<<<\na\n===\nb\n>>>\n", head + "--- f\n<<<\na\n===\n",
		head + "color: red\n", head + "worlds: all\n--- f\n<<<\na\n===\nb\n>>>\n", "nonsense\n"} {
		if _, err := Parse("x", bad); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

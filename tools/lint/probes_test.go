package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryProbeIsPassedSomewhere looks for probes that nothing in the core can pass.
func TestEveryProbeIsPassedSomewhere(t *testing.T) {
	core := filepath.Join("..", "..", "core")
	passed := map[string]bool{}
	err := filepath.WalkDir(core, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "probe" {
					passed[s.Sel.Name] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range probeNames(t, filepath.Join(core, "probe", "points.go")) {
		if !passed[name] {
			t.Errorf("probe.%s is in the list, and nothing in the core passes it", name)
		}
	}
}

// probeNames lists the constants of the list of probes.
func probeNames(t *testing.T, path string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && v.Names[0].Name != "Count" {
			names = append(names, v.Names[0].Name)
		}
		return true
	})
	if len(names) < 80 {
		t.Fatalf("only %d probes", len(names))
	}
	return names
}

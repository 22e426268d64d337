package lint

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// seeded are the functions of math/rand that do not draw from the global generator.
var seeded = []string{"New", "NewChaCha8", "NewPCG", "NewSource", "NewZipf", "Rand", "Source", "PCG", "ChaCha8"}

// TestDeterminism is the looser check of a test file in core, sim or netsim: a failure must come back when the test is
// run again, so no clock, no global generator, no goroutines. It looks at the syntax only.
func TestDeterminism(fset *token.FileSet, file *ast.File) (found []Finding) {
	report := func(n ast.Node, message string) {
		found = append(found, Finding{fset.Position(n.Pos()), message})
	}
	imported := map[string]string{}
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		name := strings.TrimSuffix(path, "/v2")
		name = name[strings.LastIndex(name, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imported[name] = path
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			report(n, "goroutine in a test of deterministic code")
		case *ast.SelectorExpr:
			pkg, ok := n.X.(*ast.Ident)
			if !ok {
				return true
			}
			switch path := imported[pkg.Name]; {
			case path == "time" && slices.Contains(clockCalls, n.Sel.Name):
				report(n, "time."+n.Sel.Name+" in a test of deterministic code")
			case strings.HasPrefix(path, "math/rand") && !slices.Contains(seeded, n.Sel.Name):
				report(n, "rand."+n.Sel.Name+" draws from the global generator; seed your own")
			}
		}
		return true
	})
	return found
}

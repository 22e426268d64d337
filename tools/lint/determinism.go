package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// Finding is one breach of a rule.
type Finding struct {
	Pos     token.Position
	Message string
}

// String gives the finding as compilers do.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s", f.Pos.Filename, f.Pos.Line, f.Message)
}

// forbiddenImports are reported wherever they stand in deterministic code, with the reason.
var forbiddenImports = map[string]string{
	"context": "no cancellation from outside", "crypto/rand": "randomness comes from the machine's own generator",
	"hash/maphash": "its seed differs in each process", "io/fs": "files are the driver's", "log": "drivers log",
	"log/slog": "drivers log", "math/rand": "randomness comes from the machine's own generator",
	"math/rand/v2": "randomness comes from the machine's own generator", "net": "sockets are the driver's",
	"os": "files are the driver's", "reflect": "its map iteration is random", "runtime": "the scheduler is the driver's",
	"sync": "a machine has one owner", "sync/atomic": "a machine has one owner", "syscall": "files are the driver's",
	"unsafe": "addresses differ in each process",
}

// clockCalls are the functions of package time that read or wait for a clock, or depend on the machine's time zone.
var clockCalls = []string{
	"After", "AfterFunc", "LoadLocation", "Local", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until",
}

const (
	markUnordered = "//core:unordered"
	markTable     = "//core:table"
)

// inspector checks one package.
type inspector struct {
	fset  *token.FileSet
	info  *types.Info
	found []Finding

	marks  map[mark]*ast.Comment // annotations that nothing has used yet
	sorted map[*ast.CallExpr]bool
	floats map[mark]bool // lines on which a float was already reported
}

type mark struct {
	file string
	line int
}

// Determinism checks the non-test files of a package that was loaded with syntax and types.
func Determinism(p *packages.Package) []Finding {
	in := &inspector{
		fset: p.Fset, info: p.TypesInfo,
		marks: map[mark]*ast.Comment{}, sorted: map[*ast.CallExpr]bool{}, floats: map[mark]bool{},
	}
	for _, file := range p.Syntax {
		in.collectMarks(file)
		in.imports(file)
		in.packageVariables(file)
		ast.Inspect(file, in.node)
	}
	in.reportFloats()
	for _, comment := range in.marks {
		in.report(comment, "annotation that nothing needs: "+comment.Text)
	}
	slices.SortFunc(in.found, func(a, b Finding) int {
		return cmpPos(a.Pos, b.Pos)
	})
	return in.found
}

func cmpPos(a, b token.Position) int {
	if c := strings.Compare(a.Filename, b.Filename); c != 0 {
		return c
	}
	return a.Offset - b.Offset
}

func (in *inspector) report(at ast.Node, message string) {
	in.found = append(in.found, Finding{in.fset.Position(at.Pos()), message})
}

func (in *inspector) collectMarks(file *ast.File) {
	for _, group := range file.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//core:") {
				pos := in.fset.Position(c.Pos())
				in.marks[mark{pos.Filename, pos.Line}] = c
			}
		}
	}
}

// annotated consumes an annotation on the line above at.
func (in *inspector) annotated(at token.Pos, prefix string) (text string, ok bool) {
	pos := in.fset.Position(at)
	key := mark{pos.Filename, pos.Line - 1}
	c := in.marks[key]
	if c == nil || !strings.HasPrefix(c.Text, prefix) {
		return "", false
	}
	delete(in.marks, key)
	return strings.TrimSpace(strings.TrimPrefix(c.Text, prefix)), true
}

func (in *inspector) imports(file *ast.File) {
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		if why := forbiddenImports[path]; why != "" {
			in.report(spec, "import of "+path+": "+why)
		}
	}
}

func (in *inspector) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		in.report(n, "goroutine")
	case *ast.SelectStmt:
		in.report(n, "select")
	case *ast.ChanType:
		in.report(n, "channel")
	case *ast.SendStmt:
		in.report(n, "channel send")
	case *ast.UnaryExpr:
		in.unary(n)
	case *ast.RangeStmt:
		in.ranged(n)
	case *ast.CallExpr:
		in.call(n)
	case *ast.FuncDecl:
		if n.Recv == nil && n.Name.Name == "init" {
			in.report(n, "init function: state that nobody passed")
		}
	case *ast.SelectorExpr:
		in.selector(n)
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			for _, lhs := range n.Lhs {
				in.mutated(lhs, "assigned")
			}
		}
	case *ast.IncDecStmt:
		in.mutated(n.X, "assigned")
	case *ast.SliceExpr:
		if _, array := in.typeOf(n.X).(*types.Array); array {
			in.mutated(n.X, "aliased by a slice")
		}
	}
	return true
}

// typeOf is the underlying type of an expression.
func (in *inspector) typeOf(e ast.Expr) types.Type {
	if t := in.info.TypeOf(e); t != nil {
		return t.Underlying()
	}
	return types.Typ[types.Invalid]
}

func (in *inspector) unary(n *ast.UnaryExpr) {
	switch n.Op {
	case token.ARROW:
		in.report(n, "channel receive")
	case token.AND:
		in.mutated(n.X, "pointed to")
	}
}

func (in *inspector) ranged(n *ast.RangeStmt) {
	if n.Tok == token.ASSIGN {
		in.mutated(n.Key, "assigned")
		if n.Value != nil {
			in.mutated(n.Value, "assigned")
		}
	}
	switch {
	case isMap(in.info.TypeOf(n.X)):
		in.unordered(n, "range over a map")
	case isChan(in.info.TypeOf(n.X)):
		in.report(n, "range over a channel")
	}
}

// unordered reports a walk in a map's order unless the line above says why the order cannot be observed.
func (in *inspector) unordered(n ast.Node, what string) {
	reason, ok := in.annotated(n.Pos(), markUnordered)
	switch {
	case !ok:
		in.report(n, what+" without "+markUnordered+" <reason> on the line above; else sort the keys")
	case reason == "":
		in.report(n, markUnordered+" without a reason")
	}
}

// isMap is true for maps and for type parameters that may be maps.
func isMap(t types.Type) bool {
	return coreType(t, func(t types.Type) bool { _, ok := t.(*types.Map); return ok })
}

func isChan(t types.Type) bool {
	return coreType(t, func(t types.Type) bool { _, ok := t.(*types.Chan); return ok })
}

func coreType(t types.Type, is func(types.Type) bool) bool {
	if t == nil {
		return false
	}
	constraint, ok := t.Underlying().(*types.Interface)
	if !ok {
		return is(t.Underlying())
	}
	for i := range constraint.NumEmbeddeds() {
		embedded := constraint.EmbeddedType(i)
		if union, ok := embedded.(*types.Union); ok {
			for j := range union.Len() {
				if is(union.Term(j).Type().Underlying()) {
					return true
				}
			}
		} else if coreType(embedded, is) {
			return true
		}
	}
	return false
}

func (in *inspector) call(n *ast.CallExpr) {
	if ident, ok := ast.Unparen(n.Fun).(*ast.Ident); ok {
		if builtin, ok := in.info.Uses[ident].(*types.Builtin); ok {
			in.builtin(n, builtin.Name())
		}
	}
	switch pkg, name := in.function(n.Fun); {
	case pkg == "slices" && (name == "Sorted" || name == "SortedFunc" || name == "SortedStableFunc"):
		// The order of the map's keys is gone once they are sorted.
		if inner, ok := ast.Unparen(n.Args[0]).(*ast.CallExpr); ok {
			in.sorted[inner] = true
		}
	case pkg == "maps" && (name == "Keys" || name == "Values" || name == "All") && !in.sorted[n]:
		in.unordered(n, "maps."+name)
	}
}

func (in *inspector) builtin(n *ast.CallExpr, name string) {
	switch name {
	case "recover":
		in.report(n, "recover: a broken invariant always panics")
	case "print", "println":
		in.report(n, name+": drivers print")
	case "close":
		in.report(n, "channel close")
	case "clear", "copy", "delete":
		in.mutated(n.Args[0], "changed by "+name)
	}
}

// function names the function that an expression refers to, if it belongs to a package.
func (in *inspector) function(e ast.Expr) (pkg, name string) {
	switch f := ast.Unparen(e).(type) {
	case *ast.IndexExpr:
		return in.function(f.X)
	case *ast.IndexListExpr:
		return in.function(f.X)
	case *ast.SelectorExpr:
		if o, ok := in.info.Uses[f.Sel].(*types.Func); ok && o.Pkg() != nil && o.Signature().Recv() == nil {
			return o.Pkg().Path(), o.Name()
		}
	}
	return "", ""
}

func (in *inspector) selector(n *ast.SelectorExpr) {
	if o := in.info.Uses[n.Sel]; o != nil && o.Pkg() != nil && o.Pkg().Path() == "time" {
		if slices.Contains(clockCalls, o.Name()) {
			in.report(n, "time."+o.Name()+": time comes with the input")
		}
	}
	selection := in.info.Selections[n]
	if selection == nil || selection.Kind() != types.MethodVal {
		return
	}
	receiver := selection.Obj().(*types.Func).Signature().Recv().Type()
	if _, pointer := receiver.Underlying().(*types.Pointer); !pointer {
		return
	}
	if _, pointer := in.typeOf(n.X).(*types.Pointer); !pointer {
		in.mutated(n.X, "the receiver of a pointer method")
	}
}

// reportFloats reports each line on which an expression is a float. Go may fuse multiplications and additions on some
// architectures, so results differ between machines.
func (in *inspector) reportFloats() {
	for e, tv := range in.info.Types {
		basic, ok := tv.Type.Underlying().(*types.Basic)
		if !ok || basic.Info()&(types.IsFloat|types.IsComplex) == 0 {
			continue
		}
		pos := in.fset.Position(e.Pos())
		key := mark{pos.Filename, pos.Line}
		if !in.floats[key] {
			in.floats[key] = true
			in.found = append(in.found, Finding{pos, "floating point: results differ between architectures"})
		}
	}
}

package mutants

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// change is one small thing that could be done to a file: a stretch of its bytes replaced.
type change struct {
	kind     string
	from, to token.Pos
	text     string
	what     string // for who reads
}

// The kinds of changes.
const (
	kindComparison = "comparison" // < becomes <=, == becomes !=
	kindCondition  = "condition"  // negated
	kindOperand    = "operand"    // of && or || left out
	kindStatement  = "statement"  // an assignment or a call left out
	kindOne        = "one"        // a +1 or -1 left out, or added
	kindBoolean    = "boolean"    // true becomes false
	kindLeave      = "leave"      // a return, continue or break left out
)

// finder finds what can be changed in a file.
type finder struct {
	src   string
	base  token.Pos // of the file's first byte
	info  *types.Info
	found []change
	last  map[ast.Stmt]bool // returns that end a function: leaving them out does not compile, or changes nothing
}

// find lists all changes of a file, in its order. Its decisions are changed and nothing else: no assertions, no
// probes, nothing that is said or shown.
func find(src string, fset *token.FileSet, file *ast.File, info *types.Info) []change {
	f := &finder{src: src, base: fset.File(file.Pos()).Pos(0), info: info, last: map[ast.Stmt]bool{}}
	for _, d := range file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil && !shows(fn.Name.Name) {
			f.endsWith(fn.Body)
			ast.Inspect(fn.Body, f.visit)
		}
	}
	return f.found
}

// shows reports whether a function of such a name makes text.
func shows(name string) bool {
	return name == "String" || name == "Error" || strings.HasSuffix(name, "Text")
}

func (f *finder) endsWith(body *ast.BlockStmt) {
	if n := len(body.List); n > 0 {
		f.last[body.List[n-1]] = true
	}
}

func (f *finder) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncLit:
		f.endsWith(n.Body)
	case *ast.BlockStmt:
		f.statements(n.List)
	case *ast.CaseClause:
		if only(n.Body, isAssertion) {
			return false
		}
		f.statements(n.Body)
	case *ast.IfStmt:
		if n.Else == nil && only(n.Body.List, isReport) {
			return false
		}
		f.negate(n.Cond)
	case *ast.SwitchStmt:
		if n.Tag == nil {
			f.cases(n.Body)
		}
	case *ast.ExprStmt:
		return !isReport(n)
	case *ast.AssignStmt:
		f.sums(n.Rhs)
	case *ast.ReturnStmt:
		f.sums(n.Results)
	case *ast.BinaryExpr:
		f.binary(n)
	case *ast.Ident:
		f.boolean(n)
	}
	return true
}

// cases negates the conditions of a switch that has no other.
func (f *finder) cases(body *ast.BlockStmt) {
	for _, s := range body.List {
		if c := s.(*ast.CaseClause); !only(c.Body, isAssertion) {
			for _, e := range c.List {
				f.negate(e)
			}
		}
	}
}

// statements leaves out what can be left out of a list.
func (f *finder) statements(list []ast.Stmt) {
	for _, s := range list {
		kind := kindStatement
		switch s := s.(type) {
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				continue
			}
		case *ast.ExprStmt:
			if isReport(s) {
				continue
			}
		case *ast.IncDecStmt:
		case *ast.BranchStmt:
			if kind = kindLeave; s.Tok != token.BREAK && s.Tok != token.CONTINUE {
				continue
			}
		case *ast.ReturnStmt:
			if kind = kindLeave; f.last[s] {
				continue
			}
		default:
			continue
		}
		f.add(kind, s, s.Pos(), s.End(), "")
	}
}

// negate turns a condition. One that compares is turned where its operator stands.
func (f *finder) negate(cond ast.Expr) {
	switch c := cond.(type) {
	case *ast.BinaryExpr:
		if c.Op == token.EQL || c.Op == token.NEQ {
			return
		}
	case *ast.UnaryExpr:
		if c.Op == token.NOT {
			f.add(kindCondition, c, c.Pos(), c.X.Pos(), "")
			return
		}
	case *ast.Ident:
		if c.Name == "true" || c.Name == "false" {
			return
		}
	}
	f.add(kindCondition, cond, cond.Pos(), cond.End(), "!("+f.text(cond.Pos(), cond.End())+")")
}

// turned is what becomes of an operator.
var turned = map[token.Token]token.Token{token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ,
	token.GEQ: token.GTR, token.EQL: token.NEQ, token.NEQ: token.EQL}

func (f *finder) binary(e *ast.BinaryExpr) {
	if op, ok := turned[e.Op]; ok && !isNil(e.X) && !isNil(e.Y) {
		f.add(kindComparison, e, e.OpPos, e.OpPos+token.Pos(len(e.Op.String())), op.String())
	}
	switch e.Op {
	case token.LAND, token.LOR:
		f.add(kindOperand, e, e.X.Pos(), e.Y.Pos(), "")
		f.add(kindOperand, e, e.X.End(), e.Y.End(), "")
	case token.ADD, token.SUB:
		if one, ok := e.Y.(*ast.BasicLit); ok && one.Value == "1" {
			f.add(kindOne, e, e.X.End(), e.Y.End(), "")
		}
	}
}

// sums adds one to numbers that are assigned or returned.
func (f *finder) sums(list []ast.Expr) {
	for _, e := range list {
		if t := f.info.Types[e]; t.Value == nil && counts(t.Type) {
			f.add(kindOne, e, e.End(), e.End(), " + 1")
		}
	}
}

// counts reports whether a type's values are counted: whole numbers, but neither times nor one of a few named values.
func counts(t types.Type) bool {
	if t == nil {
		return false
	}
	if b, ok := t.Underlying().(*types.Basic); !ok || b.Info()&types.IsInteger == 0 {
		return false
	}
	named, ok := t.(*types.Named)
	if !ok {
		return true
	}
	if named.Obj().Pkg() == nil || named.Obj().Pkg().Path() == "time" {
		return false
	}
	constants, scope := 0, named.Obj().Pkg().Scope()
	for _, name := range scope.Names() {
		if c, ok := scope.Lookup(name).(*types.Const); ok && types.Identical(c.Type(), t) {
			constants++
		}
	}
	return constants < leastNamed
}

// leastNamed is how many constants of a type make it one of a few named values.
const leastNamed = 3

func (f *finder) boolean(id *ast.Ident) {
	other := map[string]string{"true": "false", "false": "true"}[id.Name]
	if t, ok := f.info.Types[id]; other != "" && ok && t.Value != nil {
		f.add(kindBoolean, id, id.Pos(), id.End(), other)
	}
}

// longestShown is how much of the source is shown of a change.
const longestShown = 60

// add notes that [from, to) of the source, a part of the node n, can become text.
func (f *finder) add(kind string, n ast.Node, from, to token.Pos, text string) {
	f.found = append(f.found, change{kind: kind, from: from, to: to, text: text, what: f.what(kind, n, from, to, text)})
}

// what says in some words what a change does.
func (f *finder) what(kind string, n ast.Node, from, to token.Pos, text string) string {
	before := f.text(n.Pos(), n.End())
	switch kind {
	case kindStatement, kindLeave:
		return "without " + short(before)
	case kindOperand:
		return "without " + short(f.text(from, to))
	case kindCondition:
		return "negated: " + short(before)
	case kindBoolean:
		return short(f.line(n.Pos(), before)) + " -> " + short(f.line(n.Pos(), text))
	}
	return short(before) + " -> " + short(f.text(n.Pos(), from)+text+f.text(to, n.End()))
}

// line is the line in which a word stands, with the word replaced.
func (f *finder) line(at token.Pos, word string) string {
	i := int(at - f.base)
	start := strings.LastIndexByte(f.src[:i], '\n') + 1
	end := i + strings.IndexByte(f.src[i:]+"\n", '\n')
	rest := strings.TrimPrefix(strings.TrimPrefix(f.src[i:end], "true"), "false")
	return f.src[start:i] + word + rest
}

func (f *finder) text(from, to token.Pos) string { return f.src[from-f.base : to-f.base] }

// short makes a line of not too much of a piece of source.
func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= longestShown {
		return text
	}
	return strings.ToValidUTF8(text[:longestShown], "") + "…"
}

func isNil(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "nil"
}

// only reports whether a list has statements, and nothing but such.
func only(list []ast.Stmt, is func(ast.Stmt) bool) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(s ast.Stmt) bool { return !is(s) })
}

// isAssertion reports whether a statement panics.
func isAssertion(s ast.Stmt) bool { return called(s) == "panic" }

// isReport reports whether a statement only tells something to who looks on: a probe, a line of the broker's log, the
// panic of an assertion.
func isReport(s ast.Stmt) bool {
	name := called(s)
	return slices.Contains([]string{"panic", "Sometimes", "Note", "note", "invariants"}, name) ||
		strings.HasSuffix(name, "Reached.Add")
}

// called names the function or method that a statement calls, with the field before Add.
func called(s ast.Stmt) string {
	e, ok := s.(*ast.ExprStmt)
	if !ok {
		return ""
	}
	call, ok := e.X.(*ast.CallExpr)
	if !ok {
		return ""
	}
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		return fn.Name
	case *ast.SelectorExpr:
		if of, ok := fn.X.(*ast.SelectorExpr); ok && fn.Sel.Name == "Add" {
			return of.Sel.Name + ".Add"
		}
		return fn.Sel.Name
	}
	return ""
}

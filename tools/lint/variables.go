package lint

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// packageVariables allows package variables of three kinds: errors made once, blank assertions, and tables that are
// annotated and never changed. That they are never changed is the business of mutated.
func (in *inspector) packageVariables(file *ast.File) {
	for _, decl := range file.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.VAR {
			continue
		}
		whole := in.tableMark(d.Doc)
		for _, spec := range d.Specs {
			s := spec.(*ast.ValueSpec)
			table := in.tableMark(s.Doc) || whole
			for i, name := range s.Names {
				if name.Name != "_" && !table && !in.isSentinel(s, i) {
					in.report(name, "package variable "+name.Name+" that is neither an error nor a "+markTable)
				}
			}
		}
	}
}

// tableMark consumes the annotation in a doc comment.
func (in *inspector) tableMark(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, c := range doc.List {
		if strings.HasPrefix(c.Text, markTable) {
			pos := in.fset.Position(c.Pos())
			delete(in.marks, mark{pos.Filename, pos.Line})
			return true
		}
	}
	return false
}

// isSentinel is true for var ErrX = errors.New(…) and fmt.Errorf(…).
func (in *inspector) isSentinel(s *ast.ValueSpec, i int) bool {
	name := s.Names[i]
	if !strings.HasPrefix(name.Name, "Err") && !strings.HasPrefix(name.Name, "err") || i >= len(s.Values) {
		return false
	}
	call, ok := ast.Unparen(s.Values[i]).(*ast.CallExpr)
	if !ok {
		return false
	}
	pkg, function := in.function(call.Fun)
	return pkg == "errors" && function == "New" || pkg == "fmt" && function == "Errorf"
}

// mutated reports an expression that reaches into a package variable, of any package, and is about to be changed. A
// pointer taken to one is reported too, since what happens through it cannot be seen.
func (in *inspector) mutated(e ast.Expr, how string) {
	for {
		switch x := ast.Unparen(e).(type) {
		case *ast.IndexExpr:
			e = x.X
			continue
		case *ast.StarExpr:
			e = x.X
			continue
		case *ast.SliceExpr:
			e = x.X
			continue
		case *ast.SelectorExpr:
			if v := in.packageVariable(x.Sel); v != nil {
				in.report(x, "package variable "+v.Name()+" is "+how)
				return
			}
			e = x.X
			continue
		case *ast.Ident:
			if v := in.packageVariable(x); v != nil {
				in.report(x, "package variable "+v.Name()+" is "+how)
			}
		}
		return
	}
}

func (in *inspector) packageVariable(ident *ast.Ident) *types.Var {
	v, ok := in.info.Uses[ident].(*types.Var)
	if !ok || v.IsField() || v.Pkg() == nil || v.Parent() != v.Pkg().Scope() {
		return nil
	}
	return v
}

package lint

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxColumns is the longest line, a tab counting as one column.
	maxColumns = 120
	// maxFileLines is where two nouns live better apart.
	maxFileLines = 1000
	// maxFuncLines is the longest function that is not on the list of exceptions, from its first line to its last.
	maxFuncLines = 70
)

// emptyNames say nothing about what a package is for.
var emptyNames = []string{"base", "common", "helper", "helpers", "manager", "misc", "shared", "util", "utils"}

// goFile is a parsed Go file of the module.
type goFile struct {
	path   string // from the module's root, with slashes
	text   []byte
	fset   *token.FileSet
	syntax *ast.File
}

func (f *goFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// readGoFiles parses every Go file below dir but those in testdata and hidden folders.
func readGoFiles(dir string) ([]*goFile, error) {
	var files []*goFile
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != dir && (name == "testdata" || strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f := &goFile{path: filepath.ToSlash(name), text: text, fset: token.NewFileSet()}
		f.syntax, err = parser.ParseFile(f.fset, f.path, text, parser.ParseComments)
		files = append(files, f)
		return err
	})
	return files, err
}

// checkLines reports long lines and long files.
func checkLines(f *goFile) (found []string) {
	lines := 0
	for scanner := bufio.NewScanner(bytes.NewReader(f.text)); scanner.Scan(); {
		lines++
		if n := utf8.RuneCount(scanner.Bytes()); n > maxColumns {
			found = append(found, fmt.Sprintf("%s:%d: %d columns, at most %d", f.path, lines, n, maxColumns))
		}
	}
	if lines > maxFileLines {
		found = append(found, fmt.Sprintf("%s: %d lines, at most %d", f.path, lines, maxFileLines))
	}
	return found
}

// checkPackages reports packages without a doc.go that says what they are for, and names that say nothing.
func checkPackages(files []*goFile) (found []string) {
	documented := map[string]bool{}
	for _, f := range files {
		folder := filepath.Dir(f.path)
		if f.isTest() {
			continue
		}
		doc := f.syntax.Doc != nil && filepath.Base(f.path) == "doc.go"
		documented[folder] = documented[folder] || doc
		if f.syntax.Doc != nil && !doc {
			found = append(found, f.path+": the package comment belongs into doc.go")
		}
	}
	for folder, ok := range documented {
		if !ok {
			found = append(found, folder+": no doc.go with a package comment")
		}
		if slices.Contains(emptyNames, filepath.Base(folder)) {
			found = append(found, folder+": a name that says nothing about its content")
		}
	}
	slices.Sort(found)
	return found
}

// longFunc is a function over the limit.
type longFunc struct {
	name  string // path:Receiver.Name
	lines int
}

// longFuncs finds the functions over maxFuncLines outside of tests.
func longFuncs(files []*goFile) (long []longFunc) {
	for _, f := range files {
		if f.isTest() {
			continue
		}
		for _, decl := range f.syntax.Decls {
			d, ok := decl.(*ast.FuncDecl)
			if !ok || isTable(d) {
				continue
			}
			lines := f.fset.Position(d.End()).Line - f.fset.Position(d.Pos()).Line + 1
			if lines > maxFuncLines {
				long = append(long, longFunc{f.path + ":" + receiver(d) + d.Name.Name, lines})
			}
		}
	}
	slices.SortFunc(long, func(a, b longFunc) int { return cmp.Compare(a.name, b.name) })
	return long
}

// isTable is true for a function that only returns a value written out: a table, not logic.
func isTable(d *ast.FuncDecl) bool {
	if d.Body == nil || len(d.Body.List) != 1 {
		return false
	}
	r, ok := d.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(r.Results) != 1 {
		return false
	}
	_, ok = r.Results[0].(*ast.CompositeLit)
	return ok
}

func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "."
		default:
			return ""
		}
	}
}

// ratchet compares the long functions with the list of exceptions, which may only shrink: a function may not grow past
// its entry, and an entry that is no longer needed must go.
func ratchet(long, exceptions []longFunc) (found []string) {
	allowed := map[string]int{}
	for _, e := range exceptions {
		allowed[e.name] = e.lines
	}
	for _, f := range long {
		limit, listed := allowed[f.name]
		delete(allowed, f.name)
		switch {
		case !listed:
			found = append(found, fmt.Sprintf("%s: %d lines, at most %d", f.name, f.lines, maxFuncLines))
		case f.lines > limit:
			found = append(found, fmt.Sprintf("%s: grew from %d to %d lines", f.name, limit, f.lines))
		}
	}
	for name := range allowed {
		found = append(found, name+": an exception that nothing needs")
	}
	slices.Sort(found)
	return found
}

// parseExceptions reads lines of the form "path:Receiver.Name lines"; # starts a comment.
func parseExceptions(text string) (exceptions []longFunc, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, count, ok := strings.Cut(line, " ")
		lines, err := strconv.Atoi(count)
		if !ok || err != nil {
			return nil, fmt.Errorf("exception %q is not a name and a number", line)
		}
		exceptions = append(exceptions, longFunc{name, lines})
	}
	return exceptions, nil
}

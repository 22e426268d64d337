package mutants

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
)

// checker tells whether changed source would compile, package by package against the compiled form of all others. That
// takes milliseconds, where building takes half a minute.
type checker struct {
	root    string
	fset    *token.FileSet
	imports types.Importer
	parsed  map[string]*ast.File // the files as they are, by their path from the root
}

func newChecker(root string) (*checker, error) {
	exports, err := exportData(root)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	open := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	return &checker{root: root, fset: fset, imports: importer.ForCompiler(fset, "gc", open),
		parsed: map[string]*ast.File{}}, nil
}

// exportData lists the compiled form of every package that the core needs.
func exportData(root string) (map[string]string, error) {
	cmd := exec.Command("go", "list", "-trimpath", "-export", "-deps", "-json=ImportPath,Export", "./core/...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		if err := d.Decode(&p); err == io.EOF {
			return exports, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		exports[p.ImportPath] = p.Export
	}
}

// check compiles a folder with some of its files changed, and returns all that is wrong with it. Info may be nil.
func (c *checker) check(folder string, changed map[string]string, info *types.Info) error {
	names, err := sources(c.root, folder)
	if err != nil {
		return err
	}
	var files []*ast.File
	for _, name := range names {
		f, err := c.parse(name, changed)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	var wrong []error
	conf := types.Config{Importer: c.imports, Error: func(err error) { wrong = append(wrong, err) }}
	_, _ = conf.Check("ottla.dev/"+folder, c.fset, files, info)
	return errors.Join(wrong...)
}

func (c *checker) parse(name string, changed map[string]string) (*ast.File, error) {
	if text, ok := changed[name]; ok {
		return parser.ParseFile(c.fset, name, text, parser.SkipObjectResolution)
	}
	if f := c.parsed[name]; f != nil {
		return f, nil
	}
	f, err := parser.ParseFile(c.fset, filepath.Join(c.root, name), nil, parser.SkipObjectResolution)
	c.parsed[name] = f
	return f, err
}

// sources are the files of a package, tests left out, from the root, by name.
func sources(root, folder string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(root, folder))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
			names = append(names, folder+"/"+e.Name())
		}
	}
	return names, nil
}

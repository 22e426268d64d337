package mutants

import (
	"fmt"
	"go/ast"
	"go/types"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Decisions are the packages in which mutations are drawn: those that decide what a broker does.
var Decisions = []string{"core/api", "core/broker", "core/controller", "core/coordinator", "core/group", "core/log",
	"core/partition", "core/raft"}

// Drawing says which mutations are drawn.
type Drawing struct {
	Number int
	Seed   uint64
	In     []string // packages, by their folders from the root; Decisions if it is empty
	Worlds Worlds
}

// Draw makes mutants by itself: one small change each, at a place that the seed draws among all places of the
// packages. All of them compile. The same source and seed give the same mutants, and a larger number more of them.
func Draw(root string, d Drawing) ([]*Mutant, error) {
	if len(d.In) == 0 {
		d.In = Decisions
	}
	c, err := newChecker(root)
	if err != nil {
		return nil, err
	}
	var all []*Mutant
	for _, folder := range d.In {
		if !slices.Contains(Decisions, folder) {
			return nil, fmt.Errorf("mutations are drawn in %s, and not in %q", strings.Join(Decisions, ", "), folder)
		}
		list, err := c.candidates(folder)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	random := rand.New(rand.NewPCG(d.Seed, 0))
	random.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	var drawn []*Mutant
	for _, m := range all {
		if len(drawn) == d.Number {
			break
		}
		changed, err := m.Apply(root)
		if err != nil {
			return nil, err
		}
		if c.check(m.Folder(), changed, nil) != nil {
			continue // an unused variable, a sum of strings
		}
		m.Origin, m.Worlds = fmt.Sprintf("drawn from seed %d", d.Seed), d.Worlds
		drawn = append(drawn, m)
	}
	return drawn, nil
}

// onlookers is the name of files that decide nothing, but show what a machine is like to who looks on from outside.
const onlookers = "inspect.go"

// candidates are all changes of a package, in the order of the source.
func (c *checker) candidates(folder string) ([]*Mutant, error) {
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	if err := c.check(folder, nil, info); err != nil {
		return nil, fmt.Errorf("%s does not compile: %w", folder, err)
	}
	names, err := sources(c.root, folder)
	if err != nil {
		return nil, err
	}
	var list []*Mutant
	for _, name := range names {
		if filepath.Base(name) == onlookers {
			continue
		}
		text, err := os.ReadFile(filepath.Join(c.root, name))
		if err != nil {
			return nil, err
		}
		file := c.parsed[name]
		for _, x := range find(string(text), c.fset, file, info) {
			base := c.fset.File(file.Pos()).Pos(0)
			p := c.fset.Position(x.from)
			list = append(list, &Mutant{Name: fmt.Sprintf("%s:%d:%d", name, p.Line, p.Column), Kind: x.kind, Why: x.what,
				edits: []edit{lines(name, string(text), int(x.from-base), int(x.to-base), x.text)}})
		}
	}
	return distinct(list), nil
}

// distinct leaves out changes with the same result, and tells apart those that begin at the same place.
func distinct(list []*Mutant) []*Mutant {
	results, names := map[edit]bool{}, map[string]int{}
	return slices.DeleteFunc(list, func(m *Mutant) bool {
		if results[m.edits[0]] {
			return true
		}
		results[m.edits[0]] = true
		names[m.Name]++
		if n := names[m.Name]; n > 1 {
			m.Name += fmt.Sprintf("#%d", n)
		}
		return false
	})
}

// lines makes an edit of whole lines, as many as it takes for the file to have them once, of a change of a few bytes.
func lines(file, src string, from, to int, text string) edit {
	start := strings.LastIndexByte(src[:from], '\n') + 1
	end := to + strings.IndexByte(src[to:], '\n') + 1
	for down := true; strings.Count(src, src[start:end]) > 1; down = !down {
		if down && end < len(src) {
			end += strings.IndexByte(src[end:], '\n') + 1
		} else if start > 0 {
			start = strings.LastIndexByte(src[:start-1], '\n') + 1
		}
	}
	return edit{file: file, from: src[start:end], to: src[start:from] + text + src[to:end]}
}

// Folder is that of the first file that the mutant changes, from the root.
func (m *Mutant) Folder() string { return filepath.Dir(m.edits[0].file) }

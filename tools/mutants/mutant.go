package mutants

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// Folder is where the mutants are, from the module's root.
	Folder = "sim/mutants"
	// Suffix ends the names of their files.
	Suffix = ".mutant"
)

// Worlds says in which simulations a mutant is looked for.
type Worlds string

// The kinds of worlds.
const (
	Mixed   Worlds = "mixed" // single brokers and clusters in turn
	Single  Worlds = "single"
	Cluster Worlds = "cluster"
	Damage  Worlds = "damage" // clusters in which files rot
	Late    Worlds = "late"   // clusters in which requests between brokers come late
	Moves   Worlds = "moves"  // clusters in which the leaders of a partition move back and forth
	Rot     Worlds = "rot"    // those of them in which bytes flip and files are cut or lost, and no other harm is done
	Aimed   Worlds = "aimed"  // those in which some of the damage is aimed
)

// Known reports whether there are such worlds.
func (w Worlds) Known() bool {
	switch w {
	case Mixed, Single, Cluster, Late, Moves:
		return true
	}
	return w.Rotten()
}

// Rotten reports whether files rot in them.
func (w Worlds) Rotten() bool { return w == Damage || w == Rot || w == Aimed }

// Mutant is a planted bug.
type Mutant struct {
	Name       string
	Origin     string // KIP, JIRA or report, with its row in the catalogue
	Sees       string // the checks and invariants expected to see it
	Why        string // how it does harm
	Worlds     Worlds
	Equivalent string // why no check can see it; empty for all others
	Open       string // what is known of one that survives
	Kind       string // of change, if it was drawn
	edits      []edit
}

// edit replaces a piece of text that a file has exactly once.
type edit struct {
	file     string // from the module's root
	from, to string
}

// Load reads all mutants of the module in root, by name.
func Load(root string) ([]*Mutant, error) {
	paths, err := filepath.Glob(filepath.Join(root, Folder, "*"+Suffix))
	if err != nil {
		return nil, err
	}
	list := make([]*Mutant, 0, len(paths))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		m, err := Parse(strings.TrimSuffix(filepath.Base(path), Suffix), string(text))
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *Mutant) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// Parse reads a mutant: `key: value` lines, which go on in lines that begin with a space, then its edits.
func Parse(name, text string) (*Mutant, error) {
	m := &Mutant{Name: name, Worlds: Mixed}
	p := reader{mutant: m, lines: strings.Split(text, "\n")}
	for p.at < len(p.lines) {
		if err := p.next(); err != nil {
			return nil, fmt.Errorf("%s%s:%d: %w", name, Suffix, p.at, err)
		}
	}
	switch {
	case m.Origin == "" || m.Sees == "" || m.Why == "":
		return nil, fmt.Errorf("%s%s: origin, sees and why must be there", name, Suffix)
	case !m.Worlds.Known():
		return nil, fmt.Errorf("%s%s: worlds are mixed, single, cluster, damage, rot, aimed, late or moves", name, Suffix)
	case len(m.edits) == 0:
		return nil, fmt.Errorf("%s%s: it changes nothing", name, Suffix)
	}
	return m, nil
}

type reader struct {
	mutant *Mutant
	lines  []string
	at     int
	file   string
}

// next reads one header line or one edit.
func (p *reader) next() error {
	line := p.lines[p.at]
	p.at++
	file, isFile := strings.CutPrefix(line, "--- ")
	switch {
	case strings.TrimSpace(line) == "":
		return nil
	case isFile:
		p.file = strings.TrimSpace(file)
		return nil
	case line == "<<<":
		return p.edit()
	}
	key, value, ok := strings.Cut(line, ": ")
	if !ok {
		return fmt.Errorf("neither `key: value`, nor `--- file`, nor `<<<`: %q", line)
	}
	for p.at < len(p.lines) && strings.HasPrefix(p.lines[p.at], " ") {
		value += " " + strings.TrimSpace(p.lines[p.at])
		p.at++
	}
	return p.header(key, strings.TrimSpace(value))
}

func (p *reader) header(key, value string) error {
	m := p.mutant
	into := map[string]*string{"origin": &m.Origin, "sees": &m.Sees, "why": &m.Why, "worlds": (*string)(&m.Worlds),
		"equivalent": &m.Equivalent, "open": &m.Open}[key]
	if into == nil {
		return fmt.Errorf("an unknown key %q", key)
	}
	*into = value
	return nil
}

func (p *reader) edit() error {
	if p.file == "" {
		return fmt.Errorf("an edit before any `--- file`")
	}
	from, err := p.until("===")
	if err != nil {
		return err
	}
	to, err := p.until(">>>")
	if err != nil {
		return err
	}
	p.mutant.edits = append(p.mutant.edits, edit{p.file, from, to})
	return nil
}

func (p *reader) until(end string) (string, error) {
	var b strings.Builder
	for p.at < len(p.lines) {
		line := p.lines[p.at]
		p.at++
		if line == end {
			return b.String(), nil
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return "", fmt.Errorf("an edit without %q", end)
}

// Apply gives the changed text of every file that the mutant changes, by its path from the module's root. It fails if a
// text to be replaced is not there, or is there twice.
func (m *Mutant) Apply(root string) (map[string]string, error) {
	changed := map[string]string{}
	for _, e := range m.edits {
		text, ok := changed[e.file]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.Name, err)
			}
			text = string(b)
		}
		if n := strings.Count(text, e.from); n != 1 || e.from == "" {
			return nil, fmt.Errorf("%s: %s has this text %d times, and must have it once:\n%s", m.Name, e.file, n, e.from)
		}
		changed[e.file] = strings.Replace(text, e.from, e.to, 1)
	}
	return changed, nil
}

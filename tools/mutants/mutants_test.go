package mutants

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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
	c, err := newChecker(root)
	if err != nil {
		t.Fatal(err)
	}
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
			if err := c.check(folder, changed, nil); err != nil {
				t.Errorf("%s: %v", m.Name, err)
			}
		}
	}
}

// A run of one mutant leaves the rows of the others as they are, those too that an older run has made.
func TestARunChangesItsOwnRowsOnly(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "docs"), 0o700); err != nil {
		t.Fatal(err)
	}
	old := "| a | KIP-1 | S1 | `stuck` | 2 | 0.5 |\n" +
		"| b | KIP-2 | S2 | not run | | |\n| c | KIP-3 | S3 | **survives** | 9 | 1.5 |\n"
	if err := os.WriteFile(filepath.Join(dir, Table), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	var all []*Mutant
	for _, name := range []string{"a", "b", "c", "d"} {
		all = append(all, &Mutant{Name: name, Origin: "KIP-" + name, Sees: "S"})
	}
	read := func() map[string]string {
		text, err := os.ReadFile(filepath.Join(dir, Table))
		if err != nil {
			t.Fatal(err)
		}
		return rows(string(text))
	}
	if err := WriteTable(dir, all, map[string]Outcome{"c": {Check: "isr", Seeds: 3, CPU: 1, Commit: "abc"}}); err != nil {
		t.Fatal(err)
	}
	if err := WriteTable(dir, all, map[string]Outcome{"d": {Seeds: 7, CPU: 2, Commit: "def"}}); err != nil {
		t.Fatal(err)
	}
	got := read()
	for name, want := range map[string]string{"a": "`stuck` | 2 | 0.5 |  |", "b": "not run |  |  |  |",
		"c": "`isr` | 3 | 1.0 | abc |", "d": "**survives** | 7 | 2.0 | def |"} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
}

// A plan that has found a planted bug goes on finding it, and the same check sees it: else nobody notices when what it
// shows is gone.
func TestPlansStillFindTheirPlantedBugs(t *testing.T) {
	if testing.Short() {
		t.Skip("builds Ottla with each of the bugs")
	}
	list := all(t)
	files, err := filepath.Glob(filepath.Join(root, "sim/testdata/plans/*.plan"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		named := planted.FindSubmatch(text)
		if named == nil {
			continue
		}
		found++
		check := failed.FindSubmatch(text)
		i := slices.IndexFunc(list, func(m *Mutant) bool { return m.Name == string(named[1]) })
		if i < 0 || check == nil {
			t.Errorf("%s: no such mutant, or the line is missing that says what failed", file)
			continue
		}
		absolute, err := filepath.Abs(root)
		if err != nil {
			t.Fatal(err)
		}
		binary := filepath.Join(t.TempDir(), "ottla")
		if err := list[i].Build(absolute, t.TempDir(), binary); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(binary, "sim", "--plan", file).CombinedOutput()
		if want := string(check[1]) + " at"; err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s with %s does not fail %s any more: %v\n%s", file, list[i].Name, check[1], err, out)
		}
	}
	if found < 3 {
		t.Errorf("only %d plans are of planted bugs", found)
	}
}

// How a plan names its planted bug, and the check that it fails.
var (
	planted = regexp.MustCompile(`(?m)^# bug: planted: .*sim/mutants/([a-z0-9-]+)\.mutant`)
	failed  = regexp.MustCompile(`(?m)^# ((?:correctness|liveness|assertion) [a-z-]+) at`)
)

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

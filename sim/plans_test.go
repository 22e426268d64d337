package sim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ottla.dev/sim/fault"
)

// readPlan reads the file of a plan.
func readPlan(t *testing.T, file string) *fault.Plan {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := fault.Parse(string(text))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return plan
}

// Plans that have found bugs, most of them shrunk, are run again. Each says in a line "# bug:" what it has found.
func TestPlansThatHaveFoundBugs(t *testing.T) {
	files, err := filepath.Glob("testdata/plans/*.plan")
	if err != nil || len(files) == 0 {
		t.Fatalf("no plans: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := fault.Parse(string(text))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if !strings.Contains(string(text), "\n# bug: ") {
			t.Errorf("%s does not say which bug it has found", file)
		}
		if f := New(plan, nil).Run().Failure; f != nil {
			t.Errorf("%s: %v (replay: ottla sim --plan sim/%s --trace)", file, f, file)
		}
	}
}

func TestAPlanThatIsReadRunsAsTheOneThatWasWritten(t *testing.T) {
	for _, plan := range []*fault.Plan{fault.Draw(1000), fault.DrawCluster(1001, 3)} {
		again, err := fault.Parse(plan.String())
		if err != nil {
			t.Fatal(err)
		}
		if a, b := New(plan, nil).Run(), New(again, nil).Run(); a.Hash != b.Hash || a.Lines != b.Lines {
			t.Errorf("seed %d: %016x and %016x", plan.Seed, a.Hash, b.Hash)
		}
		again.Salt = 1
		if a, b := New(plan, nil).Run(), New(again, nil).Run(); a.Hash == b.Hash {
			t.Errorf("seed %d runs under another salt as without", plan.Seed)
		}
	}
}

package sim

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ottla.dev/sim/fault"
)

// seedsInTest is how many seeds a plain test run simulates. `ottla sim` runs as many as one likes.
const seedsInTest = 12

// leastInTest is how often everything has to happen in them. What is rarest is seven by luck of the drawing.
const leastInTest = 5

func TestSeeds(t *testing.T) {
	var sum Stats
	operations, partitions, settled := 0, 0, 0
	for seed := range uint64(seedsInTest) {
		r := New(fault.Draw(seed), nil).Run()
		if r.Failure != nil {
			t.Errorf("seed %d: %v (replay: ottla sim --seed %d --trace)", seed, r.Failure, seed)
		}
		sum.Add(r.Stats)
		operations, partitions = operations+r.Report.Ops, partitions+r.Report.Partitions
		settled += r.Report.SettledSeen + r.Report.SettledDropped
	}
	// A simulation in which nothing happens finds nothing.
	for name, n := range map[string]int{"acked": sum.Acked, "read": sum.Read, "commits": sum.Commits,
		"crashes": sum.Crashes, "kills": sum.Kills, "clean ends": sum.CleanEnds, "halts": sum.Halts,
		"disk faults": sum.Injected, "operations in histories": operations, "partitions in histories": partitions,
		"settled sends in histories": settled} {
		if n < leastInTest {
			t.Errorf("%d %s in %d seeds", n, name, seedsInTest)
		}
	}
}

// Seeds of clusters that are run in a plain test run.
const clustersInTest = 8

func TestClusters(t *testing.T) {
	var sum Stats
	for seed := range uint64(clustersInTest) {
		r := New(fault.DrawCluster(seed, 3), nil).Run()
		if r.Failure != nil {
			t.Errorf("seed %d: %v (replay: ottla sim --seed %d --brokers 3 --trace)", seed, r.Failure, seed)
		}
		sum.Add(r.Stats)
	}
	for name, n := range map[string]int{"acked": sum.Acked, "read": sum.Read, "crashes": sum.Crashes, "kills": sum.Kills} {
		if n < 10 {
			t.Errorf("%d %s in %d seeds", n, name, clustersInTest)
		}
	}
}

// A partition that is away for long, as with its log directory in this plan, is not asked for without a pause: that was
// 16,000 requests a second.
func TestProducersPauseBeforeTheyTryAgain(t *testing.T) {
	r := New(readPlan(t, "testdata/producers-pause.plan"), nil).Run()
	if perSecond := r.Stats.Requests / int(r.Stats.Simulated/time.Second); perSecond > 1000 {
		t.Errorf("%d requests a second", perSecond)
	}
}

// hashesEnv makes the test binary print hashes instead of running tests.
const hashesEnv = "OTTLA_SIM_HASHES"

func TestMain(m *testing.M) {
	if os.Getenv(hashesEnv) != "" {
		fmt.Print(hashes())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func hashes() string {
	var b strings.Builder
	for seed := uint64(1000); seed < 1006; seed++ {
		r := New(fault.Draw(seed), nil).Run()
		fmt.Fprintf(&b, "%d %016x %d\n", seed, r.Hash, r.Lines)
	}
	for seed := uint64(1000); seed < 1003; seed++ {
		r := New(fault.DrawCluster(seed, 3), nil).Run()
		fmt.Fprintf(&b, "%d %016x %d\n", seed, r.Hash, r.Lines)
	}
	return b.String()
}

func TestASeedHasOneTraceInEveryProcess(t *testing.T) {
	var got [2]string
	for i, procs := range []string{"1", "4"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), hashesEnv+"=1", "GOMAXPROCS="+procs)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		got[i] = string(out)
	}
	if got[0] != got[1] || strings.Count(got[0], "\n") != 9 {
		t.Errorf("one process says\n%s another\n%s", got[0], got[1])
	}
}

// A disk whose syncs do nothing must be found out, or the checks are worth nothing.
func TestALyingDiskIsFoundOut(t *testing.T) {
	found := map[string]int{}
	for seed := uint64(0); seed < 200 && len(found) == 0; seed++ {
		plan := fault.Draw(seed)
		if len(plan.Stops) == 0 || plan.Stops[0].Kind != fault.Crash {
			continue
		}
		w := New(plan, nil)
		w.nodes[0].disk.Lies = true
		if f := w.Run().Failure; f != nil {
			found[f.Check]++
		}
	}
	if len(found) == 0 {
		t.Error("nobody has noticed")
	}
	t.Logf("%v", found)
}

package chaos

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// partition makes a folder with these files of a log.
func partition(t *testing.T, segments ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, text := range segments {
		name := filepath.Join(dir, string(rune('0'+i))+".log")
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// batch is one batch with a base offset below 256 and these bytes.
func batch(offset byte, bytes string) string {
	return strings.Repeat("\x00", 7) + string(rune(offset)) + "\x00\x00\x00" + string(rune(len(bytes))) + bytes
}

// Replicas may have cut their segments at different offsets; their batches must be the same.
func TestReplicasAreComparedBatchByBatch(t *testing.T) {
	whole := partition(t, batch(0, "a"), batch(1, "b")+batch(2, "c"))
	if n, err := sameLog(whole, partition(t, batch(0, "a")+batch(1, "b")+batch(2, "c"))); n != 3 || err != nil {
		t.Errorf("equal logs: %d batches, %v", n, err)
	}
	for name, c := range map[string]struct{ folder, want string }{
		"shorter":         {partition(t, batch(0, "a")+batch(1, "b")), "goes on with offset 2"},
		"longer":          {partition(t, batch(0, "a")+batch(1, "b")+batch(2, "c")+batch(3, "d")), "goes on with offset 3"},
		"other bytes":     {partition(t, batch(0, "a")+batch(1, "x")+batch(2, "c")), "different bytes at offset 1"},
		"other offsets":   {partition(t, batch(0, "a")+batch(2, "b")), "offset 1 where"},
		"half a batch":    {partition(t, batch(0, "a")+batch(1, "b")[:12]), "EOF"},
		"nothing at all":  {partition(t), "there is no log"},
		"an empty folder": {partition(t, ""), "goes on with offset 0"},
	} {
		if _, err := sameLog(whole, c.folder); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A seed gives the same faults whatever the processes do.
func TestFaultsHaveTheirWeights(t *testing.T) {
	for _, list := range []weighted{ofProcesses, beside} {
		r := random(1)
		drawn := map[string]int{}
		for range 10_000 {
			drawn[list.draw(r)]++
		}
		for _, x := range list {
			if n := drawn[x.name] * 100 / 10_000; n < x.weight*100/list.sum()-3 || n > x.weight*100/list.sum()+3 {
				t.Errorf("%q was drawn in %d%%, its weight is %d of %d", x.name, n, x.weight, list.sum())
			}
		}
	}
}

// Every fault of the network is one that the proxy takes.
func TestWindowsAreValid(t *testing.T) {
	r := random(2)
	for _, x := range beside {
		if strings.HasPrefix(x.name, "pause") {
			continue
		}
		for range 20 {
			w, text := windowOf(x.name, 2, 3, r)
			w.To = 1
			if err := w.Check(1 + brokers); err != nil || text == "" {
				t.Errorf("%s: %v, %q", x.name, err, text)
			}
		}
	}
}

func TestOptionsSayWhatCannotBe(t *testing.T) {
	good := Options{Rounds: 1, Pace: 1, Rate: 1}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]Options{
		"no end":     {Pace: 1, Rate: 1},
		"no pace":    {Rounds: 1, Rate: 1},
		"no rate":    {Rounds: 1, Pace: 1},
		"negative":   {Rounds: 1, Pace: 1, Rate: 1, Kills: -1},
		"negative 2": {Rounds: 1, Pace: 1, Rate: 1, Length: -1},
	} {
		if bad.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

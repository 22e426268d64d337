package logtest

import (
	"bytes"
	"errors"
	"testing"

	"ottla.dev/core"
)

func write(t *testing.T, d *Disk, path, text string, sync bool) {
	t.Helper()
	f, err := d.Open(path)
	if errors.Is(err, core.ErrNotExist) {
		f, err = d.Create(path)
	}
	if err == nil {
		err = f.WriteAt([]byte(text), 0)
	}
	if err == nil && sync {
		err = f.Sync()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// outcomes collects what a file can hold after a crash.
func outcomes(d *Disk, path string) map[string]bool {
	seen := map[string]bool{}
	for seed := range uint64(200) {
		c := d.Clone()
		rng := core.NewPRNG(seed)
		c.Crash(&rng)
		if b := c.Bytes(path); b == nil {
			seen["gone"] = true
		} else {
			seen[string(b)] = true
		}
	}
	return seen
}

func TestSyncedBytesAndEntriesSurvive(t *testing.T) {
	d := NewDisk()
	d.Put("/d/f", []byte("old"), true)
	write(t, d, "/d/f", "new", true)
	if seen := outcomes(d, "/d/f"); len(seen) != 1 || !seen["new"] {
		t.Errorf("outcomes %v", seen)
	}
}

func TestWritesNotSyncedAreLostKeptOrTorn(t *testing.T) {
	d := NewDisk()
	d.Put("/d/f", []byte("old"), true)
	write(t, d, "/d/f", "new", false)
	seen := outcomes(d, "/d/f")
	for _, want := range []string{"old", "nld", "ned", "new"} {
		if !seen[want] {
			t.Errorf("outcomes %v lack %q", seen, want)
		}
	}
	if len(seen) != 4 {
		t.Errorf("outcomes %v", seen)
	}
	d.Kill()
	if got := d.Bytes("/d/f"); !bytes.Equal(got, []byte("new")) {
		t.Errorf("the end of the process alone leaves %q", got)
	}
}

func TestLaterWritesMaySurviveEarlierOnes(t *testing.T) {
	d := NewDisk()
	d.Put("/d/f", nil, true)
	f, _ := d.Open("/d/f")
	if err := errors.Join(f.WriteAt([]byte("a"), 0), f.WriteAt([]byte("b"), 1)); err != nil {
		t.Fatal(err)
	}
	seen := outcomes(d, "/d/f")
	for _, want := range []string{"", "a", "\x00b", "ab"} {
		if !seen[want] {
			t.Errorf("outcomes %v lack %q", seen, want)
		}
	}
}

func TestRenameIsAtomicAndDurableOnlyAfterSyncDir(t *testing.T) {
	d := NewDisk()
	d.Put("/d/f", []byte("old"), true)
	write(t, d, "/d/f.tmp", "new", true)
	if err := d.Rename("/d/f.tmp", "/d/f"); err != nil {
		t.Fatal(err)
	}
	if seen := outcomes(d, "/d/f"); len(seen) != 2 || !seen["old"] || !seen["new"] {
		t.Errorf("outcomes %v", seen)
	}
	if err := d.SyncDir("/d"); err != nil {
		t.Fatal(err)
	}
	if seen := outcomes(d, "/d/f"); len(seen) != 1 || !seen["new"] {
		t.Errorf("outcomes after the folder's sync %v", seen)
	}
}

func TestEntriesOfAFolderAreLostInOrder(t *testing.T) {
	d := NewDisk()
	d.Put("/d/x", nil, true)
	write(t, d, "/d/a", "1", true)
	write(t, d, "/d/b", "2", true)
	for seed := range uint64(100) {
		c := d.Clone()
		rng := core.NewPRNG(seed)
		c.Crash(&rng)
		if c.Bytes("/d/b") != nil && c.Bytes("/d/a") == nil {
			t.Fatal("a later entry survives an earlier one")
		}
	}
}

func TestEverythingFailsAfterTheCrashPoint(t *testing.T) {
	d := NewDisk()
	d.Put("/d/f", []byte("x"), true)
	d.CrashAt = d.Ops + 2
	f, err := d.Open("/d/f")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); !errors.Is(err, ErrCrashed) {
		t.Errorf("sync: %v", err)
	}
	if _, err := d.List("/d"); !errors.Is(err, ErrCrashed) {
		t.Errorf("list: %v", err)
	}
}

func TestMappedViewsSeeWritesUntilTheFileIsResized(t *testing.T) {
	d := NewDisk()
	d.Put("/d/f", []byte("x"), true)
	driver := NewDriver(d)
	var out core.Outbox
	out.File(core.FileOp{Kind: core.OpOpen, File: 1, Path: "/d/f"})
	out.File(core.FileOp{Kind: core.OpMap, File: 1, Size: 8})
	out.Write(1, 4, []byte("yz"), core.Ticket{})
	driver.Execute(&out)
	in := driver.Take(0)
	if in.Kind != core.InputMapped || string(in.View) != "x\x00\x00\x00yz\x00\x00" {
		t.Fatalf("%+v", in)
	}
	out.File(core.FileOp{Kind: core.OpTruncate, File: 1, Size: 6})
	out.Write(1, 0, []byte("q"), core.Ticket{Seq: 1})
	driver.Execute(&out)
	if in.View[0] != 'x' || string(d.Bytes("/d/f")) != "q\x00\x00\x00yz" || driver.Take(0).Kind != core.InputWritten {
		t.Errorf("view %q, file %q", in.View, d.Bytes("/d/f"))
	}
}

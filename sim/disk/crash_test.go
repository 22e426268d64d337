package disk

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"ottla.dev/core"
)

// outcomes crashes what build has made, many times, and returns what file /data/p/a may hold then.
func outcomes(t *testing.T, unordered bool, build func(fs core.FS, f core.File)) []string {
	t.Helper()
	seen := map[string]bool{}
	for seed := range uint64(400) {
		d := New(core.NewPRNG(seed))
		d.Unordered = unordered
		fs := d.FS(nil)
		must(t, fs.Mkdir("/data/p"))
		f, err := fs.Create("/data/p/a")
		must(t, err)
		d.SyncAll()
		build(fs, f)
		random := core.NewPRNG(seed)
		d.Crash(&random)
		var names []string
		list, _ := d.List("/data/p")
		for _, e := range list {
			b, _ := d.Bytes("/data/p/" + e.Name)
			names = append(names, e.Name+":"+short(b))
		}
		seen[strings.Join(names, " ")] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// short writes each sector as one letter.
func short(b []byte) string {
	var s []byte
	for ; len(b) > 0; b = b[min(len(b), Sector):] {
		c := b[0]
		if c == 0 {
			c = '.'
		}
		s = append(s, c)
	}
	return string(s)
}

func sectors(letters string) []byte {
	var b []byte
	for _, c := range []byte(letters) {
		b = append(b, bytes.Repeat([]byte{c}, Sector)...)
	}
	return b
}

func TestWhatACrashLeaves(t *testing.T) {
	for _, c := range []struct {
		name      string
		unordered bool
		build     func(t *testing.T, fs core.FS, f core.File)
		want      []string
	}{
		{"what was synced stays", false, func(t *testing.T, _ core.FS, f core.File) {
			must(t, f.WriteAt(sectors("ab"), 0))
			must(t, f.Sync())
		}, []string{"a:ab"}},
		{"a write that was not synced is lost, torn at sectors in any way, or zeros", false,
			func(t *testing.T, _ core.FS, f core.File) { must(t, f.WriteAt(sectors("ab"), 0)) },
			[]string{"a:", "a:..", "a:.b", "a:a", "a:a.", "a:ab"}},
		{"a later write survives an earlier one", false, func(t *testing.T, _ core.FS, f core.File) {
			must(t, f.WriteAt(sectors("ab"), 0))
			must(t, f.Sync())
			must(t, f.WriteAt(sectors("c"), 0))
			must(t, f.WriteAt(sectors("d"), Sector))
		}, []string{"a:ab", "a:ad", "a:cb", "a:cd"}},
		{"a change of size is lost or kept", false, func(t *testing.T, _ core.FS, f core.File) {
			must(t, f.WriteAt(sectors("ab"), 0))
			must(t, f.Sync())
			must(t, f.Truncate(Sector))
		}, []string{"a:a", "a:ab"}},
		{"a synced file whose name was not synced is lost with it", false,
			func(t *testing.T, fs core.FS, _ core.File) { synced(t, fs, "/data/p/b", "b") },
			[]string{"a:", "a: b:b"}},
		{"a name that was synced stays", false, func(t *testing.T, fs core.FS, _ core.File) {
			synced(t, fs, "/data/p/b", "b")
			must(t, fs.SyncDir("/data/p"))
		}, []string{"a: b:b"}},
		{"a renamed file has one of its names", false, func(t *testing.T, fs core.FS, _ core.File) {
			must(t, fs.Rename("/data/p/a", "/data/p/b"))
		}, []string{"a:", "b:"}},
		{"a renamed file that was not synced may be empty", false, func(t *testing.T, fs core.FS, _ core.File) {
			f, err := fs.Create("/data/p/tmp")
			must(t, err)
			must(t, f.WriteAt(sectors("x"), 0))
			must(t, fs.Rename("/data/p/tmp", "/data/p/a"))
			must(t, fs.SyncDir("/data/p"))
		}, []string{"a:", "a:.", "a:x"}},
		{"a removed file comes back", false, func(t *testing.T, fs core.FS, _ core.File) {
			must(t, fs.Remove("/data/p/a"))
		}, []string{"", "a:"}},
		{"names are undone from the end", false, func(t *testing.T, fs core.FS, _ core.File) {
			synced(t, fs, "/data/p/b", "b")
			synced(t, fs, "/data/p/c", "c")
		}, []string{"a:", "a: b:b", "a: b:b c:c"}},
		{"or in any subset, if the disk is unordered", true, func(t *testing.T, fs core.FS, _ core.File) {
			synced(t, fs, "/data/p/b", "b")
			synced(t, fs, "/data/p/c", "c")
		}, []string{"a:", "a: b:b", "a: b:b c:c", "a: c:c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := outcomes(t, c.unordered, func(fs core.FS, f core.File) { c.build(t, fs, f) })
			if !slices.Equal(got, c.want) {
				t.Errorf("a crash leaves %q, want %q", got, c.want)
			}
		})
	}
}

func synced(t *testing.T, fs core.FS, path, letters string) {
	t.Helper()
	f, err := fs.Create(path)
	must(t, err)
	must(t, f.WriteAt(sectors(letters), 0))
	must(t, f.Sync())
}

func TestASyncCoversWhatWasWrittenBeforeItBegan(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(60) {
		d := New(core.NewPRNG(seed))
		tab := NewTable(d)
		apply := func(op core.FileOp) {
			_, err := tab.Apply(op)
			must(t, err)
		}
		apply(core.FileOp{Kind: core.OpOpen, File: 1, Path: "/a"})
		d.SyncAll()
		apply(core.FileOp{Kind: core.OpWrite, File: 1, Data: sectors("a")})
		s := tab.BeginSync(core.FileOp{Kind: core.OpSync, File: 1})
		apply(core.FileOp{Kind: core.OpWrite, File: 1, Pos: Sector, Data: sectors("b")})
		must(t, s.Finish())
		random := core.NewPRNG(seed)
		d.Crash(&random)
		b, _ := d.Bytes("/a")
		seen[short(b)] = true
	}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, []string{"a", "a.", "ab"}) {
		t.Errorf("a crash leaves %q", got)
	}
}

// After a failed sync the data are there for every reader, a second sync succeeds, and a crash loses them all the same.
func TestAFailedSyncIsNotHealedByAnother(t *testing.T) {
	lost := 0
	for seed := range uint64(40) {
		d, _, f := open(t)
		d.SyncAll()
		d.random = core.NewPRNG(seed)
		must(t, f.WriteAt(sectors("a"), 0))
		d.Fault = func(op Op, _ string) error {
			if op == Sync {
				return ErrIO
			}
			return nil
		}
		if f.Sync() == nil {
			t.Fatal("the sync did not fail")
		}
		d.Fault = nil
		must(t, f.Sync())
		if b, _ := d.Bytes("/data/p/a"); short(b) != "a" {
			t.Fatal("the data are not in the page cache")
		}
		random := core.NewPRNG(seed)
		d.Crash(&random)
		if b, _ := d.Bytes("/data/p/a"); short(b) != "a" {
			lost++
		}
	}
	if lost < 10 || lost == 40 {
		t.Errorf("lost %d times of 40", lost)
	}
}

func TestAKillLosesNothingAndMakesNothingDurable(t *testing.T) {
	d, _, f := open(t)
	d.SyncAll()
	must(t, f.WriteAt(sectors("ab"), 0))
	d.Kill()
	if b, _ := d.Bytes("/data/p/a"); short(b) != "ab" {
		t.Errorf("a kill leaves %q", short(b))
	}
	if got := d.Survivors("/data/p")["a"]; len(got) != 0 {
		t.Errorf("durable after a kill: %q", short(got))
	}
}

// Of several syncs of a file that are under way none succeeds behind one that fails, which may have lost what they were
// to keep.
func TestASyncFailsWithAnotherOneThatWasUnderWay(t *testing.T) {
	d := New(core.NewPRNG(1))
	tab := NewTable(d)
	for _, op := range []core.FileOp{{Kind: core.OpOpen, File: 1, Path: "/a"},
		{Kind: core.OpWrite, File: 1, Data: sectors("a")}} {
		_, err := tab.Apply(op)
		must(t, err)
	}
	sync := core.FileOp{Kind: core.OpSync, File: 1}
	before, failing := tab.BeginSync(sync), tab.BeginSync(sync)
	d.Fault = func(Op, string) error { return ErrIO }
	if failing.Finish() == nil {
		t.Fatal("the sync did not fail")
	}
	d.Fault = nil
	if before.Finish() == nil {
		t.Error("a sync that had begun before succeeds")
	}
	if err := tab.BeginSync(sync).Finish(); err != nil {
		t.Errorf("one that begins afterwards: %v", err)
	}
}

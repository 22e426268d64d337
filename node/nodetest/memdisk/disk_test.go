package memdisk

import (
	"errors"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"ottla.dev/core"
	"ottla.dev/node/disk"
)

const folderPath = "/a/data"

// machine is a disk, and a process on it.
type machine struct {
	t     *testing.T
	disk  *Disk
	mount *Mount
	fs    core.FS
}

func start(t *testing.T, d *Disk) *machine {
	m := d.Mount()
	opened, err := disk.OpenOn(m, folderPath)
	if err != nil {
		t.Fatal(err)
	}
	return &machine{t: t, disk: d, mount: m, fs: opened.FS()}
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) write(name, text string, sync bool) {
	m.t.Helper()
	f, err := m.fs.Create(folderPath + "/" + name)
	m.must(err)
	m.must(f.WriteAt([]byte(text), 0))
	if sync {
		m.must(f.Sync())
	}
	m.must(f.Close())
}

func (m *machine) expect(name, text string) {
	m.t.Helper()
	f, err := m.fs.Open(folderPath + "/" + name)
	if errors.Is(err, core.ErrNotExist) && text == "none" {
		return
	}
	m.must(err)
	b := make([]byte, 100)
	n, err := f.ReadAt(b, 0)
	m.must(err)
	if got := string(b[:n]); got != text {
		m.t.Errorf("%s holds %q in place of %q", name, got, text)
	}
}

func TestWhatAProcessHasWrittenOutlivesIt(t *testing.T) {
	m := start(t, New())
	m.write("x", "hello", false)
	m.mount.Kill()
	if _, err := m.fs.Open(folderPath + "/x"); err == nil {
		t.Error("a dead process opens a file")
	}
	start(t, m.disk).expect("x", "hello")
}

func TestAPowerCutTakesWhatWasNotSynced(t *testing.T) {
	m := start(t, New())
	m.write("named", "content", true)
	m.write("empty", "content", false)
	m.must(m.fs.SyncDir(folderPath))
	m.write("nameless", "content", true)
	m.write("named", "news", false)
	m.must(m.fs.Rename(folderPath+"/empty", folderPath+"/renamed"))
	m.mount.Kill()
	m.disk.Crash()
	after := start(t, m.disk)
	after.expect("named", "content")
	after.expect("empty", "")
	after.expect("nameless", "none")
	after.expect("renamed", "none")
}

func TestAFailedSyncIsNotMadeGoodByTheNext(t *testing.T) {
	m := start(t, New())
	m.must(m.fs.SyncDir(folderPath))
	f, err := m.mount.Open(folderPath+"/x", syscall.O_CREAT)
	m.must(err)
	m.must(m.mount.SyncDir(folderPath))
	m.mount.Pwrite(f, []byte("lost"), 0)
	m.disk.FailSyncs(1)
	if err := m.mount.Fdatasync(f); err != syscall.EIO {
		t.Fatalf("a sync that was to fail: %v", err)
	}
	m.must(m.mount.Fdatasync(f)) // the kernel believes that there is nothing left to do
	m.expect("x", "lost")
	m.disk.Crash()
	after := start(t, m.disk)
	after.expect("x", "")
}

func TestAFolderHasOneOwner(t *testing.T) {
	m := start(t, New())
	if _, err := disk.OpenOn(m.disk.Mount(), folderPath); err == nil {
		t.Error("two processes hold a folder")
	}
	m.mount.Kill()
	start(t, m.disk)
}

// Whatever is done to a file, a power cut leaves what it was at its last sync.
func TestACrashLeavesTheLastSync(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f file
		var cached, stored []byte
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			at := rapid.IntRange(0, 20).Draw(t, "at")
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				p := rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "bytes")
				f.write(p, at)
				if len(p) == 0 {
					at = 0
				}
				cached = append(cached, make([]byte, max(0, at+len(p)-len(cached)))...)
				copy(cached[at:], p)
			case 2:
				f.truncate(at)
				cached = append(cached, make([]byte, max(0, at-len(cached)))...)[:at:at]
			case 3:
				f.sync()
				stored = append([]byte(nil), cached...)
			case 4:
				f.crash()
				cached = append([]byte(nil), stored...)
			}
			if string(f.cached) != string(cached) {
				t.Fatalf("the file holds %v in place of %v", f.cached, cached)
			}
		}
		f.crash()
		if string(f.cached) != string(stored) {
			t.Fatalf("after a crash the file holds %v in place of %v", f.cached, stored)
		}
	})
}

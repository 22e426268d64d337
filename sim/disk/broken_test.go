package disk

import (
	"errors"
	"testing"
)

// Sectors that cannot be read fail reads of them and no others, until something is written there, or they are replaced.
func TestUnreadableSectorsAreWrittenOverOrReplaced(t *testing.T) {
	d, fs, f := open(t)
	path := f.(*file).path
	must(t, f.WriteAt(make([]byte, 4*Sector), 0))
	for i := range 4 {
		must(t, f.WriteAt([]byte{byte('a' + i)}, int64(i)*Sector))
	}
	must(t, f.Sync())
	reads := func() (readable string) {
		for i := range int64(4) {
			b := make([]byte, 10)
			switch _, err := f.ReadAt(b, i*Sector); {
			case err == nil:
				readable += string(b[:1])
			case errors.Is(err, ErrIO):
				readable += "!"
			default:
				t.Fatal(err)
			}
		}
		return readable
	}
	told := 0
	d.Unread = func(string) { told++ }
	d.Break(path, Sector+7, Sector+8)
	d.Break(path, 3*Sector, 3*Sector+1)
	if got := reads(); got != "a!c!" || told != 2 || !d.Unreadable() {
		t.Errorf("%q, told %d times", got, told)
	}
	must(t, f.WriteAt([]byte("B"), Sector))
	if got := reads(); got != "aBc!" || !d.Unreadable() {
		t.Errorf("written over: %q", got)
	}
	d.Replace()
	if got := reads(); got != "aBc\x00" || d.Unreadable() {
		t.Errorf("replaced: %q", got)
	}
	d.Break(path, 0, 1)
	must(t, fs.Remove(path))
	if d.Unreadable() {
		t.Error("a file that was removed is still there")
	}
}

// A disk that lies about some files keeps of them, after a power cut, what a disk without a sync does.
func TestADiskThatLiesLosesWhatItCalledWritten(t *testing.T) {
	for _, lies := range []bool{false, true} {
		d, _, f := open(t)
		path := f.(*file).path
		d.LiesAt = func(p string) bool { return lies && p == path }
		must(t, f.WriteAt([]byte("bytes"), 0))
		must(t, f.Sync())
		n, err := d.get(path)
		must(t, err)
		if got := string(n.durable.full()) == "bytes"; got == lies {
			t.Errorf("lies %v: the disk has %q", lies, n.durable.full())
		}
	}
}

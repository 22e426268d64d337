package disk

import (
	"testing"
	"time"
)

// rounds lets a method choose for many rounds on a device with fixed costs and returns how many used syncfs.
func rounds(m *method, n, files int, perFile, whole time.Duration) int {
	together := 0
	for range n {
		t := m.together(files)
		took := time.Duration(files) * perFile
		if t {
			together++
			took = whole
		}
		m.learn(t, files, took)
	}
	return together
}

func TestTheCheaperWayToSyncIsFound(t *testing.T) {
	m := newMethod()
	if n := rounds(&m, 1000, 3, 200*time.Microsecond, 300*time.Microsecond); n < 800 {
		t.Errorf("syncfs is cheaper for three files, and %d of 1000 rounds used it", n)
	}
	// Somebody else begins to fill the file system's cache.
	if n := rounds(&m, 1000, 3, 200*time.Microsecond, 50*time.Millisecond); n > 100 {
		t.Errorf("syncfs has become dear, and %d of 1000 rounds used it", n)
	}
	if n := rounds(&m, 5000, 20, 200*time.Microsecond, 400*time.Microsecond); n < 2000 {
		t.Errorf("syncfs is cheap again for twenty files, and %d of 5000 rounds used it", n)
	}
}

func TestOneFileIsSyncedByItself(t *testing.T) {
	m := newMethod()
	if n := rounds(&m, 10000, 1, time.Millisecond, time.Microsecond); n != 0 {
		t.Errorf("%d rounds of one file used syncfs", n)
	}
}

func TestAStallDoesNotChangeTheWay(t *testing.T) {
	m := newMethod()
	rounds(&m, 100, 4, 200*time.Microsecond, 300*time.Microsecond)
	m.learn(true, 4, time.Second)
	if !m.together(4) {
		t.Error("one slow syncfs, and it is given up")
	}
}

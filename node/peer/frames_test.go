package peer

import (
	"testing"
	"unsafe"
)

func TestMemoryOfLargeFramesIsUsedAgain(t *testing.T) {
	var f frames
	small, large := f.get(20<<10), f.get(1<<20)
	f.put(large)
	f.put(small)
	if got := f.get(30 << 10); unsafe.SliceData(got) != unsafe.SliceData(large) || len(got) != 30<<10 {
		t.Errorf("a frame of %d bytes is not where the larger one was", len(got))
	}
	if got := f.get(20 << 10); unsafe.SliceData(got) != unsafe.SliceData(small) {
		t.Error("the smallest frame that is large enough was not taken")
	}
	if len(f.free) != 0 || f.kept != 0 {
		t.Errorf("%d frames of %d bytes are left", len(f.free), f.kept)
	}
}

func TestMemoryOfFramesIsBounded(t *testing.T) {
	var f frames
	f.put(make([]byte, leastKept-1))
	f.put(make([]byte, mostKept+1))
	if len(f.free) != 0 {
		t.Errorf("%d frames are kept that are too small or too large", len(f.free))
	}
	for range 3 {
		f.put(make([]byte, mostKept/4))
		f.put(make([]byte, mostKept/2))
	}
	if f.kept > mostKept || len(f.free) != 2 || cap(f.free[0]) != mostKept/2 {
		t.Errorf("%d bytes in %d frames are kept, want the two largest in %d", f.kept, len(f.free), mostKept)
	}
}

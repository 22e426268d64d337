package server

import "testing"

// A client with frames of 8 MiB goes, and others with frames of 1 MiB come: theirs are kept from then on.
func TestBuffersThatNobodyAsksForMakeRoom(t *testing.T) {
	const large, usual = 8 << 20, 1 << 20
	b := buffers{retain: 16 << 20}
	first, second := b.get(large), b.get(large)
	b.put(first)
	b.put(second)
	if kept := b.retained.Load(); kept != 2*large {
		t.Fatalf("%d bytes are kept of what was used last", kept)
	}
	round := func() {
		var all []*buffer
		for range 12 {
			all = append(all, b.get(usual))
		}
		for _, buf := range all {
			b.put(buf)
		}
	}
	round()
	made := b.made.Load()
	round()
	if again := b.made.Load(); again != made {
		t.Errorf("%d bytes were allocated for what had just been given back", again-made)
	}
	if kept := b.retained.Load(); kept > b.retain || kept != 12*usual {
		t.Errorf("%d bytes are kept", kept)
	}
}

func TestBuffersKeepNoMoreThanTheyMay(t *testing.T) {
	b := buffers{retain: 3 << 20}
	var all []*buffer
	for range 5 {
		all = append(all, b.get(1<<20))
	}
	for _, buf := range all {
		b.put(buf)
	}
	if kept := b.retained.Load(); kept != 3<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
	b.put(b.get(1 << (largestClass + 1))) // never kept
	if kept := b.retained.Load(); kept != 3<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
}

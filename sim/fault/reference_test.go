package fault

import (
	"hash/fnv"
	"testing"
)

func TestTheReferenceWorldStaysAsItIs(t *testing.T) {
	p := Reference(7)
	if p.Seed != 7 || p.Brokers != 3 || len(p.Clients) != 4 {
		t.Errorf("seed %d, %d brokers, %d clients", p.Seed, p.Brokers, len(p.Clients))
	}
	h := fnv.New64a()
	h.Write([]byte(reference))
	if sum := h.Sum64(); sum != 0x87216ab4f2101b50 {
		t.Errorf("the reference world has changed: figures of before mean something else (%#x)", sum)
	}
}

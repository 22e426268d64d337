package probe

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEveryPointHasANameOfItsOwnAndASentence(t *testing.T) {
	names := map[string]Point{}
	for p := range All() {
		switch {
		case p.Name() == "" || p.Machine() == "":
			t.Errorf("point %d has no name or no machine", p)
		case !strings.HasSuffix(p.Meaning(), ".") || strings.Count(p.Meaning(), ". ") > 0:
			t.Errorf("%s: %q is not one sentence", p, p.Meaning())
		}
		if before, ok := names[p.Name()]; ok {
			t.Errorf("points %d and %d are both called %s", before, p, p)
		}
		names[p.Name()] = p
	}
	if len(names) != int(Count)-1 {
		t.Errorf("%d names of %d points", len(names), Count-1)
	}
}

func TestASetIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := rapid.SliceOf(rapid.Uint8Range(1, 255)).Draw(t, "points")
		var a, b Set
		for i, p := range points {
			if i%2 == 0 {
				a.Add(Point(p))
			} else {
				b.Add(Point(p))
			}
		}
		a.Take(&b)
		if !b.Empty() {
			t.Fatal("what is taken stays")
		}
		slices.Sort(points)
		points = slices.Compact(points)
		var got []uint8
		for p := range a.All() {
			got = append(got, uint8(p))
		}
		if !slices.Equal(got, points) || a.Len() != len(points) || a.Empty() != (len(points) == 0) {
			t.Fatalf("%v of %v", got, points)
		}
		for p := range Point(255) {
			if a.Has(p) != slices.Contains(points, uint8(p)) {
				t.Fatalf("has %d: %v", p, a.Has(p))
			}
		}
	})
}

func TestPassingAPointAllocatesNothing(t *testing.T) {
	var s, owner Set
	var c Counts
	if n := testing.AllocsPerRun(100, func() {
		s.Add(FollowerTruncated)
		owner.Take(&s)
		c.Count(&owner)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

package probe

import (
	"iter"
	"math/bits"
)

// Point is a moment in the life of a machine that is worth knowing of. The zero value is none.
type Point uint8

// words is how many words of memory hold a bit for each point.
const words = 4

// Set is a set of points. Its zero value is empty.
type Set [words]uint64

// Add puts a point into the set.
func (s *Set) Add(p Point) { s[p>>6] |= 1 << (p & 63) }

// Has reports whether a point is in the set.
func (s *Set) Has(p Point) bool { return s[p>>6]&(1<<(p&63)) != 0 }

// Empty reports whether there is no point in the set.
func (s *Set) Empty() bool { return *s == Set{} }

// Len is the number of points in the set.
func (s *Set) Len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// Join adds all points of another set.
func (s *Set) Join(o *Set) {
	for i := range s {
		s[i] |= o[i]
	}
}

// Take adds all points of another set, and empties that.
func (s *Set) Take(from *Set) {
	s.Join(from)
	*from = Set{}
}

// All yields the points of the set in their order.
func (s *Set) All() iter.Seq[Point] {
	return func(yield func(Point) bool) {
		for i, w := range s {
			for ; w != 0; w &= w - 1 {
				if !yield(Point(i<<6 + bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}

// point is what is known of a point.
type point struct{ machine, name, meaning string }

// Machine is what the point belongs to: log, partition, quorum, controller, coordinator, group, broker or session.
func (p Point) Machine() string { return points[p].machine }

// Name is the point's name, words with hyphens, which no other point has.
func (p Point) Name() string { return points[p].name }

// Meaning says in one sentence what has happened.
func (p Point) Meaning() string { return points[p].meaning }

// String is the point's name.
func (p Point) String() string { return p.Name() }

// All yields all points there are, in the order of the list.
func All() iter.Seq[Point] {
	return func(yield func(Point) bool) {
		for p := Point(1); p < Count; p++ {
			if !yield(p) {
				return
			}
		}
	}
}

// Counts says how often each point was passed, by point.
type Counts [Count]uint64

// Count counts the points of a set once more each.
func (c *Counts) Count(s *Set) {
	for p := range s.All() {
		c[p]++
	}
}

// Add adds other counts.
func (c *Counts) Add(o *Counts) {
	for i := range c {
		c[i] += o[i]
	}
}

// Reached is how many points were passed at all.
func (c *Counts) Reached() int {
	n := 0
	for _, times := range c {
		if times > 0 {
			n++
		}
	}
	return n
}

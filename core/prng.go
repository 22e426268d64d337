package core

import "math/bits"

// PRNG is a small integer-only generator (SplitMix64, Steele and others 2014). Every machine owns one, forked from the
// driver's seed, so that one more draw in one machine does not shift another. The zero value is a valid stream.
type PRNG struct{ state uint64 }

// NewPRNG returns the stream of a seed.
func NewPRNG(seed uint64) PRNG { return PRNG{state: seed} }

// Uint64 returns the next 64 bits.
func (r *PRNG) Uint64() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Below returns a number in [0, n). It panics if n is 0.
func (r *PRNG) Below(n uint64) uint64 {
	if n == 0 {
		panic("core: PRNG.Below(0)")
	}
	hi, _ := bits.Mul64(r.Uint64(), n)
	return hi
}

// Between returns a number in [lo, hi], both included. It panics if hi < lo.
func (r *PRNG) Between(lo, hi int64) int64 {
	if hi < lo {
		panic("core: PRNG.Between with hi < lo")
	}
	return lo + int64(r.Below(uint64(hi-lo)+1))
}

// Chance reports true num times in den on average.
func (r *PRNG) Chance(num, den uint64) bool { return r.Below(den) < num }

// Fork returns an independent stream named by label.
func (r PRNG) Fork(label uint64) PRNG {
	child := PRNG{state: r.state ^ bits.RotateLeft64(label*0xd1342543de82ef95, 32)}
	child.Uint64()
	return PRNG{state: child.Uint64()}
}

// UUID draws a random (version 4) UUID that is none of Kafka's reserved ids and whose text does not begin with a dash
// (Kafka: Uuid.randomUuid).
func (r *PRNG) UUID() UUID {
	for {
		var u UUID
		a, b := r.Uint64(), r.Uint64()
		for i := range 8 {
			u[i], u[8+i] = byte(a>>(56-8*i)), byte(b>>(56-8*i))
		}
		u[6] = u[6]&0x0f | 0x40
		u[8] = u[8]&0x3f | 0x80
		if u.String()[0] != '-' {
			return u
		}
	}
}

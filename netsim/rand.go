package netsim

import (
	"math/bits"
	"time"
)

// stream is a small integer-only generator (SplitMix64, Steele and others 2014). Every direction of a connection and
// every fault window owns one, so that removing a window does not shift what the others draw.
type stream struct{ state uint64 }

func (s *stream) next() uint64 {
	s.state += 0x9e3779b97f4a7c15
	return mix(s.state)
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n).
func (s *stream) below(n uint64) uint64 {
	if n == 0 {
		panic("netsim: a draw below 0")
	}
	hi, _ := bits.Mul64(s.next(), n)
	return hi
}

// between returns a number in [lo, hi], both included.
func (s *stream) between(lo, hi int64) int64 {
	if hi < lo {
		panic("netsim: a draw between bounds in the wrong order")
	}
	return lo + int64(s.below(uint64(hi-lo)+1))
}

func (s *stream) span(lo, hi time.Duration) time.Duration {
	return time.Duration(s.between(int64(lo), int64(hi)))
}

// chance is true num times in den on average.
func (s *stream) chance(num, den uint64) bool { return s.below(den) < num }

// fork returns an independent stream named by labels.
func (s stream) fork(labels ...uint64) stream {
	for _, label := range labels {
		s.state = mix(s.state ^ bits.RotateLeft64((label+1)*0xd1342543de82ef95, 32))
	}
	return s
}

// ln2 is the natural logarithm of 2 with 16 binary places.
const ln2 = 45426

// exponential draws a duration whose distribution is close to the exponential one with this mean: -ln(u) is taken from
// the leading zeros of u and a parabola for the rest, all in integers. It is less than 45 times the mean.
func (s *stream) exponential(mean time.Duration) time.Duration {
	if mean <= 0 {
		return 0
	}
	u := s.next() | 1
	zeros := bits.LeadingZeros64(u)
	fraction := u << zeros << 1 >> 48                       // u's binary logarithm, 16 places, without the parabola
	fraction += fraction * (1<<16 - fraction) * 22545 >> 32 // 0.344 * f * (1 - f)
	log := uint64(zeros+1)<<16 - min(fraction, 1<<16)       // -log2(u)
	hi, lo := bits.Mul64(uint64(mean), log*ln2)             // 32 binary places
	return time.Duration(min(hi<<32|lo>>32, uint64(1<<62)))
}

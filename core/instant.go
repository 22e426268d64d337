package core

import "time"

// Instant is a reading of a driver's two clocks. Mono is monotonic time since the driver started and serves timers
// only; Wall is the calendar time that records carry, may jump either way, and serves nothing else. Keeping them apart
// is what makes clock jumps harmless (KAFKA-5415, KAFKA-8803).
type Instant struct {
	Mono time.Duration
	Wall Timestamp
}

// Reached reports whether deadline, a monotonic time, has come.
func (t Instant) Reached(deadline time.Duration) bool { return t.Mono >= deadline }

// Never is a deadline that does not come.
const Never = time.Duration(1<<63 - 1)

package sim

import (
	"testing"
	"time"

	"ottla.dev/core"
)

// Events come by time, and those of one time in the order in which they were made, whatever was put in between.
func TestEventsComeInOrder(t *testing.T) {
	r := core.NewPRNG(1)
	for range 20 {
		var q queue
		var last due
		for range 20_000 {
			if q.empty() || r.Chance(3, 5) {
				e := q.new()
				e.at = last.at + time.Duration(r.Below(50))*window/1000
				if r.Chance(1, 2) { // a timeout, of which most never matter
					e.at += time.Duration(r.Below(5000)) * window / 1000
				}
				q.push(e)
				continue
			}
			e := q.pop()
			if next := (due{at: e.at, seq: e.seq}); next.before(&last) {
				t.Fatalf("event %d of %v comes after event %d of %v", next.seq, next.at, last.seq, last.at)
			}
			last = due{at: e.at, seq: e.seq}
			q.recycle(e)
		}
	}
}

package partition

import (
	"fmt"
	"testing"
)

// Topics are deleted between the steps of a round of retention: no log may be left out for that.
func TestRetentionLooksAtEachLogOnceARound(t *testing.T) {
	w := newWorld()
	for i := range 5*retainedTogether/2 + 1 {
		w.open(args{words: []string{"open", fmt.Sprint("t-", i)}})
		w.settle()
	}
	for round := range 3 {
		looked := map[*Replica]int{}
		for more := true; more; {
			from := w.set.retained
			for _, r := range w.set.ordered[from:min(from+retainedTogether, len(w.set.ordered))] {
				looked[r]++
			}
			if more = w.set.Retain(w.now, &w.out); more && round < 2 {
				w.set.Remove(w.now, w.set.ordered[round*(len(w.set.ordered)-1)], &w.out)
			}
		}
		for _, r := range w.set.ordered {
			if looked[r] != 1 {
				t.Errorf("round %d: %d looks at %v", round, looked[r], r.name)
			}
		}
	}
}

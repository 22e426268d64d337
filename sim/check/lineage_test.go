package check

import (
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log"
)

// What a log shares with what was committed ends where it has records of another leader, wherever in an epoch's that
// is.
func TestShared(t *testing.T) {
	l := lineage{epochs: []log.EpochStart{{Epoch: 0, Start: 0}, {Epoch: 2, Start: 10}}, end: 30}
	for _, c := range []struct {
		log   []log.EpochStart
		limit core.Offset
		want  core.Offset
	}{
		{[]log.EpochStart{{Epoch: 0, Start: 0}, {Epoch: 2, Start: 10}}, 30, 30},
		{[]log.EpochStart{{Epoch: 0, Start: 0}, {Epoch: 2, Start: 10}}, 17, 17},
		{[]log.EpochStart{{Epoch: 0, Start: 0}, {Epoch: 1, Start: 10}}, 25, 10},
		{[]log.EpochStart{{Epoch: 0, Start: 0}}, 25, 0},
		{[]log.EpochStart{{Epoch: 0, Start: 0}, {Epoch: 1, Start: 5}}, 25, 5},
		{[]log.EpochStart{{Epoch: 0, Start: 0}, {Epoch: 2, Start: 10}, {Epoch: 3, Start: 20}}, 25, 20},
	} {
		var e log.Epochs
		for _, x := range c.log {
			e.Assign(x.Epoch, x.Start)
		}
		if got := l.shared(&e, 0, c.limit); got != c.want {
			t.Errorf("%v up to %d: shared up to %d, want %d", c.log, c.limit, got, c.want)
		}
	}
}

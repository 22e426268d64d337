package check

import (
	"testing"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

func TestAControllerFencesWhomItDoesNotHear(t *testing.T) {
	const second = time.Second // a session lasts nine
	p := metadata.PartitionRecord{Leader: 1, LeaderEpoch: 5, PartitionEpoch: 5, ISR: []core.BrokerID{1, 2}}
	all, fenced := imageOf(t, 20, p), imageOf(t, 20, p, 2, 3)
	for _, c := range []struct {
		name  string
		want  string
		draft *metadata.Image // in the end
		works bool
		heard time.Duration // when all were heard last
		at    time.Duration // when it is judged
		epoch core.LeaderEpoch
	}{
		{"silence", "session", all, true, 2 * second, 13 * second, 1},
		{"who was never heard, either", "session", all, true, 0, 11 * second, 1},
		{"its own broker tells it within the machine", "", fenced, true, 2 * second, 13 * second, 1},
		{"a session is not over", "", all, true, 5 * second, 13 * second, 1},
		{"a machine that stands still decides nothing", "", all, false, 2 * second, 13 * second, 1},
		{"who does not lead any more decides nothing", "", nil, true, 2 * second, 13 * second, 1},
		{"another leadership begins to count anew", "", all, true, 2 * second, 13 * second, 2},
	} {
		x := newTheatre()
		works := func(time.Duration) bool { return c.works }
		x.Sessions(0, 0, 1, 1, all, works)
		for id := core.BrokerID(1); id <= 3; id++ {
			x.Beaten(c.heard, 0, id)
			x.Beaten(c.at, 1, id) // another machine is not this one
		}
		x.Sessions(c.at, 0, 1, c.epoch, c.draft, works)
		t.Run(c.name, func(t *testing.T) { x.expect(t, c.want) })
	}
}

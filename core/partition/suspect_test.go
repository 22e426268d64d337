package partition

import (
	"errors"
	"testing"

	"ottla.dev/core"
)

// A replica that has told that it has everything again, and is elected by the metadata that take the mark from it, is
// trusted like any other. One that has not, and is elected all the same, goes on being suspected until it has told.
func TestASuspectedReplicaThatIsElectedIsTrustedAgain(t *testing.T) {
	for _, caught := range []bool{true, false} {
		s, r := &Set{}, &Replica{role: leads, suspicion: &suspicion{why: errors.New("damaged"), lost: true, caught: caught,
			goal: core.NoOffset}}
		var out core.Outbox
		s.SetStanding(core.Instant{}, r, false, &out)
		if trusted := r.Suspected() == nil; trusted != caught {
			t.Errorf("caught up: %v, trusted: %v", caught, trusted)
		}
	}
}

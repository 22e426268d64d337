package chaos

import (
	"context"
	"fmt"
	"os"
	"time"
)

// jumps are those of the wall clock of one broker, in turn.
var jumps = []struct {
	name string
	by   time.Duration
}{
	{"clock+1h", time.Hour}, {"clock-1h", -time.Hour}, {"clock+1d", 24 * time.Hour}, {"clock-1d", -24 * time.Hour},
	{"clock-10s", -10 * time.Second},
}

// jumpLasts is how long a clock is wrong, and then how long it is right again.
const jumpLasts = 6 * time.Second

// drillClock lets the wall clock of one broker jump, and back. Nothing may come of it: no leader changes, no record is
// refused or deleted.
func (r *run) drillClock(ctx context.Context) (Trial, error) {
	j := jumps[int(r.round.Load()-1)%len(jumps)]
	v := r.observer.look(ctx)
	m := r.leaderOf(v, int32(r.rng.IntN(partitions)))
	if r.rng.IntN(3) == 0 && v.controller > 0 {
		m = r.cluster.members[v.controller-1]
	}
	t := Trial{Fault: j.name, Broker: m.id, Seconds: jumpLasts.Seconds()}
	began := time.Now()
	if err := m.shiftClock(j.by); err != nil {
		return t, err
	}
	t.Writes = r.writesAgain(ctx, began, nil, everyPartition()).Seconds()
	pause(ctx, time.Until(began.Add(jumpLasts)))
	err := m.shiftClock(0)
	ended := time.Now()
	pause(ctx, jumpLasts/2)
	after := r.observer.look(ctx)
	if t.Elections = v.changed(after); t.Elections != 0 {
		r.problem("%s of broker %d: %d elections", t.Fault, t.Broker, t.Elections)
	}
	r.observer.await(ctx, healWithin, (*view).whole)
	t.InSync = max(time.Since(ended)-jumpLasts/2, 0).Seconds()
	r.missed(&t)
	return t, err
}

// shiftClock makes the wall clock of the broker's process wrong by so much.
func (m *member) shiftClock(by time.Duration) error {
	next := m.clock + ".next"
	if err := os.WriteFile(next, []byte(fmt.Sprintln(by)), 0o600); err != nil {
		return err
	}
	return os.Rename(next, m.clock) // it is never half there
}

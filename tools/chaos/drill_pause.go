package chaos

import (
	"context"
	"time"
)

// drillPause stops the leader of a partition for one to thirty seconds, and has clients that know no other broker write
// to it from shortly before it goes on.
func (r *run) drillPause(ctx context.Context) (Trial, error) {
	v := r.observer.look(ctx)
	p := int32(r.rng.IntN(partitions))
	m := r.leaderOf(v, p)
	long := between(r.rng, time.Second, 30*time.Second)
	t := Trial{Fault: pauseLeader, Broker: m.id, Seconds: long.Seconds()}
	began := time.Now()
	m.pause()
	wrote := make(chan time.Duration, 1)
	go func() { wrote <- r.writesAgain(ctx, began, m, []int32{p}) }()
	pause(ctx, long-staleBefore)
	stale, stop := context.WithTimeout(ctx, staleBefore+staleAfter)
	defer stop()
	over := make(chan struct{})
	go func() {
		defer close(over)
		t.Stale, t.StaleAcked, t.StaleAckedOne = r.staleWrites(stale, m, p)
	}()
	pause(ctx, time.Until(began.Add(long)))
	before := r.observer.look(ctx)
	m.resume()
	whole := make(chan float64, 1)
	go func() { whole <- r.inSync(ctx) }()
	t.Moved = r.leaderOf(before, p) != m
	t.Writes = (<-wrote).Seconds()
	if <-over; !t.Moved {
		t.Stale = 0 // it still leads
	}
	t.InSync = <-whole
	r.missed(&t)
	return t, nil
}

// staleBefore and staleAfter are for how long before and after the end of a pause the stopped leader is sent records.
const (
	staleBefore = time.Second
	staleAfter  = 4 * time.Second
)

// leaderOf is the leader of a partition of the ledger; anybody if nobody knows.
func (r *run) leaderOf(v *view, p int32) *member {
	if id := int(v.partitions[where{ledger, p}].leader); id >= 1 && id <= brokers {
		return r.cluster.members[id-1]
	}
	return r.cluster.members[0]
}

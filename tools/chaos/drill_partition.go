package chaos

import (
	"context"
	"fmt"
	"time"

	"ottla.dev/netsim"
)

// drillKinds are done in turn.
var drillKinds = []string{isolateLeader, "isolate-controller", "one-way", "bridge", "ring"}

// ringBeyond is a ring in which the leadership of a partition has moved to the broker that clients do not reach: no
// broker can know that, and the partition is out of their reach for as long as the ring lasts.
const ringBeyond = "ring-beyond-reach"

// drillPartition cuts brokers off for ten to twenty seconds. A leader that is cut off from the other brokers is still
// reached by clients, some of which know nobody else.
func (r *run) drillPartition(ctx context.Context) (Trial, error) {
	name := drillKinds[int(r.round.Load()-1)%len(drillKinds)]
	v := r.observer.look(ctx)
	p := int32(r.rng.IntN(partitions))
	m := r.leaderOf(v, p)
	if name == "isolate-controller" && v.controller > 0 {
		m = r.cluster.members[v.controller-1]
	}
	long := between(r.rng, 10*time.Second, 20*time.Second)
	host := netsim.Host(m.id)
	w, text := windowOf(name, host, netsim.Host(m.id%brokers+1), r.rng)
	if name == isolateLeader {
		others := without([]netsim.Host{1, 2, 3}, host)
		w = netsim.Window{Kind: netsim.Partition, Hosts: []netsim.Host{host}, Peers: others}
		text = fmt.Sprintf("broker %d from the others, not from clients", host)
	}
	parts, away := r.reachable(name, v, m)
	t := Trial{Fault: name, Broker: m.id, Seconds: long.Seconds()}
	r.say("%s: %s, for %s; %d partitions are looked at", name, text, long.Round(time.Millisecond), len(parts))
	began := time.Now()
	handle, err := r.network.fabric.Begin(w)
	if err != nil {
		return t, err
	}
	wrote, over := make(chan time.Duration, 1), make(chan struct{})
	go func() { wrote <- r.writesAgain(ctx, began, away, parts) }()
	stale, stop := context.WithTimeout(ctx, long+staleAfter)
	defer stop()
	go func() {
		defer close(over)
		if name == isolateLeader {
			pause(stale, long/2) // the others have another leader
			t.Stale, t.StaleAcked, t.StaleAckedOne = r.staleWrites(stale, m, p)
		}
	}()
	pause(ctx, long)
	later := r.observer.look(ctx)
	t.Moved = r.leaderOf(later, p) != m
	for _, p := range parts {
		if name == "ring" && r.leaderOf(later, p) == away {
			t.Fault = ringBeyond
		}
	}
	r.network.fabric.Finish(handle)
	ended := time.Now()
	t.Writes = (<-wrote).Seconds()
	r.observer.await(ctx, healWithin, (*view).whole)
	t.InSync = time.Since(ended).Seconds()
	if <-over; !t.Moved {
		t.Stale = 0 // it still leads
	}
	if t.Fault != ringBeyond {
		r.missed(&t)
	}
	return t, nil
}

// reachable are the partitions that must take writes during a fault, and the broker that clients cannot count on. In
// the ring clients do not reach broker 2, which the others do: what it leads stays there.
func (r *run) reachable(name string, v *view, m *member) (parts []int32, away *member) {
	switch name {
	case "bridge":
	case "ring":
		away = r.cluster.members[1]
	default:
		away = m
	}
	for p := range int32(partitions) {
		if name != "ring" || r.leaderOf(v, p) != away {
			parts = append(parts, p)
		}
	}
	return parts, away
}

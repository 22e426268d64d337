package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"ottla.dev/netsim"
)

// The links of the drill: so long each way, so many bytes a second, and one send in so many ends its connection.
const (
	linkDelay     = 25 * time.Millisecond
	linkBandwidth = 1_000_000 / 8
	linkResets    = 20
	// linkLasts is how long a trial takes.
	linkLasts = 45 * time.Second
)

// linkKinds are done in turn.
var linkKinds = []string{"slow-broker", "slow-all", "slow-broker-resets", "slow-all-resets"}

// drillLinks makes the links of one broker, or all of them, slow, and in every second trial breaks connections.
func (r *run) drillLinks(ctx context.Context) (t Trial, err error) {
	n := int(r.round.Load()-1) % len(linkKinds)
	m := r.leaderOf(r.observer.look(ctx), int32(r.rng.IntN(partitions)))
	t = Trial{Fault: linkKinds[n], Broker: m.id, Seconds: linkLasts.Seconds()}
	one := []netsim.Host{netsim.Host(m.id)}
	ways := []netsim.Window{{Hosts: one}, {Peers: one}}
	if n%2 == 1 {
		ways, t.Broker = []netsim.Window{{}}, 0
	}
	before, struck := r.observer.look(ctx), r.network.fabric.Fired(netsim.Reset)
	var open []int
	begin := func(w netsim.Window) {
		handle, failed := r.network.fabric.Begin(w)
		if failed != nil {
			err = failed
		}
		open = append(open, handle)
	}
	for _, w := range ways {
		w.Kind, w.Delay, w.Bandwidth = netsim.Slow, linkDelay, linkBandwidth
		begin(w)
		if n >= 2 {
			begin(netsim.Window{Kind: netsim.Reset, Hosts: w.Hosts, Peers: w.Peers, OneIn: linkResets})
		}
	}
	if err != nil {
		return t, fmt.Errorf("chaos: %w", err)
	}
	began := time.Now()
	pause(ctx, 2*time.Second) // what was under way before is not counted
	r.load.waits.take()
	t.Writes = r.writesAgain(ctx, began, nil, everyPartition()).Seconds()
	pause(ctx, time.Until(began.Add(linkLasts)))
	t.Half, t.Most = r.load.waits.take()
	t.Elections = before.changed(r.observer.look(ctx))
	if n >= 2 && r.network.fabric.Fired(netsim.Reset) == struck {
		return t, errors.New("chaos: no connection was reset")
	}
	for _, handle := range open {
		r.network.fabric.Finish(handle)
	}
	t.InSync = r.inSync(ctx)
	r.missed(&t)
	return t, nil
}

func everyPartition() (all []int32) {
	for p := range int32(partitions) {
		all = append(all, p)
	}
	return all
}

// changed counts the leaders, of partitions and of the quorum, that another view does not have.
func (v *view) changed(later *view) (n int) {
	for p := range int32(partitions) {
		n += int(later.partitions[where{ledger, p}].epoch - v.partitions[where{ledger, p}].epoch)
	}
	return n + int(later.controllerEpoch-v.controllerEpoch)
}

// waits are how long producers waited for answers.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) add(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, d)
}

// take forgets them and returns the median and the 99th percentile, in seconds.
func (w *waits) take() (half, most float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.all = w.all[:0] }()
	if len(w.all) == 0 {
		return 0, 0
	}
	slices.Sort(w.all)
	return w.all[len(w.all)/2].Seconds(), w.all[len(w.all)*99/100].Seconds()
}

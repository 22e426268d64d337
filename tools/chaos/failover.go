package chaos

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.dev/netsim"
)

// Failover is how long a producer had to wait, for each time that a leader went.
type Failover struct {
	// Fault is what was done to the leader, Controller whether it was the controller, too.
	Fault      string `json:"fault"`
	Controller bool   `json:"controller"`
	// Elected is when the partition had another leader, Seconds when a record was acknowledged that had been sent after
	// the fault: what lies between them is the client's.
	Elected float64 `json:"elected_seconds"`
	Seconds float64 `json:"seconds"`
	// Whole is how long after the end of the fault all replicas were in sync again.
	Whole float64 `json:"in_sync_again_seconds"`
}

// leaderFaults are what is done to leaders, as often each.
var leaderFaults = []string{killLeader, pauseLeader, isolateLeader}

const (
	// probeEvery is how often the producer that measures sends a record.
	probeEvery = 10 * time.Millisecond
	// goneFor is how long a leader that is stopped stays so after another one answers.
	goneFor = time.Second
	// failoverWithin is when nobody will answer any more.
	failoverWithin = 60 * time.Second
)

// MeasureFailover kills the leader of a partition so many times, then stops it as often, and then cuts it off from
// everybody, while a producer writes to it. Sessions are Kafka's unless the options say otherwise.
func MeasureFailover(ctx context.Context, o Options, times int) (all []Failover, err error) {
	o.plain = true
	r := &run{options: o, rng: random(o.Seed), began: time.Now(), faults: map[string]int{}}
	if err := r.build(); err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.up(ctx); err != nil {
		return nil, err
	}
	r.load = newLoad(r.cluster, r.network, "")
	probing, stop := context.WithCancel(ctx)
	defer stop()
	p := r.newProbe(probing)
	for _, fault := range leaderFaults {
		for range times {
			r.round.Add(1)
			f, err := r.failover(ctx, p, fault)
			if err != nil {
				return all, err
			}
			all = append(all, f)
		}
	}
	return all, nil
}

// probe is a producer that writes to one partition all the time. The newest record that was acknowledged was sent at
// acked, in nanoseconds since the load began.
type probe struct {
	client *kgo.Client
	acked  atomic.Int64
}

// newProbe begins to write, until ctx is over.
func (r *run) newProbe(ctx context.Context) *probe {
	p := &probe{client: r.load.client(producerOptions()...)}
	go func() {
		defer p.client.Close()
		for ctx.Err() == nil {
			pause(ctx, probeEvery)
			sent := r.load.now()
			p.client.TryProduce(ctx, &kgo.Record{Topic: ledger, Value: []byte("probe")}, func(_ *kgo.Record, err error) {
				if err == nil {
					p.acked.Store(max(sent, p.acked.Load()))
				}
			})
		}
	}()
	return p
}

// failover does something to the leader of the partition and waits for the first record that was sent afterwards.
func (r *run) failover(ctx context.Context, p *probe, fault string) (f Failover, err error) {
	v, whole := r.observer.await(ctx, healWithin, (*view).whole)
	if !whole {
		return f, fmt.Errorf("chaos: the replicas are not in sync after %s; see the logs in %s", healWithin, r.options.Dir)
	}
	pause(ctx, 2*time.Second)
	leader := int(v.partitions[where{ledger, 0}].leader)
	m := r.cluster.members[leader-1]
	f = Failover{Fault: fault, Controller: leader == v.controller}
	struck := r.load.now()
	cut := -1
	switch fault {
	case killLeader:
		m.kill()
	case pauseLeader:
		m.pause()
	case isolateLeader:
		w := netsim.Window{Kind: netsim.Isolate, Hosts: []netsim.Host{netsim.Host(m.id)}}
		if cut, err = r.network.fabric.Begin(w); err != nil {
			return f, err
		}
	}
	elected := make(chan float64, 1)
	go func() {
		r.observer.await(ctx, failoverWithin, func(v *view) bool {
			s := v.partitions[where{ledger, 0}]
			return s.leader > 0 && int(s.leader) != leader
		})
		elected <- time.Duration(r.load.now() - struck).Seconds()
	}()
	for p.acked.Load() <= struck {
		if time.Duration(r.load.now()-struck) > failoverWithin || ctx.Err() != nil {
			return f, fmt.Errorf("chaos: no record was acknowledged for %s after broker %d was gone", failoverWithin, leader)
		}
		pause(ctx, time.Millisecond)
	}
	f.Seconds = time.Duration(r.load.now() - struck).Seconds()
	f.Elected = <-elected
	r.say("%s: broker %d; another leader after %.2fs, a record acknowledged after %.2fs", fault, leader, f.Elected,
		f.Seconds)
	pause(ctx, goneFor)
	m.resume()
	if cut >= 0 {
		r.network.fabric.Finish(cut)
	}
	if err := m.start(); err != nil {
		return f, err
	}
	ended := time.Now()
	if _, whole := r.observer.await(ctx, healWithin, (*view).whole); !whole {
		return f, fmt.Errorf("chaos: the replicas are not in sync after %s; see the logs in %s", healWithin, r.options.Dir)
	}
	f.Whole = time.Since(ended).Seconds()
	return f, nil
}

// WriteFailovers writes the table of medians.
func WriteFailovers(to io.Writer, all []Failover) error {
	out := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "fault\ttimes\tanother leader: least\tmedian\tmost\ta record acknowledged: least\tmedian\tmost"+
		"\tin sync again: least\tmedian\tmost")
	for _, fault := range leaderFaults {
		for _, controller := range []bool{false, true} {
			name := fault
			if controller {
				name += ", the controller"
			}
			var elected, acked, whole []float64
			for _, f := range all {
				if f.Fault == fault && f.Controller == controller {
					elected, acked = append(elected, f.Elected), append(acked, f.Seconds)
					whole = append(whole, f.Whole)
				}
			}
			if len(acked) > 0 {
				fmt.Fprintf(out, "%s\t%d\t%s\t%s\t%s\n", name, len(acked), spread(elected), spread(acked),
					spread(whole))
			}
		}
	}
	return out.Flush()
}

// spread is the least, the median and the most.
func spread(s []float64) string {
	slices.Sort(s)
	return fmt.Sprintf("%.2fs\t%.2fs\t%.2fs", s[0], s[len(s)/2], s[len(s)-1])
}

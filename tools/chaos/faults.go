package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"ottla.dev/netsim"
)

// Names of faults, which stand in the log, the history and the table.
const (
	killLeader     = "kill-leader"
	killController = "kill-controller"
	killTwo        = "kill-two"
	killAll        = "kill-all"
	stopCleanly    = "stop"
	pauseLeader    = "pause-leader"
	pauseControl   = "pause-controller"
	isolateLeader  = "isolate-leader"
)

// weighted is a list to draw from, each with its weight.
type weighted []struct {
	name   string
	weight int
}

// The faults: those of processes, one a round, and those that go on beside them for longer.
var (
	ofProcesses = weighted{{killLeader, 46}, {killController, 14}, {killTwo, 20}, {killAll, 11}, {stopCleanly, 4}, {"", 5}}
	beside      = weighted{{pauseLeader, 20}, {pauseControl, 10}, {isolateLeader, 12}, {"isolate-controller", 10},
		{"one-way", 10}, {"bridge", 8}, {"ring", 8}, {"slow", 10}, {"reset", 8}, {"half-open", 4}}
)

func (w weighted) sum() (sum int) {
	for _, x := range w {
		sum += x.weight
	}
	return sum
}

func (w weighted) draw(r *rand.Rand) string {
	at := r.IntN(w.sum())
	for _, x := range w {
		if at -= x.weight; at < 0 {
			return x.name
		}
	}
	panic("chaos: a weight is missing")
}

// random is the stream that a seed draws faults from.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// between draws a time.
func between(r *rand.Rand, a, b time.Duration) time.Duration {
	return a + time.Duration(r.Int64N(int64(b-a)+1))
}

// skewed draws a time that is short more often than long.
func skewed(r *rand.Rand, a, b time.Duration) time.Duration {
	u := r.Float64()
	return a + time.Duration(u*u*u*float64(b-a))
}

// pick chooses who is meant: the leader of a drawn partition, the controller, or anybody if nobody knows.
func (r *run) pick(name string, v *view) *member {
	n := r.rng.IntN(brokers)
	p := int32(r.rng.IntN(partitions))
	id := 0
	switch {
	case strings.HasSuffix(name, "controller"):
		id = v.controller
	case strings.HasSuffix(name, "leader"):
		id = int(v.partitions[where{ledger, p}].leader)
	}
	if id < 1 || id > brokers {
		return r.cluster.members[n]
	}
	return r.cluster.members[id-1]
}

// strike is the fault of processes of a round; it returns when they run again.
func (r *run) strike(ctx context.Context, v *view) error {
	name := ofProcesses.draw(r.rng)
	first := r.pick(name, v)
	apart, down := between(r.rng, 0, 300*time.Millisecond), skewed(r.rng, 0, 4*time.Second)
	var victims []*member
	switch name {
	case "":
		return nil
	case killTwo:
		spared := first
		for _, m := range r.cluster.members {
			if m != spared {
				victims = append(victims, m)
			}
		}
	case killAll:
		victims = r.cluster.members
	default:
		victims = []*member{first}
	}
	if r.rng.IntN(2) == 0 {
		apart = 0
	}
	r.say("%s: %s, back after %s", name, names(victims), down.Round(time.Millisecond))
	defer r.load.fault(name, r.load.now())
	r.count(name)
	var all sync.WaitGroup
	for i, m := range victims {
		all.Go(func() {
			pause(ctx, time.Duration(i)*apart)
			if name == stopCleanly {
				r.note(m.stopped())
			} else if m.kill() {
				r.kills.Add(1)
			}
		})
	}
	all.Wait()
	pause(ctx, down)
	for _, m := range victims {
		if err := m.start(); err != nil {
			return err
		}
		pause(ctx, apart)
	}
	return nil
}

// stopped stops the broker cleanly, as well as it can while others are away.
func (m *member) stopped() error {
	err := m.end(stopSignal)
	if err == errGone {
		return nil
	}
	return err
}

// begin starts a fault that goes on beside those of the rounds; nil if there was nobody to do it to.
func (r *run) begin(ctx context.Context, v *view) *lasting {
	name := beside.draw(r.rng)
	m := r.pick(name, v)
	other := r.cluster.members[m.id%brokers]
	long := skewed(r.rng, time.Second, 30*time.Second)
	from := r.load.now()
	over := func() { r.load.fault(name, from) }
	if name == pauseLeader || name == pauseControl {
		if !m.pause() {
			return nil
		}
		r.count(name)
		r.say("%s: broker %d for %s", name, m.id, long.Round(time.Millisecond))
		return after(ctx, long, func() { m.resume(); over() })
	}
	long = min(long, 12*time.Second)
	w, text := windowOf(name, netsim.Host(m.id), netsim.Host(other.id), r.rng)
	handle, err := r.network.fabric.Begin(w)
	if err != nil {
		panic("chaos: " + err.Error()) // the windows are ours
	}
	r.count(name)
	r.say("%s: %s, for %s", name, text, long.Round(time.Millisecond))
	return after(ctx, long, func() {
		r.network.fabric.Finish(handle)
		if w.Kind == netsim.HalfOpen {
			r.network.fabric.Heal() // or its connections would stay so
		}
		over()
	})
}

// windowOf makes a fault of the network around a broker.
func windowOf(name string, h, other netsim.Host, r *rand.Rand) (w netsim.Window, text string) {
	everybody := []netsim.Host{clientHost, 1, 2, 3}
	one := []netsim.Host{h}
	switch name {
	case isolateLeader, "isolate-controller":
		return netsim.Window{Kind: netsim.Isolate, Hosts: one}, fmt.Sprintf("broker %d from all, clients too", h)
	case "one-way":
		if r.IntN(2) == 0 {
			return netsim.Window{Kind: netsim.OneWay, Hosts: one}, fmt.Sprintf("nothing leaves broker %d", h)
		}
		return netsim.Window{Kind: netsim.OneWay, Hosts: without(everybody, h), Peers: one},
			fmt.Sprintf("nothing comes to broker %d", h)
	case "bridge":
		return netsim.Window{Kind: netsim.Partition, Hosts: one, Peers: []netsim.Host{other}},
			fmt.Sprintf("brokers %d and %d from each other", h, other)
	case "ring":
		return netsim.Window{Kind: netsim.Ring, Hosts: everybody}, "clients and broker 2, brokers 1 and 3, from each other"
	case "slow":
		return netsim.Window{Kind: netsim.Slow, Hosts: one, Delay: between(r, 10*time.Millisecond, 100*time.Millisecond),
			Bandwidth: 128 << 10}, fmt.Sprintf("from broker %d", h)
	case "reset":
		return netsim.Window{Kind: netsim.Reset, OneIn: 200}, "one in 200 sends, everywhere"
	case "half-open":
		return netsim.Window{Kind: netsim.HalfOpen, Hosts: one, OneIn: 300}, fmt.Sprintf("one in 300 sends of broker %d", h)
	}
	panic("chaos: no fault is called " + name)
}

func without(all []netsim.Host, h netsim.Host) (rest []netsim.Host) {
	for _, x := range all {
		if x != h {
			rest = append(rest, x)
		}
	}
	return rest
}

// lasting is a fault that goes on by itself.
type lasting struct {
	cancel context.CancelFunc
	over   chan struct{} // closed when it is
}

// after runs do once, when the time is over or the fault is ended.
func after(ctx context.Context, d time.Duration, do func()) *lasting {
	ctx, cancel := context.WithCancel(ctx)
	l := &lasting{cancel, make(chan struct{})}
	go func() {
		defer close(l.over)
		pause(ctx, d)
		do()
	}()
	return l
}

// end ends the fault, if it is still there.
func (l *lasting) end() {
	l.cancel()
	<-l.over
}

// isOver is true for no fault, too.
func (l *lasting) isOver() bool {
	if l == nil {
		return true
	}
	select {
	case <-l.over:
		return true
	default:
		return false
	}
}

// pause waits, unless ctx is over.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// names lists brokers for a log line.
func names(all []*member) string {
	var ids []string
	for _, m := range all {
		ids = append(ids, fmt.Sprint(m.id))
	}
	if len(ids) == 1 {
		return "broker " + ids[0]
	}
	return "brokers " + strings.Join(ids, ", ")
}

package netsim

import (
	"fmt"
	"hash/fnv"
	"slices"
	"testing"
	"time"
)

// soak is a small world in which every host dials, sends, pauses, closes and loses power at random, next to an oracle
// that knows what may arrive.
type soak struct {
	t        testing.TB
	net      *Net[[2]int] // payload: direction's index among those below, number
	schedule *Schedule
	rng      stream
	hosts    int
	now      time.Duration
	ends     []*soakEnd
	byEnd    map[End]*soakEnd
	trace    []byte
	arrived  int
	vanished []bool
	healed   bool
}

// soakEnd is what its owner knows of an end.
type soakEnd struct {
	end        End
	host, peer Host
	index      int
	over       bool // no event may follow
	connected  bool
	fin        bool // the peer has closed
	full       bool
	paused     bool
	closing    bool
	sent       int
	expect     int // the number that arrives next
}

const soakPort = 9092

func newSoak(t testing.TB, hosts int, seed uint64, s *Schedule) *soak {
	k := &soak{t: t, net: New[[2]int](hosts, seed, s), schedule: s, rng: stream{seed}.fork(77), hosts: hosts,
		byEnd: map[End]*soakEnd{}, vanished: make([]bool, hosts)}
	for h := range hosts {
		k.net.Listen(Address{Host(h), soakPort})
	}
	return k
}

func (k *soak) add(end End, host, peer Host) *soakEnd {
	e := &soakEnd{end: end, host: host, peer: peer, index: len(k.ends)}
	k.ends = append(k.ends, e)
	k.byEnd[end] = e
	return e
}

func (k *soak) fail(e *Event[[2]int], format string, a ...any) {
	k.t.Helper()
	k.t.Fatalf("%s: %s\n%s", e.AppendText(nil), fmt.Sprintf(format, a...), k.schedule)
}

// event checks one event against the rules and takes it.
func (k *soak) event(e *Event[[2]int]) {
	k.trace = append(e.AppendText(k.trace), '\n')
	if e.At > k.now {
		k.fail(e, "comes before its time, at %v", k.now)
	}
	if k.vanished[e.Host] {
		k.fail(e, "told to a host without power")
	}
	end := k.byEnd[e.End]
	if e.Kind == Accepted {
		if end != nil {
			k.fail(e, "accepted twice")
		}
		end = k.add(e.End, e.Host, e.Peer)
		end.connected = true
	}
	if end == nil || end.over {
		k.fail(e, "told to an end that is over")
	}
	if end.host != e.Host || end.peer != e.Peer {
		k.fail(e, "from %d to %d", end.host, end.peer)
	}
	if !end.connected && e.Kind != Connected && !e.Kind.Final() {
		k.fail(e, "told before the connection is there")
	}
	end.over = end.over || e.Kind.Final()
	k.take(end, e)
}

func (k *soak) take(end *soakEnd, e *Event[[2]int]) {
	switch e.Kind {
	case Connected:
		end.connected = true
	case Writable:
		if !end.full {
			k.fail(e, "nobody asked")
		}
		end.full = false
	case ClosedByPeer:
		peer := k.byEnd[e.End.Peer()]
		if end.fin || !peer.closing || end.expect != peer.sent {
			k.fail(e, "the peer sent %d, %d arrived", peer.sent, end.expect)
		}
		end.fin = true
	case Arrived, Fragmented:
		sender := k.byEnd[e.End.Peer()]
		if e.Payload != [2]int{sender.index, end.expect} || end.fin {
			k.fail(e, "%v instead of %d %d", e.Payload, sender.index, end.expect)
		}
		if (e.Kind == Arrived) != (e.Bytes == e.Size) || e.Bytes < 1 {
			k.fail(e, "%d bytes", e.Bytes)
		}
		if end.paused {
			k.fail(e, "although nobody reads")
		}
		if k.blocked(e.Peer, e.Host, e.At) {
			k.fail(e, "across a partition")
		}
		end.expect++
		k.arrived++
	}
}

// blocked asks the schedule, not the network.
func (k *soak) blocked(from, to Host, at time.Duration) bool {
	if k.healed {
		return false
	}
	return slices.ContainsFunc(k.schedule.Windows, func(w Window) bool {
		return w.Kind.Blocks() && w.ActiveAt(at) && w.Covers(from, to)
	})
}

// act does something at random.
func (k *soak) act() {
	from := Host(k.rng.below(uint64(k.hosts)))
	switch what := k.rng.below(100); {
	case what < 8:
		to := Host(k.rng.below(uint64(k.hosts)))
		if !k.vanished[from] {
			k.add(k.net.Dial(k.now, from, Address{to, soakPort}), from, to)
		}
	case what == 8 && k.rng.chance(1, 10):
		k.machine(from)
	case len(k.ends) > 0:
		k.actOn(k.ends[max(0, len(k.ends)-1-int(k.rng.below(20)))], what)
	}
}

func (k *soak) machine(h Host) {
	switch {
	case k.vanished[h]:
		k.net.Return(k.now, h)
		k.vanished[h] = false
		k.net.Listen(Address{h, soakPort})
		return
	case k.rng.chance(1, 2):
		k.net.Vanish(k.now, h)
		k.vanished[h] = true
	default:
		k.net.Kill(k.now, h)
		k.net.Listen(Address{h, soakPort})
	}
	for _, e := range k.ends {
		if e.host == h {
			e.over = true
			e.closing = e.closing || !k.vanished[h]
		}
	}
}

func (k *soak) actOn(e *soakEnd, what uint64) {
	if e.over || !e.connected && what > 20 {
		return
	}
	switch {
	case what < 11:
		k.net.Close(k.now, e.end)
		e.closing, e.over = true, true
	case what < 14:
		k.net.Abort(k.now, e.end)
		e.over = true
	case what < 18:
		k.net.Pause(e.end)
		e.paused = true
	case what < 24 || e.paused:
		k.net.Resume(k.now, e.end)
		e.paused = false
	default:
		switch err := k.net.Send(k.now, e.end, [2]int{e.index, e.sent}, 1+int(k.rng.below(3000))); err {
		case nil:
			e.sent++
		case ErrFull:
			e.full = true
		case ErrGone:
			k.t.Fatalf("%v is gone, and nobody told\n%s", e.end, k.schedule)
		}
	}
}

// run acts and delivers until a time.
func (k *soak) run(until, pace time.Duration) {
	act := k.now + k.rng.exponential(pace)
	for {
		next, ok := k.net.Next()
		if ok && next <= act {
			if next > until {
				break
			}
			k.now = max(k.now, next)
			if e, ok := k.net.Step(k.now); ok {
				k.event(&e)
			}
			continue
		}
		if act > until {
			break
		}
		k.now = act
		k.act()
		act += k.rng.exponential(pace)
	}
	k.now = until
}

// settle heals everything and checks that nothing was forgotten.
func (k *soak) settle() {
	for h, gone := range k.vanished {
		if gone {
			k.vanished[h] = false
			k.net.Return(k.now, Host(h))
		}
	}
	k.net.Heal(k.now)
	k.healed = true
	for _, e := range k.ends {
		k.net.Resume(k.now, e.end)
		e.paused = false
	}
	for {
		next, ok := k.net.Next()
		if !ok {
			break
		}
		k.now = max(k.now, next)
		if e, ok := k.net.Step(k.now); ok {
			k.event(&e)
		}
	}
	for _, e := range k.ends {
		peer := k.byEnd[e.end.Peer()]
		switch {
		case !e.over && !e.connected:
			k.t.Fatalf("%v was never answered\n%s", e.end, k.schedule)
		case e.over || peer == nil || peer.over: // what a closed end left may time out in silence
		case e.expect != peer.sent:
			k.t.Fatalf("%v sent %d, %d arrived\n%s", peer.end, peer.sent, e.expect, k.schedule)
		case k.net.Open(peer.end) && k.net.Queued(peer.end) != 0:
			k.t.Fatalf("%v has %d bytes under way for ever", peer.end, k.net.Queued(peer.end))
		}
		k.net.Close(k.now, e.end)
		k.net.Close(k.now, e.end.Peer())
	}
	k.finish()
}

// finish checks that a network in which all ends are closed forgets everything.
func (k *soak) finish() {
	for {
		next, ok := k.net.Next()
		if !ok {
			break
		}
		k.now = max(k.now, next)
		k.net.Step(k.now)
	}
	if n := k.net.Conns(); n > 0 {
		k.t.Fatalf("%d connections are left over\n%s", n, k.schedule)
	}
}

func runSoak(t testing.TB, seed uint64) *soak {
	shape := stream{seed}.fork(99)
	hosts := int(shape.between(1, 8))
	voters := int(shape.between(1, int64(min(hosts, 5))))
	s := Draw(seed, DefaultBudget(hosts, voters, 20*time.Second))
	k := newSoak(t, hosts, seed, s)
	k.run(20*time.Second, shape.span(5*time.Millisecond, 20*time.Millisecond))
	k.settle()
	return k
}

func TestEverySeedKeepsTheRules(t *testing.T) {
	var all Counts
	seeds := uint64(300)
	if testing.Short() {
		seeds = 50
	}
	arrived := 0
	for seed := range seeds {
		k := runSoak(t, seed)
		arrived += k.arrived
		counts := k.net.Counts()
		for i, n := range counts.Fired {
			all.Fired[i] += n
		}
	}
	if arrived < int(seeds)*20 {
		t.Errorf("%d payloads arrived in %d seeds", arrived, seeds)
	}
	for k := Partition; k < kinds; k++ {
		if all.Fired[k] == 0 {
			t.Errorf("%s never happened", k)
		}
	}
	t.Logf("%d arrived, fired %v", arrived, all.Fired)
}

func TestTheSameSeedHappensTheSameWay(t *testing.T) {
	seen := map[uint64]bool{}
	for seed := range uint64(20) {
		h := fnv.New64a()
		first := runSoak(t, seed)
		h.Write(first.trace)
		if second := runSoak(t, seed); string(first.trace) != string(second.trace) {
			t.Fatalf("seed %d: two runs differ", seed)
		}
		seen[h.Sum64()] = true
	}
	if len(seen) < 19 {
		t.Errorf("20 seeds give %d traces", len(seen))
	}
}

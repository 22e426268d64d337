package netsim

import (
	"cmp"
	"slices"
	"time"
)

const (
	// drawTries is how often a window that breaks the budget is drawn again.
	drawTries = 4
	// calmSeeds is how many seeds there are for one without any fault.
	calmSeeds = 12
)

// drawer draws the windows of one seed.
type drawer struct {
	rng     stream
	budget  *Budget
	windows []Window
}

// Draw draws a network and its faults from a seed: delays, bandwidths and timeouts from a quick local network to a slow
// wide one, each kind of fault on or off, and each that is on some times. What it draws is within the budget. Each kind
// draws from a stream of its own.
func Draw(seed uint64, b Budget) *Schedule {
	rng := stream{seed}.fork(1)
	s := &Schedule{}
	settings := rng.fork(0)
	s.drawSettings(&settings, b.Hosts)
	on := rng.fork(1)
	calm := on.chance(1, calmSeeds)
	d := drawer{budget: &b}
	for kind := Partition; kind < kinds; kind++ {
		if on.chance(1, 2) && !calm {
			d.rng = rng.fork(2, uint64(kind))
			d.kind(kind)
		}
	}
	slices.SortStableFunc(d.windows, func(a, b Window) int { return cmp.Compare(a.From, b.From) })
	s.Windows = d.windows
	return s
}

func (s *Schedule) drawSettings(r *stream, hosts int) {
	s.Settings = Settings{
		Link:           drawLink(r),
		ConnectTimeout: r.span(time.Second, 10*time.Second),
		WriteTimeout:   r.span(3*time.Second, 30*time.Second),
		RetransmitMax:  r.span(10*time.Millisecond, 3*time.Second),
	}
	if hosts < 2 || !r.chance(1, 3) {
		return
	}
	for range r.between(1, int64(hosts)) {
		from := Host(r.below(uint64(hosts)))
		to := Host((uint64(from) + 1 + r.below(uint64(hosts-1))) % uint64(hosts))
		s.Paths = append(s.Paths, Path{from, to, drawLink(r)})
	}
}

// drawLink draws half of the links from a local network, the others from the ranges of TigerBeetle's VOPR.
func drawLink(r *stream) (l Link) {
	if r.chance(1, 2) {
		l.DelayMin = r.span(20*time.Microsecond, 500*time.Microsecond)
		l.DelayMean = l.DelayMin + r.span(0, 2*time.Millisecond)
	} else {
		l.DelayMin = r.span(0, 30*time.Millisecond)
		l.DelayMean = r.span(30*time.Millisecond, 100*time.Millisecond)
	}
	if r.chance(1, 3) {
		l.Bandwidth = r.between(100_000, 100_000_000)
	}
	l.Queue = int64(4096) << r.below(9)
	return l
}

func (d *drawer) kind(k Kind) {
	switch {
	case k == Swizzle:
		for range d.rng.between(1, 2) {
			d.swizzle()
		}
	case k.Strikes():
		for range d.rng.between(1, 3) {
			d.try(func() Window { return d.striking(k) })
		}
	case k == Ring && len(d.budget.Voters) < ringLeast || k == Bridge && len(d.budget.Voters) < 3:
	default:
		for range d.rng.between(1, 4) {
			d.try(func() Window { return d.window(k) })
		}
	}
}

// try draws a window until it fits with the others, or gives up.
func (d *drawer) try(draw func() Window) {
	for range drawTries {
		d.windows = append(d.windows, draw())
		if d.budget.Check(d.windows) == nil {
			return
		}
		d.windows = d.windows[:len(d.windows)-1]
	}
}

// times draws when a window is: short ones are as likely as long ones.
func (d *drawer) times(w *Window, longest time.Duration) {
	horizon := d.budget.Horizon
	longest = max(min(longest, horizon/2), 2*time.Millisecond) >> d.rng.below(6)
	w.From = d.rng.span(0, max(horizon-longest-1, 0))
	w.To = w.From + d.rng.span(longest/2, longest) + 1
}

func (d *drawer) striking(k Kind) (w Window) {
	w.Kind = k
	d.times(&w, d.budget.Horizon)
	w.OneIn = max(d.budget.MinOneIn, 1) * (1 + d.rng.below(50))
	d.someHosts(&w)
	return w
}

// someHosts leaves a window for everybody, or for the ways from one host or to one.
func (d *drawer) someHosts(w *Window) {
	h := []Host{Host(d.rng.below(uint64(d.budget.Hosts)))}
	switch d.rng.below(4) {
	case 0:
		w.Hosts = h
	case 1:
		w.Peers = h
	}
}

func (d *drawer) window(k Kind) (w Window) {
	w.Kind = k
	d.times(&w, 2*d.budget.MaxOutage)
	voters := d.shuffled(d.budget.Voters)
	all := d.allHosts()
	switch k {
	case Partition, OneWay, Clog:
		d.groups(&w, all)
	case Isolate:
		w.Hosts = pickSome(&d.rng, all, 1)
		if len(voters) > 0 && d.rng.chance(3, 4) {
			w.Hosts = voters[:1]
		}
	case Bridge:
		middle := len(voters) / 2
		w.Hosts, w.Peers = voters[:middle], voters[middle+1:]
	case Ring:
		w.Hosts = voters
	case Slow:
		d.someHosts(&w)
		w.Delay = d.rng.span(time.Millisecond, 2*time.Second) >> d.rng.below(8)
		if d.rng.chance(1, 2) {
			w.Bandwidth = d.rng.between(2_000, 1_000_000)
		}
	case Refuse, Hang:
		d.someHosts(&w)
	}
	if k.Blocks() && d.rng.chance(1, 4) {
		w.Every = d.rng.span(2*time.Millisecond, 2*time.Second)
	}
	return w
}

// groups draws two sides: of even sizes, or of any size, or clients against voters.
func (d *drawer) groups(w *Window, all []Host) {
	n := uint64(len(all))
	switch d.rng.below(4) {
	case 0:
		w.Hosts = all[:1+d.rng.below(n)]
	case 1: // every host decides for itself
		for _, h := range all {
			if d.rng.chance(1, 2) {
				w.Hosts = append(w.Hosts, h)
			}
		}
	case 2: // one pair
		w.Hosts, w.Peers = all[:1], all[min(1, n-1):min(2, n)]
	default:
		w.Hosts = slices.Clone(d.budget.Voters)
	}
	if len(w.Hosts) == 0 {
		w.Hosts = all[:1]
	}
	if w.Peers == nil && w.Kind == OneWay && d.rng.chance(1, 2) {
		w.Hosts, w.Peers = nil, pickSome(&d.rng, all, 1)
	}
}

// swizzle clogs some hosts one after the other and releases them in another order.
func (d *drawer) swizzle() {
	hosts := d.allHosts()
	hosts = hosts[:1+d.rng.below(uint64(len(hosts)))]
	var span Window
	d.times(&span, d.budget.MaxOutage)
	for range drawTries {
		before := len(d.windows)
		middle := d.rng.span(span.From, span.To)
		for _, h := range hosts {
			w := Window{Kind: Swizzle, Hosts: []Host{h}, From: d.rng.span(span.From, middle)}
			w.To = max(d.rng.span(middle, span.To), w.From+1)
			d.windows = append(d.windows, w)
		}
		if d.budget.Check(d.windows) == nil {
			return
		}
		d.windows = d.windows[:before]
		hosts = hosts[:(len(hosts)+1)/2]
	}
}

func (d *drawer) allHosts() []Host {
	all := make([]Host, d.budget.Hosts)
	for i := range all {
		all[i] = Host(i)
	}
	return d.shuffled(all)
}

func (d *drawer) shuffled(hosts []Host) []Host {
	hosts = slices.Clone(hosts)
	for i := len(hosts) - 1; i > 0; i-- {
		j := d.rng.below(uint64(i + 1))
		hosts[i], hosts[j] = hosts[j], hosts[i]
	}
	return hosts
}

func pickSome(r *stream, from []Host, n int) (some []Host) {
	first := r.below(uint64(len(from)))
	for i := range n {
		some = append(some, from[(first+uint64(i))%uint64(len(from))])
	}
	return some
}

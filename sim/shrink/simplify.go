package shrink

import (
	"slices"
	"time"

	"ottla.dev/netsim"
	"ottla.dev/sim/fault"
)

// simplify makes simpler what cannot be left out.
func (s *Shrinker) simplify() {
	for i := range whole {
		s.try(whole[i])
	}
	for i := range s.best.Topics {
		s.each(func(p *fault.Plan) { p.Topics[i].Partitions = 1 },
			func(p *fault.Plan) { p.Topics[i].Replicas = 1; lower(p.Topics[i].Settings, "min.insync.replicas", 1) },
			func(p *fault.Plan) { p.Topics[i].Replicas = min(p.Topics[i].Replicas, 2) })
	}
	for i := range s.best.Clients {
		if s.best.Clients[i].Kind != fault.Absent {
			s.client(i)
		}
	}
	for i := range s.best.Machines {
		s.each(func(p *fault.Plan) { p.Machines[i].Skew = 0 }, func(p *fault.Plan) { p.Machines[i].Drift = 0 },
			func(p *fault.Plan) { p.Machines[i].Rack = "" }, func(p *fault.Plan) { p.Machines[i].Joins = 0 })
	}
	for i := range s.best.Stops {
		s.each(func(p *fault.Plan) { p.Stops[i].Again = nil }, func(p *fault.Plan) { p.Stops[i].Crash = 0 },
			func(p *fault.Plan) { p.Stops[i].Pending = false }, func(p *fault.Plan) { p.Stops[i].Wipe = false },
			func(p *fault.Plan) { p.Stops[i].Kind = fault.Kill }, func(p *fault.Plan) { p.Stops[i].Down = 0 })
	}
	for i := range s.best.Ambushes {
		s.each(func(p *fault.Plan) { p.Ambushes[i].After = 0 }, func(p *fault.Plan) { p.Ambushes[i].Shorten() },
			func(p *fault.Plan) { p.Ambushes[i].From = 0 }, func(p *fault.Plan) { p.Ambushes[i].Way = 0 },
			func(p *fault.Plan) { p.Ambushes[i].Simplify() })
	}
	for i := range s.best.Faults {
		s.each(func(p *fault.Plan) { p.Faults[i].Rate = 1 })
		s.narrow(func(p *fault.Plan) (from, to *time.Duration) { return &p.Faults[i].From, &p.Faults[i].To })
	}
	for i := range *windows(s.best) {
		s.window(i)
	}
	s.round()
}

// each tries changes one after the other.
func (s *Shrinker) each(changes ...func(p *fault.Plan)) {
	for _, change := range changes {
		s.try(change)
	}
}

// whole are changes of the world.
//
//core:table
var whole = [...]func(p *fault.Plan){
	func(p *fault.Plan) { p.Delays = quick },
	func(p *fault.Plan) { p.Delays.Message = quick.Message },
	func(p *fault.Plan) { p.Delays.Write = quick.Write },
	func(p *fault.Plan) { p.Delays.Sync = quick.Sync },
	func(p *fault.Plan) { p.Delays.Network = quick.Network },
	func(p *fault.Plan) { p.Delays.JobStep = 0 },
	func(p *fault.Plan) { p.Delays.Stall = 0 },
	func(p *fault.Plan) { p.Delays.Round = 0 },
	func(p *fault.Plan) { p.Shards = 1 },
	func(p *fault.Plan) { p.Dirs, p.DirFailures = 1, nil },
	func(p *fault.Plan) { p.UnorderedNames = false },
	func(p *fault.Plan) { p.StaleCache = false },
	func(p *fault.Plan) { p.Dynamic = false },
	network(func(s *netsim.Settings) { *s = netsim.Settings{} }),
	network(func(s *netsim.Settings) { *s = netsim.Settings{Link: s.Link} }),
	network(func(s *netsim.Settings) { s.Link.Queue, s.Link.Bandwidth = 0, 0 }),
}

// network is a change of a cluster's network.
func network(change func(s *netsim.Settings)) func(p *fault.Plan) {
	return func(p *fault.Plan) {
		if p.Net != nil {
			change(&p.Net.Settings)
		}
	}
}

// quick are delays of a machine on which nothing is slow.
//
//core:table
var quick = fault.Delays{Message: 5 * time.Microsecond, Write: 20 * time.Microsecond, Sync: 200 * time.Microsecond,
	Network: 100 * time.Microsecond}

// fewRequests are how many requests a client may need.
//
//core:table
var fewRequests = [...]int{200, 50, 20, 10, 5, 3, 2, 1}

func (s *Shrinker) client(i int) {
	change := func(f func(c *fault.Client)) bool { return s.try(func(p *fault.Plan) { f(&p.Clients[i]) }) }
	for _, n := range fewRequests {
		if was := s.best.Clients[i].Requests; was > 0 && n >= was {
			continue
		}
		if !change(func(c *fault.Client) { c.Requests = n }) {
			break
		}
	}
	change(func(c *fault.Client) { c.Old = false })
	change(func(c *fault.Client) { c.Drop = 0 })
	change(func(c *fault.Client) { c.Bad = 0 })
	change(func(c *fault.Client) { c.Sequence, c.Session = 0, 0 })
	change(func(c *fault.Client) { c.Instance = "" })
	change(func(c *fault.Client) { c.Restart, c.Late, c.Rest, c.Bump, c.Delete, c.Odd = 0, 0, 0, 0, 0, 0 })
	change(func(c *fault.Client) { c.Epochs = false })
	if s.best.Clients[i].Kind != fault.Producer {
		return
	}
	change(func(c *fault.Client) { c.Idempotent = false })
	change(func(c *fault.Client) { c.InFlight = 1 })
	change(func(c *fault.Client) { c.MaxRecords = 1 })
	change(func(c *fault.Client) { c.MaxValue = min(c.MaxValue, 8) })
}

func (s *Shrinker) window(i int) {
	s.each(func(p *fault.Plan) { p.Net.Windows[i].Every = 0 })
	for _, side := range []func(w *netsim.Window) *[]netsim.Host{
		func(w *netsim.Window) *[]netsim.Host { return &w.Hosts },
		func(w *netsim.Window) *[]netsim.Host { return &w.Peers },
	} {
		for j := len(*side(&s.best.Net.Windows[i])) - 1; j >= 0; j-- {
			s.try(func(p *fault.Plan) {
				hosts := side(&p.Net.Windows[i])
				*hosts = slices.Delete(*hosts, j, j+1)
			})
		}
	}
	s.narrow(func(p *fault.Plan) (from, to *time.Duration) {
		return &p.Net.Windows[i].From, &p.Net.Windows[i].To
	})
}

// narrow halves a time from either end for as long as that fails.
func (s *Shrinker) narrow(span func(p *fault.Plan) (from, to *time.Duration)) {
	const least = 20 * time.Millisecond
	for {
		from, to := span(s.best)
		half := (*to - *from) / 2
		if half < least || !s.try(func(p *fault.Plan) { _, to := span(p); *to -= half }) &&
			!s.try(func(p *fault.Plan) { from, _ := span(p); *from += half }) {
			return
		}
	}
}

// round makes times round, the coarsest that do.
func (s *Shrinker) round() {
	for _, unit := range []time.Duration{time.Second, 100 * time.Millisecond, 10 * time.Millisecond, time.Millisecond} {
		if s.try(func(p *fault.Plan) { roundTo(p, unit) }) {
			return
		}
	}
}

func roundTo(p *fault.Plan, unit time.Duration) {
	near := func(times ...*time.Duration) {
		for _, t := range times {
			if *t != netsim.Never {
				*t = t.Round(unit)
			}
		}
	}
	span := func(from, to *time.Duration) {
		if near(from, to); *to <= *from {
			*to = *from + unit
		}
	}
	near(&p.Duration)
	for i := range p.Stops {
		near(&p.Stops[i].At, &p.Stops[i].Down)
	}
	for i := range p.Faults {
		span(&p.Faults[i].From, &p.Faults[i].To)
	}
	for i := range p.DirFailures {
		span(&p.DirFailures[i].At, &p.DirFailures[i].Back)
	}
	for i := range p.Rots {
		near(&p.Rots[i].At, &p.Rots[i].Down, &p.Rots[i].For)
	}
	for i := range p.Operations {
		near(&p.Operations[i].At)
	}
	for i := range p.Jumps {
		near(&p.Jumps[i].At, &p.Jumps[i].By)
	}
	if p.Net == nil {
		return
	}
	for i := range p.Net.Windows {
		span(&p.Net.Windows[i].From, &p.Net.Windows[i].To)
	}
}

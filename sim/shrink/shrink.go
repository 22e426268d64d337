package shrink

import (
	"time"

	"ottla.dev/sim/fault"
)

// Shrinker shrinks plans.
type Shrinker struct {
	// Fails runs a plan. It reports whether that fails in the way that is looked for, and when, in the plan's time.
	Fails func(p *fault.Plan) (at time.Duration, failed bool)
	// Over reports that there is no time left. What has been reached is the result then.
	Over func() bool
	// Smaller, if not nil, is told of every smaller plan that fails.
	Smaller func(p *fault.Plan)

	best *fault.Plan
	at   time.Duration // when the best plan fails
	// salt is the last that was tried, and salts how many are tried for each candidate.
	salt  uint64
	salts int
}

// rounds are how many salts are tried for each candidate, round by round. The last one is repeated for as long as it
// finds something.
//
//core:table
var rounds = [...]int{1, 2, 4, 8}

// Shrink returns the smallest plan that was found to fail. It returns nil if the plan itself does not.
func (s *Shrinker) Shrink(p *fault.Plan) *fault.Plan {
	at, failed := s.Fails(p)
	if !failed {
		return nil
	}
	s.best, s.at, s.salt = p, at, p.Salt
	for round := 0; !s.Over(); round++ {
		s.salts = rounds[min(round, len(rounds)-1)]
		before := s.best.String()
		s.trim()
		for _, t := range parts {
			s.without(t)
		}
		s.simplify()
		if round >= len(rounds)-1 && s.best.String() == before {
			break
		}
	}
	return s.best
}

// try runs what a change makes of the best plan so far, and keeps it if it fails. Changes that change nothing, or
// make a plan that is none, are not run.
func (s *Shrinker) try(change func(p *fault.Plan)) bool {
	if s.Over() {
		return false
	}
	before := s.best.String()
	p := parse(before) // a copy
	change(p)
	text := p.String()
	if text == before {
		return false
	}
	if p = parse(text); p == nil {
		return false
	}
	for i := range s.salts {
		if i > 0 {
			s.salt++
			p.Salt = s.salt
		}
		if at, failed := s.Fails(p); failed {
			s.best, s.at = p, at
			if s.Smaller != nil {
				s.Smaller(p)
			}
			if s.best.Duration > 2*(s.at+slack) {
				// Up to the failure nothing changes; candidates that do not fail have less to run.
				s.try(func(p *fault.Plan) { shorten(p, s.at+slack) })
			}
			return true
		}
		if s.Over() {
			return false
		}
	}
	return false
}

// parse reads a plan that was written a moment ago, or returns nil if a change has made none of it.
func parse(text string) *fault.Plan {
	p, err := fault.Parse(text)
	if err != nil {
		return nil
	}
	return p
}

// without leaves out things of a part: all, then a half, a quarter, and so on down to single ones.
func (s *Shrinker) without(t part) {
	n := t.count(s.best)
	for size := n; size > 0; size /= 2 {
		for from := 0; from < t.count(s.best); {
			to := min(from+size, t.count(s.best))
			if s.Over() {
				return
			}
			left := t.count(s.best)
			s.try(func(p *fault.Plan) {
				for i := to - 1; i >= from; i-- {
					t.remove(p, i)
				}
			})
			if t.count(s.best) == left {
				from = to
			}
		}
	}
}

// slack is how long after the failure the faults still last: a smaller plan may fail somewhat later.
const slack = 2 * time.Second

// trim leaves out what comes after the failure, and then tries shorter plans.
func (s *Shrinker) trim() {
	s.try(func(p *fault.Plan) { shorten(p, s.at+slack) })
	for s.try(func(p *fault.Plan) { shorten(p, p.Duration/2) }) {
		continue
	}
}

// shorten ends a plan's faults at a time.
func shorten(p *fault.Plan, d time.Duration) {
	d = d.Truncate(time.Millisecond)
	if d >= p.Duration {
		return
	}
	p.Duration = d
	for _, t := range parts {
		if t.at == nil {
			continue
		}
		for j := t.count(p) - 1; j >= 0; j-- {
			if t.at(p, j) >= d {
				t.remove(p, j)
			}
		}
	}
	for i := range p.Faults {
		p.Faults[i].To = min(p.Faults[i].To, d)
	}
	if p.Net != nil {
		for i := range p.Net.Windows {
			p.Net.Windows[i].To = min(p.Net.Windows[i].To, d)
		}
	}
}

package netsim

import (
	"fmt"
	"slices"
	"time"
)

// MaxVoters is the largest group whose majorities a budget can look for.
const MaxVoters = 15

// Budget is what a protocol must survive; faults beyond it would only show that nobody can do the impossible. Faults
// that flap count as if they were always there.
type Budget struct {
	// Hosts is the size of the network. Voters are those of which a majority must be able to talk to each other.
	Hosts  int
	Voters []Host
	// Horizon is when every fault is over.
	Horizon time.Duration
	// MaxOutage is how long there may be no such majority at a stretch, MinCalm how long there must be one afterwards.
	MaxOutage, MinCalm time.Duration
	// MinOneIn is the least OneIn of kinds that strike.
	MinOneIn uint64
}

// DefaultBudget is for voters 0 to n-1 in a network of hosts.
func DefaultBudget(hosts, voters int, horizon time.Duration) Budget {
	b := Budget{Hosts: hosts, Horizon: horizon, MaxOutage: 8 * time.Second, MinCalm: 2 * time.Second, MinOneIn: 8}
	for h := range voters {
		b.Voters = append(b.Voters, Host(h))
	}
	return b
}

// Check tells how windows break the budget.
func (b *Budget) Check(windows []Window) error {
	edges := []time.Duration{0}
	for i := range windows {
		w := &windows[i]
		if err := w.Check(b.Hosts); err != nil {
			return err
		}
		if w.To > b.Horizon {
			return fmt.Errorf("netsim: %s lasts until %v, the budget until %v", w.Kind, w.To, b.Horizon)
		}
		if w.Kind.Strikes() && w.OneIn < b.MinOneIn {
			return fmt.Errorf("netsim: %s at one in %d, at least %d", w.Kind, w.OneIn, b.MinOneIn)
		}
		if b.hinders(w) {
			edges = append(edges, w.From, w.To)
		}
	}
	slices.Sort(edges)
	return b.checkOutages(windows, slices.Compact(edges))
}

// hinders is true for a fault that keeps two hosts from talking.
func (b *Budget) hinders(w *Window) bool {
	return w.Kind.Blocks() || w.Kind == Refuse || w.Kind == Hang
}

func (b *Budget) checkOutages(windows []Window, edges []time.Duration) error {
	if len(b.Voters) > MaxVoters {
		return fmt.Errorf("netsim: %d voters, at most %d", len(b.Voters), MaxVoters)
	}
	began, ended := Never, Never // of the outage under way, of the last one
	for _, at := range edges {
		switch out := !b.majority(windows, at); {
		case out && began == Never:
			if ended != Never && at-ended < b.MinCalm {
				return fmt.Errorf("netsim: no majority again at %v, only %v after %v", at, at-ended, ended)
			}
			began = at
		case !out && began != Never:
			if at-began > b.MaxOutage {
				return fmt.Errorf("netsim: no majority from %v to %v, at most %v", began, at, b.MaxOutage)
			}
			began, ended = Never, at
		}
	}
	return nil
}

// majority is true if more than half of the voters can all talk to each other, both ways, at a time.
func (b *Budget) majority(windows []Window, at time.Duration) bool {
	n := len(b.Voters)
	if n == 0 {
		return true
	}
	var hindering []Window
	for i := range windows {
		if w := &windows[i]; b.hinders(w) && at >= w.From && at < w.To {
			hindering = append(hindering, *w)
		}
	}
	reach := make([]uint32, n)
	for i, from := range b.Voters {
		for j, to := range b.Voters {
			if i != j && !apart(hindering, from, to) && !apart(hindering, to, from) {
				reach[i] |= 1 << j
			}
		}
	}
	return clique(reach, 1<<n-1, n/2+1)
}

func apart(hindering []Window, from, to Host) bool {
	return slices.ContainsFunc(hindering, func(w Window) bool { return w.Covers(from, to) })
}

// clique is true if so many of the candidates all reach each other.
func clique(reach []uint32, candidates uint32, size int) bool {
	if size == 0 {
		return true
	}
	for i := range reach {
		if candidates&(1<<i) == 0 {
			continue
		}
		candidates &^= 1 << i
		if clique(reach, candidates&reach[i], size-1) {
			return true
		}
	}
	return false
}

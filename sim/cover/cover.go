package cover

import (
	"ottla.dev/core/probe"
)

// Count says how often something was reached, and in how many seeds.
type Count struct {
	Times uint64 `json:"times"`
	Seeds int    `json:"seeds"`
}

func (c *Count) add(o Count) {
	c.Times += o.Times
	c.Seeds += o.Seeds
}

// Fault says how often a kind of fault has struck, in how many seeds it did, and in how many it was on.
type Fault struct {
	Times uint64 `json:"times"`
	Fired int    `json:"fired"`
	On    int    `json:"on"`
}

func (f *Fault) add(o Fault) {
	f.Times += o.Times
	f.Fired += o.Fired
	f.On += o.On
}

// Coverage is what a number of simulations have reached. What was not reached is there with zeros.
type Coverage struct {
	Seeds  int               `json:"seeds"`
	Probes map[string]*Count `json:"probes"`
	Faults map[string]*Fault `json:"faults"`
	// Matrices count events by matrix, by the state that they found a machine in, and by kind.
	Matrices map[string]map[string]map[string]*Count `json:"matrices"`
}

// New returns the coverage of no simulation.
func New() *Coverage {
	c := &Coverage{Probes: map[string]*Count{}, Faults: map[string]*Fault{}, Matrices: NewMatrices()}
	for p := range probe.All() {
		c.Probes[p.Name()] = &Count{}
	}
	return c
}

// Of is the coverage of one simulation: the probes that were passed, the faults that were on, and all that went wrong.
func Of(probes *probe.Counts, on []string, fired map[string]int) *Coverage {
	c := New()
	c.Seeds = 1
	for p := range probe.All() {
		if n := probes[p]; n > 0 {
			*c.Probes[p.Name()] = Count{Times: n, Seeds: 1}
		}
	}
	for _, name := range on {
		f := Fault{On: 1}
		if n := fired[name]; n > 0 {
			f.Times, f.Fired = uint64(n), 1
		}
		c.Faults[name] = &f
	}
	return c
}

// Add adds what other simulations have reached.
func (c *Coverage) Add(o *Coverage) {
	c.Seeds += o.Seeds
	//core:unordered sums
	for name, n := range o.Probes {
		if c.Probes[name] == nil {
			c.Probes[name] = &Count{}
		}
		c.Probes[name].add(*n)
	}
	//core:unordered sums
	for name, f := range o.Faults {
		if c.Faults[name] == nil {
			c.Faults[name] = &Fault{}
		}
		c.Faults[name].add(*f)
	}
	//core:unordered sums
	for name, states := range o.Matrices {
		//core:unordered sums
		for state, events := range states {
			//core:unordered sums
			for event, n := range events {
				if to := c.Matrices[name][state]; to[event] != nil { // else one of another version
					to[event].add(*n)
				}
			}
		}
	}
}

// Reached is how many probes were passed.
func (c *Coverage) Reached() int {
	n := 0
	//core:unordered a sum
	for _, p := range c.Probes {
		if p.Seeds > 0 {
			n++
		}
	}
	return n
}

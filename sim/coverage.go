package sim

import (
	"slices"

	"ottla.dev/sim/cover"
	"ottla.dev/sim/fault"
	"ottla.dev/sim/workload"
)

// Coverage says what the simulation has reached so far.
func (w *World) Coverage() *cover.Coverage {
	c := cover.Of(&w.probes, planned(w.plan), w.counts())
	if m := w.cells.matrices(); m != nil {
		c.Matrices = m
	}
	return c
}

// planned lists by name the faults that a plan has on, each once.
func planned(p *fault.Plan) []string {
	var on []string
	add := func(name string) { on = append(on, name) }
	for _, f := range p.Faults {
		if f.Kind != fault.SlowNetwork || !p.Clustered() {
			add(f.Kind.String())
		}
		if f.Kind == fault.Pause && f.To-f.From > p.SessionTimeout() {
			add(firedLongPause)
		}
	}
	for i := range p.Stops {
		s := &p.Stops[i]
		add("stop " + s.Kind.String())
		if len(s.Again) > 0 && s.Kind != fault.Clean {
			add(firedAgain)
		}
		if s.Crash > 0 && s.Kind != fault.Clean {
			add(firedEarly)
		}
		if s.Wipe {
			add(firedWipe)
		}
	}
	if len(p.Jumps) > 0 {
		add(firedJump)
	}
	if len(p.DirFailures) > 0 {
		add(firedDir)
	}
	for i := range p.Machines {
		if p.Machines[i].Skew != 0 {
			add(firedSkew)
		}
		if p.Machines[i].Drift != 0 {
			add(firedDrift)
		}
	}
	for _, o := range p.Operations {
		add("operation " + o.Kind.String() + " NONE")
	}
	for i := range p.Clients {
		if p.Clients[i].Drop > 0 {
			add(workload.HungUp)
		}
		if p.Clients[i].Bad > 0 {
			add(workload.SentWrong)
		}
		if p.Clients[i].Epoch > 0 {
			add(workload.EpochsEnded)
		}
		if p.Clients[i].Odd > 0 {
			add(workload.AskedOddly)
		}
		if p.Clients[i].Kind == fault.Garbage {
			add(workload.SentGarbage)
		}
	}
	if p.Net != nil {
		for i := range p.Net.Windows {
			add("net " + p.Net.Windows[i].Kind.String())
		}
	}
	if len(p.Rots) > 0 {
		add(firedRot)
	}
	slices.Sort(on)
	return slices.Compact(on)
}

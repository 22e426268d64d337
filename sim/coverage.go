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
	if p.Delays.Stall > 0 {
		add(firedStall)
	}
	if p.Delays.Round > 0 {
		add(firedRound)
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
		plannedOf(&p.Clients[i], add)
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

// plannedOf adds what a client does wrong.
func plannedOf(c *fault.Client, add func(name string)) {
	for _, x := range []struct {
		on   bool
		name string
	}{{c.Drop > 0, workload.HungUp}, {c.Bad > 0, workload.SentWrong}, {c.Epoch > 0, workload.EpochsEnded},
		{c.Odd > 0, workload.AskedOddly}, {c.Kind == fault.Garbage, workload.SentGarbage}} {
		if x.on {
			add(x.name)
		}
	}
}

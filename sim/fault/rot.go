package fault

import (
	"slices"
	"strconv"
	"time"

	"ottla.dev/core"
)

// Rot is damage to the files of one machine: bits that flip, pages that are zeros, files that are cut short or lost. It
// waits until all that the machine has is elsewhere, too, and the last damage has been repaired.
type Rot struct {
	Node  int // the machine, from 0
	At    time.Duration
	Spots int
	// Kind is how the process ends before its files are damaged. 0: it goes on, and finds log segments damaged under it.
	Kind StopKind
	Down time.Duration
	// Harm is what the damage is, and For how long it lasts, where that has a meaning.
	Harm Harm
	For  time.Duration
	// Even says that what is damaged is drawn by kind of file first: there are few of some kinds, and small ones.
	Even bool
	Then Second
}

// rotReplicas is how many replicas partitions have where files are damaged, and rotMinISR how many of them must have a
// record before it is acknowledged: one of them may lose it.
const (
	rotReplicas = 3
	rotMinISR   = 2
)

// drawRots draws damage, in one cluster of four that is large enough. Nothing else is lost there.
func (p *Plan) drawRots(r *core.PRNG) {
	wiped := slices.ContainsFunc(p.Stops, func(s Stop) bool { return s.Wipe })
	if p.Brokers < rotReplicas || wiped || !r.Chance(1, 3) {
		return
	}
	live := r.Chance(1, 2)
	for at := 4 * time.Second; ; {
		if at += between(r, 500*time.Millisecond, 8*time.Second); at > p.Duration {
			break
		}
		rot := Rot{Node: int(r.Below(uint64(len(p.Machines)))), At: at, Spots: int(pick[int64](r, 1, 1, 2, 5, 20))}
		if !live || r.Chance(1, 2) {
			rot.Kind = pick(r, Clean, Clean, Kill, Crash)
			rot.Down = between(r, 0, pick(r, 500*time.Millisecond, 12*time.Second))
		}
		p.Rots = append(p.Rots, rot)
	}
	if len(p.Rots) > 0 {
		p.adaptToRots(r)
	}
}

// adaptToRots makes a cluster one that survives damage to one machine, and draws how often it writes down what it has.
func (p *Plan) adaptToRots(r *core.PRNG) {
	p.set("ottla.scrub.interval.ms", 1000)
	p.set("min.insync.replicas", rotMinISR)
	p.set("log.flush.offset.checkpoint.interval.ms", pick[int64](r, 500, 2000, 60000))
	for i := range p.Topics {
		t := &p.Topics[i]
		t.Replicas = rotReplicas
		t.Settings = slices.DeleteFunc(t.Settings, func(s Setting) bool { return s.Name == "min.insync.replicas" })
		t.Settings = append(t.Settings, Setting{"min.insync.replicas", strconv.Itoa(rotMinISR)})
	}
	p.Operations = slices.DeleteFunc(p.Operations, func(o Operation) bool {
		return o.Kind == AllowUnclean || o.Kind == ElectUnclean || o.Kind == SetMinISR ||
			o.Kind == Reassign && len(o.Brokers) < rotReplicas
	})
	if len(p.Operations) == 0 {
		p.Operations = nil // as a plan that is read has it
	}
}

func (r *Rot) fields(l *fields, p *Plan) {
	p.node(l, &r.Node)
	l.time("at", &r.At, 0)
	number(l, "spots", &r.Spots, 1, maxSpots)
	kind := int(r.Kind) // 0: none
	number(l, "stop", &kind, 0, int(Crash))
	r.Kind = StopKind(kind)
	l.time("down", &r.Down, 0)
	r.Harm.field(l)
	l.time("for", &r.For, 0)
	l.flag("even", &r.Even)
	r.Then.fields(l)
}

// maxSpots bounds how many places are damaged at once.
const maxSpots = 10_000

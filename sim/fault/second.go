package fault

import (
	"slices"
	"strconv"
	"time"

	"ottla.dev/core"
)

// Whom a damage strikes beside its own machine.
type Whom uint8

// Those who are struck.
const (
	Leaders    Whom = iota + 1 // who leads a partition of which the damaged machine has a replica
	Controller                 // the active controller
	Both
	lastWhom = Both
)

// String gives the name.
func (w Whom) String() string { return [...]string{"", "leader", "controller", "both"}[w] }

// Second is the second strike of a damage: those whom a damaged machine needs to get back what it had are gone, just
// when it is there again. It is within what must be survived: nobody is ended whom a partition needs as its last sound
// replica in sync.
type Second struct {
	Whom  Whom // 0: there is none
	After time.Duration
	// Kind is how they end. 0: they stand still, for the time that they would be down.
	Kind StopKind
	Down time.Duration
}

func (s *Second) fields(l *fields) {
	named(l, "then", &s.Whom, lastWhom)
	l.time("then-after", &s.After, 0)
	kind := int(s.Kind)
	number(l, "then-stop", &kind, 0, int(Crash))
	s.Kind = StopKind(kind)
	l.time("then-down", &s.Down, 0)
}

// drawDamage draws what came later to damage: even odds for all kinds of files, metadata that are gone, and second
// strikes.
func (p *Plan) drawDamage(r *core.PRNG) {
	if len(p.Rots) > 0 && r.Chance(1, 2) {
		// Nothing else wakes what rots below a process in the last seconds: the slow pass through the logs has to find it.
		last := Rot{Node: int(r.Below(uint64(p.Brokers))), At: p.Duration - between(r, 300*time.Millisecond, 4*time.Second),
			Spots: int(pick[int64](r, 1, 2, 5)), Harm: pick(r, 0, 0, Misdirected, Misdated)}
		at := slices.IndexFunc(p.Rots, func(o Rot) bool { return o.At > last.At })
		if at < 0 {
			at = len(p.Rots)
		}
		p.Rots = slices.Insert(p.Rots, at, last)
	}
	for i := range p.Rots {
		rot := &p.Rots[i]
		rot.Even = r.Chance(4, 5)
		if rot.Kind != 0 && r.Chance(1, 5) {
			rot.Harm, rot.For = Amnesia, 0
		}
		if !r.Chance(1, 3) {
			continue
		}
		rot.Then = Second{Whom: pick(r, Leaders, Controller, Controller, Both), Kind: pick(r, Crash, Kill, 0),
			After: pick(r, 0, between(r, 0, 30*time.Millisecond), between(r, 0, time.Second)),
			Down:  between(r, 100*time.Millisecond, pick(r, time.Second, 6*time.Second))}
	}
}

// drawLed draws damage to those who lead, in two of five cases of that below a process, and machines that are away when
// another one is damaged: the fewer are in sync, the more it matters who is taken for sound.
func (p *Plan) drawLed(r *core.PRNG) {
	for i := range p.Rots {
		rot := &p.Rots[i]
		if rot.Kind == 0 && rot.Harm != Lying && rot.Harm != Unreadable && rot.Node < p.Brokers && r.Chance(2, 5) {
			rot.Harm, rot.For = Led, 0
		}
		if !r.Chance(1, 5) {
			continue
		}
		node := (rot.Node + int(r.Between(1, int64(len(p.Machines)-1)))) % len(p.Machines)
		at := max(rot.At-between(r, 0, p.SessionTimeout()+2*time.Second), 4*time.Second)
		p.down(r, node, at, between(r, 2*time.Second, 12*time.Second))
	}
}

// drawRetention draws how soon after a start segments are first checked against retention: hardly a process lives for
// as long as the default. What a log knows of the producers of batches that were deleted is in its snapshot alone: a
// replica that is copied anew, or whose snapshot is damaged, does not know them, as in Kafka, and may take a batch
// again.
func (p *Plan) drawRetention(r *core.PRNG) {
	copied := slices.ContainsFunc(p.Stops, func(s Stop) bool { return s.Wipe }) ||
		slices.ContainsFunc(p.Operations, func(o Operation) bool { return o.Kind == Reassign })
	if len(p.Rots) > 0 || copied {
		return
	}
	p.static("log.initial.task.delay.ms", pick[int64](r, 0, 300, 1000, 5000, 30000))
}

// drawMetadata draws how small the pieces are that the metadata are kept and sent in. Where round trips are long they
// are sent as they are by default: nobody would get hold of them in time.
func (p *Plan) drawMetadata(r *core.PRNG) {
	if r.Chance(1, 2) {
		p.set("internal.metadata.log.segment.bytes", pick[int64](r, 1024, 4000, 20000))
	}
	if size := pick[int64](r, 300, 1000, 5000); r.Chance(1, 2) && !p.slowQuorum() {
		p.set("internal.metadata.max.fetch.size.in.bytes", size)
	}
}

// slowQuorum reports whether the network between brokers is so slow that the quorum has larger timeouts.
func (p *Plan) slowQuorum() bool {
	return slices.Contains(p.Static, Setting{"controller.quorum.fetch.timeout.ms", strconv.Itoa(slowFetchTimeout)})
}

package fault

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// Moment is something in the life of a machine at which it can be struck.
type Moment uint8

// The moments.
const (
	Answers    Moment = iota + 1 // a client has got an answer of an API from it
	Rolls                        // it makes, renames or removes a log segment
	Points                       // it writes a checkpoint of offsets
	Saves                        // it writes the election state
	Snapshots                    // it writes a snapshot: of producers, or of the metadata
	Cuts                         // it has cut a log off
	Voted                        // it has saved a vote
	Leads                        // it begins to lead the metadata quorum
	Appointed                    // it begins to lead a partition
	Passes                       // it passes a probe
	lastMoment = Passes
)

// String gives the moment's name.
func (m Moment) String() string {
	return [...]string{"", "answers", "rolls", "points", "saves", "snapshots", "cuts", "voted", "leads", "appointed",
		"passes"}[m]
}

// Cut is from whom an ambush cuts a machine off. Clients reach it unless they are what it is cut off from.
type Cut uint8

// The cuts.
const (
	CutController  Cut = iota + 1 // from the active controller
	CutControllers                // from all that may be controllers
	CutBrokers                    // from all other machines
	CutOne                        // from one other machine
	CutClients                    // from the clients
	CutTogether                   // with the active controller, and not from it, from all other machines
	lastCut        = CutTogether
)

// String gives the cut's name.
func (c Cut) String() string {
	return [...]string{"", "controller", "controllers", "brokers", "one", "clients", "together"}[c]
}

// Way is in which direction a cut lets nothing through.
type Way uint8

// The ways.
const (
	BothWays Way = iota
	In
	Out
	lastWay = Out
)

// String gives the way's name.
func (w Way) String() string { return [...]string{"", "in", "out"}[w] }

// Ambush strikes a machine at a moment of its own: what goes wrong only then is never met by chance.
type Ambush struct {
	On    Moment
	API   int16       // whose answers are counted
	Probe probe.Point // that is passed
	From  time.Duration
	Nth   int // time of that moment since From, on whatever machine, from 1
	After time.Duration
	// Kind is how the process ends. 0: it stands still, for the time that it would be down, unless it is cut off, answers
	// to it get lost, or its disk is slow.
	Kind StopKind
	Cut  Cut   // for Down
	Way  Way   // of the cut
	Lose []int // APIs to whose requests it gets no answers, for Down
	Slow bool  // its disk, for Down
	Down time.Duration
}

// Loss is an API whose answers to brokers get lost, one in so many, with their connections.
type Loss struct {
	API   int16
	OneIn uint64
}

const (
	maxAPI   = 200
	maxKinds = int(Crash)
)

func (a *Ambush) fields(f *fields) {
	kind(f, &a.On, lastMoment)
	number(f, "api", &a.API, 0, maxAPI)
	a.probe(f)
	f.time("from", &a.From, 0)
	number(f, "nth", &a.Nth, 1, maxOneIn)
	f.time("after", &a.After, 0)
	stop := int(a.Kind)
	number(f, "stop", &stop, 0, maxKinds)
	a.Kind = StopKind(stop)
	named(f, "cut", &a.Cut, lastCut)
	named(f, "way", &a.Way, lastWay)
	numbers(f, "lose", &a.Lose, 0, maxAPI)
	f.flag("slow", &a.Slow)
	f.time("down", &a.Down, 0)
	switch {
	case a.Way != 0 && a.Cut == 0:
		f.fail("a way of no cut")
	case a.Kind != 0 && a.Lasting():
		f.fail("who is stopped is not cut off, and neither loses answers nor is slow")
	case a.Lasting() && a.Down == 0:
		f.fail("a cut, answers that get lost, and a slow disk have a time: down")
	}
}

// Networked reports whether the ambush needs a network between machines.
func (a *Ambush) Networked() bool { return a.Cut != 0 || len(a.Lose) > 0 }

// Lasting reports whether the process goes on and something is wrong for a while.
func (a *Ambush) Lasting() bool { return a.Networked() || a.Slow }

// Simplify makes a stop a kill.
func (a *Ambush) Simplify() {
	if !a.Lasting() {
		a.Kind = Kill
	}
}

// Shorten leaves out the time that nothing needs.
func (a *Ambush) Shorten() {
	if !a.Lasting() {
		a.Down = 0
	}
}

// probe is the name of the probe, of an ambush that waits for one.
func (a *Ambush) probe(f *fields) {
	name := ""
	if a.Probe != 0 {
		name = a.Probe.Name()
	}
	f.word("probe", &name)
	if f.writing {
		return
	}
	for p := range probe.All() {
		if p.Name() == name {
			a.Probe = p
		}
	}
	switch {
	case a.Probe == 0 && name != "":
		f.fail("there is no probe %q; ottla sim coverage lists them", name)
	case (a.On == Passes) != (a.Probe != 0):
		f.fail("an ambush that waits for a probe names one, and no other does")
	}
}

func (l *Loss) fields(f *fields) {
	number(f, "api", &l.API, 0, maxAPI)
	f.unsigned("one-in", &l.OneIn, 1)
}

// ambushed are APIs after whose answers something must be kept, those first that are most often used.
//
//core:table
var ambushed = [...]int16{0, 8, 21, 19, 22, 11, 14, 47, 42, 20}

// lossy are APIs between brokers: registration, AlterPartition, producer ids, heartbeats, votes, fetches, and what is
// asked of the controller for clients.
//
//core:table
var lossy = [...]int16{62, 62, 62, 56, 67, 63, 52, 53, 1, 19, 73}

// drawAmbushes draws who is struck when. In a storm of elections it is whoever votes or leads, again and again.
func (p *Plan) drawAmbushes(r *core.PRNG) {
	if !r.Chance(1, 2) {
		return
	}
	strike := func(a Ambush) {
		a.After = pick(r, 0, 0, between(r, 0, time.Millisecond), between(r, 0, 30*time.Millisecond))
		a.Kind = pick(r, Crash, Crash, Crash, Kill)
		a.Down = between(r, 0, pick(r, 300*time.Millisecond, 3*time.Second))
		if r.Chance(1, 8) {
			a.Kind, a.Down = 0, between(r, 500*time.Millisecond, 6*time.Second)
		}
		p.Ambushes = append(p.Ambushes, a)
	}
	if p.Clustered() && r.Chance(1, 4) {
		for nth := 0; nth < 60; {
			nth += int(r.Between(1, 6))
			strike(Ambush{On: pick(r, Voted, Voted, Leads, Saves), Nth: nth})
		}
		return
	}
	for range r.Between(1, 6) {
		a := Ambush{On: pick(r, Answers, Answers, Answers, Rolls, Rolls, Points, Snapshots, Cuts, Appointed)}
		a.Nth = int(pick(r, r.Between(1, 5), r.Between(1, 40)))
		if a.On == Answers {
			a.API = ambushed[r.Below(uint64(len(ambushed)))]
			if a.API == 0 {
				a.Nth = int(r.Between(1, 400))
			}
		}
		strike(a)
	}
}

// drawProbed draws strikes at probes, whichever there are, in one world of three: a feedback from what the machines do
// that no time drawn beforehand has. Who is cut off mostly is for longer than anybody waits for it.
func (p *Plan) drawProbed(r *core.PRNG) {
	if !r.Chance(1, 3) {
		return
	}
	for range r.Between(1, 4) {
		a := Ambush{On: Passes, Probe: probe.Point(r.Between(1, int64(probe.Count)-1))}
		if r.Chance(1, 2) {
			a.Probe = turning[r.Below(uint64(len(turning)))]
		}
		a.Nth = int(pick(r, 1, r.Between(1, 4), r.Between(1, 30)))
		if r.Chance(1, 2) {
			a.From = between(r, 0, p.Duration/2)
		}
		a.After = pick(r, 0, between(r, 0, time.Millisecond), between(r, 0, 30*time.Millisecond),
			between(r, 0, 300*time.Millisecond))
		a.Down = pick(r, between(r, 100*time.Millisecond, 3*time.Second), between(r, 3*time.Second, 20*time.Second))
		switch what := r.Below(9); {
		case what < 2:
			a.Kind = pick(r, Crash, Kill)
		case what == 2:
			// It stands still.
		case what == 3 || !p.Clustered():
			a.Slow = true
		case what == 4:
			for range r.Between(1, 3) {
				if api := int(lost[r.Below(uint64(len(lost)))]); !slices.Contains(a.Lose, api) {
					a.Lose = append(a.Lose, api)
				}
			}
		default:
			a.Cut = Cut(r.Between(1, int64(lastCut)))
			a.Way = pick(r, BothWays, BothWays, In, Out)
		}
		p.Ambushes = append(p.Ambushes, a)
	}
}

// turning are probes behind which a cluster is another one than before.
//
//core:table
var turning = [...]probe.Point{probe.ShrinkProposed, probe.ExpandProposed, probe.ProposalRepeated, probe.BrokerFenced,
	probe.BrokerUnfenced, probe.FollowerTruncated, probe.LeaderDeposedInFlight, probe.LeadershipDoubted,
	probe.ReassignmentBegun, probe.ReassignmentCompleted, probe.EligibleElected, probe.PreferredElected,
	probe.StaticReplaced, probe.JoinedDuringAssignment, probe.MovedInFlight, probe.DuplicateInFlight,
	probe.FetchParked, probe.ProducerEpochRaised, probe.ReplicaPlaced, probe.FollowerPaused}

// lost are APIs between brokers whose answers a machine does without for a while.
//
//core:table
var lost = [...]int16{1, 1, 56, 56, 56, 63, 62, 67, 52, 73}

// drawLosses draws which answers to brokers get lost more often than by chance.
func (p *Plan) drawLosses(r *core.PRNG) {
	if !r.Chance(1, 4) {
		return
	}
	for range r.Between(1, 3) {
		l := Loss{API: lossy[r.Below(uint64(len(lossy)))], OneIn: pick[uint64](r, 2, 3, 10)}
		if l.API == 1 || l.API == 63 {
			l.OneIn = 100
		}
		p.Losses = append(p.Losses, l)
	}
}

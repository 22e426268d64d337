package fault

import (
	"time"

	"ottla.dev/core"
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
	lastMoment = Appointed
)

// String gives the moment's name.
func (m Moment) String() string {
	return [...]string{"", "answers", "rolls", "points", "saves", "snapshots", "cuts", "voted", "leads", "appointed"}[m]
}

// Ambush strikes a machine at a moment of its own: what goes wrong only then is never met by chance.
type Ambush struct {
	On    Moment
	API   int16 // whose answers are counted
	Nth   int   // time of that moment, on whatever machine, from 1
	After time.Duration
	// Kind is how the process ends. 0: it stands still, for the time that it would be down.
	Kind StopKind
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
	number(f, "nth", &a.Nth, 1, maxOneIn)
	f.time("after", &a.After, 0)
	stop := int(a.Kind)
	number(f, "stop", &stop, 0, maxKinds)
	a.Kind = StopKind(stop)
	f.time("down", &a.Down, 0)
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

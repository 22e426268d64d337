package fault

import (
	"strconv"
	"time"

	"ottla.dev/core"
)

const (
	// MaxBrokers is the largest number of brokers of a world, MaxVoters that of voters of its metadata quorum.
	MaxBrokers = 7
	MaxVoters  = 5
	// maxRacks is the largest number of racks that brokers stand in.
	maxRacks = 3
)

// Machine is one machine of a cluster. Brokers come first in a plan, and behind them the machines that hold no
// partitions.
type Machine struct {
	Broker     bool // holds partitions
	Controller bool // can vote in the metadata quorum
	Voter      bool // does so from the beginning; who does not observes it
	Rack       string
	// Joins is when the machine is there first.
	Joins time.Duration
	// Skew is how far the wall clock is off at the start.
	Skew time.Duration
	// Drift is how much faster than time the monotonic clock runs, in millionths.
	Drift int64
}

// Role says what the machine does, as process.roles does.
func (m *Machine) Role() string {
	switch {
	case !m.Broker:
		return "controller"
	case m.Controller:
		return "broker,controller"
	}
	return "broker"
}

// Voters gives the machines that vote, counted from 0.
func (p *Plan) Voters() []int {
	var v []int
	for i := range p.Machines {
		if p.Machines[i].Voter {
			v = append(v, i)
		}
	}
	return v
}

// drawMachines draws who votes, which racks brokers stand in, and what the clocks are like.
func (p *Plan) drawMachines(r *core.PRNG) {
	voters := int(pick[int64](r, 1, 2, 3, 3, 3, 3, 4, 5))
	among := min(voters, p.Brokers) // of them, brokers
	switch r.Below(4) {
	case 0:
		among = 0
	case 1:
		among = int(r.Between(0, int64(among)))
	default:
		voters = among
	}
	if p.Brokers+voters-among == 1 {
		voters++ // one machine is no cluster
	}
	spare := 0
	if p.Dynamic = r.Chance(1, 2); p.Dynamic {
		spare = int(pick[int64](r, 0, 1, 2))
	}
	first, only := int(r.Below(uint64(p.Brokers))), voters-among
	p.Machines = make([]Machine, p.Brokers+only+min(spare, MaxVoters-voters))
	for i := range p.Machines {
		m := &p.Machines[i]
		m.Broker, m.Controller = i < p.Brokers, i >= p.Brokers
		m.Voter = i >= p.Brokers && i < p.Brokers+only
	}
	for i := range among {
		m := &p.Machines[(first+i)%p.Brokers]
		m.Controller, m.Voter = true, true
	}
	p.drawPlaces(r)
}

func (p *Plan) drawPlaces(r *core.PRNG) {
	racks := r.Between(0, maxRacks)
	skewed, drifting := r.Chance(1, 2), r.Chance(1, 3)
	joining := r.Chance(1, 3)
	for i := range p.Machines {
		m := &p.Machines[i]
		if m.Broker && racks > 0 {
			m.Rack = "r" + strconv.FormatUint(r.Below(uint64(racks)), 10)
		}
		if skewed {
			m.Skew = between(r, -maxSkew, maxSkew)
		}
		if drifting {
			m.Drift = r.Between(-maxDrift, maxDrift)
		}
		// As many as topics have replicas are there at the beginning.
		if joining && !m.Voter && i >= maxReplicas && r.Chance(1, 2) {
			m.Joins = between(r, 0, latestJoin)
		}
	}
}

// latestJoin is when the last machine joins.
const latestJoin = 8 * time.Second

// maxSkew is how far a clock is off at most: with all jumps two of them are less than message.timestamp.after.max.ms
// apart.
const maxSkew = 15 * time.Minute

// maxDrift is how many millionths a clock is fast or slow at most: far more than any real one.
const maxDrift = 50_000

// LeastReplicas is how many replicas a topic has at least: disks that are lost, and files that are damaged, must not be
// the only ones.
func (p *Plan) LeastReplicas() int {
	if len(p.Rots) > 0 {
		return rotReplicas
	}
	for i := range p.Stops {
		if p.Stops[i].Wipe {
			return min(2, p.Brokers)
		}
	}
	return 1
}

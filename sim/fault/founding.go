package fault

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/netsim"
)

// founding is how long it takes, about, until a cluster has a controller, brokers and topics.
const founding = 3 * time.Second

// drawFounding draws in one world of four what goes wrong while it begins. Elsewhere most faults come later, when there
// is something to be lost.
func (p *Plan) drawFounding(r *core.PRNG) {
	if !r.Chance(1, 4) {
		return
	}
	p.foundingStops(r)
	for range r.Below(4) {
		w := Window{Kind: pick(r, SyncError, SyncError, WriteError, ReadError, DiskFull, SlowDisk, Pause),
			From: between(r, 0, founding), Rate: uint64(r.Between(1, 8))}
		w.Node = int(r.Below(uint64(max(len(p.Machines), 1))))
		w.To = min(w.From+between(r, 50*time.Millisecond, 2*time.Second), p.Duration)
		p.Faults = append(p.Faults, w)
	}
	if p.Dirs > 1 && r.Chance(1, 3) {
		at := between(r, time.Millisecond, founding)
		p.DirFailures = append(p.DirFailures, DirFailure{Node: int(r.Below(uint64(max(len(p.Machines), 1)))),
			Dir: int(r.Between(1, int64(p.Dirs-1))), At: at, Back: at + between(r, 500*time.Millisecond, 8*time.Second)})
	}
	if p.Clustered() {
		p.foundingNet(r)
		for range r.Below(3) {
			p.Ambushes = append(p.Ambushes, Ambush{On: pick(r, Saves, Voted, Leads, Appointed), Nth: int(r.Between(1, 4)),
				After: between(r, 0, pick(r, time.Microsecond, 5*time.Millisecond)), Kind: pick(r, Crash, Kill),
				Down: between(r, 0, time.Second)})
		}
	}
}

// foundingStops draws stops from the first millisecond on, and disks that are lost where others are lost, too.
func (p *Plan) foundingStops(r *core.PRNG) {
	machines := max(len(p.Machines), 1)
	wipes := p.Clustered() && len(p.Rots) == 0 && len(p.Lates) == 0 && r.Chance(1, 3)
	for range r.Between(1, 4) {
		at, all := between(r, time.Millisecond, pick(r, 300*time.Millisecond, founding)), r.Chance(1, 8)
		kind, node := pick(r, Crash, Crash, Kill), int(r.Below(uint64(machines)))
		for i := range machines {
			if i != node && !all {
				continue
			}
			s := Stop{Kind: kind, Node: i, At: at, Pending: !all && r.Chance(1, 2),
				Down: between(r, 0, pick(r, 50*time.Millisecond, time.Second, 4*time.Second))}
			switch {
			case wipes && p.mayWipe(i) && r.Chance(1, 2):
				s.Wipe = true
			case r.Chance(1, 3):
				s.Again = append(s.Again, int(r.Between(1, 60)))
			}
			p.Stops = append(p.Stops, s)
		}
	}
	p.replicateForWipes()
}

// foundingNet moves some of the network's faults to the beginning, if they are within the budget there.
func (p *Plan) foundingNet(r *core.PRNG) {
	budget := p.netBudget()
	for i := range p.Net.Windows {
		was := p.Net.Windows[i]
		if !r.Chance(1, 2) {
			continue
		}
		w := &p.Net.Windows[i]
		w.From = between(r, 0, founding)
		w.To = min(w.From+min(was.To-was.From, between(r, 100*time.Millisecond, 2*founding)), p.Duration)
		if budget.Check(p.Net.Windows) != nil {
			*w = was
		}
	}
	slices.SortStableFunc(p.Net.Windows, func(a, b netsim.Window) int { return int(a.From - b.From) })
}

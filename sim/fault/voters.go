package fault

import (
	"slices"
	"time"

	"ottla.dev/core"
)

// voterOperations draws how an operator changes the voters of the metadata quorum, in one seed in three of those with
// several that stand in everybody's configuration: kraft.version is raised first, then voters are removed, and made
// voters again.
func (p *Plan) voterOperations(r *core.PRNG) {
	voters := p.Voters()
	if p.Dynamic || len(voters) < 2 || len(p.Operations) == 0 || !r.Chance(1, 3) {
		return
	}
	at := 3 * time.Second
	p.Operations = append(p.Operations, Operation{Kind: RaiseKRaftVersion, At: at, Value: 1})
	for removed := -1; ; {
		if at += between(r, 200*time.Millisecond, 4*time.Second); at > p.Duration {
			break
		}
		o := Operation{Kind: AddVoter, At: at, Brokers: []int32{int32(removed)}}
		if removed < 0 || r.Chance(1, 6) {
			removed = voters[r.Below(uint64(len(voters)))] + 1
			o.Kind, o.Brokers = RemoveVoter, []int32{int32(removed)}
		} else {
			removed = -1
		}
		p.Operations = append(p.Operations, o)
	}
	slices.SortStableFunc(p.Operations, func(a, b Operation) int { return int(a.At - b.At) })
}

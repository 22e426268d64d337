package fault

import (
	"slices"
	"time"

	"ottla.dev/core"
)

// Late is an API whose requests, between brokers or of members of groups, the network keeps, one in so many: who has
// sent one finds the connection broken and may ask again on another, and For later the request arrives all the same,
// perhaps after its sender's end.
type Late struct {
	API   int16
	OneIn uint64
	For   time.Duration // at most
}

func (l *Late) fields(f *fields) {
	number(f, "api", &l.API, 0, maxAPI)
	f.unsigned("one-in", &l.OneIn, 1)
	f.time("for", &l.For, 0)
}

// belated are APIs between brokers whose requests do harm if they count when their time is over: AlterPartition,
// heartbeats, registration, votes, the beginning of a leadership, log directories.
//
//core:table
var belated = [...]int16{56, 56, 56, 63, 63, 62, 52, 53, 73}

// drawLates draws which requests come late, in one cluster of six in which no disk is lost or damaged: whether that
// may be goes by what the controller knows, which such a request changes.
func (p *Plan) drawLates(r *core.PRNG) {
	wiped := slices.ContainsFunc(p.Stops, func(s Stop) bool { return s.Wipe })
	if wiped || len(p.Rots) > 0 || !r.Chance(1, 6) {
		return
	}
	for range r.Between(1, 3) {
		l := Late{API: belated[r.Below(uint64(len(belated)))], OneIn: pick[uint64](r, 2, 5, 20),
			For: pick(r, time.Second, 4*time.Second, 15*time.Second)}
		if l.API == 63 { // there are many
			l.OneIn *= 10
		}
		p.Lates = append(p.Lates, l)
	}
}

// belatedMembers are APIs of members whose requests do harm if they count when their time is over: commits, JoinGroup,
// heartbeats, LeaveGroup, SyncGroup.
//
//core:table
var belatedMembers = [...]int16{8, 8, 11, 12, 13, 14, 14}

// drawLateMembers draws which requests of members come late, in one cluster of four: their clients have given up the
// connection by then and gone on with another.
func (p *Plan) drawLateMembers(r *core.PRNG) {
	members := slices.ContainsFunc(p.Clients, func(c Client) bool { return c.Kind == Member })
	if !members || !r.Chance(1, 4) {
		return
	}
	for range r.Between(1, 3) {
		l := Late{API: belatedMembers[r.Below(uint64(len(belatedMembers)))], OneIn: pick[uint64](r, 3, 10, 30),
			For: pick(r, 300*time.Millisecond, 2*time.Second, 10*time.Second)}
		if l.API == 12 { // there are many
			l.OneIn *= 10
		}
		p.Lates = append(p.Lates, l)
	}
}

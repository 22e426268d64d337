package sim

import (
	"maps"
	"slices"
	"strings"

	"ottla.dev/netsim"
	"ottla.dev/sim/fault"
	"ottla.dev/sim/workload"
)

// Fired counts by name what was to go wrong and has. What a plan may hold and has not struck is there with 0.
type Fired map[string]int

// newFired returns counts of 0 for everything that may strike in worlds of a kind.
func newFired(clustered bool) Fired {
	f := Fired{}
	for k := fault.ReadError; k <= fault.Pause; k++ {
		f[k.String()] = 0
	}
	f[firedStall], f[firedRound] = 0, 0
	for k := fault.Clean; k <= fault.Crash; k++ {
		f["stop "+k.String()] = 0
	}
	for _, name := range []string{firedAgain, firedEarly, firedJump, firedDir, firedDirSpared, firedOffline,
		firedAmbush, workload.HungUp, workload.SentGarbage, workload.SentWrong, workload.EpochsEnded,
		workload.AskedOddly} {
		f[name] = 0
	}
	if !clustered {
		return f
	}
	delete(f, fault.SlowNetwork.String()) // the network has faults of its own
	for _, name := range []string{firedLongPause, firedSkew, firedDrift, firedUnclean, firedCaching,
		firedWipe, firedSpared, firedRot, firedRepaired, firedSoundLeft, firedNeeded, firedLoss, firedLate, firedClientLate,
		firedSecond} {
		f[name] = 0
	}
	f[firedDeaf], f[firedCreeps] = 0, 0
	for c := fault.CutController; c <= fault.CutTogether; c++ {
		f[firedCut+c.String()] = 0
	}
	for k := fault.Misdirected; k <= fault.Led; k++ {
		f[firedHarm+k.String()] = 0
	}
	for k := netsim.Partition; int(k) < netsim.Kinds; k++ {
		f["net "+k.String()] = 0
	}
	for k := fault.Reassign; k <= fault.LastOperation; k++ {
		f["operation "+k.String()+" NONE"] = 0
	}
	return f
}

// What has no name elsewhere.
const (
	firedAgain      = "stop in recovery"
	firedEarly      = "crash after opening"
	firedJump       = "clock jump"
	firedDir        = "directory failure"
	firedDirSpared  = "directory failure withheld"
	firedOffline    = "directory given up"
	firedSkew       = "clock off"
	firedDrift      = "clock drifts"
	firedLongPause  = "pause longer than a session"
	firedUnclean    = "unclean election"
	firedRot        = "rot"
	firedRepaired   = "rot repaired"
	firedStall      = "sync stalls"
	firedRound      = "round of several steps"
	firedNeeded     = "stop put off while others are damaged"
	firedSoundLeft  = "rot put off for ever"
	firedCaching    = "power cut with write.caching"
	firedWipe       = "wiped disk"
	firedSpared     = "wiped disk withheld"
	firedAmbush     = "ambush"
	firedDeaf       = "ambush answers lost"
	firedCreeps     = "ambush slow disk"
	firedCut        = "ambush cut "
	firedLoss       = "answer to a broker lost"
	firedLate       = "request between brokers late"
	firedClientLate = "request of a client late"
	firedHarm       = "rot "
	firedUnread     = "rot unreadable read"
	firedLost       = "rot lying power cut"
	firedSecond     = "second strike after rot"
)

func (w *World) fire(what string) { w.fired[what]++ }

// counts are those of the world and its network.
func (w *World) counts() Fired {
	f := maps.Clone(w.fired)
	if w.net != nil {
		fired := w.net.Counts().Fired
		for k := netsim.Partition; int(k) < netsim.Kinds; k++ {
			f["net "+k.String()] = int(fired[k])
		}
	}
	return f
}

// add adds the counts of another world.
func (f Fired) add(o Fired) {
	//core:unordered sums
	for name, n := range o {
		f[name] += n
	}
}

// String lists the counts in the order of their names.
func (f Fired) String() string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(f)) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name + " " + itoa(f[name]))
	}
	return b.String()
}

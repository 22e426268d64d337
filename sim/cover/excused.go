package cover

import (
	"slices"

	"ottla.dev/core/probe"
)

// excused says of probes that no simulation can pass why it cannot. A probe that is only hard to pass is not excused:
// worlds and clients are to be made that pass it.
//
//core:table
var excused = map[probe.Point]string{
	probe.TransactionAborted: "no request decides more than 10,000 records, which is what takes a metadata transaction",
	probe.VoterUpdated:       "no machine of the simulator changes its listeners",
	probe.DamageServed:       "files rot only where other replicas have everything, not on single brokers",
}

// rare says of probes that few simulations pass what it takes. Hunts over thousands of seeds pass them; nobody can ask
// it of the few hundred seeds of one run.
//
//core:table
var rare = map[probe.Point]string{
	probe.RemovalAwaitsReader:      "a job must read a segment for longer than its removal is put off",
	probe.LogBegunAnew:             "a power cut must lose the very records up to whose end others were deleted",
	probe.OtherTopicSetAside:       "what the start puts aside (stray-folder-set-aside) is not there any more",
	probe.ProduceRefusedByFollower: "the session must hear of another leader after the shard has",
	probe.ProduceRefusedWhileCut:   "a follower must be elected in the moment between its cut and the sync of it",
	probe.TruncationOvertaken:      "a leader must be elected between a follower's answer and its cut",
	probe.FetchOvertaken:           "a leader must be elected while an index is being read",
	probe.DeletedSegmentsBack:      "a power cut must bring back some of several segments whose removal was not synced",
	probe.DamageCutOff:             "damage must lie inside a log of which a leader has all, until the next start",
	probe.OldestSegmentMissed:      "of several segments of a log the oldest one's file must be lost",
	probe.FetchMetDamage:           "a reader must come upon rot before the scrubbing does",
	probe.DeletionDeposed:          "a leader must be deposed while it waits for its followers to delete",
	probe.ExpandAwaitsDeletion:     "records must be deleted while a replica is away that has all else when it is back",
	probe.SnapshotGone:             "two snapshots must be written while a follower fetches the one before",
	probe.VoterChangeTimedOut:      "a new voter must stay behind for half a minute",
	probe.MinISRLowered:            "an operator must lower the minimum while replicas are eligible",
	probe.RetentionAwaitsSnapshot:  "segments must expire before the first snapshot behind them is on disk",
	probe.CommittedCutOff:          "an unclean election must lose what was committed, and the follower come back",
	probe.OpenedInVain:             "a topic must be deleted within a few ms of its creation",
	probe.VoteGivenAgain:           "the answer to a vote must be lost, and the election not be over",
	probe.VotersTruncated:          "the leader must fall with a change of voters that nobody else has",
	probe.DiskAwaited:              "a voter's disk must be slower than its patience with the leader",
	probe.LoadFailed:               "a disk must fail to read while a coordinator is loaded, and not otherwise",
	probe.LoadDiscarded:            "a coordinator's partition must move and come back while it is being read",
	probe.EpochDenied:              "the last batch before an epoch must claim it: see fault.Misdated",
	probe.RolledForItsIndex:        "a mapped index must be damaged that a clean stop has made longer",
}

// Excuse is why a probe cannot be passed, empty if it can.
func Excuse(p probe.Point) string { return excused[p] }

// Rare is what it takes to pass a probe that few simulations pass, empty if many do.
func Rare(p probe.Point) string { return rare[p] }

// Missing are the probes that were not passed and could be.
func (c *Coverage) Missing() []probe.Point { return c.unreached(false) }

// Required are those of them that should have been, in some hundred seeds.
func (c *Coverage) Required() []probe.Point {
	return slices.DeleteFunc(c.Missing(), func(p probe.Point) bool { return Rare(p) != "" })
}

// Excused are the probes that were not passed and cannot be.
func (c *Coverage) Excused() []probe.Point { return c.unreached(true) }

func (c *Coverage) unreached(excused bool) []probe.Point {
	var list []probe.Point
	for p := range probe.All() {
		if n := c.Probes[p.Name()]; (n == nil || n.Seeds == 0) && (Excuse(p) != "") == excused {
			list = append(list, p)
		}
	}
	return list
}

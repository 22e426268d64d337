package check

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/partition"
)

// knows judges what a leader takes for the last time at which a follower had all that it had (KIP-16): not later than
// when the leader's log first ended behind what the follower has now, or was seen to have in this epoch. One that is
// always a little behind has not caught up because it fetches.
func (c *Cluster) knows(now, lag time.Duration, seen *seenReplica, shard int, r *partition.Replica) {
	k := seen.keeping
	keep := 0
	for keep < len(k.grown) && k.grown[keep].at+2*lag < now {
		keep++
	}
	k.grown = slices.Delete(k.grown, 0, keep)
	if c.Followers == nil || len(k.grown) == 0 {
		return
	}
	for _, f := range c.Followers(seen.Node, shard, r) {
		b, other := &c.brokers[f.ID-1], c.replicas[replicaKey{int(f.ID) - 1, seen.ID}]
		if f.End == core.NoOffset || f.End >= seen.End || other == nil || b.wiped || b.mended {
			continue // or it has lost what it had when it had caught up
		}
		had := max(f.End, other.had(seen.Epoch))
		at, _ := slices.BinarySearchFunc(k.grown, had+1, func(e endAt, end core.Offset) int { return int(e.end - end) })
		if at == len(k.grown) || at == 0 && keep > 0 {
			continue
		}
		if since := now - k.grown[at].at; f.CaughtUp+f.CaughtUp/keepingClocks < since {
			c.wrong("keeping-up", seen.Node, seen.Name.String()+": "+brokerText(f.ID)+" has what is below offset "+
				offsetText(had)+", which is what the leader had "+since.String()+" ago or earlier, and the leader says that it "+
				"had everything "+f.CaughtUp.String()+" ago")
		}
	}
}

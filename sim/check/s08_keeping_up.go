package check

import (
	"strconv"
	"time"

	"ottla.dev/core"
)

// keeping is what is known of how the members of an ISR follow one leadership, from outside: where the leader's log
// ended when, and what is on the members' disks now. What the leader believes of them does not count.
type keeping struct {
	life  int
	epoch core.LeaderEpoch
	since time.Duration // that the leadership is seen without a break
	// free is since when the leader has no proposal under way, which keeps it from making another.
	free     time.Duration
	proposed bool // since the last look
	ends     []endAt
	grown    []endAt // as ends, by each step
}

// endAt is where a log ended at a time.
type endAt struct {
	at  time.Duration
	end core.Offset
}

// reach is how far a replica has had the log of a leader epoch, as its leader may know.
type reach struct {
	epoch core.LeaderEpoch
	end   core.Offset
}

const (
	// keepingLooks is how many looks there are in replica.lag.time.max.ms.
	keepingLooks = 8
	// keepingSlack is how late a machine may act, by its clock and by what comes before, beside what it is given: a clock
	// is slow by less than a fifteenth.
	keepingSlack  = 300 * time.Millisecond
	keepingClocks = 15
	// reachedEpochs is of how many leader epochs it is kept how far a replica had the log: a leader that was deposed and
	// does not hear of it is judged by its own, while others come and go.
	reachedEpochs = 8
)

// KeepUp is L1 of the ISR: a leader proposes to drop a member that does not have what the leader had
// replica.lag.time.max.ms ago, and looks for such ones twice in that time (KIP-16, Kafka: Partition.maybeShrinkIsr).
// Whether the controller hears it is another matter. Runs reports whether a machine has been at work since a time, that
// of the last look; what it leads begins anew if it has not.
func (c *Cluster) KeepUp(now time.Duration, runs func(node int, since time.Duration) bool) {
	lag := c.ledger.plan.ReplicaLag()
	last := c.kept
	c.kept, c.keepAt = now, now+lag/keepingLooks
	c.watchRest(now, last)
	for node := range c.brokers {
		b := &c.brokers[node]
		works := runs(node, last) && !b.rotten
		for shard, slots := range b.shards {
			for i := range slots {
				seen := slots[i].seen
				if !works || !slots[i].replica.Online() || !seen.Appointed || !seen.Leading {
					seen.keeping = nil
					continue
				}
				c.keepsUp(now, lag, seen)
				c.knows(now, lag, seen, shard, slots[i].replica)
			}
		}
	}
}

// KeepAt is when to look next.
func (c *Cluster) KeepAt() time.Duration { return c.keepAt }

func (c *Cluster) keepsUp(now, lag time.Duration, seen *seenReplica) {
	s, k := &seen.Sighting, seen.keeping
	if k == nil || k.life != s.Life || k.epoch != s.Epoch {
		k = &keeping{life: s.Life, epoch: s.Epoch, since: now, free: now}
		seen.keeping = k
	}
	if k.proposed || s.Lead.Pending != nil {
		k.free, k.proposed = now, false
	}
	keep := 0
	for keep < len(k.ends) && k.ends[keep].at+2*lag+2*keepingSlack < now {
		keep++
	}
	if k.ends = k.ends[keep:]; len(k.ends) == 0 || k.ends[len(k.ends)-1].end != s.End {
		k.ends = append(k.ends, endAt{now, s.End})
	}
	patience := lag + lag/2
	patience += patience/keepingClocks + keepingSlack
	if now-k.since < patience || now-k.free < patience-lag {
		return
	}
	for _, id := range s.Lead.ISR {
		node := int(id) - 1
		if node == s.Node || node < 0 || node >= len(c.brokers) || c.brokers[node].wiped {
			continue
		}
		r := c.replicas[replicaKey{node, s.ID}]
		if r == nil {
			continue // it has removed what the leader is about to remove
		}
		had := r.had(s.Epoch)
		if late := now - k.had(had, now); late > patience {
			c.fail(Liveness, "keeping-up", "broker "+strconv.Itoa(s.Node+1)+": "+s.Name.String()+": broker "+
				strconv.Itoa(int(id))+" has what is below offset "+offsetText(had)+", which is what the leader had "+
				late.String()+" ago or earlier, and the leader does not drop it from the ISR: replica.lag.time.max.ms is "+
				lag.String())
			return
		}
	}
}

// reach follows how far a replica has the log of its leader. What is lost with a power cut, where what is written
// counts, or with damage, its leader cannot know before it hears of it: a follower that was cut off from it, and lost
// what it had, was seen as one that the leader should have dropped all the time. What it has cut off in one life it has
// not any more.
func (seen *seenReplica) reach(s *Sighting) {
	end, last := s.durable(), &seen.reached[0]
	switch {
	case s.Epoch < 0:
	case s.Epoch != last.epoch:
		copy(seen.reached[1:], seen.reached[:])
		*last = reach{s.Epoch, end}
	case s.Life == seen.Life && end < seen.durable():
		last.end = end
	default:
		last.end = max(last.end, end)
	}
}

// had is below which offset a replica has what the leader of an epoch has, or had it when the leader heard of it last.
func (seen *seenReplica) had(epoch core.LeaderEpoch) core.Offset {
	had := seen.durable()
	for _, r := range seen.reached {
		if r.epoch == epoch {
			had = max(had, r.end)
		}
	}
	return had
}

// had is when the leader's log ended where a member has everything below, or later: the first time at which it is known
// to have ended further on.
func (k *keeping) had(end core.Offset, now time.Duration) time.Duration {
	for _, e := range k.ends {
		if e.end > end {
			return max(e.at, k.since)
		}
	}
	return now
}

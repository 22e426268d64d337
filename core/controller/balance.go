package controller

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// MaxElectionsPerTick bounds the elections of one look at all partitions; the rest follows at once (Kafka:
// ReplicationControlManager.MAX_ELECTIONS_PER_IMBALANCE).
const MaxElectionsPerTick = 1000

// Tick gives the records of the first timer operation that is due: the end of a broker's session, leaderships that go
// back to their preferred leaders, unclean elections. The caller appends them, applies them, and asks again until there
// are none.
func (c *Controller) Tick(now core.Instant, img *metadata.Image) []metadata.Record {
	if c.sessions == nil {
		return nil
	}
	if records := c.Expire(now, img); len(records) > 0 {
		return records
	}
	if now.Reached(c.balanceAt) {
		records := c.balance(img)
		if len(records) < MaxElectionsPerTick {
			c.balanceAt = next(now, c.balanceInterval())
		}
		if len(records) > 0 {
			return records
		}
	}
	if now.Reached(c.uncleanAt) {
		records := c.electOffline(img)
		if len(records) < MaxElectionsPerTick {
			c.uncleanAt = next(now, c.Settings.UncleanElectionInterval)
		}
		return records
	}
	return nil
}

func (c *Controller) balanceInterval() time.Duration {
	if !c.Settings.AutoLeaderRebalance {
		return 0
	}
	return c.Settings.LeaderImbalanceCheckInterval
}

func next(now core.Instant, interval time.Duration) time.Duration {
	if interval <= 0 {
		return core.Never
	}
	return now.Mono + interval
}

// balance moves leaderships back to the preferred leaders (Kafka: maybeBalancePartitionLeaders). That a share of a
// broker's leaderships may stay away, leader.imbalance.per.broker.percentage, was a rule of Kafka's controllers before
// KRaft; Kafka 4 has no such setting any more.
func (c *Controller) balance(img *metadata.Image) []metadata.Record {
	d := c.draft(img)
	for t := range img.Topics() {
		var r rules
		for _, p := range t.Partitions {
			if p.Leader == p.PreferredLeader() {
				continue
			}
			if len(d.records) == MaxElectionsPerTick {
				return d.records
			}
			if r.minISR == 0 {
				r = c.rulesOf(img, t.Name)
			}
			d.elect(t, r, p, electPreferred)
		}
	}
	return d.records
}

// electOffline looks for a leader for each partition that has none, as far as its topic allows (Kafka:
// maybeElectUncleanLeaders). It is what a change of unclean.leader.election.enable waits for.
func (c *Controller) electOffline(img *metadata.Image) []metadata.Record {
	d := c.draft(img)
	for t := range img.Topics() {
		var r rules
		for _, p := range t.Partitions {
			if p.Leader != core.NoBroker {
				continue
			}
			if len(d.records) == MaxElectionsPerTick {
				return d.records
			}
			if r.minISR == 0 {
				r = c.rulesOf(img, t.Name)
			}
			n := newTransition(img, t.ID, p, r)
			n.purpose = r.automatic()
			d.change(n)
		}
	}
	return d.records
}

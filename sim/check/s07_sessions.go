package check

import (
	"time"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// sessions are what one active controller has heard of the brokers, by what has reached it: what it believes of them
// does not count.
type sessions struct {
	life  int
	epoch core.LeaderEpoch
	since []time.Duration // by machine: the last request of its broker, or the beginning of the leadership
}

// sessionSlack is how late a controller may fence a broker, beside what its clock is slow by.
const sessionSlack = 500 * time.Millisecond

// Beaten notes that a request of a broker has come to the machine of a controller that may be active: a heartbeat or a
// registration, of whatever incarnation.
func (c *Cluster) Beaten(now time.Duration, node int, id core.BrokerID) {
	if s := c.sessions[node]; s != nil && id > 0 && int(id) <= len(s.since) {
		s.since[id-1] = now
	}
}

// Sessions is L1 of the brokers' sessions: the active controller fences a broker that it has not heard for
// broker.session.timeout.ms (KIP-631, Kafka: ReplicationControlManager.maybeFenceStaleBrokers). Draft is what it has
// decided, committed or not; nil if it is not active. Runs reports whether it has been at work since a time. Its own
// broker tells it within the machine, which nobody sees here.
func (c *Cluster) Sessions(
	now time.Duration, node, life int, epoch core.LeaderEpoch, draft *metadata.Image, runs func(time.Duration) bool,
) {
	s := c.sessions[node]
	if draft == nil {
		c.sessions[node] = nil
		return
	}
	if s == nil || s.life != life || s.epoch != epoch {
		s = &sessions{life: life, epoch: epoch, since: make([]time.Duration, len(c.sessions))}
		for i := range s.since {
			s.since[i] = now
		}
		c.sessions[node] = s
	}
	patience := c.ledger.plan.SessionTimeout()
	patience += patience/keepingClocks + sessionSlack
	for _, b := range draft.Brokers() {
		at := int(b.ID) - 1
		if b.Fenced || at < 0 || at == node || at >= len(s.since) || now-s.since[at] <= patience ||
			!runs(now-sessionSlack) {
			continue
		}
		c.fail(Liveness, "session", brokerText(core.BrokerID(node+1))+", the active controller, has heard nothing of "+
			brokerText(b.ID)+" for "+(now-s.since[at]).String()+", and does not fence it: broker.session.timeout.ms is "+
			c.ledger.plan.SessionTimeout().String())
		return
	}
}

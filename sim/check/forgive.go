package check

import (
	"ottla.dev/core"
)

// forgiveness is what is known of losses that somebody has asked for. A partition that may have lost something is
// judged no more by what its clients were told; its replicas still are.
type forgiveness struct {
	unclean map[string]bool // topics for which somebody has allowed elections that lose something
	parts   map[core.TopicPartition]bool
}

// AllowUnclean notes that somebody asks for elections that may lose records of a topic of the plan.
func (l *Ledger) AllowUnclean(topic int) { l.forgiven.unclean[l.plan.Topics[topic].Name] = true }

func (l *Ledger) allowsUnclean(topic string) bool { return l.forgiven.unclean[topic] }

// Unclean notes that the committed metadata report an unclean election of a partition. Only where somebody has allowed
// it may anything be lost by that: a broker that syncs before it acknowledges loses nothing when the last in sync
// returns. It reports whether the loss is new, and excused.
func (l *Ledger) Unclean(name core.TopicPartition) bool {
	return l.forgiven.unclean[name.Topic] && l.forgive(name)
}

// PowerCut notes that a machine of a cluster has lost what it had not synced, which with write.caching may be what was
// acknowledged. It returns how many partitions are forgiven for it.
func (l *Ledger) PowerCut() int {
	n := 0
	for _, p := range l.order {
		if p.topic.Caching && l.forgive(p.Name) {
			n++
		}
	}
	return n
}

func (l *Ledger) forgive(name core.TopicPartition) bool {
	if l.forgiven.parts[name] {
		return false
	}
	l.forgiven.parts[name] = true
	if p := l.parts[name]; p != nil {
		p.forgiven, p.records, p.lastAck = true, nil, -1
		clear(p.places)
		p.cuts++
	}
	return true
}

// Forgiven reports whether a partition may have lost something.
func (l *Ledger) Forgiven(name core.TopicPartition) bool {
	return l.forgiven.parts[name] || l.caching(name)
}

// caching reports whether a partition beyond those of the plan belongs to a topic with write.caching.
func (l *Ledger) caching(name core.TopicPartition) bool {
	for i := range l.plan.Topics {
		if t := &l.plan.Topics[i]; t.Name == name.Topic && t.Caching && l.parts[name] == nil {
			return true
		}
	}
	return false
}

package metadata

import (
	"slices"

	"ottla.dev/core"
)

// TopicChange is a topic that differs between two images. Before is nil if it was created, After if it was removed; a
// topic deleted and created again under its name has another id, and is two changes.
type TopicChange struct {
	ID     core.UUID
	Before *Topic
	After  *Topic
}

// Delta is what changed from one image to another, in sorted order.
type Delta struct {
	Topics  []TopicChange // by topic id
	Brokers []core.BrokerID
	Configs []Resource
	// Features is whether the level of any feature changed.
	Features bool
}

// Empty reports whether nothing changed. Controllers' registrations and the next producer id do not count: only the
// controller looks at them.
func (d *Delta) Empty() bool { return len(d.Topics)+len(d.Brokers)+len(d.Configs) == 0 && !d.Features }

// Diff compares two images. When after was made from before, the cost goes with what changed, not with what there is.
// It finds what replay touched: an entry replayed to the value it had may be among the changes.
func Diff(before, after *Image) Delta {
	var d Delta
	diff(before.topicsByID.root, after.topicsByID.root, func(id topicID, b, a *Topic, _, _ bool) {
		d.Topics = append(d.Topics, TopicChange{ID: core.UUID(id), Before: b, After: a})
	})
	diff(before.configs.root, after.configs.root, func(r Resource, _, _ *ConfigSet, _, _ bool) {
		d.Configs = append(d.Configs, r)
	})
	for _, b := range before.brokers {
		if after.Broker(b.ID) != b {
			d.Brokers = append(d.Brokers, b.ID)
		}
	}
	for _, b := range after.brokers {
		if before.Broker(b.ID) == nil {
			d.Brokers = append(d.Brokers, b.ID)
		}
	}
	slices.Sort(d.Brokers)
	d.Features = !slices.Equal(before.features, after.features)
	return d
}

// Partitions calls change for every partition of the topic that differs, with its state before and after, in ascending
// order of ids; nil stands for a partition that was not or is no more.
func (c TopicChange) Partitions(change func(before, after *Partition)) {
	var before, after []*Partition
	if c.Before != nil {
		before = c.Before.Partitions
	}
	if c.After != nil {
		after = c.After.Partitions
	}
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].ID < after[0].ID:
			change(before[0], nil)
			before = before[1:]
		case len(before) == 0 || after[0].ID < before[0].ID:
			change(nil, after[0])
			after = after[1:]
		default:
			if before[0] != after[0] {
				change(before[0], after[0])
			}
			before, after = before[1:], after[1:]
		}
	}
}

package check

import (
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/record"
	"ottla.dev/sim/fault"
)

// watchRetained is S19 of retention: what goes unasked is expired (Kafka: UnifiedLog.deleteOldSegments).
// With retention.bytes the rest of the log is at least as large, and with retention.ms all that goes is older. The log
// has size bytes left and is in folder dir.
func (c *Cluster) watchRetained(was, s *Sighting, dir string, size int64) {
	if was.Life != s.Life || s.Start <= was.Start || s.Start == s.End && s.HighWatermark == s.End && !was.Leading {
		return
	}
	p := c.ledger.Partition(s.Name)
	if p == nil || p.topic.Retained || s.Start <= p.deleted || c.startsElsewhere(s) {
		return
	}
	text := func(why string) {
		c.wrong("log-start", s.Node, s.Name.String()+": the log starts at "+offsetText(s.Start)+", and "+why)
	}
	if least, ok := setting(p.topic, "retention.bytes"); ok && size < least {
		text("only " + strconv.FormatInt(size, 10) + " bytes are left, of " + strconv.FormatInt(least, 10))
	}
	most, ok := setting(p.topic, "retention.ms")
	if !ok || c.Wall == nil {
		return
	}
	newest := core.NoTimestamp
	eachBatch(segments(c.disks[s.Node], dir), func(v record.View, _ segment, _ int64) {
		if v.LastOffset() >= was.Start && v.LastOffset() < s.Start {
			newest = max(newest, v.MaxTimestamp())
		}
	})
	if age := int64(c.Wall(s.Node) - newest); newest != core.NoTimestamp && age < most {
		text("what is gone is " + strconv.FormatInt(age, 10) + " ms old, and is kept for " + strconv.FormatInt(most, 10))
	}
}

// startsElsewhere reports whether another replica of a partition has been seen to begin there, or behind: what one
// has removed the others remove, too.
func (c *Cluster) startsElsewhere(s *Sighting) bool {
	for node := range c.brokers {
		if r := c.replicas[replicaKey{node, s.ID}]; node != s.Node && r != nil && r.Life > 0 && r.Start >= s.Start {
			return true
		}
	}
	return false
}

// setting is the number that a topic of the plan has for a setting. It reports false if that is no limit.
func setting(t *fault.Topic, name string) (int64, bool) {
	for _, s := range t.Settings {
		if s.Name == name {
			n, err := strconv.ParseInt(s.Value, 10, 64)
			return n, err == nil && n >= 0
		}
	}
	return 0, false
}

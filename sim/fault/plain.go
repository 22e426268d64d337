package fault

import (
	"slices"
	"strconv"
	"time"

	"ottla.dev/core"
)

// drawPlain draws in one world of six what hides behind idempotent producers: nobody has any, so that no log keeps
// anything for the sake of one. Some topics keep little, and look for it often, while brokers stand still and their
// leaders' logs grow; in half of the clusters a record needs two replicas to be committed.
func (p *Plan) drawPlain(r *core.PRNG) {
	if !r.Chance(1, 6) {
		return
	}
	for i := range p.Clients {
		c := &p.Clients[i]
		if c.Kind == Producer {
			c.Idempotent, c.Sequence, c.Epoch, c.Bump, c.Bad = false, 0, 0, 0, 0
			c.Acks = pick[int16](r, -1, 1, 1)
			c.Pause = min(c.Pause, 50*time.Millisecond)
		}
	}
	for i := range p.Topics {
		if r.Chance(1, 3) {
			continue
		}
		t := &p.Topics[i]
		t.Settings = slices.DeleteFunc(t.Settings, func(s Setting) bool {
			return s.Name == "retention.bytes" || s.Name == "retention.ms" || s.Name == "internal.segment.bytes"
		})
		set := func(name string, n int64) { t.Settings = append(t.Settings, Setting{name, strconv.FormatInt(n, 10)}) }
		set("internal.segment.bytes", pick[int64](r, 1024, 2048))
		if r.Chance(1, 2) {
			set("retention.bytes", r.Between(0, 5000))
		} else {
			set("retention.ms", r.Between(200, 2000))
		}
		t.derive()
	}
	p.set("log.retention.check.interval.ms", pick[int64](r, 200, 500))
	if !p.Clustered() {
		return
	}
	// What acks=1 was answered for is not committed while too few are in sync, and grows old.
	if p.Brokers > 1 && r.Chance(1, 2) {
		for i := range p.Topics {
			t := &p.Topics[i]
			t.Replicas = max(t.Replicas, 2)
			t.Settings = slices.DeleteFunc(t.Settings, func(s Setting) bool { return s.Name == "min.insync.replicas" })
			t.Settings = append(t.Settings, Setting{"min.insync.replicas", "2"})
		}
	}
	for range r.Below(6) {
		w := Window{Kind: Pause, Node: int(r.Below(uint64(p.Brokers))), From: between(r, 3*time.Second, p.Duration), Rate: 1}
		w.To = min(w.From+between(r, 500*time.Millisecond, 9*time.Second), p.Duration)
		p.Faults = append(p.Faults, w)
	}
}

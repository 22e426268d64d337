package broker_test

import (
	"slices"
	"testing"
	"time"

	"ottla.dev/core"
)

// One node after the other is stopped and started, the active controller last. It had its connections to each of the
// others refused while that one was down, and needs none since; that is no reason to stop with what it leads.
func TestTheLastOfARollingRestartHandsOverWhatItLeads(t *testing.T) {
	c := newCluster(3, 3, map[string]string{"min.insync.replicas": "2"}).startAll(t)
	for _, topic := range []string{"a", "b", "d"} {
		if code := c.createTopic(t, 1, topic, 3); code != core.NoError {
			t.Fatal(code)
		}
	}
	last := c.controller(t, 1)
	inSync := func(asked int) bool {
		for _, topic := range c.metadata(t, asked, "a", "b", "d").Topics {
			for _, p := range topic.Partitions {
				if len(p.ISR) != 3 {
					return false
				}
			}
		}
		return true
	}
	for id := 1; id <= 3; id++ {
		if id == last {
			continue
		}
		c.stop(t, id)
		c.pass(3 * time.Second) // the controller has tried to tell it who leads the quorum
		c.start(id)
		c.until(t, 20*time.Second, "in sync", func() bool { return inSync(last) })
	}
	if now := c.controller(t, last); now != last {
		t.Fatalf("the controller is %d and not %d", now, last)
	}
	asked := c.other(last)
	led := 0
	for _, topic := range []string{"a", "b", "d"} {
		for p := range int32(3) {
			if c.leaderOf(t, asked, topic, p) == last {
				led++
			}
		}
	}
	c.stop(t, last)
	c.until(t, time.Second, "another leader of everything", func() bool {
		for _, topic := range c.metadata(t, asked, "a", "b", "d").Topics {
			for _, p := range topic.Partitions {
				if int(p.Leader) == last || p.Leader < 1 || slices.Contains(p.ISR, int32(last)) {
					return false
				}
			}
		}
		return true
	})
	if led == 0 {
		t.Error("the last one led nothing")
	}
}

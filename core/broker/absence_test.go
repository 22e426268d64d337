package broker_test

import (
	"testing"
	"time"

	"ottla.dev/core"
)

// led is a cluster of three with a topic, and who leads its first partition: the leader of the quorum, too, or another.
func led(t *testing.T, controller bool) (c *cluster, topic string, leader int) {
	t.Helper()
	c = newCluster(3, 3, map[string]string{"min.insync.replicas": "2"}).startAll(t)
	for _, topic := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		if code := c.createTopic(t, 1, topic, 3); code != core.NoError {
			t.Fatal(code)
		}
		if leader = c.leaderOf(t, 1, topic, 0); (leader == c.controller(t, 1)) == controller {
			c.pass(3 * time.Second) // so that all of them have beaten
			return c, topic, leader
		}
	}
	t.Fatal("no such partition")
	return nil, "", 0
}

// The session lasts 9 s; the process is gone at once.
func TestAnotherLeadsSoonAfterAProcessIsGone(t *testing.T) {
	for _, controller := range []bool{false, true} {
		c, topic, leader := led(t, controller)
		c.kill(leader)
		from, next := c.now.Mono, leader
		c.until(t, time.Second, "led by another", func() bool {
			next = c.leaderOf(t, c.other(), topic, 0)
			return next > 0 && next != leader
		})
		t.Logf("it led the quorum, too: %v; another leads after %v", controller, c.now.Mono-from)
		if _, code := c.produced(t, next, topic, 1); code != core.NoError {
			t.Error(code)
		}
	}
}

func TestABrokerThatLosesItsConnectionsKeepsItsLeaderships(t *testing.T) {
	c, topic, leader := led(t, false)
	epoch := c.metadata(t, 1, topic).Topics[0].Partitions[0].LeaderEpoch
	for range 20 {
		c.sever(func(l *wireLink) bool { return l.from == leader || l.to == leader })
		c.pass(700 * time.Millisecond)
	}
	if p := c.metadata(t, 1, topic).Topics[0].Partitions[0]; p.LeaderEpoch != epoch {
		t.Fatalf("broker %d leads in epoch %d, not %d as in %d", p.Leader, p.LeaderEpoch, leader, epoch)
	}
}

// Nobody can tell who is cut off from who is slow.
func TestABrokerThatIsCutOffHasItsSession(t *testing.T) {
	c, topic, leader := led(t, false)
	c.cut[leader] = true
	c.sever(func(l *wireLink) bool { return l.from == leader || l.to == leader })
	c.pass(6 * time.Second)
	if x := c.leaderOf(t, c.other(leader), topic, 0); x != leader {
		t.Fatalf("%d leads", x)
	}
}

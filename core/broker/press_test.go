package broker_test

import (
	"strconv"
	"testing"
	"time"

	"ottla.dev/core"
)

// The leaders' other partitions are idle, so that they keep their followers' fetches for 500 ms.
func TestANewPartitionIsFetchedAtOnceAndNotWhenTheFetchUnderWayIsAnswered(t *testing.T) {
	c := newCluster(3, 3, map[string]string{"min.insync.replicas": "3"}).startAll(t)
	if code := c.createTopic(t, 1, "idle", 3); code != core.NoError {
		t.Fatal(code)
	}
	c.pass(730 * time.Millisecond)
	for i := range 5 {
		name := "new" + strconv.Itoa(i)
		if code := c.createTopic(t, 1, name, 3); code != core.NoError {
			t.Fatal(code)
		}
		leader, from := c.leaderOf(t, 1, name, 0), c.now.Mono
		if _, code := c.produced(t, leader, name, 1); code != core.NoError {
			t.Fatal(code)
		}
		if took := c.now.Mono - from; took > 100*time.Millisecond {
			t.Errorf("%s: acknowledged after %v", name, took)
		}
		c.pass(time.Duration(130+70*i) * time.Millisecond)
	}
}

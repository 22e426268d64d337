package broker_test

import (
	"strings"
	"testing"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/broker"
)

// format makes a node's folder its own, with a damaged bootstrap.checkpoint.
func (c *cluster) format(t *testing.T, id int) {
	t.Helper()
	voters := []broker.Voter{{ID: 1, Name: "CONTROLLER", Host: "n1", Port: 9093}}
	for v := 2; v <= c.voters; v++ {
		voters = append(voters, broker.Voter{ID: core.BrokerID(v), Name: "CONTROLLER", Host: "n" + string(rune('0'+v)),
			Port: 9093})
	}
	j := broker.FormatJob{Dirs: []string{"/data"}, Metadata: "/data", Node: core.BrokerID(id),
		ClusterID: broker.ClusterIDOf(voters), IDs: []core.UUID{{9, byte(id)}}}
	if j.Run(c.disks[id-1]); j.Err != nil {
		t.Fatal(j.Err)
	}
	const path = "/data/bootstrap.checkpoint"
	b := append([]byte(nil), c.disks[id-1].Bytes(path)...)
	b[len(b)-1] ^= 1
	c.disks[id-1].Put(path, b, true)
}

// bootstrap.checkpoint is needed by whoever begins the cluster's metadata, and by nobody else.
func TestOnlyWhoBeginsTheMetadataNeedsToKnowHow(t *testing.T) {
	c := newCluster(3, 3, nil)
	c.format(t, 3)
	c.start(1)
	c.start(2)
	c.until(t, 20*time.Second, "two of three", func() bool { return c.worlds[0].listens && c.worlds[1].listens })
	c.start(3)
	c.until(t, 20*time.Second, "the third, whose file is damaged", func() bool { return c.worlds[2].listens })
	if code := c.createTopic(t, 3, "t", 3); code != core.NoError {
		t.Error(code)
	}

	c = newCluster(1, 1, nil)
	c.format(t, 1)
	c.start(1)
	c.pass(5 * time.Second)
	if why := c.worlds[0].halted; !strings.Contains(why, "bootstrap.checkpoint") || !strings.Contains(why, "format") {
		t.Errorf("who is alone, and has to begin: %q", why)
	}
}

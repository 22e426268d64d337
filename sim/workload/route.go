package workload

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// aim is whom a client of a cluster wants to talk to: the leader of a partition, the coordinator of a group, or, if it
// is empty, anybody.
type aim struct {
	part  core.TopicPartition
	group string
}

const (
	// routeTries is how often a client asks one broker who leads before it asks another.
	routeTries = 5
	// nobody is no broker; brokers count from 0.
	nobody = -1
	// absentForGood is after how many answers without a topic, by several brokers, it is taken for deleted.
	absentForGood = 10 * routeTries
)

// route is what a client knows of where its aim is.
type route struct {
	aim     aim
	at      int // the broker of the connection
	wanted  int // who has to be asked, as somebody has said, or nobody
	near    int // the replica that the leader has said to read from (KIP-392), or nobody
	tries   int
	strayed bool // an answer has said that it is somebody else
	absent  int  // how many answers in a row did not know the topic
}

// dialTo chooses the broker to connect to.
func (c *client) dialTo() int {
	if !c.plan.Clustered() {
		return 0
	}
	c.route.at = c.route.wanted
	if c.route.at == nobody {
		c.route.at = int(c.random.Below(uint64(c.plan.Brokers)))
	}
	if c.route.near != c.route.at {
		c.route.near = nobody
	}
	c.route.wanted, c.route.tries = nobody, 0
	return c.route.at
}

// steer makes sure that the broker of the new connection is the right one, and opens the client or goes elsewhere.
func (c *client) steer() {
	conns := c.conns
	retry := func() {
		c.net.After(c.wait(200*time.Millisecond), func() {
			if c.conns != conns || !c.up {
				return
			}
			if c.route.tries++; c.route.tries >= routeTries {
				c.hang()
				return
			}
			c.steer()
		})
	}
	then := func(broker int) {
		if c.route.near == c.route.at {
			broker = c.route.at
		}
		switch broker {
		case nobody:
			retry()
		case c.route.at:
			c.opened()
		default:
			c.route.wanted = broker
			c.hang()
		}
	}
	req := kmsg.NewPtrMetadataRequest()
	c.request(req, 12, func(r kmsg.Response) {
		leader := nobody
		c.route.absent++
		for _, t := range r.(*kmsg.MetadataResponse).Topics {
			if t.ErrorCode != 0 || t.Topic == nil {
				continue
			}
			if c.planned(*t.Topic) {
				c.ids[*t.Topic] = t.TopicID
			}
			if *t.Topic == c.route.aim.part.Topic {
				c.route.absent = 0
			}
			for _, p := range t.Partitions {
				if *t.Topic == c.route.aim.part.Topic && p.Partition == int32(c.route.aim.part.Partition) && p.ErrorCode == 0 &&
					c.newest(t.TopicID, &p) {
					leader = int(p.Leader) - 1
				}
			}
		}
		switch {
		case c.route.aim.part.Topic != "" && c.route.absent >= absentForGood && c.gone != nil && c.gone():
		case c.route.aim.part.Topic != "":
			then(max(leader, nobody))
		case c.route.aim.group != "":
			c.findCoordinator(then)
		default:
			c.opened()
		}
	})
}

// newest reports whether an answer is at least as new as what the client knows of a partition: a leader that has been
// deposed and does not know it sends the clients that it meets to itself, and Kafka's do not believe it (KIP-320;
// Kafka: Metadata.updateLatestMetadata).
func (c *client) newest(topic [16]byte, p *kmsg.MetadataResponseTopicPartition) bool {
	id := core.TopicIDPartition{Topic: topic, Partition: core.PartitionID(p.Partition)}
	epoch := core.LeaderEpoch(p.LeaderEpoch)
	if epoch < c.epochs[id] {
		return false
	}
	c.epochs[id] = epoch
	return true
}

func (c *client) planned(topic string) bool {
	for i := range c.plan.Topics {
		if c.plan.Topics[i].Name == topic {
			return true
		}
	}
	return false
}

func (c *client) findCoordinator(then func(broker int)) {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKey = c.route.aim.group
	c.request(req, 3, func(r kmsg.Response) {
		resp := r.(*kmsg.FindCoordinatorResponse)
		if resp.ErrorCode != 0 {
			then(nobody)
			return
		}
		then(int(resp.NodeID) - 1)
	})
}

// aimAt makes the client want to talk to somebody. It reports false if it has to connect anew, which ends in opened.
func (c *client) aimAt(a aim) bool {
	if !c.plan.Clustered() || c.route.aim == a {
		return true
	}
	c.route.aim, c.route.absent = a, 0
	c.hang()
	return false
}

// retriable reports whether a code says no more than "not now". In a cluster it may say "not here" too.
func (c *client) retriable(code int16) bool {
	switch core.ErrorCode(code) {
	case core.NotLeaderOrFollower, core.LeaderNotAvailable, core.NotCoordinator, core.CoordinatorNotAvailable,
		core.KafkaStorageError, core.UnknownTopicOrPartition, core.UnknownTopicID, core.FencedLeaderEpoch:
		c.route.strayed = c.plan.Clustered()
	}
	if c.plan.Clustered() {
		switch core.ErrorCode(code) {
		case core.CorruptMessage: // of who has the only replica in sync, and found it damaged
			c.route.strayed = c.net.Damaged(c.route.at)
			return c.route.strayed
		case core.NotEnoughReplicasAfterAppend, core.FencedLeaderEpoch, core.UnknownLeaderEpoch:
			return true
		}
	}
	return retriable(code)
}

// readAt goes to the replica that the leader has named.
func (c *client) readAt(broker int) {
	c.route.near, c.route.wanted = broker, broker
	c.hang()
}

// leaveNear goes back to the leader, and reports whether the client was elsewhere.
func (c *client) leaveNear() bool {
	if c.route.near == nobody {
		return false
	}
	c.route.near, c.route.wanted = nobody, nobody
	c.hang()
	return true
}

// strayed goes elsewhere if an answer has said so.
func (c *client) leaveIfStrayed() {
	if c.route.strayed {
		c.route.strayed = false
		c.hang()
	}
}

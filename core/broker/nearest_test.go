package broker_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// fetchFrom asks a node for partition 0 of a topic, as a consumer in a rack does, or in none.
func (c *cluster) fetchFrom(t *testing.T, id int, topic [16]byte, offset int64, rack string,
	version int16) (kmsg.FetchResponseTopicPartition, *kmsg.FetchResponse) {
	t.Helper()
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.ReplicaID, req.MaxBytes, req.MinBytes, req.Rack = version, -1, 1<<20, 1, rack
	req.SessionEpoch, req.MaxWaitMillis = -1, 300
	rt := kmsg.NewFetchRequestTopic()
	rt.TopicID = topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.FetchOffset, rp.PartitionMaxBytes = offset, 1<<20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp := c.ask(t, id, req).(*kmsg.FetchResponse)
	return resp.Topics[0].Partitions[0], resp
}

const rackAware = "org.apache.kafka.common.replica.RackAwareReplicaSelector"

func TestAConsumerIsSentToTheReplicaInItsRackAndServedThere(t *testing.T) {
	c := newCluster(3, 3, map[string]string{"replica.selector.class": rackAware})
	c.racks = true
	c.startAll(t)
	if code := c.createTopic(t, 1, "t", 3); code != core.NoError {
		t.Fatal(code)
	}
	topic := c.metadata(t, 1, "t").Topics[0].TopicID
	leader := c.leaderOf(t, 1, "t", 0)
	near := c.other(leader)
	if _, code := c.produced(t, leader, "t", 3); code != core.NoError {
		t.Fatal(code)
	}
	c.pass(time.Second)
	rack := "r" + string(rune('0'+near))
	p, _ := c.fetchFrom(t, leader, topic, 0, rack, 13)
	if p.ErrorCode != 0 || int(p.PreferredReadReplica) != near || len(p.RecordBatches) > 0 || p.HighWatermark != 3 {
		t.Errorf("from the leader: %+v", p)
	}
	p, _ = c.fetchFrom(t, near, topic, 0, rack, 13)
	if p.ErrorCode != 0 || p.PreferredReadReplica != -1 || len(p.RecordBatches) == 0 || p.HighWatermark != 3 {
		t.Errorf("from the replica in the rack: %+v", p)
	}
	// What waits there is answered when the records come, and they are committed.
	from := c.now.Mono
	s := c.worlds[leader-1].connect()
	c.worlds[leader-1].offer(s, frameOf(produceTo("t", 0, -1, records(1)), 1))
	p, _ = c.fetchFrom(t, near, topic, 3, rack, 13)
	if took := c.now.Mono - from; len(p.RecordBatches) == 0 || took > 100*time.Millisecond {
		t.Errorf("after %v: %+v", took, p)
	}
	// Beyond the end of the follower's log a client goes back to the leader.
	if p, _ = c.fetchFrom(t, near, topic, 9, rack, 13); core.ErrorCode(p.ErrorCode) != core.OffsetOutOfRange {
		t.Errorf("beyond the end: %+v", p)
	}
	// In the leader's rack, and in one where nobody stands, the leader answers.
	for _, rack := range []string{"r" + string(rune('0'+leader)), "elsewhere", ""} {
		if p, _ = c.fetchFrom(t, leader, topic, 0, rack, 13); p.PreferredReadReplica != -1 || len(p.RecordBatches) == 0 {
			t.Errorf("rack %q: %+v", rack, p)
		}
	}
}

func TestWithoutASelectorNobodyIsSentElsewhere(t *testing.T) {
	c := newCluster(3, 3, nil)
	c.racks = true
	c.startAll(t)
	if code := c.createTopic(t, 1, "t", 3); code != core.NoError {
		t.Fatal(code)
	}
	leader := c.leaderOf(t, 1, "t", 0)
	if p, _ := c.fetchFrom(t, leader, c.metadata(t, 1, "t").Topics[0].TopicID, 0,
		"r"+string(rune('0'+c.other(leader))), 13); p.PreferredReadReplica != -1 {
		t.Errorf("%+v", p)
	}
}

// KIP-951: who asks the wrong broker is told the right one, with its address.
func TestTheLeaderIsNamedToWhoAsksTheWrongBroker(t *testing.T) {
	c := newCluster(3, 3, nil).startAll(t)
	if code := c.createTopic(t, 1, "t", 3); code != core.NoError {
		t.Fatal(code)
	}
	topic := c.metadata(t, 1, "t").Topics[0].TopicID
	leader := c.leaderOf(t, 1, "t", 0)
	wrong := c.other(leader)
	req := produceTo("t", 0, -1, records(1))
	for _, version := range []int16{9, 10} {
		req.Version = version
		resp := c.ask(t, wrong, req).(*kmsg.ProduceResponse)
		p := resp.Topics[0].Partitions[0]
		named := len(resp.Brokers) == 1 && int(resp.Brokers[0].NodeID) == leader && resp.Brokers[0].Port == 9092 &&
			int(p.CurrentLeader.LeaderID) == leader && p.CurrentLeader.LeaderEpoch >= 0
		if core.ErrorCode(p.ErrorCode) != core.NotLeaderOrFollower || named != (version >= 10) {
			t.Errorf("v%d: %+v, %+v", version, p, resp.Brokers)
		}
	}
	// A consumer that gives no rack may read from a follower all the same; one that knows an old epoch may not.
	if p, _ := c.fetchFrom(t, wrong, topic, 0, "", 16); p.ErrorCode != 0 {
		t.Errorf("%+v", p)
	}
	c.cut[leader] = true
	c.until(t, 15*time.Second, "another leads", func() bool { return c.leaderOf(t, wrong, "t", 0) != leader })
	c.pass(time.Second)
	fetch := kmsg.NewPtrFetchRequest()
	fetch.Version, fetch.ReplicaID, fetch.MaxBytes, fetch.SessionEpoch = 16, -1, 1<<20, -1
	rt := kmsg.NewFetchRequestTopic()
	rt.TopicID = topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.CurrentLeaderEpoch = 0
	rt.Partitions = append(rt.Partitions, rp)
	fetch.Topics = append(fetch.Topics, rt)
	now := c.leaderOf(t, wrong, "t", 0)
	resp := c.ask(t, c.other(leader, now), fetch).(*kmsg.FetchResponse)
	p := resp.Topics[0].Partitions[0]
	if core.ErrorCode(p.ErrorCode) != core.FencedLeaderEpoch || int(p.CurrentLeader.LeaderID) != now ||
		len(resp.Brokers) != 1 || int(resp.Brokers[0].NodeID) != now {
		t.Errorf("%+v, %+v, leader %d", p, resp.Brokers, now)
	}
}

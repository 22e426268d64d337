package broker_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

// A broker that is alone leads all it has, and cannot have another's replicas.
func TestElectionsAndReassignmentsOfOneBroker(t *testing.T) {
	w := newWorld(2)
	s := w.connect()
	w.createTopic(s, "t")
	self := w.ask(s, kmsg.NewPtrDescribeClusterRequest()).(*kmsg.DescribeClusterResponse).Brokers[0].NodeID

	elect := kmsg.NewPtrElectLeadersRequest()
	elect.Version, elect.Topics = 2, []kmsg.ElectLeadersRequestTopic{{Topic: "t", Partitions: []int32{0, 99}}}
	for kind := range int8(2) {
		elect.ElectionType = kind
		got := w.ask(s, elect).(*kmsg.ElectLeadersResponse).Topics[0].Partitions
		if core.ErrorCode(got[0].ErrorCode) != core.ElectionNotNeeded ||
			core.ErrorCode(got[1].ErrorCode) != core.UnknownTopicOrPartition {
			t.Errorf("election %d: %+v", kind, got)
		}
	}
	elect.Topics = nil
	if got := w.ask(s, elect).(*kmsg.ElectLeadersResponse); len(got.Topics) != 0 || got.ErrorCode != 0 {
		t.Errorf("all partitions: %+v", got)
	}

	assign := func(replicas []int32) core.ErrorCode {
		req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
		req.Version = 1
		req.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: "t",
			Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Replicas: replicas}}}}
		resp := w.ask(s, req).(*kmsg.AlterPartitionAssignmentsResponse)
		return core.ErrorCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if code := assign([]int32{self + 1}); code != core.InvalidReplicaAssignment {
		t.Errorf("to a broker that does not exist: %v", code)
	}
	if code := assign(nil); code != core.NoReassignmentInProgress {
		t.Errorf("cancelled: %v", code)
	}
	if code := assign([]int32{self}); code != core.NoError {
		t.Errorf("to itself: %v", code)
	}
	list := w.ask(s, kmsg.NewPtrListPartitionReassignmentsRequest()).(*kmsg.ListPartitionReassignmentsResponse)
	if list.ErrorCode != 0 || len(list.Topics) != 0 {
		t.Errorf("in progress: %+v", list)
	}
	unregister := kmsg.NewPtrUnregisterBrokerRequest()
	unregister.BrokerID = self
	code := core.ErrorCode(w.ask(s, unregister).(*kmsg.UnregisterBrokerResponse).ErrorCode)
	if code != core.InvalidRequest {
		t.Errorf("unregistered: %v", code)
	}
	if base := w.produce(t, s, "t", 1); base != 0 {
		t.Errorf("produced at %d", base)
	}
}

// Brokers that stop cleanly before they have heard of a new topic have lost nothing: were their replicas called lost
// because no folder is there, nobody could ever lead.
func TestATopicThatAllReplicasHaveNotHeardOfBeforeACleanStopHasALeaderAfterwards(t *testing.T) {
	c := newCluster(3, 1, nil).startAll(t) // node 1 is the only voter
	for _, id := range []int{2, 3} {
		c.cut[id] = true
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t", -1, -1
	topic.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Replicas: []int32{2, 3}}}
	req.Topics = append(req.Topics, topic)
	if code := c.ask(t, 1, req).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode; code != 0 {
		t.Fatal(core.ErrorCode(code))
	}
	for _, id := range []int{2, 3} {
		c.stop(t, id)
	}
	for _, id := range []int{2, 3} {
		c.cut[id] = false
		c.start(id)
	}
	c.until(t, 60*time.Second, "back", func() bool { return c.worlds[1].listens && c.worlds[2].listens })
	c.until(t, 60*time.Second, "led, with both in sync", func() bool {
		p := c.metadata(t, 1, "t").Topics[0].Partitions[0]
		return p.Leader >= 2 && len(p.ISR) == 2
	})
}

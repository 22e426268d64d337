package broker_test

import (
	"testing"

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

package controller

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core/wire"
)

// FuzzDecide takes any bytes as any version of a request: whatever decodes gets an answer that encodes and records that
// apply, on a cluster with something in it.
func FuzzDecide(f *testing.F) {
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Topics = []kmsg.CreateTopicsRequestTopic{
		topic("new", 2, 1), assigned("n.ew", []int32{1, 2}), configured("c", "retention.ms", ptr("1")),
	}
	remove := kmsg.NewPtrDeleteTopicsRequest()
	remove.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: ptr("t")}}
	grow := kmsg.NewPtrCreatePartitionsRequest()
	grow.Topics = []kmsg.CreatePartitionsRequestTopic{more("t", 3), more("u", 2, []int32{1})}
	alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
	alter.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: topicType, ResourceName: "t",
		Configs: []op{{Name: "cleanup.policy", Op: appendOp, Value: ptr("compact")}}}}
	replace := kmsg.NewPtrAlterConfigsRequest()
	replace.Resources = []kmsg.AlterConfigsRequestResource{{ResourceType: brokerType, ResourceName: "1"}}
	register := kmsg.NewPtrBrokerRegistrationRequest()
	register.BrokerID, register.ClusterID, register.LogDirs = 3, "cluster", [][16]byte{{2, 3}}
	heartbeat := kmsg.NewPtrBrokerHeartbeatRequest()
	heartbeat.BrokerID, heartbeat.WantShutdown = 1, true
	elect := kmsg.NewPtrElectLeadersRequest()
	elect.Topics = []kmsg.ElectLeadersRequestTopic{elections("t", 0, 1)}
	assign := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	assign.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: "t",
		Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Replicas: []int32{2}}, {Replicas: nil}}}}
	seed := newCluster(f, withELR()).brokers(1, 2)
	seed.create(topic("t", 2, 2))
	propose := seed.ask("t", 1, 2)
	directories := kmsg.NewPtrAssignReplicasToDirsRequest()
	directories.BrokerID, directories.BrokerEpoch = 1, int64(seed.img.Broker(1).Epoch)
	directories.Directories = []kmsg.AssignReplicasToDirsRequestDirectory{{ID: [16]byte{9},
		Topics: []kmsg.AssignReplicasToDirsRequestDirectoryTopic{{TopicID: seed.img.TopicByName("t").ID,
			Partitions: []kmsg.AssignReplicasToDirsRequestDirectoryTopicPartition{{Partition: 1}}}}}}
	requests := []kmsg.Request{create, remove, grow, alter, replace, register, heartbeat,
		kmsg.NewPtrUnregisterBrokerRequest(), kmsg.NewPtrAllocateProducerIDsRequest(), elect, assign,
		kmsg.NewPtrListPartitionReassignmentsRequest(), propose, directories}
	for i, req := range requests {
		req.SetVersion(req.MaxVersion())
		f.Add(uint8(i), uint8(req.MaxVersion()), req.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, kind, version uint8, raw []byte) {
		key := requests[int(kind)%len(requests)].Key()
		req := kmsg.RequestForKey(key)
		h := wire.Header{Key: wire.Key(key), Version: int16(version)}
		if row := wire.Lookup(h.Key); !row.Serves(h.Version) || wire.Decode(h, raw, req) != nil {
			return
		}
		k := newCluster(t, withELR()).brokers(1, 2)
		k.create(topic("t", 2, 2), topic("u", 1, 1))
		resp := k.decideAt(req)
		again := req.ResponseKind()
		if err := again.ReadFrom(resp.AppendTo(nil)); err != nil {
			t.Fatalf("the answer %+v does not decode: %v", resp, err)
		}
	})
}

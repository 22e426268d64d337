package controller

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
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
	requests := []kmsg.Request{create, remove, grow, alter, replace, register, heartbeat,
		kmsg.NewPtrUnregisterBrokerRequest(), kmsg.NewPtrAllocateProducerIDsRequest()}
	for i, req := range requests {
		req.SetVersion(req.MaxVersion())
		f.Add(uint8(i), uint8(req.MaxVersion()), req.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, kind, version uint8, raw []byte) {
		key := requests[int(kind)%len(requests)].Key()
		req := kmsg.RequestForKey(key)
		req.SetVersion(int16(version) % (req.MaxVersion() + 1))
		if req.ReadFrom(raw) != nil {
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

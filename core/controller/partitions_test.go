package controller

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
)

func more(name string, count int32, assignment ...[]int32) kmsg.CreatePartitionsRequestTopic {
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = name, count
	for _, replicas := range assignment {
		t.Assignment = append(t.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: replicas})
	}
	return t
}

func TestCreatePartitions(t *testing.T) {
	empty := more("t", 3)
	empty.Assignment = []kmsg.CreatePartitionsRequestTopicAssignment{}
	for _, c := range []struct {
		rule   string
		topics []kmsg.CreatePartitionsRequestTopic
		codes  []core.ErrorCode
		count  int // of t afterwards
	}{
		{"a topic grows", []kmsg.CreatePartitionsRequestTopic{more("t", 5)}, []core.ErrorCode{0}, 5},
		{"the same count is no growth", []kmsg.CreatePartitionsRequestTopic{more("t", 2)},
			[]core.ErrorCode{core.InvalidPartitions}, 2},
		{"a topic does not shrink", []kmsg.CreatePartitionsRequestTopic{more("t", 1)},
			[]core.ErrorCode{core.InvalidPartitions}, 2},
		{"a negative count is no growth", []kmsg.CreatePartitionsRequestTopic{more("t", -1)},
			[]core.ErrorCode{core.InvalidPartitions}, 2},
		{"an unknown topic", []kmsg.CreatePartitionsRequestTopic{more("x", 5), more("t", 3)},
			[]core.ErrorCode{core.UnknownTopicOrPartition, 0}, 3},
		{"a topic twice", []kmsg.CreatePartitionsRequestTopic{more("t", 5), more("u", 5), more("t", 6)},
			[]core.ErrorCode{core.InvalidRequest, 0}, 2},
		{"assigned by hand", []kmsg.CreatePartitionsRequestTopic{more("t", 4, []int32{1, 2}, []int32{2, 1})},
			[]core.ErrorCode{0}, 4},
		{"too few assignments", []kmsg.CreatePartitionsRequestTopic{more("t", 4, []int32{1, 2})},
			[]core.ErrorCode{core.InvalidReplicaAssignment}, 2},
		{"no assignments, but not null", []kmsg.CreatePartitionsRequestTopic{empty},
			[]core.ErrorCode{core.InvalidReplicaAssignment}, 2},
		{"an assignment of another replication factor", []kmsg.CreatePartitionsRequestTopic{more("t", 3, []int32{1})},
			[]core.ErrorCode{core.InvalidReplicaAssignment}, 2},
		{"a good and a bad assignment add nothing",
			[]kmsg.CreatePartitionsRequestTopic{more("t", 4, []int32{1, 2}, []int32{1, 9})},
			[]core.ErrorCode{core.InvalidReplicaAssignment}, 2},
		{"too many at once", []kmsg.CreatePartitionsRequestTopic{more("t", 10_003)},
			[]core.ErrorCode{core.PolicyViolation}, 2},
		{"too many with what another topic got", []kmsg.CreatePartitionsRequestTopic{more("u", 5002), more("t", 5003)},
			[]core.ErrorCode{0, core.PolicyViolation}, 2},
		{"2^31-1", []kmsg.CreatePartitionsRequestTopic{more("t", 1<<31-1)}, []core.ErrorCode{core.PolicyViolation}, 2},
	} {
		t.Run(c.rule, func(t *testing.T) {
			k := newCluster(t).brokers(1, 2)
			k.create(topic("t", 2, 2), topic("u", 2, 2))
			req := kmsg.NewPtrCreatePartitionsRequest()
			req.Topics = c.topics
			var codes []core.ErrorCode
			for _, r := range k.decide(req).(*kmsg.CreatePartitionsResponse).Topics {
				codes = append(codes, core.ErrorCode(r.ErrorCode))
			}
			made := k.img.TopicByName("t").Partitions
			if !slices.Equal(codes, c.codes) || len(made) != c.count {
				t.Fatalf("%v, %d partitions", codes, len(made))
			}
			for i, p := range made {
				if int(p.ID) != i || len(p.Replicas) != 2 || p.Leader == core.NoBroker {
					t.Fatalf("%+v", p)
				}
			}
		})
	}
}

func TestCreatePartitionsValidatesOnly(t *testing.T) {
	k := newCluster(t).brokers(1)
	k.create(topic("t", 2, 1))
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.Topics, req.ValidateOnly = []kmsg.CreatePartitionsRequestTopic{more("t", 5)}, true
	r := k.decide(req).(*kmsg.CreatePartitionsResponse)
	if r.Topics[0].ErrorCode != 0 || len(k.img.TopicByName("t").Partitions) != 2 {
		t.Fatalf("%+v", r)
	}
}

func TestProducerIDsComeInBlocksOfAThousand(t *testing.T) {
	k := newCluster(t).brokers(1, 2)
	allocate := func(id int32, epoch core.BrokerEpoch) *kmsg.AllocateProducerIDsResponse {
		req := kmsg.NewPtrAllocateProducerIDsRequest()
		req.BrokerID, req.BrokerEpoch = id, int64(epoch)
		return k.decide(req).(*kmsg.AllocateProducerIDsResponse)
	}
	for i, id := range []int32{1, 2, 1} {
		r := allocate(id, k.img.Broker(core.BrokerID(id)).Epoch)
		if r.ErrorCode != 0 || r.ProducerIDStart != int64(i)*1000 || r.ProducerIDLen != 1000 {
			t.Fatalf("block %d: %+v", i, r)
		}
	}
	for _, r := range []*kmsg.AllocateProducerIDsResponse{allocate(1, 99), allocate(7, 1)} {
		if core.ErrorCode(r.ErrorCode) != core.StaleBrokerEpoch || r.ProducerIDLen != 0 {
			t.Fatalf("%+v", r)
		}
	}
	if k.img.NextProducerID() != 3000 {
		t.Fatal(k.img.NextProducerID())
	}
}

package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/metadata"
)

func imageOf(t *testing.T, records ...metadata.Record) *metadata.Image {
	t.Helper()
	all := append([]metadata.Record{&metadata.FeatureLevelRecord{Name: metadata.MetadataVersion,
		Level: metadata.MaxMetadataVersion}, &metadata.TopicRecord{Name: "t", ID: core.UUID{1}}}, records...)
	img, err := metadata.NewImage("c").Apply(core.Offset(len(all)), 1, all...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func replicated(leader core.BrokerID, replicas, adding, removing []core.BrokerID) metadata.Record {
	return &metadata.PartitionRecord{Topic: core.UUID{1}, Replicas: replicas, ISR: replicas, Adding: adding,
		Removing: removing, Leader: leader, Directories: make([]core.UUID, len(replicas))}
}

func setTo(name, value string) metadata.Record {
	return &metadata.ConfigRecord{ResourceType: metadata.ResourceTopic, ResourceName: "t", Name: name, Value: &value}
}

// Each change is not seen in the image before it, and seen in the one after it.
func TestAChangeIsSeenWhenTheImageShowsIt(t *testing.T) {
	ids := func(list ...core.BrokerID) []core.BrokerID { return list }
	value := "7"
	alter := kmsg.NewPtrAlterConfigsRequest()
	alter.Resources = []kmsg.AlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t",
		Configs: []kmsg.AlterConfigsRequestResourceConfig{{Name: "retention.ms", Value: &value}}}}
	elect := kmsg.NewPtrElectLeadersRequest()
	move := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	move.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: "t",
		Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Replicas: []int32{1, 3}}}}}
	cancel := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	cancel.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: "t",
		Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{}}}}
	moved := &kmsg.AlterPartitionAssignmentsResponse{Topics: []kmsg.AlterPartitionAssignmentsResponseTopic{{Topic: "t",
		Partitions: make([]kmsg.AlterPartitionAssignmentsResponseTopicPartition, 1)}}}
	still, moving := replicated(2, ids(1, 2), nil, nil), replicated(2, ids(1, 3, 2), ids(3), ids(2))
	for _, x := range []struct {
		what          string
		op            *api.ControlOp
		before, after []metadata.Record
	}{
		{"a configuration", &api.ControlOp{Request: alter, Response: &kmsg.AlterConfigsResponse{
			Resources: make([]kmsg.AlterConfigsResponseResource, 1)}},
			nil, []metadata.Record{setTo("retention.ms", "7")}},
		{"a configuration in the place of all others", &api.ControlOp{Request: alter, Response: &kmsg.AlterConfigsResponse{
			Resources: make([]kmsg.AlterConfigsResponseResource, 1)}},
			[]metadata.Record{setTo("retention.ms", "7"), setTo("segment.ms", "9")},
			[]metadata.Record{setTo("retention.ms", "7")}},
		{"a preferred leader", &api.ControlOp{Request: elect, Response: &kmsg.ElectLeadersResponse{
			Topics: []kmsg.ElectLeadersResponseTopic{{Topic: "t",
				Partitions: make([]kmsg.ElectLeadersResponseTopicPartition, 1)}}}},
			[]metadata.Record{still}, []metadata.Record{replicated(1, ids(1, 2), nil, nil)}},
		{"a reassignment", &api.ControlOp{Request: move, Response: moved},
			[]metadata.Record{still}, []metadata.Record{moving}},
		{"a reassignment that is complete", &api.ControlOp{Request: move, Response: moved},
			[]metadata.Record{still}, []metadata.Record{replicated(1, ids(1, 3), nil, nil)}},
		{"a cancelled reassignment", &api.ControlOp{Request: cancel, Response: moved},
			[]metadata.Record{moving}, []metadata.Record{still}},
	} {
		if reflects(imageOf(t, x.before...), x.op) {
			t.Errorf("%s is seen before it is there", x.what)
		}
		if !reflects(imageOf(t, x.after...), x.op) {
			t.Errorf("%s is not seen", x.what)
		}
	}
}

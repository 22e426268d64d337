package metadata

import (
	"testing"

	"ottla.dev/core"
)

func mustApply(t *testing.T, img *Image, records ...Record) *Image {
	t.Helper()
	next, err := img.Apply(img.Offset()+core.Offset(len(records)), 1, records...)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func base(t *testing.T) *Image {
	return mustApply(t, NewImage("c"),
		&RegisterBrokerRecord{Broker: 1, Epoch: 5, Fenced: true},
		&TopicRecord{Name: "t", ID: uuid(1, 2)},
		&PartitionRecord{Topic: uuid(1, 2), Replicas: []core.BrokerID{1, 2}, ISR: []core.BrokerID{1, 2}, Leader: 1,
			ELR: []core.BrokerID{2}, LeaderEpoch: 3, PartitionEpoch: 7},
	)
}

func TestRecordsThatContradictTheImageAreErrors(t *testing.T) {
	wrongDirectories := NewPartitionChange(uuid(1, 2), 0)
	wrongDirectories.Directories = []core.UUID{uuid(0, 101)}
	for name, r := range map[string]Record{
		"a topic's name is taken":           &TopicRecord{Name: "t", ID: uuid(1, 3)},
		"a topic's id is taken":             &TopicRecord{Name: "u", ID: uuid(1, 2)},
		"a topic without a name":            &TopicRecord{ID: uuid(1, 3)},
		"a topic without an id":             &TopicRecord{Name: "u"},
		"a partition of no topic":           &PartitionRecord{Topic: uuid(9, 9)},
		"a partition with a negative id":    &PartitionRecord{Topic: uuid(1, 2), Partition: -1},
		"a change of no topic":              NewPartitionChange(uuid(9, 9), 0),
		"a change of no partition":          NewPartitionChange(uuid(1, 2), 1),
		"one directory for two replicas":    wrongDirectories,
		"removal of no topic":               &RemoveTopicRecord{Topic: uuid(9, 9)},
		"clearing the ELR of no topic":      &ClearELRRecord{TopicName: "u"},
		"fencing an unknown broker":         &FenceBrokerRecord{Broker: 2, Epoch: 5},
		"fencing an earlier incarnation":    &FenceBrokerRecord{Broker: 1, Epoch: 4},
		"unfencing an earlier incarnation":  &UnfenceBrokerRecord{Broker: 1, Epoch: 4},
		"changing an earlier incarnation":   &BrokerRegistrationChangeRecord{Broker: 1, Epoch: 4},
		"a fencing change of 2":             &BrokerRegistrationChangeRecord{Broker: 1, Epoch: 5, Fencing: 2},
		"a shutdown change of -1":           &BrokerRegistrationChangeRecord{Broker: 1, Epoch: 5, ControlledShutdown: -1},
		"unregistering another incarnation": &UnregisterBrokerRecord{Broker: 1, Epoch: 6},
		"producer ids that stand still":     &ProducerIDsRecord{Next: 0},
		"a negative feature level":          &FeatureLevelRecord{Name: "f", Level: -1},
		"the end of no transaction":         &EndTransactionRecord{},
		"the abort of no transaction":       &AbortTransactionRecord{},
	} {
		t.Run(name, func(t *testing.T) {
			img := base(t)
			if _, err := img.Apply(img.Offset()+1, 1, r); err == nil {
				t.Fatal("applied")
			}
		})
	}
}

func TestRecordsMustFollowTheImage(t *testing.T) {
	img := base(t) // at offset 2
	if _, err := img.Apply(3, 1, &NoOpRecord{}, &NoOpRecord{}); err == nil {
		t.Fatal("a batch that overlaps the image applied")
	}
	if _, err := img.Apply(1, 1); err == nil {
		t.Fatal("the offset went back")
	}
	if next, err := img.Apply(9, 4); err != nil || next.Offset() != 9 || next.Epoch() != 4 {
		t.Fatal("a control batch must move offset and epoch")
	}
}

func TestAPartitionChangeAddsToTheEpochs(t *testing.T) {
	img := base(t)
	change := NewPartitionChange(uuid(1, 2), 0)
	change.ISR = []core.BrokerID{1}
	p := mustApply(t, img, change).Partition("t", 0)
	if p.LeaderEpoch != 3 || p.PartitionEpoch != 8 || len(p.ISR) != 1 || p.Leader != 1 {
		t.Fatalf("after an ISR change: %+v", p)
	}
	change = NewPartitionChange(uuid(1, 2), 0)
	change.Leader = 1
	if p = mustApply(t, img, change).Partition("t", 0); p.LeaderEpoch != 4 || p.PartitionEpoch != 8 {
		t.Fatalf("after an election of the same leader: %+v", p)
	}
}

func TestClearELREmptiesAllOrOne(t *testing.T) {
	for _, name := range []string{"", "t"} {
		p := mustApply(t, base(t), &ClearELRRecord{TopicName: name}).Partition("t", 0)
		if len(p.ELR) != 0 || p.PartitionEpoch != 8 {
			t.Fatalf("%q: %+v", name, p)
		}
	}
}

func TestRemovingATopicRemovesItsConfiguration(t *testing.T) {
	v := "1"
	img := mustApply(t, base(t), &ConfigRecord{ResourceTopic, "t", "retention.ms", &v})
	img = mustApply(t, img, &RemoveTopicRecord{Topic: uuid(1, 2)})
	if img.Configs(Resource{ResourceTopic, "t"}) != nil || img.PartitionCount() != 0 || img.TopicCount() != 0 {
		t.Fatal("something of the topic is left")
	}
}

func TestFencingFollowsTheRecords(t *testing.T) {
	img := base(t)
	steps := []struct {
		record           Record
		fenced, shutdown bool
	}{
		{&UnfenceBrokerRecord{1, 5}, false, false},
		{&FenceBrokerRecord{1, 5}, true, false},
		{&BrokerRegistrationChangeRecord{Broker: 1, Epoch: 5, Fencing: Unfence}, false, false},
		{&BrokerRegistrationChangeRecord{Broker: 1, Epoch: 5, ControlledShutdown: 1}, false, true},
		{&BrokerRegistrationChangeRecord{Broker: 1, Epoch: 5, Fencing: Fence}, true, true},
		{&RegisterBrokerRecord{Broker: 1, Epoch: 9, Fenced: true}, true, false},
	}
	for i, s := range steps {
		img = mustApply(t, img, s.record)
		if b := img.Broker(1); b.Fenced != s.fenced || b.InControlledShutdown != s.shutdown {
			t.Fatalf("step %d: %+v", i, b)
		}
	}
	if img = mustApply(t, img, &UnregisterBrokerRecord{1, 9}); img.Broker(1) != nil {
		t.Fatal("still registered")
	}
}

func TestAMetadataTransactionTakesEffectWhole(t *testing.T) {
	create := []Record{&BeginTransactionRecord{}, &TopicRecord{Name: "u", ID: uuid(1, 3)}, &PartitionRecord{
		Topic: uuid(1, 2), Partition: 1}}
	open := mustApply(t, base(t), create...)
	if s := open.Stable(); s.TopicByName("u") != nil || s.Partition("t", 1) != nil || s.Offset() != 2 {
		t.Fatal("an open transaction is visible")
	}
	ended := mustApply(t, open, &EndTransactionRecord{})
	if ended.Stable() != ended || ended.TopicByName("u") == nil || ended.Partition("t", 1) == nil {
		t.Fatal("an ended transaction is not visible")
	}
	aborted := mustApply(t, open, &AbortTransactionRecord{})
	if aborted.InTransaction() || aborted.TopicByName("u") != nil || aborted.Partition("t", 1) != nil ||
		aborted.Offset() != 6 {
		t.Fatal("an aborted transaction left something")
	}
	// A topic made before the transaction in the same batch must not change under the image that an abort returns to.
	img := mustApply(t, NewImage("c"), &TopicRecord{Name: "v", ID: uuid(1, 4)}, &BeginTransactionRecord{},
		&PartitionRecord{Topic: uuid(1, 4)}, &AbortTransactionRecord{}, &NoOpRecord{})
	if v := img.TopicByName("v"); v == nil || len(v.Partitions) != 0 || img.PartitionCount() != 0 {
		t.Fatalf("%+v", v)
	}
	if _, err := open.Apply(open.Offset()+1, 1, &BeginTransactionRecord{}); err == nil {
		t.Fatal("a transaction began inside another")
	}
}

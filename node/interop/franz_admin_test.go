package interop

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func admin(t *testing.T) *kadm.Client {
	t.Helper()
	return kadm.NewClient(franz(t))
}

func createTopic(ctx context.Context, t *testing.T, topic string, partitions int32) {
	t.Helper()
	if _, err := admin(t).CreateTopic(ctx, partitions, int16(replicaCount()), nil, topic); err != nil {
		t.Fatal(err)
	}
	awaitTopicEverywhere(ctx, t, topic, partitions)
}

// awaitTopicEverywhere waits until every broker knows the topic and a leader of each partition.
func awaitTopicEverywhere(ctx context.Context, t *testing.T, topic string, partitions int32) {
	t.Helper()
	for _, seed := range franz(t).SeedBrokers() {
		eventually(ctx, t, topic+" on every broker", func() bool {
			req, of := kmsg.NewPtrMetadataRequest(), kmsg.NewMetadataRequestTopic()
			of.Topic = &topic
			req.Topics = append(req.Topics, of)
			resp, err := seed.Request(ctx, req)
			if err != nil {
				return false
			}
			known := resp.(*kmsg.MetadataResponse).Topics[0]
			return int32(len(known.Partitions)) == partitions && !slices.ContainsFunc(known.Partitions,
				func(p kmsg.MetadataResponseTopicPartition) bool { return p.Leader < 0 })
		})
	}
}

// awaitGroup waits until the group is stable and its members' counts of partitions, sorted, are as wanted.
func awaitGroup(ctx context.Context, t *testing.T, group string, wanted func(assigned []int) bool) {
	t.Helper()
	client := admin(t)
	eventually(ctx, t, "the wanted assignment of group "+group, func() bool {
		described, err := client.DescribeGroups(ctx, group)
		if err != nil {
			return false
		}
		var assigned []int
		for _, member := range described[group].Members {
			count := 0
			if consumer, ok := member.Assigned.AsConsumer(); ok {
				for _, topic := range consumer.Topics {
					count += len(topic.Partitions)
				}
			}
			assigned = append(assigned, count)
		}
		slices.Sort(assigned)
		return described[group].State == "Stable" && wanted(assigned)
	})
}

// eventually asks again until the condition holds or the context ends.
func eventually(ctx context.Context, t *testing.T, what string, condition func() bool) {
	t.Helper()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: never came", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestFranzAdminTopics(t *testing.T) {
	t.Parallel()
	ctx, client, topic := withTimeout(t), admin(t), uniqueName("kadm")
	created, err := client.CreateTopics(ctx, 3, int16(replicaCount()),
		map[string]*string{"retention.ms": kadm.StringPtr("3600000")}, topic)
	if err == nil {
		err = created.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateTopic(ctx, 3, 1, nil, topic); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Errorf("a second creation: %v", err)
	}
	_, err = client.CreateTopic(ctx, 1, int16(brokerCount()+1), nil, topic+"-two")
	if !errors.Is(err, kerr.InvalidReplicationFactor) {
		t.Errorf("more replicas than brokers: %v", err)
	}
	var listed kadm.TopicDetails
	eventually(ctx, t, "three partitions", func() bool {
		listed, err = client.ListTopics(ctx, topic)
		return err == nil && len(listed[topic].Partitions) == 3
	})
	if listed[topic].ID != created[topic].ID && !standIn() {
		t.Errorf("listed with id %v, created with %v", listed[topic].ID, created[topic].ID)
	}
	grown, err := client.UpdatePartitions(ctx, 5, topic)
	if err != nil || grown.Error() != nil {
		t.Errorf("more partitions: %v, %v", err, grown.Error())
	}
	// Kafka answers before every broker knows.
	eventually(ctx, t, "five partitions", func() bool {
		listed, err = client.ListTopics(ctx, topic)
		return err == nil && len(listed[topic].Partitions) == 5
	})
	deleted, err := client.DeleteTopics(ctx, topic)
	if err != nil || deleted.Error() != nil {
		t.Errorf("deletion: %v, %v", err, deleted.Error())
	}
	deleted, err = client.DeleteTopics(ctx, topic)
	if err != nil || !errors.Is(deleted.Error(), kerr.UnknownTopicOrPartition) {
		t.Errorf("a second deletion: %v, %v", err, deleted.Error())
	}
}

func TestFranzAdminConfigs(t *testing.T) {
	t.Parallel()
	ctx, client, topic := withTimeout(t), admin(t), uniqueName("kadm")
	createTopic(ctx, t, topic, 1)
	value := func(key string) (string, string) {
		t.Helper()
		described, err := client.DescribeTopicConfigs(ctx, topic)
		if err != nil || len(described) != 1 || described[0].Err != nil {
			t.Fatalf("describing: %+v, %v", described, err)
		}
		for _, config := range described[0].Configs {
			if config.Key == key {
				return config.MaybeValue(), config.Source.String()
			}
		}
		return "", "not listed"
	}
	alter := func(op kadm.IncrementalOp, key, to string) error {
		t.Helper()
		change := kadm.AlterConfig{Op: op, Name: key, Value: &to}
		altered, err := client.AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, topic)
		if err != nil {
			t.Fatal(err)
		}
		return altered[0].Err
	}

	if got, source := value("max.message.bytes"); got != "1048588" || source != "DEFAULT_CONFIG" {
		t.Errorf("max.message.bytes is %s from %s", got, source)
	}
	if err := alter(kadm.SetConfig, "retention.ms", "60000"); err != nil {
		t.Error(err)
	}
	becomes := func(wanted, wantedSource string) { // not every broker knows at once
		t.Helper()
		eventually(ctx, t, "retention.ms "+wanted+" from "+wantedSource, func() bool {
			got, source := value("retention.ms")
			return got == wanted && source == wantedSource
		})
	}
	becomes("60000", "DYNAMIC_TOPIC_CONFIG")
	if err := alter(kadm.DeleteConfig, "retention.ms", ""); err != nil {
		t.Error(err)
	}
	brokers, err := client.DescribeBrokerConfigs(ctx)
	if err != nil || len(brokers) == 0 {
		t.Errorf("broker settings: %v, %v", brokers, err)
	}
	if standIn() {
		return
	}
	becomes("604800000", "DEFAULT_CONFIG")
	if err := alter(kadm.SetConfig, "retention.ms", "soon"); !errors.Is(err, kerr.InvalidConfig) {
		t.Errorf("a value that is no number: %v", err)
	}
	if err := alter(kadm.SetConfig, "no.such.key", "1"); !errors.Is(err, kerr.InvalidConfig) {
		t.Errorf("an unknown key: %v", err)
	}
}

func TestFranzAdminOffsetsAndDeleteRecords(t *testing.T) {
	t.Parallel()
	ctx, client, topic := withTimeout(t), admin(t), uniqueName("kadm")
	createTopic(ctx, t, topic, 1)
	produceNumbers(ctx, t, franz(t), topic, 1, 20)
	before := time.Now().Add(-time.Hour).UnixMilli()

	offset := func(list func() (kadm.ListedOffsets, error)) int64 {
		t.Helper()
		listed, err := list()
		if err != nil {
			t.Fatal(err)
		}
		at, ok := listed.Lookup(topic, 0)
		if !ok || at.Err != nil {
			t.Fatalf("listed %+v", listed)
		}
		return at.Offset
	}
	start := func() (kadm.ListedOffsets, error) { return client.ListStartOffsets(ctx, topic) }
	end := func() (kadm.ListedOffsets, error) { return client.ListEndOffsets(ctx, topic) }
	committed := func() (kadm.ListedOffsets, error) { return client.ListCommittedOffsets(ctx, topic) }
	byTime := func() (kadm.ListedOffsets, error) { return client.ListOffsetsAfterMilli(ctx, before, topic) }
	got := []int64{offset(start), offset(end), offset(committed), offset(byTime)}
	if !slices.Equal(got, []int64{0, 20, 20, 0}) {
		t.Errorf("start, end, committed, an hour ago: %v", got)
	}
	deleted, err := client.DeleteRecords(ctx, kadm.Offsets{topic: {0: {Topic: topic, At: 7}}})
	if err != nil || deleted.Error() != nil {
		t.Fatalf("%v, %v", err, deleted.Error())
	}
	if got, _ := deleted.Lookup(topic, 0); got.LowWatermark != 7 {
		t.Errorf("low watermark %d", got.LowWatermark)
	}
	got = []int64{offset(start), offset(end), offset(byTime)}
	if !slices.Equal(got, []int64{7, 20, 7}) {
		t.Errorf("after deletion: start, end, an hour ago: %v", got)
	}
}

func TestFranzAdminGroups(t *testing.T) {
	t.Parallel()
	ctx, client := withTimeout(t), admin(t)
	topic, group := uniqueName("kadm"), uniqueName("kadm-group")
	createTopic(ctx, t, topic, 2)
	produceNumbers(ctx, t, franz(t, kgo.RecordPartitioner(kgo.ManualPartitioner())), topic, 2, 20)
	consumer := franz(t, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.ClientID("kadm-member"))
	readRecords(ctx, t, consumer, 20)
	awaitGroup(ctx, t, group, func(assigned []int) bool { return slices.Equal(assigned, []int{2}) })

	described, err := client.DescribeGroups(ctx, group)
	if err != nil || described[group].Members[0].ClientID != "kadm-member" {
		t.Errorf("described %+v, %v", described, err)
	}
	deleted, err := client.DeleteGroups(ctx, group)
	if err != nil || !errors.Is(deleted.Error(), kerr.NonEmptyGroup) {
		t.Errorf("deleting a group with a member: %v, %v", err, deleted.Error())
	}
	if err := consumer.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	consumer.Close()

	if listed, err := client.ListGroups(ctx); err != nil || listed[group].Group != group {
		t.Errorf("listed %+v, %v", listed, err)
	}
	lags, err := client.Lag(ctx, group)
	if err != nil || lags[group].Lag.Total() != 0 {
		t.Errorf("lag %+v, %v", lags[group], err)
	}
	var offsets kadm.Offsets
	offsets.AddOffset(topic, 1, 4, -1)
	if err := client.CommitAllOffsets(ctx, group, offsets); err != nil {
		t.Error(err)
	}
	if lags, err = client.Lag(ctx, group); err != nil || lags[group].Lag.Total() != 6 {
		t.Errorf("lag after going back to 4: %v, %v", lags[group].Lag.Total(), err)
	}
	var topics kadm.TopicsSet
	topics.Add(topic, 1)
	if removed, err := client.DeleteOffsets(ctx, group, topics); err != nil || removed.Error() != nil {
		t.Errorf("deleting an offset: %v, %v", err, removed.Error())
	}
	fetched, err := client.FetchOffsets(ctx, group)
	if _, found := fetched.Lookup(topic, 1); err != nil || found {
		t.Errorf("a deleted offset is there: %+v, %v", fetched, err)
	}
	if deleted, err = client.DeleteGroups(ctx, group); err != nil || deleted.Error() != nil {
		t.Errorf("deleting an empty group: %v, %v", err, deleted.Error())
	}
	if deleted, err = client.DeleteGroups(ctx, group); err != nil || !errors.Is(deleted.Error(), kerr.GroupIDNotFound) {
		t.Errorf("deleting a group that is gone: %v, %v", err, deleted.Error())
	}
}

func TestFranzAdminCluster(t *testing.T) {
	t.Parallel()
	ctx, client, topic := withTimeout(t), admin(t), uniqueName("kadm")
	createTopic(ctx, t, topic, 1)
	produceNumbers(ctx, t, franz(t), topic, 1, 10)

	metadata, err := client.BrokerMetadata(ctx)
	if err != nil || len(metadata.Brokers) != brokerCount() || metadata.Cluster == "" {
		t.Errorf("metadata %+v, %v", metadata, err)
	}
	dirs, err := client.DescribeAllLogDirs(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	dirs.Each(func(dir kadm.DescribedLogDir) {
		if dir.Err != nil {
			t.Errorf("log directory %s: %v", dir.Dir, dir.Err)
		}
		if partition, ok := dir.Topics.Lookup(topic, 0); ok {
			size += partition.Size
		}
	})
	if size <= 0 {
		t.Errorf("size of a partition with records: %d", size)
	}
	versions, err := client.ApiVersions(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, broker := range versions {
		if newest, ok := broker.KeyMaxVersion(18); !ok || newest < 3 {
			t.Errorf("ApiVersions up to %d, %v", newest, broker.Err)
		}
	}
	producers, err := client.DescribeProducers(ctx, topicSet(topic))
	if err != nil || len(producers.SortedProducers()) != 1 && !standIn() {
		t.Errorf("producers %+v, %v", producers, err)
	}
	epochs, err := client.OffsetForLeaderEpoch(ctx, kadm.OffsetForLeaderEpochRequest{topic: {0: 0}})
	if err != nil || epochs[topic][0].EndOffset != 10 {
		t.Errorf("end offset of leader epoch 0: %+v, %v", epochs, err)
	}
}

func topicSet(topic string) kadm.TopicsSet {
	var set kadm.TopicsSet
	set.Add(topic, 0)
	return set
}

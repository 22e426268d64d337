package broker

import (
	"fmt"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/config"
	"ottla.dev/core/metadata"
)

// crowd is the metadata of a broker that has many partitions, and what its disk remembers of them.
func crowd(b testing.TB, topics, partitions int) *begin {
	b.Helper()
	dir := core.UUID{9}
	records := []metadata.Record{&metadata.FeatureLevelRecord{Name: metadata.MetadataVersion,
		Level: metadata.MaxMetadataVersion}}
	disk := newDiskMemory()
	for t := range topics {
		name, id := fmt.Sprintf("topic-%d", t), core.UUID{1, byte(t)}
		records = append(records, &metadata.TopicRecord{Name: name, ID: id})
		for p := range partitions {
			records = append(records, &metadata.PartitionRecord{Topic: id, Partition: core.PartitionID(p),
				Replicas: []core.BrokerID{1}, ISR: []core.BrokerID{1}, Leader: 1, Directories: []core.UUID{dir}})
			folder := fmt.Sprintf("%s-%d", name, p)
			disk.holders[folder] = []string{"/data"}
			disk.recovery["/data/"+folder], disk.marks["/data/"+folder] = 1, 1
		}
	}
	image, err := metadata.NewImage("c").Apply(core.Offset(len(records)), 1, records...)
	if err != nil {
		b.Fatal(err)
	}
	cluster := &api.Cluster{ID: "c", Self: 1, Shards: 2, Image: image, LogDirs: []api.LogDir{{Path: "/data", ID: dir}}}
	settings := config.ResolveBroker(cluster.Layers(""))
	cluster.Settings = &settings
	return &begin{cluster: cluster, disk: &disk, epoch: 5}
}

// goOn gives a shard what it has sent itself, and returns how many logs it opens by that.
func goOn(s *Shard) int {
	again := s.out.Sends
	s.out.Sends, s.out.Jobs = nil, nil
	for _, m := range again {
		s.Step(core.Instant{}, core.Input{Kind: core.InputMessage, From: s.self, Message: m.Message})
	}
	return len(s.out.Jobs)
}

func TestAStartOpensFewLogsAtATime(t *testing.T) {
	s := newShard(0, core.NewPRNG(1))
	s.Step(core.Instant{}, core.Input{Kind: core.InputMessage, Message: crowd(t, 2, 100)})
	opened := 0
	for n := len(s.out.Jobs); n > 0; n = goOn(s) {
		if n > placedTogether {
			t.Fatalf("%d logs are opened at once", n)
		}
		opened += n
	}
	if opened != 100 {
		t.Fatalf("%d logs are opened", opened)
	}
	if s.disk.holders != nil {
		t.Fatal("what the disk has remembered is still there")
	}
}

// A checkpoint that is asked for meanwhile must have all partitions.
func TestWhoeverAsksMeanwhileFindsAllOpen(t *testing.T) {
	s := newShard(0, core.NewPRNG(1))
	s.Step(core.Instant{}, core.Input{Kind: core.InputMessage, Message: crowd(t, 2, 100)})
	s.Step(core.Instant{}, core.Input{Kind: core.InputMessage, Message: &checkpoint{}})
	if n := len(s.set.Replicas()); n != 100 {
		t.Fatalf("%d of 100 are there", n)
	}
	if goOn(s) != 0 {
		t.Fatal("a log is opened twice")
	}
}

func TestAStartWithoutPartitionsForgetsTheDisk(t *testing.T) {
	m := crowd(t, 0, 0)
	m.disk.holders["t-0"] = []string{"/data"}
	s := newShard(0, core.NewPRNG(1))
	s.Step(core.Instant{}, core.Input{Kind: core.InputMessage, Message: m})
	if len(s.disk.holders) > 0 {
		t.Fatal("a topic that is made now would have an old log")
	}
}

// BenchmarkBegin is the steps in which one of two shards begins to open 10,000 logs.
func BenchmarkBegin(b *testing.B) {
	m := crowd(b, 20, 1000)
	for b.Loop() {
		s := newShard(0, core.NewPRNG(1))
		s.Step(core.Instant{}, core.Input{Kind: core.InputMessage, Message: m})
		for goOn(s) > 0 {
		}
		if n := len(s.set.Replicas()); n != 10_000 {
			b.Fatalf("%d logs are opened", n)
		}
	}
}

package broker

import (
	"slices"
	"strings"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/metadata"
)

// A replica that is taken away while its broker is down, or dies before it has removed the folder, must not stay.
func TestAFolderWhoseReplicaHasMovedIsPutAside(t *testing.T) {
	topic := core.UUID{0: 7}
	partition := func(id core.PartitionID, on core.BrokerID) *metadata.PartitionRecord {
		return &metadata.PartitionRecord{Partition: id, Topic: topic, Replicas: []core.BrokerID{on},
			ISR: []core.BrokerID{on}, Leader: on, Directories: []core.UUID{{0: 1}}}
	}
	image, err := metadata.NewImage("c").Apply(3, 1, &metadata.TopicRecord{Name: "t", ID: topic}, partition(0, 1),
		partition(1, 2))
	if err != nil {
		t.Fatal(err)
	}
	disk := logtest.NewDisk()
	for _, folder := range []string{"/data/t-0", "/data/t-1"} {
		if err := disk.Mkdir(folder); err != nil {
			t.Fatal(err)
		}
		disk.Put(folder+"/"+log.PartitionMetadataName, log.AppendPartitionMetadata(nil, topic), true)
	}
	j := &tidyJob{boot: &bootJob{node: 1, memory: diskMemory{holders: map[string][]string{}}}, image: image,
		dirs: []logDir{{path: "/data"}}}
	if j.Run(disk); j.dirs[0].err != nil {
		t.Fatal(j.dirs[0].err)
	}
	entries, err := disk.List("/data")
	if err != nil {
		t.Fatal(err)
	}
	stays := func(name string) bool {
		return slices.ContainsFunc(entries, func(e core.DirEntry) bool { return e.Name == name })
	}
	if !stays("t-0") || stays("t-1") || len(j.notes) != 1 || !strings.Contains(j.notes[0], "other brokers") {
		t.Errorf("%v, notes %q", entries, j.notes)
	}
}

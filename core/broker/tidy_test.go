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
	names, notes := tidied(t, &tidyJob{image: image}, map[string]core.UUID{"t-0": topic, "t-1": topic})
	if len(names) != 2 || names[0] != "t-0" || !strings.HasSuffix(names[1], straySuffix) || len(notes) != 1 ||
		!strings.Contains(notes[0], "other brokers") {
		t.Errorf("%v, notes %q", names, notes)
	}
}

// Only a record that removes a topic proves that its data may go. Metadata that merely lack the topic may have been
// made anew.
func TestOnlyFoldersOfTopicsThatARecordRemovedAreRemoved(t *testing.T) {
	gone, unknown, kept := core.UUID{0: 7}, core.UUID{0: 8}, core.UUID{0: 9}
	image, err := metadata.NewImage("c").Apply(2, 1, &metadata.TopicRecord{Name: "kept", ID: kept},
		&metadata.PartitionRecord{Topic: kept, Replicas: []core.BrokerID{1}, ISR: []core.BrokerID{1}, Leader: 1,
			Directories: []core.UUID{{0: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	c := &Control{booting: &bootJob{}, deleted: map[core.UUID]bool{}}
	c.noteDeletions([]metadata.Record{&metadata.RemoveTopicRecord{Topic: gone},
		&metadata.RemoveTopicRecord{Topic: kept}}) // in a transaction that was aborted
	names, notes := tidied(t, &tidyJob{image: image, deleted: c.deleted},
		map[string]core.UUID{"gone-0": gone, "unknown-0": unknown, "kept-0": kept, "damaged-0": {}})
	want := []string{"damaged-0.", "kept-0", "unknown-0."}
	if len(names) != 3 || len(notes) != 2 {
		t.Fatalf("%v, notes %q", names, notes)
	}
	for i, name := range names {
		if !strings.HasPrefix(name, want[i]) || strings.HasSuffix(want[i], ".") != strings.HasSuffix(name, straySuffix) {
			t.Errorf("%v", names)
		}
	}
}

// tidied runs a job of node 1 on a disk with folders of partitions, and returns what they are called afterwards.
func tidied(t *testing.T, j *tidyJob, folders map[string]core.UUID) (names, notes []string) {
	t.Helper()
	disk := logtest.NewDisk()
	j.boot = &bootJob{node: 1, memory: diskMemory{holders: map[string][]string{}}}
	j.dirs = []logDir{{path: "/data"}}
	for folder, topic := range folders {
		folder = "/data/" + folder
		if err := disk.Mkdir(folder); err != nil {
			t.Fatal(err)
		}
		b := log.AppendPartitionMetadata(nil, topic)
		if topic.IsZero() {
			b = []byte("?")
		}
		disk.Put(folder+"/"+log.PartitionMetadataName, b, true)
	}
	if j.Run(disk); j.dirs[0].err != nil {
		t.Fatal(j.dirs[0].err)
	}
	entries, err := disk.List("/data")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names, j.notes
}

// renames notes what gets which name, in order.
type renames struct {
	core.FS
	to []string
}

func (r *renames) Rename(from, to string) error {
	r.to = append(r.to, to)
	return r.FS.Rename(from, to)
}

// A crash between the two must not leave an entry without a folder: a new replica of that name would count as lost.
func TestCheckpointsForgetAFolderBeforeItGoes(t *testing.T) {
	gone := core.UUID{0: 7}
	disk := logtest.NewDisk()
	if err := disk.Mkdir("/data/gone-0"); err != nil {
		t.Fatal(err)
	}
	disk.Put("/data/gone-0/"+log.PartitionMetadataName, log.AppendPartitionMetadata(nil, gone), true)
	entry := log.OffsetEntry{TopicPartition: core.TopicPartition{Topic: "gone"}, Offset: 12}
	j := &tidyJob{image: metadata.NewImage("c"), deleted: map[core.UUID]bool{gone: true}, dirs: []logDir{{path: "/data"}},
		boot: &bootJob{node: 1, memory: diskMemory{holders: map[string][]string{"gone-0": {"/data"}}},
			found: map[string][]log.OffsetEntry{"/data/" + recoveryCheckpointFile: {entry}}}}
	fs := &renames{FS: disk}
	if j.Run(fs); j.dirs[0].err != nil {
		t.Fatal(j.dirs[0].err)
	}
	if len(fs.to) != 2 || fs.to[0] != "/data/"+recoveryCheckpointFile || !strings.HasPrefix(fs.to[1], "/data/gone-0.") {
		t.Errorf("the order is %q", fs.to)
	}
}

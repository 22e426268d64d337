package check

import (
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/metadata"
	"ottla.dev/sim/disk"
)

// A directory that had failed when a topic was deleted still has its folder, and another one that of the next topic of
// its name.
func TestTheLogOfADeletedTopicIsNotThatOfTheNext(t *testing.T) {
	now, before := core.UUID{0: 2}, core.UUID{0: 1}
	image, err := metadata.NewImage("c").Apply(1, 1, &metadata.TopicRecord{Name: "t", ID: now})
	if err != nil {
		t.Fatal(err)
	}
	d := disk.New(core.NewPRNG(1))
	fs := d.FS(nil)
	for dir, id := range map[string]core.UUID{"/data1": now, "/data2": before} {
		for _, folder := range []string{dir, dir + "/t-0"} {
			if err := fs.Mkdir(folder); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.WriteAtomically(fs, dir+"/t-0", log.PartitionMetadataName,
			log.AppendPartitionMetadata(nil, id)); err != nil {
			t.Fatal(err)
		}
	}
	c := newTheatre().Cluster
	c.images.latest = image
	for _, dirs := range [][]string{{"/data1", "/data2"}, {"/data2", "/data1"}} {
		if got := c.ReadLogs(d, dirs...).Get("t-0").dir; got != "/data1" {
			t.Errorf("%v: the log of %s counts", dirs, got)
		}
	}
}

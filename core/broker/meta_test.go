package broker

import (
	"errors"
	"strings"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
)

// identified has a folder looked at by a start of node 1, and returns what is wrong and the folder's id.
func identified(t *testing.T, disk *logtest.Disk) (core.UUID, *bootJob, error) {
	t.Helper()
	j := &bootJob{node: 1, dirs: []logDir{{path: "/data"}}, clusterID: "c", ids: []core.UUID{{7}}}
	err := j.identify(disk)
	if err == nil {
		err = j.dirs[0].err
	}
	return j.dirs[0].id, j, err
}

// Whatever happens to one of meta.properties and its copy, the node knows who it is, or refuses; it is never somebody
// else, and what the folder holds is never taken for a new node's.
func TestANodeKnowsWhoItIsOrRefuses(t *testing.T) {
	fresh := func() *logtest.Disk {
		disk := logtest.NewDisk()
		if _, _, err := identified(t, disk); err != nil {
			t.Fatal(err)
		}
		if err := disk.Mkdir("/data/t-0"); err != nil {
			t.Fatal(err)
		}
		return disk
	}
	const file, second = "/data/meta.properties", "/data/meta.properties.copy"
	sound := string(fresh().Bytes(file))
	for _, path := range []string{file, second} {
		for at := range len(sound) {
			for bit := range 8 {
				disk := fresh()
				b := []byte(sound)
				b[at] ^= 1 << bit
				disk.Put(path, b, true)
				id, _, err := identified(t, disk)
				if err != nil || id != (core.UUID{7}) {
					t.Fatalf("%s with %q: %v, %v", path, b, id, err)
				}
				if got := string(disk.Bytes(path)); got != sound {
					t.Fatalf("%s is not restored: %q", path, got)
				}
			}
		}
		disk := fresh()
		if err := disk.Remove(path); err != nil {
			t.Fatal(err)
		}
		id, _, err := identified(t, disk)
		if err != nil || id != (core.UUID{7}) || string(disk.Bytes(path)) != sound {
			t.Errorf("%s lost: %v, %v", path, id, err)
		}
	}
	for name, spoil := range map[string]func(d *logtest.Disk){
		"damaged": func(d *logtest.Disk) {
			d.Put(file, []byte(strings.Replace(sound, "node.id=1", "node.id=3", 1)), true)
			d.Put(second, []byte(sound[:20]), true)
		},
		"restore": func(d *logtest.Disk) {
			for _, path := range []string{file, second} {
				if err := d.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		disk := fresh()
		spoil(disk)
		if _, _, err := identified(t, disk); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("both %s: %v", name, err)
		}
	}
}

// Kafka's own file, or one from an editor, has no checksum and is believed.
func TestAFileWithoutAChecksumIsBelieved(t *testing.T) {
	disk := logtest.NewDisk()
	if err := disk.Mkdir("/data"); err != nil {
		t.Fatal(err)
	}
	disk.Put("/data/meta.properties", []byte("#\n#Mon Jan 05 10:00:00 UTC 2026\ncluster.id=c\nversion=1\nnode.id=1\n"+
		"directory.id="+core.UUID{9}.String()+"\n"), true)
	if id, _, err := identified(t, disk); err != nil || id != (core.UUID{9}) {
		t.Errorf("%v, %v", id, err)
	}
}

// A node whose folders cannot be read does not look for a cluster to join as if it had none.
func TestAFolderThatCannotBeReadIsNotEmpty(t *testing.T) {
	disk := logtest.NewDisk()
	if err := disk.Mkdir("/data"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := identified(t, disk); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("input/output error")
	disk.Fault = func(string, string) error { return broken }
	j := &bootJob{node: 1, dirs: []logDir{{path: "/data"}}, ids: []core.UUID{{7}}}
	if err := j.identify(disk); !errors.Is(err, broken) || j.homeless {
		t.Errorf("without a cluster: %v, %v", err, j.homeless)
	}
}

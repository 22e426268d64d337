package broker_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
)

// dead makes every operation in one of a disk's folders fail.
func dead(disk *logtest.Disk, dirs ...string) {
	disk.Fault = func(_, path string) error {
		for _, dir := range dirs {
			if path = "/" + strings.TrimPrefix(path, "/"); path == dir || strings.HasPrefix(path, dir+"/") {
				return logtest.ErrIO
			}
		}
		return nil
	}
}

var twoDirs = map[string]string{"log.dirs": "/data,/data2", "log.flush.offset.checkpoint.interval.ms": "1000"}

// whereIs gives the folders that DescribeLogDirs shows with their error, and the partitions of a topic in each.
func (w *world) whereIs(topic string) (codes map[string]core.ErrorCode, partitions map[string][]int32) {
	req := kmsg.NewPtrDescribeLogDirsRequest()
	req.Version = 4
	codes, partitions = map[string]core.ErrorCode{}, map[string][]int32{}
	s := w.connect()
	for _, d := range w.ask(s, req).(*kmsg.DescribeLogDirsResponse).Dirs {
		codes[d.Dir] = core.ErrorCode(d.ErrorCode)
		for _, t := range d.Topics {
			for _, p := range t.Partitions {
				if t.Topic == topic {
					partitions[d.Dir] = append(partitions[d.Dir], p.Partition)
				}
			}
		}
	}
	w.hangUp(s)
	return codes, partitions
}

func (w *world) produceCode(s *actor, topic string, partition int32) core.ErrorCode {
	p := w.ask(s, produceTo(topic, partition, -1, records(3))).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	return core.ErrorCode(p.ErrorCode)
}

func (w *world) fetchCode(s *actor, topic string, partition int32) (core.ErrorCode, int) {
	p := w.ask(s, fetchFrom(topic, partition, 0)).(*kmsg.FetchResponse).Topics[0].Partitions[0]
	return core.ErrorCode(p.ErrorCode), len(p.RecordBatches)
}

// spread makes a topic of which each of the two folders has one partition, and says which is where.
func (w *world) spread(t *testing.T, s *actor) (first, second int32) {
	t.Helper()
	w.createTopic(s, "t")
	_, at := w.whereIs("t")
	if len(at["/data"]) != 1 || len(at["/data2"]) != 1 {
		t.Fatalf("partitions are not spread: %v", at)
	}
	return at["/data"][0], at["/data2"][0]
}

func TestAFailedDirectoryTakesOnlyItsPartitionsOffline(t *testing.T) {
	for _, shards := range []int{1, 2} {
		w := worldOn(logtest.NewDisk(), shards, twoDirs).mustListen(t)
		s := w.connect()
		first, second := w.spread(t, s)
		for _, p := range []int32{first, second} {
			if code := w.produceCode(s, "t", p); code != core.NoError {
				t.Fatal(code)
			}
		}
		dead(w.disk, "/data2")
		// Once the metadata say that nobody leads the partition, a producer is told so.
		for _, want := range []core.ErrorCode{core.KafkaStorageError, core.NotLeaderOrFollower} {
			if code := w.produceCode(s, "t", second); code != want {
				t.Errorf("produce to the failed folder: %v, not %v", code, want)
			}
			if code := w.produceCode(s, "t", first); code != core.NoError {
				t.Errorf("produce to the other folder: %v", code)
			}
			if code, _ := w.fetchCode(s, "t", second); code != core.KafkaStorageError {
				t.Errorf("fetch from the failed folder: %v", code)
			}
			w.pass(5 * time.Second) // checkpoints are written where they can be
		}
		codes, at := w.whereIs("t")
		if codes["/data"] != core.NoError || codes["/data2"] != core.KafkaStorageError || len(at["/data2"]) != 0 {
			t.Errorf("folders %v, partitions %v", codes, at)
		}
		if w.halted != "" {
			t.Fatalf("halted: %q", w.halted)
		}

		// A start does not put the partition elsewhere while its folder is away, however the process had ended.
		disk := w.shutDown(t)
		w = worldOn(disk, shards, twoDirs).mustListen(t)
		s = w.connect()
		if code, _ := w.fetchCode(s, "t", second); code != core.KafkaStorageError {
			t.Errorf("fetch from a folder that was away at the start: %v", code)
		}
		if code, n := w.fetchCode(s, "t", first); code != core.NoError || n == 0 {
			t.Errorf("fetch from the other folder: %v, %d bytes", code, n)
		}
		disk = w.shutDown(t)
		disk.Fault = nil
		w = worldOn(disk, shards, twoDirs).mustListen(t)
		s = w.connect()
		if code, n := w.fetchCode(s, "t", second); code != core.NoError || n == 0 {
			t.Errorf("fetch when the folder is back: %v, %d bytes", code, n)
		}
		if code := w.produceCode(s, "t", second); code != core.NoError {
			t.Errorf("produce when the folder is back: %v", code)
		}
	}
}

func TestNothingGoesWithoutTheMetadata(t *testing.T) {
	w := worldOn(logtest.NewDisk(), 1, twoDirs).mustListen(t)
	s := w.connect()
	first, _ := w.spread(t, s)
	dead(w.disk, "/data")
	w.offer(s, frameOf(produceTo("t", first, -1, records(1)), 9))
	w.settle()
	if !strings.Contains(w.halted, "The log directory /data failed") {
		t.Errorf("halted: %q", w.halted)
	}
}

func TestTheLastDirectoryEndsTheBroker(t *testing.T) {
	set := map[string]string{"log.dirs": "/data,/data2", "metadata.log.dir": "/meta"}
	w := worldOn(logtest.NewDisk(), 1, set).mustListen(t)
	s := w.connect()
	first, second := w.spread(t, s)
	if entries, _ := w.disk.List("/meta"); !slices.ContainsFunc(entries, func(e core.DirEntry) bool {
		return e.Name == "__cluster_metadata-0"
	}) {
		t.Errorf("no metadata in /meta")
	}
	dead(w.disk, "/data2")
	if code := w.produceCode(s, "t", second); code != core.KafkaStorageError {
		t.Errorf("produce: %v", code)
	}
	dead(w.disk, "/data", "/data2")
	w.offer(s, frameOf(produceTo("t", first, -1, records(1)), 9))
	w.settle()
	if !strings.Contains(w.halted, "All log directories have failed") {
		t.Errorf("halted: %q", w.halted)
	}
}

func TestADirectoryIsAdded(t *testing.T) {
	disk := newWorld(2).shutDown(t)
	w := worldOn(disk, 2, twoDirs).mustListen(t)
	w.spread(t, w.connect())
	if w.disk.Bytes("/data2/meta.properties") == nil {
		t.Error("the new folder has no meta.properties")
	}
}

func TestACopyOfADirectoryIsRefused(t *testing.T) {
	disk := newWorld(1).shutDown(t)
	if err := disk.Mkdir("/data2"); err != nil {
		t.Fatal(err)
	}
	disk.Put("/data2/meta.properties", slices.Clone(disk.Bytes("/data/meta.properties")), true)
	w := worldOn(disk, 1, twoDirs)
	if w.listens || !strings.Contains(w.halted, "have the same directory.id") {
		t.Errorf("halted: %q", w.halted)
	}
}

// wipe takes a folder away, as a new disk in the place of an old one does.
func wipe(t *testing.T, disk *logtest.Disk, dir string) {
	t.Helper()
	entries, err := disk.List(dir)
	for _, e := range entries {
		if e.Dir {
			wipe(t, disk, dir+"/"+e.Name)
		} else if err := disk.Remove(dir + "/" + e.Name); err != nil {
			t.Fatal(err)
		}
	}
	if err == nil {
		err = disk.Remove(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The other replicas lead within the step of a heartbeat; a new disk gets everything again.
func TestADirectorysLeadersMoveAndANewDiskIsFilled(t *testing.T) {
	set := map[string]string{"log.dirs": "/data,/data2", "min.insync.replicas": "2"}
	c := newCluster(3, 3, set).startAll(t)
	if code := c.createTopic(t, 1, "t", 3); code != core.NoError {
		t.Fatal(code)
	}
	c.pass(time.Second)
	leader := c.leaderOf(t, 1, "t", 0)
	if base, code := c.produced(t, leader, "t", 3); base != 0 || code != core.NoError {
		t.Fatalf("base offset %d: %v", base, code)
	}
	_, at := c.worlds[leader-1].whereIs("t")
	failed, other := "/data2", "/data"
	if !slices.Contains(at[failed], 0) { // so that not the metadata fail
		t.Fatalf("partition 0 is not in %s: %v", failed, at)
	}
	disk := c.disks[leader-1]
	dead(disk, failed)
	c.produced(t, leader, "t", 1) // whatever comes of it
	asked := c.other(leader)
	c.until(t, 5*time.Second, "a new leader", func() bool {
		l := c.leaderOf(t, asked, "t", 0)
		return l > 0 && l != leader
	})
	led := c.leaderOf(t, asked, "t", 0)
	if _, code := c.produced(t, led, "t", 2); code != core.NoError {
		t.Fatalf("produce to the new leader: %v", code)
	}
	for _, p := range c.metadata(t, asked, "t").Topics[0].Partitions {
		here := slices.Contains(at[other], p.Partition)
		if here != slices.Contains(p.ISR, int32(leader)) || here == slices.Contains(p.OfflineReplicas, int32(leader)) {
			t.Errorf("partition %d: ISR %v, offline %v, and the broker's folders are %v", p.Partition, p.ISR,
				p.OfflineReplicas, at)
		}
	}
	c.kill(leader)
	disk.Fault = nil
	wipe(t, disk, failed)
	c.start(leader)
	c.until(t, 30*time.Second, "all in sync", func() bool {
		for _, p := range c.metadata(t, asked, "t").Topics[0].Partitions {
			if len(p.ISR) != 3 || len(p.OfflineReplicas) != 0 {
				return false
			}
		}
		return true
	})
}

// A partition with its only replica on a disk that was replaced is not begun anew by itself.
func TestTheOnlyReplicaIsNotForgotten(t *testing.T) {
	c := newCluster(3, 3, map[string]string{"log.dirs": "/data,/data2"}).startAll(t)
	if code := c.createTopic(t, 1, "t", 1); code != core.NoError {
		t.Fatal(code)
	}
	c.pass(time.Second)
	owner := c.leaderOf(t, 1, "t", 0)
	w := c.worlds[owner-1]
	if _, at := w.whereIs("t"); !slices.Contains(at["/data2"], 0) {
		t.Skipf("partition 0 is where the metadata are: %v", at)
	}
	if _, code := c.produced(t, owner, "t", 3); code != core.NoError {
		t.Fatal(code)
	}
	disk := c.disks[owner-1]
	dead(disk, "/data2")
	c.produced(t, owner, "t", 1)
	asked := c.other(owner)
	noLeader := func() bool { return c.leaderOf(t, asked, "t", 0) == -1 }
	c.until(t, 5*time.Second, "no leader", noLeader)

	// The disk comes back as it was.
	c.kill(owner)
	disk.Fault = nil
	c.start(owner)
	c.until(t, 30*time.Second, "led again", func() bool { return !noLeader() })
	if next, code := c.worlds[owner-1].fetched(c.worlds[owner-1].connect(), "t", 0); next != 3 || code != core.NoError {
		t.Fatalf("read to %d: %v", next, code)
	}

	// An empty one takes its place.
	c.kill(owner)
	wipe(t, disk, "/data2")
	c.start(owner)
	c.until(t, 30*time.Second, "open", func() bool { return c.worlds[owner-1].listens })
	c.pass(10 * time.Second)
	if !noLeader() {
		t.Error("an empty log took the place of the acknowledged records")
	}
	req := kmsg.NewPtrElectLeadersRequest()
	req.Version, req.ElectionType, req.TimeoutMillis = 2, 1, 5000
	req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "t", Partitions: []int32{0}}}
	c.ask(t, asked, req)
	c.until(t, 5*time.Second, "led after an unclean election", func() bool { return !noLeader() })
}

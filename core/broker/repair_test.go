package broker_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/record"
)

// stop ends a node cleanly.
func (c *cluster) stop(t *testing.T, id int) {
	t.Helper()
	w := c.worlds[id-1]
	w.give(w.actor(core.Control()), core.Input{Kind: core.InputShutdown})
	c.until(t, 20*time.Second, "stopped", func() bool { return w.stopped })
	c.kill(id)
}

// batches are the bytes of a partition's log on a node, up to the first that are no batch.
func (c *cluster) batches(id int, folder string) string {
	var all strings.Builder
	disk := c.disks[id-1]
	entries, _ := disk.List("data/" + folder)
	for _, e := range entries {
		if strings.HasSuffix(e.Name, log.LogSuffix) {
			all.Write(disk.Bytes("data/" + folder + "/" + e.Name))
		}
	}
	return all.String()
}

// file finds a file of a folder by the end of its name: the first, or the last.
func (c *cluster) file(id int, folder, suffix string, last bool) string {
	folder = strings.TrimSuffix("data/"+folder, "/.")
	entries, _ := c.disks[id-1].List(folder)
	if last {
		slices.Reverse(entries)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name, suffix) {
			return folder + "/" + e.Name
		}
	}
	return ""
}

func (c *cluster) whole(t *testing.T, asked int, topic string) func() bool {
	return func() bool {
		for _, p := range c.metadata(t, asked, topic).Topics[0].Partitions {
			if len(p.ISR) != 3 || p.Leader < 0 {
				return false
			}
		}
		return true
	}
}

// Whatever happens to a file of a broker that is down: it comes back, with the same logs as the others, and nothing
// that was acknowledged is lost.
func TestADamagedReplicaIsCopiedAnew(t *testing.T) {
	c := newCluster(3, 3, map[string]string{"log.flush.offset.checkpoint.interval.ms": "1000",
		"log.index.interval.bytes":                        "100",
		"metadata.log.max.record.bytes.between.snapshots": "1000"}).startAll(t)
	if code := c.createTopic(t, 1, "t", 3); code != core.NoError {
		t.Fatal(code)
	}
	c.pass(2 * time.Second)
	const folder, quorum = "t-0", "__cluster_metadata-0"
	flip := func(at float64) func([]byte) []byte {
		return func(b []byte) []byte { b[int(at*float64(len(b)))] ^= 16; return b }
	}
	zero := func(b []byte) []byte { clear(b[len(b)/3 : 2*len(b)/3]); return b }
	half := func(b []byte) []byte { return b[:len(b)/2] }
	for i, k := range []struct {
		name, folder, suffix string
		spoil                func([]byte) []byte // nil: the file is lost
		told                 bool                // the operator hears of it
	}{
		{"a bit of a log", folder, log.LogSuffix, flip(0.5), true},
		{"zeros in a log", folder, log.LogSuffix, zero, true},
		{"half of a log", folder, log.LogSuffix, half, true},
		{"a lost log", folder, log.LogSuffix, nil, true},
		{"an index", folder, log.IndexSuffix, flip(0.5), false},
		{"a lost index", folder, log.IndexSuffix, nil, false},
		{"a time index", folder, log.TimeIndexSuffix, flip(0.5), false},
		{"the leader epochs", folder, log.EpochCheckpointName, flip(0.9), false},
		{"a producer snapshot", folder, log.SnapshotSuffix, flip(0.5), false},
		{"partition.metadata", folder, log.PartitionMetadataName, flip(0.2), true},
		{"the topic id", folder, log.PartitionMetadataName, flip(0.9), true},
		{"lost partition.metadata", folder, log.PartitionMetadataName, nil, false},
		{"recovery points", ".", "recovery-point-offset-checkpoint", flip(0.5), true},
		{"lost recovery points", ".", "recovery-point-offset-checkpoint", nil, true},
		{"log start offsets", ".", "log-start-offset-checkpoint", flip(0.5), false},
		{"high watermarks", ".", "replication-offset-checkpoint", flip(0.5), false},
		{"the metadata log", quorum, log.LogSuffix, flip(0.3), true},
		{"the lost metadata log", quorum, log.LogSuffix, nil, true},
		{"a metadata snapshot", quorum, ".checkpoint", flip(0.5), true},
		{"half of a metadata snapshot", quorum, ".checkpoint", half, true},
		{"a lost metadata snapshot", quorum, ".checkpoint", nil, false}, // there is an older one
		{"the election state", quorum, "quorum-state", flip(0.5), true},
		{"the lost election state", quorum, "quorum-state", nil, true},
	} {
		for _, clean := range []bool{true, false} {
			down := i%3 + 1
			up := c.other(down)
			var acked int64
			produce := func(n int) {
				base, code := c.produced(t, c.leaderOf(t, up, "t", 0), "t", n)
				if code != core.NoError {
					t.Fatal(k.name, code)
				}
				acked = base + int64(n)
			}
			for range 6 {
				produce(3)
			}
			c.pass(2500 * time.Millisecond) // a checkpoint
			if clean {
				c.stop(t, down)
			} else {
				c.kill(down)
				random := core.NewPRNG(uint64(i))
				c.disks[down-1].Crash(&random)
			}
			disk, path := c.disks[down-1], c.file(down, k.folder, k.suffix, k.suffix == ".checkpoint")
			switch b := disk.Bytes(path); {
			case path == "":
				t.Log(k.name, "has no file")
			case k.spoil == nil:
				if err := disk.Remove(path); err != nil {
					t.Fatal(err)
				}
			case len(b) > 0:
				disk.Put(path, k.spoil(b), true)
			}
			c.pass(10 * time.Second)
			produce(2)
			c.start(down)
			c.until(t, 60*time.Second, k.name+": in sync again", c.whole(t, up, "t"))
			c.until(t, 20*time.Second, k.name+": a voter again", func() bool {
				p := c.worlds[down-1].broker.Inspect()
				return !p.Quorum.Recalling() && c.file(down, ".", "metadata-forgotten", false) == ""
			})
			produce(1)
			c.until(t, 30*time.Second, k.name+": like the others", func() bool {
				return c.batches(down, folder) == c.batches(up, folder)
			})
			c.until(t, 60*time.Second, k.name+": in sync in the end", c.whole(t, up, "t"))
			if notes := c.worlds[down-1].notes; len(notes) == 0 && k.told {
				t.Errorf("%s, clean %v: nobody is told", k.name, clean)
			}
			if next, code := c.fetchedFrom(t, c.leaderOf(t, up, "t", 0), "t", 0); code != core.NoError || next != acked {
				t.Fatalf("%s: read to %d of %d, %v", k.name, next, acked, code)
			}
		}
	}
}

// fetchedFrom reads a partition from a node, and returns where the records end.
func (c *cluster) fetchedFrom(t *testing.T, id int, topic string, offset int64) (next int64, code core.ErrorCode) {
	t.Helper()
	next = offset
	for {
		p := c.ask(t, id, fetchFrom(topic, 0, next)).(*kmsg.FetchResponse).Topics[0].Partitions[0]
		if len(p.RecordBatches) == 0 || p.ErrorCode != 0 {
			return next, core.ErrorCode(p.ErrorCode)
		}
		for b := p.RecordBatches; len(b) > 0; {
			v := record.View(b)
			next, b = int64(v.NextOffset()), b[v.Size():]
		}
	}
}

// files are the paths of everything that a node has on its disk.
func (c *cluster) files(id int, dir string) []string {
	var all []string
	entries, _ := c.disks[id-1].List(dir)
	for _, e := range entries {
		if path := dir + "/" + e.Name; e.Dir {
			all = append(all, c.files(id, path)...)
		} else if e.Name != "meta.properties" && e.Size > 0 {
			all = append(all, path)
		}
	}
	return all
}

// spoil does something to a random file.
func (c *cluster) spoil(id int, random *core.PRNG) string {
	files := c.files(id, "data")
	path, disk := files[random.Below(uint64(len(files)))], c.disks[id-1]
	b := disk.Bytes(path)
	at := int(random.Below(uint64(len(b))))
	did := "flipped a bit of "
	switch random.Below(8) {
	case 0:
		did = "cut "
		b = b[:at]
	case 1:
		did = "zeroed "
		clear(b[at:min(len(b), at+4096)])
	case 2:
		_ = disk.Remove(path)
		return "lost " + path
	default:
		b[at] ^= 1 << random.Below(8)
	}
	disk.Put(path, b, true)
	return did + path + " at " + strconv.Itoa(at) + " of " + strconv.Itoa(len(b))
}

// Random damage to any files of one broker at a time, of which the others have copies: it is found, it is repaired, and
// no client reads anything wrong or misses anything.
func TestRandomDamage(t *testing.T) {
	seeds, rounds := uint64(4), 60
	if testing.Short() {
		seeds, rounds = 1, 12
	}
	for seed := range seeds {
		damageAtRandom(t, seed, rounds)
	}
}

func damageAtRandom(t *testing.T, seed uint64, rounds int) {
	c := newCluster(3, 3, map[string]string{"log.flush.offset.checkpoint.interval.ms": "500",
		"log.index.interval.bytes": "100", "min.insync.replicas": "2", "file.delete.delay.ms": "500",
		"metadata.log.max.record.bytes.between.snapshots": "1000"}).startAll(t)
	if code := c.createTopic(t, 1, "t", 3); code != core.NoError {
		t.Fatal(code)
	}
	const folder = "t-0"
	c.pass(2 * time.Second)
	random := core.NewPRNG(seed)
	var acked int64
	for round := range rounds {
		down := int(random.Below(3)) + 1
		up := c.other(down)
		for range 5 {
			base, code := c.produced(t, c.leaderOf(t, up, "t", 0), "t", 3)
			if code != core.NoError || base != acked {
				t.Fatalf("round %d: base offset %d, not %d: %v", round, base, acked, code)
			}
			acked += 3
		}
		c.pass(time.Second)
		if random.Chance(1, 2) {
			c.stop(t, down)
		} else {
			c.kill(down)
		}
		var did []string
		for range random.Between(1, 8) {
			did = append(did, c.spoil(down, &random))
		}
		if random.Chance(1, 2) {
			c.pass(time.Duration(random.Between(1, 12)) * time.Second)
		}
		c.start(down)
		from := c.now.Mono
		same := func() bool {
			w := c.worlds[down-1]
			return w.listens && !w.broker.Inspect().Quorum.Recalling() && c.whole(t, up, "t")() &&
				c.batches(down, folder) == c.batches(up, folder)
		}
		for !same() {
			if c.pass(100 * time.Millisecond); c.now.Mono-from > 60*time.Second {
				t.Fatalf("seed %d, round %d: node %d is not repaired: %q\n%q, halted %q", seed, round, down, did,
					c.worlds[down-1].notes, c.worlds[down-1].halted)
			}
		}
		if next, code := c.fetchedFrom(t, c.leaderOf(t, up, "t", 0), "t", 0); code != core.NoError || next != acked {
			t.Fatalf("seed %d, round %d: read to %d of %d, %v: %q", seed, round, next, acked, code, did)
		}
	}
}

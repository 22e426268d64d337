package check

import (
	"slices"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/sim/disk"
)

// What is damaged is cut off when the broker knows that another one leads, and that the controller was told.
func TestDamageIsNotCutEarly(t *testing.T) {
	for _, c := range []struct {
		name string
		end  core.Offset
		led  bool
		want []string
	}{
		{"all is there", 8, false, nil},
		{"another one leads", 5, true, nil},
		{"nobody knows", 5, false, []string{"cut-early"}},
	} {
		x := newTheatre()
		x.brokers[0].damage = &damage{held: map[core.TopicIDPartition]*held{partitionID: {vouched: 8, led: c.led}}}
		s := x.now[0]
		s.End = c.end
		x.watchCutEarly(&s, "/data")
		x.watchCutEarly(&s, "/data") // it is judged once
		if !slices.Equal(x.failed, c.want) {
			t.Errorf("%s: %v, want %v", c.name, x.failed, c.want)
		}
	}
}

// A replica is relied on again when it has what was committed there, as far as its leaders knew of it.
func TestWhoIsReliedOnAgainHasEverything(t *testing.T) {
	for _, c := range []struct {
		name     string
		synced   core.Offset
		promised core.Offset
		want     []string
	}{
		{"it has everything", 8, 9, nil},
		{"it lacks the last one", 7, 9, []string{"regained"}},
		{"its leader knew of less", 7, 6, nil},
	} {
		x := newTheatre()
		r := &seenReplica{Sighting: x.now[0]}
		r.Leading, r.Life, r.Synced = false, 1, c.synced
		x.replicas[replicaKey{0, partitionID}] = r
		x.judgeRegained(1, 0, partitionID, &held{committed: 8, promised: c.promised})
		if !slices.Equal(x.failed, c.want) {
			t.Errorf("%s: %v, want %v", c.name, x.failed, c.want)
		}
	}
}

// A leader that begins with a low high watermark promises no more than that.
func TestALeaderPromisesWhatItBeginsWith(t *testing.T) {
	x := newTheatre()
	h := &held{committed: 8, promised: 8}
	x.brokers[1].damage = &damage{held: map[core.TopicIDPartition]*held{partitionID: h}}
	s := x.now[0]
	s.HighWatermark = 5
	x.begins(&s)
	s.HighWatermark = 9
	x.begins(&s)
	if h.promised != 5 {
		t.Errorf("promised up to %d, want 5", h.promised)
	}
}

// A segment is deleted when the checkpoint says that the log begins behind it.
func TestASegmentGoesAfterItsCheckpoint(t *testing.T) {
	for _, c := range []struct {
		start core.Offset
		left  string
		want  int
	}{
		{0, "00000000000000000005.log", 1},
		{4, "00000000000000000005.log", 1},
		{5, "00000000000000000005.log", 0},
		{0, "00000000000000000000.log", 0}, // the log is cut off, and not deleted from its beginning
	} {
		d := disk.New(core.NewPRNG(1))
		fs := d.FS(nil)
		for _, dir := range []string{"/data", "/data/t-0"} {
			if err := fs.Mkdir(dir); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := fs.Create("/data/t-0/" + c.left); err != nil {
			t.Fatal(err)
		}
		writeStart(t, fs, c.start)
		failed := 0
		SegmentGone(d, "/data/t-0/00000000000000000003.log", func(Class, string, string) { failed++ })
		if failed != c.want {
			t.Errorf("checkpoint %d, %s is left: %d failures, want %d", c.start, c.left, failed, c.want)
		}
	}
}

func writeStart(t *testing.T, fs core.FS, start core.Offset) {
	t.Helper()
	f, err := fs.Create("/data" + logStarts)
	if err != nil {
		t.Fatal(err)
	}
	list := []log.OffsetEntry{{TopicPartition: core.TopicPartition{Topic: "t"}, Offset: start}}
	if err := f.WriteAt(log.AppendOffsetCheckpoint(nil, list), 0); err != nil {
		t.Fatal(err)
	}
}

// Who is relied on again has checkpoints that a start can read.
func TestWhoIsReliedOnAgainHasItsCheckpoints(t *testing.T) {
	for _, c := range []struct {
		name    string
		damaged bool
		want    []string
	}{
		{"they are there", false, nil},
		{"one is damaged", true, []string{"regained"}},
	} {
		x := newTheatre()
		d := disk.New(core.NewPRNG(1))
		fs := d.FS(nil)
		if err := fs.Mkdir("/data"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{recoveryPoints, logStarts} {
			f, err := fs.Create("/data" + name)
			if err == nil {
				err = f.WriteAt(log.AppendOffsetCheckpoint(nil, nil), 0)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if c.damaged {
			d.Damage("/data"+recoveryPoints, func(b []byte) []byte { return b[:min(1, len(b))] })
		}
		x.disks = []*disk.Disk{d}
		r := &seenReplica{Sighting: x.now[0], dir: "/data/t-0"}
		r.Leading, r.Life = false, 1
		x.replicas[replicaKey{0, partitionID}] = r
		x.judgeMended(1, 0, partitionID)
		if !slices.Equal(x.failed, c.want) {
			t.Errorf("%s: %v, want %v", c.name, x.failed, c.want)
		}
	}
}

package dump

import (
	"strings"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/record"
)

const dir = "/data/t-0"

// recovered is a disk with a log of two segments and all its files.
func recovered(t *testing.T) *logtest.Disk {
	t.Helper()
	disk := logtest.NewDisk()
	codecs := record.NewCodecs(0)
	for segment := range core.Offset(2) {
		var all []byte
		for i := range core.Offset(10) {
			base := 30*segment + 3*i
			var b record.Builder
			b.Start(nil, base)
			b.SetLeaderEpoch(core.LeaderEpoch(segment))
			b.SetProducer(1, 0, core.Sequence(base))
			b.SetCodec(codecs, record.Codec(i%5), 0)
			for range 3 {
				b.Append(core.Timestamp(1000+base), []byte("key"), []byte("value"), record.Header{Key: []byte("h"), Value: nil})
			}
			_, v := b.Finish()
			all = append(all, v...)
		}
		disk.Put(dir+"/"+log.FileName(30*segment, log.LogSuffix), all, true)
	}
	job := &log.OpenJob{Parent: "/data", Dir: dir, Topic: core.UUID{1}, Settings: log.DefaultSettings()}
	job.Settings.IndexIntervalBytes = 100
	if job.Run(disk); job.Err != nil {
		t.Fatal(job.Err)
	}
	disk.Put("/data/log-start-offset-checkpoint", []byte("0\n1\nt 0 5\n"), true)
	disk.Put("/data/meta.properties", []byte("#c\nversion=1\ncluster.id=x\n"), true)
	return disk
}

func TestEveryFileIsRead(t *testing.T) {
	disk := recovered(t)
	counts := map[string]int{}
	records := 0
	err := Dir(disk, "/data", Options{Records: true}, func(e Entry) {
		switch {
		case e.Problem != "":
			t.Errorf("%s: %s", e.File, e.Problem)
		case e.Batch != nil:
			counts["batch"]++
			records += len(e.Batch.Records)
			if r := e.Batch.Records[0]; string(r.Key) != "key" || r.Headers[0].Key != "h" || r.Headers[0].Value != nil {
				t.Errorf("record %+v", r)
			}
		case e.Index != nil:
			counts["index"]++
		case e.Time != nil:
			counts["time"]++
		case e.Producer != nil:
			counts["producer"]++
		case e.Epoch != nil:
			counts["epoch"]++
		case e.Offset != nil:
			counts["offset"]++
		case e.Property != nil:
			counts["property"]++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if counts["batch"] != 20 || records != 60 || counts["index"] == 0 || counts["time"] == 0 || counts["producer"] != 5 ||
		counts["epoch"] != 2 || counts["offset"] != 1 || counts["property"] != 5 {
		t.Errorf("found %v, %d records", counts, records)
	}
}

func TestVerifyFindsNothingInASoundLog(t *testing.T) {
	s, err := Verify(recovered(t), "/data")
	if err != nil || len(s.Problems) != 0 || s.Partitions != 1 || s.Segments != 2 || s.Batches != 20 || s.Records != 60 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	segment := dir + "/" + log.FileName(0, log.LogSuffix)
	index := dir + "/" + log.FileName(0, log.IndexSuffix)
	times := dir + "/" + log.FileName(0, log.TimeIndexSuffix)
	for _, c := range []struct {
		name, file, want string
		spoil            func(b []byte) []byte
	}{
		{"changed bit in a batch", segment, "checksum", func(b []byte) []byte { b[70] ^= 1; return b }},
		{"torn end", segment, "cut short", func(b []byte) []byte { return b[:len(b)-5] }},
		{"index names another offset", index, "no batch at position", func(b []byte) []byte { b[3]++; return b }},
		{"index of an odd size", index, "multiple", func(b []byte) []byte { return b[:len(b)-1] }},
		{"index does not increase", index, "do not increase", func(b []byte) []byte { return append(b, b[:8]...) }},
		{"time index has another timestamp", times, "largest timestamp", func(b []byte) []byte { b[7]++; return b }},
		{"time index names no batch", times, "no batch ends", func(b []byte) []byte { b[11]--; return b }},
		{"snapshot is corrupt", dir + "/" + log.FileName(60, log.SnapshotSuffix), "snapshot",
			func(b []byte) []byte { b[20]++; return b }},
		{"epoch is missing", dir + "/" + log.EpochCheckpointName, "is missing",
			func([]byte) []byte { return []byte("0\n1\n0 0\n") }},
		{"checkpoint is no checkpoint", dir + "/" + log.EpochCheckpointName, "checkpoint",
			func([]byte) []byte { return []byte("x") }},
		{"offset checkpoint is cut", "/data/log-start-offset-checkpoint", "checkpoint",
			func(b []byte) []byte { return b[:4] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := closed(t)
			b := disk.Bytes(c.file)
			if len(b) == 0 {
				t.Fatalf("%s is not there", c.file)
			}
			disk.Put(c.file, c.spoil(b), true)
			s, err := Verify(disk, "/data")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range s.Problems {
				if p.File == c.file && strings.Contains(p.Text, c.want) {
					return
				}
			}
			t.Errorf("problems %+v, want one with %q in %s", s.Problems, c.want, c.file)
		})
	}
}

// closed is the recovered disk after a clean shutdown.
func closed(t *testing.T) *logtest.Disk {
	disk := recovered(t)
	disk.Put("/data/.kafka_cleanshutdown", []byte(`{"version":0,"brokerEpoch":1}`), true)
	return disk
}

func TestEveryChangedByteOfAClosedSegmentIsFound(t *testing.T) {
	clean := closed(t)
	if s, err := Verify(clean, "/data"); err != nil || len(s.Problems)+len(s.Notes) != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, name := range []string{log.FileName(0, log.LogSuffix), log.FileName(0, log.IndexSuffix),
		log.FileName(0, log.TimeIndexSuffix), log.FileName(60, log.SnapshotSuffix)} {
		path := dir + "/" + name
		sound := clean.Bytes(path)
		if len(sound) == 0 {
			t.Fatalf("%s is empty", path)
		}
		for i := range sound {
			for _, flip := range []byte{0x01, 0x80, 0xff} {
				bad := append([]byte{}, sound...)
				bad[i] ^= flip
				disk := clean.Clone()
				disk.Put(path, bad, true)
				if s, err := Verify(disk, "/data"); err != nil || len(s.Problems) == 0 {
					t.Errorf("%s: byte %d changed by %#x is not found (%v)", path, i, flip, err)
				}
			}
		}
	}
}

func TestATornEndIsNoDamage(t *testing.T) {
	segment := dir + "/" + log.FileName(30, log.LogSuffix)
	last := len(recovered(t).Bytes(segment))
	for _, c := range []struct {
		name     string
		clean    bool
		recovery string
		spoil    func(b []byte) []byte
		problems int
		notes    int
	}{
		{"cut", false, "", func(b []byte) []byte { return b[:last-5] }, 0, 1},
		{"half a header", false, "", func(b []byte) []byte { return append(b, b[:30]...) }, 0, 1},
		{"zeros", false, "", func(b []byte) []byte { return append(b, make([]byte, 100)...) }, 0, 1},
		{"last batch without its bytes", false, "", func(b []byte) []byte { clear(b[last-20:]); return b }, 0, 1},
		{"after a clean shutdown", true, "", func(b []byte) []byte { return b[:last-5] }, 1, 0},
		{"below the recovery point", false, "0\n1\nt 0 60\n", func(b []byte) []byte { return b[:last-5] }, 1, 0},
		{"batches follow", false, "", func(b []byte) []byte { b[70] ^= 1; return b }, 1, 0},
		{"batches follow a bad length", false, "", func(b []byte) []byte { b[8] ^= 0x80; return b }, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := recovered(t)
			if c.clean {
				disk = closed(t)
			}
			if c.recovery != "" {
				disk.Put("/data/recovery-point-offset-checkpoint", []byte(c.recovery), true)
			}
			disk.Put(segment, c.spoil(disk.Bytes(segment)), true)
			s, err := Verify(disk, "/data")
			if err != nil {
				t.Fatal(err)
			}
			if min(len(s.Problems), 1) != c.problems || len(s.Notes) != c.notes {
				t.Errorf("problems %+v, notes %+v", s.Problems, s.Notes)
			}
		})
	}
}

// A folder that was put aside is as a crash left it, however the broker was stopped later.
func TestAFolderPutAsideWasNotStoppedCleanly(t *testing.T) {
	disk := closed(t)
	segment := log.FileName(30, log.LogSuffix)
	torn := disk.Bytes(dir + "/" + segment)
	disk.Mkdir("/data/t-1.0123456789abcdef0123456789abcdef-stray")
	disk.Put("/data/t-1.0123456789abcdef0123456789abcdef-stray/"+segment, torn[:len(torn)-5], true)
	s, err := Verify(disk, "/data")
	if err != nil || len(s.Problems) != 0 || len(s.Notes) == 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestTransactionIndexesSayWhatTheLogSays(t *testing.T) {
	clean := closed(t)
	var all []byte
	for i, producer := range []core.ProducerID{7, 8} {
		var b record.Builder
		b.Start(nil, core.Offset(i))
		b.SetTransactional()
		b.SetProducer(producer, 0, 0)
		b.Append(1000, nil, []byte("v"))
		_, v := b.Finish()
		all = append(all, v...)
	}
	var b record.Builder
	b.Start(nil, 2)
	b.SetProducer(7, 0, core.NoSequence)
	b.AppendEndTxn(1001, false, record.EndTxn{})
	_, v := b.Finish()
	clean.Put("/data/x-0/"+log.FileName(0, log.LogSuffix), append(all, v...), true)
	clean.Put("/data/x-0/"+log.FileName(0, log.IndexSuffix), nil, true)
	clean.Put("/data/x-0/"+log.FileName(0, log.TimeIndexSuffix), nil, true)
	clean.Put("/data/x-0/"+log.EpochCheckpointName, []byte("0\n0\n"), true)
	path := "/data/x-0/" + log.FileName(0, log.TxnIndexSuffix)
	sound := log.AppendAbortedTxn(nil, log.AbortedTxn{Producer: 7, First: 0, Last: 2, LastStableOffset: 1})
	clean.Put(path, sound, true)
	if s, err := Verify(clean, "/data"); err != nil || len(s.Problems) != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	for i := range sound {
		bad := append([]byte{}, sound...)
		bad[i] ^= 1
		clean.Put(path, bad, true)
		if s, err := Verify(clean, "/data"); err != nil || len(s.Problems) == 0 {
			t.Errorf("byte %d changed is not found (%v)", i, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	names := []string{"00000000000000000005.log", "00000000000000000005.index", "00000000000000000005.timeindex",
		"00000000000000000005.txnindex", "00000000000000000005.snapshot", log.EpochCheckpointName, "x-offset-checkpoint",
		log.PartitionMetadataName, "meta.properties", "other"}
	var b record.Builder
	b.Start(nil, 5)
	b.Append(1, nil, []byte("v"))
	_, v := b.Finish()
	f.Add(0, []byte(v))
	f.Add(1, []byte("0000000100000002"))
	f.Fuzz(func(t *testing.T, kind int, b []byte) {
		if kind < 0 || kind >= len(names) {
			return
		}
		disk := logtest.NewDisk()
		disk.Put(dir+"/"+names[kind], b, false)
		if err := Dir(disk, dir, Options{Records: true}, func(Entry) {}); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(disk, dir); err != nil {
			t.Fatal(err)
		}
	})
}

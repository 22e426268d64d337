package log

import (
	"bytes"
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ottla.dev/core"
	"ottla.dev/core/record"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestIndexEntriesAreKafkasBytes(t *testing.T) {
	got := AppendIndexEntry(nil, 1000, IndexEntry{Offset: 1042, Pos: 4171})
	if want := unhex(t, "0000002a0000104b"); !bytes.Equal(got, want) {
		t.Errorf("index entry %x, want %x", got, want)
	}
	got = AppendTimeIndexEntry(nil, 1000, TimeIndexEntry{Timestamp: 1700000000000, Offset: 1042})
	if want := unhex(t, "0000018bcfe568000000002a"); !bytes.Equal(got, want) {
		t.Errorf("time index entry %x, want %x", got, want)
	}
	got = AppendAbortedTxn(nil, AbortedTxn{Producer: 7, First: 10, Last: 20, LastStableOffset: 15})
	want := unhex(t, "0000"+"0000000000000007"+"000000000000000a"+"0000000000000014"+"000000000000000f")
	if !bytes.Equal(got, want) {
		t.Errorf("transaction index entry %x, want %x", got, want)
	}
}

func TestCheckpointsAreKafkasText(t *testing.T) {
	if got := string(AppendEpochCheckpoint(nil, []EpochStart{{0, 0}, {3, 120}})); strings.TrimRight(got, " \t\n") !=
		"0\n2\n0 0\n3 120" {
		t.Errorf("leader-epoch-checkpoint %q", got)
	}
	entries := []OffsetEntry{{core.TopicPartition{Topic: "a.b", Partition: 2}, 77}}
	got := AppendOffsetCheckpoint(nil, entries)
	if string(got) != "0\n2\na.b 2 77\n__ottla_crc32c 0 487881788\n" {
		t.Errorf("offset checkpoint %q", got)
	}
	if back, err := ReadOffsetCheckpoint([]byte("0\n1\na.b 2 77\n")); err != nil || !reflect.DeepEqual(back, entries) {
		t.Errorf("Kafka's own is read as %v, %v", back, err)
	}
	for i := range got {
		bad := bytes.Clone(got)
		bad[i] ^= 1 // turns a digit into another
		if back, err := ReadOffsetCheckpoint(bad); err == nil && !reflect.DeepEqual(back, entries) && i < 13 {
			t.Errorf("%q is believed", bad)
		}
	}
	if back, err := ReadOffsetCheckpoint(got); err != nil || !reflect.DeepEqual(back, entries) {
		t.Errorf("read back %v, %v", back, err)
	}
	kafkas := AppendKafkaOffsets(nil, entries)
	if string(kafkas) != "0\n1\na.b 2 77\n" || OffsetsVouched(kafkas) || !OffsetsVouched(got) ||
		!OffsetsVouched(AppendOffsetCheckpoint(nil, nil)) {
		t.Errorf("%q and %q are taken for each other", kafkas, got)
	}
	id := core.MetadataTopicID()
	text := AppendPartitionMetadata(nil, id)
	if string(text) != "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\ncrc32c: 4292092560" {
		t.Errorf("partition.metadata %q", text)
	}
	if back, err := ReadPartitionMetadata(text); err != nil || back != id {
		t.Errorf("read back %v, %v", back, err)
	}
	for at := range len(text) {
		for bit := range 8 {
			bad := []byte(string(text))
			bad[at] ^= 1 << bit
			if back, err := ReadPartitionMetadata(bad); err == nil {
				t.Errorf("%q is read as %v", bad, back)
			}
		}
	}
	named := []byte(strings.Replace(string(got), "crc32c", "crc33d", 1)) // the checksum's name, and the number, are wrong
	named[4] ^= 1
	if back, err := ReadOffsetCheckpoint(named); err == nil && !reflect.DeepEqual(back, entries) {
		t.Errorf("%q is believed", named)
	}
	for _, bad := range []string{"", "0\n", "1\n0\n", "0\n2\n1 1\n", "0\n1\n1\n", "0\n1\nx 1\n", "0\n2\n2 5\n1 9\n"} {
		if list, err := ReadEpochCheckpoint([]byte(bad)); err == nil {
			t.Errorf("%q is read as %v", bad, list)
		}
	}
}

// TestSnapshotIsKafkasBytes holds a snapshot of one producer, laid out by hand after ProducerSnapshot.json. The
// checksum is CRC-32C of what follows it.
func TestSnapshotIsKafkasBytes(t *testing.T) {
	s := NewProducers(0)
	s.Apply(producerBatch(1000, 5, 40, 10, 3, 1700000000000))
	got := s.AppendSnapshot(nil)
	body := "00000001" + "00000000000003e8" + "0005" + "0000002a" + "000000000000000c" + "00000002" +
		"0000018bcfe56800" + "ffffffff" + "ffffffffffffffff"
	if string(got[snapshotEntriesAt:]) != string(unhex(t, body)) || !bytes.Equal(got[:2], []byte{0, 1}) {
		t.Errorf("snapshot %x, want body %s", got, body)
	}
	entries, err := ReadSnapshot(got)
	if err != nil || !reflect.DeepEqual(LoadProducers(s.End(), entries).All(), s.All()) {
		t.Errorf("read back %+v, %v", entries, err)
	}
	for i := range got {
		bad := bytes.Clone(got)
		bad[i] ^= 1
		if _, err := ReadSnapshot(bad); err == nil {
			t.Errorf("a changed byte %d is not noticed", i)
		}
	}
}

// producerBatch makes a batch of n records at an offset.
func producerBatch(id core.ProducerID, epoch core.ProducerEpoch, seq core.Sequence, base core.Offset, n int,
	ts core.Timestamp) record.View {
	var b record.Builder
	b.Start(nil, base)
	b.SetProducer(id, epoch, seq)
	for range n {
		b.Append(ts, nil, nil)
	}
	_, v := b.Finish()
	return v
}

func TestProducerRules(t *testing.T) {
	state := func() *Producers {
		s := NewProducers(0)
		for i := range core.Offset(7) { // sequences 0..13, offsets 0..13, epoch 2
			s.Apply(producerBatch(9, 2, core.Sequence(2*i), 2*i, 2, 1000+core.Timestamp(i)))
		}
		return s
	}
	duplicate := func(i core.Offset) Verdict {
		return Verdict{Duplicate: true, BaseOffset: 2 * i, LastOffset: 2*i + 1, BaseTimestamp: 1000 + core.Timestamp(i)}
	}
	for _, c := range []struct {
		name string
		v    record.View
		want Verdict
	}{
		{"the next sequence follows", producerBatch(9, 2, 14, 0, 3, 0), Verdict{}},
		{"a gap is out of order", producerBatch(9, 2, 15, 0, 3, 0), Verdict{Code: core.OutOfOrderSequenceNumber}},
		{"the newest batch again is a duplicate", producerBatch(9, 2, 12, 0, 2, 0), duplicate(6)},
		{"the fifth newest batch again is a duplicate", producerBatch(9, 2, 4, 0, 2, 0), duplicate(2)},
		{"the sixth newest batch is out of the window", producerBatch(9, 2, 2, 0, 2, 0),
			Verdict{Code: core.OutOfOrderSequenceNumber}},
		{"another cut of known records is no duplicate", producerBatch(9, 2, 12, 0, 1, 0),
			Verdict{Code: core.OutOfOrderSequenceNumber}},
		{"an older epoch is fenced", producerBatch(9, 1, 14, 0, 1, 0), Verdict{Code: core.InvalidProducerEpoch}},
		{"a new epoch begins with 0", producerBatch(9, 3, 0, 0, 1, 0), Verdict{}},
		{"a new epoch does not begin elsewhere", producerBatch(9, 3, 14, 0, 1, 0),
			Verdict{Code: core.OutOfOrderSequenceNumber}},
		{"an unknown producer may begin anywhere", producerBatch(10, 0, 55, 0, 1, 0), Verdict{}},
		{"no producer id is never checked", producerBatch(-1, -1, -1, 0, 1, 0), Verdict{}},
	} {
		if got := state().Check(c.v); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestSequencesWrap(t *testing.T) {
	s := NewProducers(0)
	s.Apply(producerBatch(1, 0, math.MaxInt32-1, 0, 2, 0))
	if got := s.Check(producerBatch(1, 0, 0, 2, 1, 0)); got != (Verdict{}) {
		t.Errorf("0 after the largest: %+v", got)
	}
	across := producerBatch(1, 1, math.MaxInt32-1, 2, 4, 0) // MaxInt32-1, MaxInt32, 0, 1
	s.Apply(across)
	if got := s.Check(across); !got.Duplicate || got.BaseOffset != 2 {
		t.Errorf("a batch across the wrap, again: %+v", got)
	}
	if got := s.Check(producerBatch(1, 1, 2, 6, 1, 0)); got != (Verdict{}) {
		t.Errorf("2 after 1: %+v", got)
	}
}

func TestMarkersEndTransactions(t *testing.T) {
	s := NewProducers(0)
	var b record.Builder
	b.Start(nil, 5)
	b.SetProducer(1, 0, 0)
	b.SetTransactional()
	b.Append(100, nil, nil)
	_, v := b.Finish()
	s.Apply(v)
	if got := s.FirstUnstable(6); got != 5 {
		t.Errorf("first unstable offset %d, want 5", got)
	}
	if got := s.Check(producerBatch(1, 0, 1, 6, 1, 0)); got.Code != core.InvalidTxnState {
		t.Errorf("a batch outside the open transaction: %+v", got)
	}
	if n := s.Expire(1<<40, 1); n != 0 {
		t.Error("a producer with an open transaction expired")
	}
	b.Start(nil, 6)
	b.SetProducer(1, 0, core.NoSequence)
	b.AppendEndTxn(101, true, record.EndTxn{CoordinatorEpoch: 8})
	_, v = b.Finish()
	s.Apply(v)
	p := s.Get(1)
	if s.FirstUnstable(7) != 7 || p.CoordinatorEpoch != 8 || p.LastTimestamp != 101 || s.End() != 7 {
		t.Errorf("after the marker: %+v", *p)
	}
	if n := s.Expire(101+50, 50); n != 1 || s.Len() != 0 {
		t.Errorf("%d producers expired", n)
	}
}

// TestEpochsAgainstOffsets compares the cache with a list that has the epoch of every offset.
func TestEpochsAgainstOffsets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var cache Epochs
		var start core.Offset
		var byOffset []core.LeaderEpoch // of offset start+i
		epoch := core.LeaderEpoch(rapid.IntRange(0, 3).Draw(t, "first"))
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				epoch += core.LeaderEpoch(rapid.IntRange(0, 2).Draw(t, "bump"))
				end := start + core.Offset(len(byOffset))
				cache.Assign(epoch, end)
				for range rapid.IntRange(1, 3).Draw(t, "records") {
					byOffset = append(byOffset, epoch)
				}
			},
			"truncate end": func(t *rapid.T) {
				if len(byOffset) < 2 {
					return
				}
				n := rapid.IntRange(1, len(byOffset)-1).Draw(t, "keep")
				byOffset = byOffset[:n]
				cache.TruncateEnd(start + core.Offset(n))
				epoch = max(epoch, cache.Latest())
			},
			"truncate start": func(t *rapid.T) {
				if len(byOffset) < 2 {
					return
				}
				n := rapid.IntRange(0, len(byOffset)-1).Draw(t, "drop")
				byOffset = byOffset[n:]
				start += core.Offset(n)
				cache.TruncateStart(start)
			},
			"": func(t *rapid.T) { compareEpochs(t, &cache, start, byOffset) },
		})
	})
}

func compareEpochs(t *rapid.T, cache *Epochs, start core.Offset, byOffset []core.LeaderEpoch) {
	end := start + core.Offset(len(byOffset))
	for i, e := range byOffset {
		if got := cache.EpochAt(start + core.Offset(i)); got != e {
			t.Fatalf("epoch of %d is %d, want %d", start+core.Offset(i), got, e)
		}
	}
	if len(byOffset) == 0 {
		return
	}
	for e := core.LeaderEpoch(-1); e <= byOffset[len(byOffset)-1]+2; e++ {
		// The largest epoch at or below e that wrote something, and where the next larger one begins.
		wantEpoch, wantOffset := core.NoLeaderEpoch, core.NoOffset
		switch last := byOffset[len(byOffset)-1]; {
		case e < 0 || e > last:
		case e == last:
			wantEpoch, wantOffset = e, end
		default:
			wantEpoch = e
			for i, x := range byOffset {
				if x > e {
					wantOffset = start + core.Offset(i)
					if i > 0 {
						wantEpoch = byOffset[i-1]
					}
					break
				}
			}
		}
		if ge, gotOffset := cache.EndOffsetFor(e, end); ge != wantEpoch || gotOffset != wantOffset {
			t.Fatalf("end of epoch %d is %d at %d, want %d at %d", e, ge, gotOffset, wantEpoch, wantOffset)
		}
	}
}

func TestFileNames(t *testing.T) {
	if got := FileName(1234567, LogSuffix); got != "00000000000001234567.log" {
		t.Error(got)
	}
	base, suffix, ok := ParseFileName("00000000000001234567.timeindex")
	if base != 1234567 || suffix != ".timeindex" || !ok {
		t.Error(base, suffix, ok)
	}
	for _, bad := range []string{"", "x", "0000000000000123456.log", "+0000000000001234567.log",
		"99999999999999999999.log"} {
		if _, _, ok := ParseFileName(bad); ok {
			t.Errorf("%q is a segment's name", bad)
		}
	}
	tp := core.TopicPartition{Topic: "a-b.c", Partition: 12}
	if got, ok := ParseDirName(DirName(tp)); !ok || got != tp {
		t.Errorf("folder name %q is %v", DirName(tp), got)
	}
	gone := DeleteDirName(tp, core.UUID{1})
	if !IsDeleteDirName(gone) || IsDeleteDirName("a-b.c-12") || IsDeleteDirName("x-delete") {
		t.Errorf("%q is not known as deleted", gone)
	}
	for _, bad := range []string{gone, "noindex", "-1", "a-", "a-x", "a-+1", "a--1x"} {
		if _, ok := ParseDirName(bad); ok {
			t.Errorf("%q is a partition's folder", bad)
		}
	}
}

func FuzzReadFiles(f *testing.F) {
	f.Add(AppendEpochCheckpoint(nil, []EpochStart{{0, 0}, {3, 120}}))
	f.Add([]byte("0\n1\nt 0 5\n"))
	s := NewProducers(0)
	s.Apply(producerBatch(1000, 5, 40, 10, 3, 1))
	f.Add(s.AppendSnapshot(nil))
	f.Add(AppendAbortedTxn(nil, AbortedTxn{1, 2, 3, 2}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if list, err := ReadEpochCheckpoint(b); err == nil {
			again, err := ReadEpochCheckpoint(AppendEpochCheckpoint(nil, list))
			if err != nil || !reflect.DeepEqual(again, list) {
				t.Fatalf("epochs %v become %v", list, again)
			}
		}
		ReadOffsetCheckpoint(b)
		ReadPartitionMetadata(b)
		ReadTxnIndex(b)
		if entries, err := ReadSnapshot(b); err == nil {
			LoadProducers(0, entries).AppendSnapshot(nil)
		}
		SoundIndex(b, 5, 1<<20)
		SoundTimeIndex(b, 5)
	})
}

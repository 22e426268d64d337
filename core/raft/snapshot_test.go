package raft

import (
	"bytes"
	"errors"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/record"
)

func snapshotOf(t testing.TB, values ...string) []byte {
	t.Helper()
	disk := logtest.NewDisk()
	if err := disk.Mkdir("/m"); err != nil {
		t.Fatal(err)
	}
	j := &SnapshotJob{Dir: "/m", ID: SnapshotID{End: 9, Epoch: 3}, LastContained: 77, Version: 1,
		Voters: Voters{{ID: 1, Directory: core.UUID{1}}}, Records: func(yield func([]byte) bool) {
			for _, v := range values {
				if !yield([]byte(v)) {
					return
				}
			}
		}}
	j.Run(disk)
	if j.Err != nil {
		t.Fatal(j.Err)
	}
	return disk.Bytes("/m/00000000000000000009-0000000003.checkpoint")
}

// A snapshot is a header with version and voters, the records, a footer, with offsets from 0 (KIP-630, KIP-853).
func TestSnapshotsAreKafkas(t *testing.T) {
	b := snapshotOf(t, "one", "two")
	var types []record.ControlType
	var values []string
	next := core.Offset(0)
	for _, v := range split(b) {
		if v.BaseOffset() != next || v.LeaderEpoch() != 3 {
			t.Errorf("a batch at %d of epoch %d", v.BaseOffset(), v.LeaderEpoch())
		}
		next = v.NextOffset()
		it := record.Records(v, nil)
		for it.Next() {
			if !v.IsControl() {
				values = append(values, string(it.Record.Value))
				continue
			}
			c, _ := record.ParseControlKey(it.Record.Key)
			types = append(types, c)
			if ts, ok := record.ParseSnapshotHeader(it.Record.Value); c == record.ControlSnapshotHeader && (!ok || ts != 77) {
				t.Errorf("last contained timestamp %d, %v", ts, ok)
			}
		}
	}
	want := []record.ControlType{record.ControlSnapshotHeader, record.ControlKRaftVersion, record.ControlKRaftVoters,
		record.ControlSnapshotFooter}
	if len(types) != 4 || types[0] != want[0] || types[1] != want[1] || types[2] != want[2] || types[3] != want[3] ||
		len(values) != 2 || values[0] != "one" || values[1] != "two" {
		t.Errorf("control records %v, values %q", types, values)
	}
}

// A disk that cannot be read is no damaged snapshot: the node would put its metadata aside, and forget what it
// promised.
func TestASnapshotThatCannotBeReadIsNotDamaged(t *testing.T) {
	disk := logtest.NewDisk()
	disk.Put("/m/x", snapshotOf(t, "one", "two"), true)
	read := func() error { return readSnapshot(disk, "/m/x", func(record.View) error { return nil }) }
	if err := read(); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("input/output error")
	for n, ops := 1, disk.Ops; n <= ops; n++ {
		left := n
		disk.Fault = func(string, string) error {
			if left--; left == 0 {
				return broken
			}
			return nil
		}
		if err := forgotten(read()); left == 0 && (!errors.Is(err, broken) || errors.Is(err, ErrForgotten)) {
			t.Errorf("operation %d fails: %v", n, err)
		}
	}
}

// A snapshot that lost its end, or a bit of what is checked, is none.
func TestDamagedSnapshotsAreRefused(t *testing.T) {
	b := snapshotOf(t, "one", "two")
	read := func(b []byte) error {
		disk := logtest.NewDisk()
		disk.Put("/m/x", b, true)
		return readSnapshot(disk, "/m/x", func(record.View) error { return nil })
	}
	if err := read(b); err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if read(b[:n]) == nil {
			t.Errorf("a snapshot cut to %d of %d bytes is whole", n, len(b))
		}
	}
	for n := 21; n < 61; n++ { // covered by the checksum of the first batch
		c := bytes.Clone(b)
		c[n] ^= 1
		if read(c) == nil {
			t.Errorf("a snapshot with a changed byte %d is whole", n)
		}
	}
}

func FuzzReadSnapshot(f *testing.F) {
	f.Add(snapshotOf(f, "one", "two"))
	f.Fuzz(func(t *testing.T, b []byte) {
		disk := logtest.NewDisk()
		disk.Put("/m/x", b, true)
		var h History
		_ = readSnapshot(disk, "/m/x", func(v record.View) error {
			h.take(v, true)
			return nil
		})
	})
}

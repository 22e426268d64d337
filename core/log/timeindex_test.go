package log

import (
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log/logtest"
	"ottla.dev/core/record"
)

// A time index has no checksum. Whatever happens to that of a closed segment: a start takes the segment's largest
// timestamp, by which it is deleted one day, from the batches, no record is hidden from who asks by timestamp, and a
// pass through the log makes the index anew.
func TestADamagedTimeIndexMisleadsNobody(t *testing.T) {
	random := core.NewPRNG(1)
	for round := range 400 {
		disk, first := twoSegments(t, &random)
		timesName := testDir + "/" + FileName(0, TimeIndexSuffix)
		sound := disk.Bytes(timesName)
		if len(sound) < 3*TimeIndexEntrySize {
			t.Fatalf("round %d: only %d bytes of time index", round, len(sound))
		}
		spoil := func() {
			b := append([]byte{}, sound...)
			switch at := int(random.Below(uint64(len(b)))); random.Below(4) {
			case 0:
				b = b[:at/TimeIndexEntrySize*TimeIndexEntrySize]
			case 1:
				clear(b[at:])
			default:
				b[at] ^= 1 << random.Below(8)
			}
			disk.Put(timesName, b, true)
		}
		open := func() (*Log, *OpenJob) {
			job := openOn(disk, func(j *OpenJob) { j.Clean, j.Recovery = true, 30 })
			if job.Err != nil {
				t.Fatal(job.Err)
			}
			var out core.Outbox
			var ids FileIDs
			return New(core.Instant{}, 1, &ids, job, &out), job
		}
		late := random.Chance(1, 2)
		if !late {
			spoil()
		}
		l, job := open()
		if late {
			spoil()
		}
		if s := job.Result.Segments[0]; s.maxTS != first.maxTS || s.maxTSLast != first.maxTSLast {
			t.Fatalf("round %d: the largest timestamp is %d at %d, not %d at %d", round, s.maxTS, s.maxTSLast, first.maxTS,
				first.maxTSLast)
		}
		for target := core.Timestamp(995); target < 1035; target += 3 {
			want := core.NoOffset
			for o, ts := range timesOf(disk) {
				if ts >= target && want == core.NoOffset {
					want = core.Offset(o)
				}
			}
			got := core.NoOffset
			if j := l.ByTimestamp(target, 30); j != nil {
				j.Run(disk)
				if l.TimestampDone(j); j.Err != nil {
					t.Fatal(j.Err)
				}
				if j.Found {
					got = j.Offset
				}
			}
			if got != want {
				t.Fatalf("round %d, late %v: timestamp %d is at %d, not %d", round, late, target, got, want)
			}
		}
		if err := scrubAll(t, l, disk); err != nil {
			t.Fatal(err)
		}
		if now := disk.Bytes(timesName); string(now) != string(sound) {
			t.Fatalf("round %d, late %v: after a pass the time index is %x, not %x", round, late, now, sound)
		}
	}
}

// twoSegments is a log with a closed segment of twenty batches whose timestamps go back now and then, and one behind
// it.
func twoSegments(t *testing.T, random *core.PRNG) (*logtest.Disk, SegmentInfo) {
	t.Helper()
	disk := logtest.NewDisk()
	var all [2][]byte
	for i := range 30 {
		ts := core.Timestamp(1000 + i)
		if random.Chance(1, 4) {
			ts -= core.Timestamp(random.Below(15))
		}
		v := producerBatch(1, 0, core.Sequence(i), core.Offset(i), 1, ts)
		v.SetLeaderEpoch(1)
		all[i/20] = append(all[i/20], v...)
	}
	disk.Put(firstLog, all[0], true)
	disk.Put(testDir+"/"+FileName(20, LogSuffix), all[1], true)
	job := openOn(disk, nil)
	if job.Err != nil {
		t.Fatal(job.Err)
	}
	return disk, job.Result.Segments[0]
}

// timesOf lists the timestamps of the records by their offsets.
func timesOf(disk *logtest.Disk) []core.Timestamp {
	var all []core.Timestamp
	b := disk.Bytes(firstLog)
	b = append(append([]byte{}, b...), disk.Bytes(testDir+"/"+FileName(20, LogSuffix))...)
	for len(b) > 0 {
		v := record.View(b)
		all = append(all, v.MaxTimestamp())
		b = b[v.Size():]
	}
	return all
}

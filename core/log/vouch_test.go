package log

import (
	"reflect"
	"strconv"
	"strings"
	"testing"

	"ottla.dev/core"
)

// Kafka splits the lines at white space, and wants two numbers in each (LeaderEpochCheckpointFile.Formatter).
func TestKafkaReadsOverTheChecksumOfLeaderEpochs(t *testing.T) {
	want := []EpochStart{{0, 0}, {3, 120}}
	text := string(AppendEpochCheckpoint([]byte("before"), want)[len("before"):])
	if !strings.HasPrefix(text, "0\n2\n0 0\n3 120") || !strings.HasSuffix(text, "\n") || strings.Count(text, "\n") != 4 {
		t.Fatalf("%q", text)
	}
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n")[2:] {
		f := strings.Fields(line)
		if len(f) != 2 {
			t.Fatalf("a line has %d words: %q", len(f), line)
		}
		for _, number := range f {
			if _, err := strconv.ParseInt(number, 10, 64); err != nil {
				t.Error(err)
			}
		}
	}
	if got, err := ReadEpochCheckpoint([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read back %v, %v", got, err)
	}
	kafkas := []byte("0\n2\n0 0\n3 120\n")
	if got, err := ReadEpochCheckpoint(kafkas); err != nil || !reflect.DeepEqual(got, want) || EpochsVouched(kafkas) {
		t.Errorf("what Kafka wrote is read as %v, %v", got, err)
	}
	if !EpochsVouched([]byte(text)) || EpochsVouched(AppendEpochCheckpoint(nil, nil)) {
		t.Error("a checksum is taken for none, or none for one")
	}
}

func TestNoWrongBitOfTheLeaderEpochsIsBelieved(t *testing.T) {
	text := AppendEpochCheckpoint(nil, []EpochStart{{0, 0}, {3, 120}})
	for at := range text {
		for bit := range 8 {
			bad := []byte(string(text))
			bad[at] ^= 1 << bit
			if back, err := ReadEpochCheckpoint(bad); err == nil {
				t.Errorf("%q is read as %v", bad, back)
			}
		}
	}
}

// misdatedLog is a log of 12 batches in three epochs, opened once, of which the last batch of the second epoch claims
// then to be of the third, whose first batch follows it: nothing in the batches tells that this is not so.
func misdatedLog(t *testing.T, change func(*OpenJob)) (*OpenJob, func(*OpenJob) *OpenJob) {
	t.Helper()
	disk, batches := logOf(12)
	if job := openOn(disk, nil); job.Err != nil {
		t.Fatal(job.Err)
	}
	b := disk.Bytes(firstLog)
	b[7*len(batches[0])+15] = 2
	disk.Put(firstLog, b, true)
	again := func(j *OpenJob) *OpenJob { return openOn(disk, func(to *OpenJob) { *to = *j }) }
	return openOn(disk, change), again
}

// The checksum of a batch does not cover its leader epoch. A checkpoint with a checksum of its own does.
func TestALeaderEpochThatFitsItsNeighboursIsNotBelieved(t *testing.T) {
	for name, change := range map[string]func(*OpenJob){
		"after a clean stop": func(j *OpenJob) { j.Clean, j.Recovery = true, 12 },
		"after a crash":      func(j *OpenJob) { j.Recovery = 12 },
		"read in full":       func(j *OpenJob) { j.Clean, j.Recovery, j.Full = true, 12, true },
	} {
		job, _ := misdatedLog(t, change)
		if d, ok := job.Err.(*Damage); !ok || d.At != 7 {
			t.Errorf("%s: %v", name, job.Err)
		}
	}
	// Above the recovery point what is damaged cannot be told from what a crash tears off.
	for name, change := range map[string]func(*OpenJob){
		"above the recovery point": func(j *OpenJob) { j.Recovery = 7 },
		"with nothing known":       func(j *OpenJob) { j.Unsure = true },
	} {
		job, _ := misdatedLog(t, change)
		want := []EpochStart{{0, 0}, {1, 4}}
		if job.Err != nil || job.Result.LogEnd != 7 || !reflect.DeepEqual(job.Result.Epochs.All(), want) {
			t.Errorf("%s: %v, error %v", name, job.Result.Epochs.All(), job.Err)
		}
	}
}

// Above the recovery point the checkpoint may be of a log that was cut since, or lack the last epochs: only an epoch
// that begins earlier than it does cannot be.
func TestALeaderEpochThatTheCheckpointDoesNotKnowIsBelieved(t *testing.T) {
	for _, c := range []struct {
		checkpoint []EpochStart
		end        core.Offset
	}{
		{[]EpochStart{{0, 0}}, 12},
		{[]EpochStart{{0, 0}, {1, 4}}, 12},
		{[]EpochStart{{0, 0}, {1, 2}, {7, 6}}, 12},
		{[]EpochStart{{1, 6}}, 12}, // its first epoch begins where the log did
		{[]EpochStart{{0, 0}, {1, 5}}, 4},
		{[]EpochStart{{0, 0}, {1, 4}, {2, 9}}, 8},
	} {
		disk, _ := logOf(12)
		if job := openOn(disk, nil); job.Err != nil {
			t.Fatal(job.Err)
		}
		disk.Put(testDir+"/"+EpochCheckpointName, AppendEpochCheckpoint(nil, c.checkpoint), true)
		if job := openOn(disk, nil); job.Err != nil || job.Result.LogEnd != c.end {
			t.Errorf("with %v: the log ends at %d, error %v", c.checkpoint, job.Result.LogEnd, job.Err)
		}
	}
}

// A damaged log that is opened again keeps nothing that the checkpoint denies, unless there is nobody to copy it from.
func TestADamagedLogIsCutBeforeADeniedLeaderEpoch(t *testing.T) {
	job, _ := misdatedLog(t, func(j *OpenJob) { j.Resync = true })
	want := []EpochStart{{0, 0}, {1, 4}}
	if job.Err != nil || job.Result.LogEnd != 7 || !reflect.DeepEqual(job.Result.Epochs.All(), want) {
		t.Errorf("the log ends at %d with %v, error %v", job.Result.LogEnd, job.Result.Epochs.All(), job.Err)
	}
	job, _ = misdatedLog(t, func(j *OpenJob) { j.Resync, j.Sole = true, true })
	if job.Err != nil || job.Result.LogEnd != 12 {
		t.Errorf("the only one ends at %d, error %v", job.Result.LogEnd, job.Err)
	}
}

// After a cut the file has epochs that are gone, until it is written again: the recovery point waits for that, since
// what is appended meanwhile may be of an earlier epoch.
func TestTheRecoveryPointWaitsForEpochsThatAreCutOff(t *testing.T) {
	l, driver := written(t)
	var out core.Outbox
	l.AssignEpoch(9, &out)
	for l.epochsSaving != nil {
		l.JobDone(l.epochsSaving, &out)
	}
	out = core.Outbox{}
	before := l.RecoveryPoint()
	if !l.ForgetEpochs(l.LogEndOffset(), &out) {
		t.Fatal("there was no epoch to forget")
	}
	driver.Execute(&out)
	if got := l.epochsSaved; got != l.LogEndOffset() {
		t.Errorf("the file counts up to %d, and the log ends at %d (recovery point %d)", got, l.LogEndOffset(), before)
	}
}

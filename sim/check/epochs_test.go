package check

import (
	"slices"
	"testing"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/sim/disk"
)

// The recovery point passes the first batch of an epoch when the epoch is in the checkpoint.
func TestTheRecoveryPointWaitsForTheEpochs(t *testing.T) {
	for _, c := range []struct {
		name  string
		point core.Offset
		file  []log.EpochStart
		want  []string
	}{
		{"the epoch begins behind it", 5, []log.EpochStart{{Epoch: 1, Start: 0}}, nil},
		{"the epoch is there", 6, []log.EpochStart{{Epoch: 1, Start: 0}, {Epoch: 2, Start: 5}}, nil},
		{"the epoch is not there", 6, []log.EpochStart{{Epoch: 1, Start: 0}}, []string{"points"}},
		{"nothing is there", 1, nil, []string{"points"}},
	} {
		x := newTheatre()
		d := disk.New(core.NewPRNG(1))
		fs := d.FS(nil)
		if err := fs.Mkdir("/t-0"); err != nil {
			t.Fatal(err)
		}
		f, err := fs.Create("/t-0/" + log.EpochCheckpointName)
		if err == nil {
			err = f.WriteAt(log.AppendEpochCheckpoint(nil, c.file), 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		x.disks[0] = d
		s := x.now[0]
		s.Epochs = epochs(1, 0, 2, 5)
		x.watchFiled(&seenReplica{}, &s, "/t-0", c.point)
		if !slices.Equal(x.failed, c.want) {
			t.Errorf("%s: %v, want %v", c.name, x.failed, c.want)
		}
	}
}

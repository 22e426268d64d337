package check

import (
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/log"
)

// filed is the newest leader epoch that was seen in a log's checkpoint, in one life.
type filed struct {
	life  int
	epoch core.LeaderEpoch
}

// watchFiled is S12 of leader epochs: a log lets the recovery point pass the first batch of an epoch when the
// checkpoint of epochs has it. A start that finds a batch below the recovery point whose epoch the checkpoint does not
// have takes the one or the other for damaged. It is looked at once for each epoch and life. The log is in folder dir,
// and point is what it would have the checkpoint of recovery points say.
func (c *Cluster) watchFiled(seen *seenReplica, s *Sighting, dir string, point core.Offset) {
	if seen.filed == (filed{s.Life, s.Epochs.Latest()}) {
		return
	}
	newest := core.NoLeaderEpoch
	for _, e := range s.Epochs.All() {
		if e.Start < point {
			newest = e.Epoch
		}
	}
	if newest == core.NoLeaderEpoch || seen.filed == (filed{s.Life, newest}) {
		return
	}
	seen.filed = filed{s.Life, newest}
	b, _ := c.disks[s.Node].Bytes(dir + "/" + log.EpochCheckpointName)
	list, err := log.ReadEpochCheckpoint(b)
	if err != nil || !slices.ContainsFunc(list, func(e log.EpochStart) bool { return e.Epoch == newest }) {
		c.wrong("points", s.Node, s.Name.String()+": the recovery point is "+offsetText(point)+", and epoch "+
			epochText(newest)+", which begins before, is not in the checkpoint of epochs")
	}
}

package raft

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/record"
)

// OpenJob opens the folder of the metadata log: the log, its snapshots, the election state and the voters. It may be
// cut off between any two file operations and run again.
type OpenJob struct {
	Slot     uint32
	Parent   string
	Dir      string
	Settings log.Settings
	Wall     core.Timestamp
	Clean    bool
	Recovery core.Offset    // from recovery-point-offset-checkpoint, or 0
	Unsure   bool           // that checkpoint is lost
	Static   []record.Voter // controller.quorum.voters

	running bool

	// Results.
	Log       log.OpenJob
	State     ElectionState
	Snapshots []SnapshotID
	History   History
	Err       error
}

// AppendText appends the job's form for traces.
func (j *OpenJob) AppendText(dst []byte) []byte { return append(dst, "open quorum "+j.Dir...) }

// Long tells drivers that the job may take its time.
func (j *OpenJob) Long() bool { return true }

// again makes the job that opens the log behind a snapshot.
func (j *OpenJob) again(SnapshotID) *OpenJob {
	return &OpenJob{Slot: j.Slot, Parent: j.Parent, Dir: j.Dir, Settings: j.Settings, Wall: j.Wall, Static: j.Static}
}

// Run opens everything.
func (j *OpenJob) Run(fs core.FS) {
	for _, step := range [...]func(core.FS) error{j.witnessed, j.list, j.voters, j.openLog, j.readState, j.replay} {
		if err := forgotten(step(fs)); err != nil {
			j.Err = fmt.Errorf("opening %s: %w", j.Dir, err)
			return
		}
	}
}

// witnessed refuses a folder that has leader epochs and no election state: no epoch is written down before the election
// state that knows of it. The log may be gone, too, and the node would look like one that has never voted. It comes
// before the log is opened, which drops epochs that nothing is there of.
func (j *OpenJob) witnessed(fs core.FS) error {
	if _, err := log.ReadFile(fs, j.Dir+"/"+StateFile); !errors.Is(err, core.ErrNotExist) {
		return err
	}
	b, err := log.ReadFile(fs, j.Dir+"/"+log.EpochCheckpointName)
	if errors.Is(err, core.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if epochs, err := log.ReadEpochCheckpoint(b); err == nil && len(epochs) > 0 {
		return fmt.Errorf("%s is missing, and %s says that there was one: restore it, or this node may vote twice in an "+
			"epoch (%w)", StateFile, log.EpochCheckpointName, ErrForgotten)
	}
	return nil // an empty one is written before any election; a damaged one says nothing
}

// list finds the snapshots and removes what is not whole.
func (j *OpenJob) list(fs core.FS) error {
	entries, err := fs.List(j.Dir)
	if errors.Is(err, core.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name, partSuffix) {
			if err := fs.Remove(j.Dir + "/" + e.Name); err != nil {
				return err
			}
		}
		if id, ok := ParseSnapshotName(e.Name); ok && id.End > 0 {
			j.Snapshots = append(j.Snapshots, id)
		}
	}
	slices.SortFunc(j.Snapshots, func(a, b SnapshotID) int {
		if a.End != b.End {
			return int(a.End - b.End)
		}
		return int(a.Epoch - b.Epoch)
	})
	return err
}

// voters reads what the latest snapshot, or the bootstrap checkpoint, says of the quorum. A snapshot that is damaged
// stops the node: the log before it may be gone.
func (j *OpenJob) voters(fs core.FS) error {
	j.History = History{Static: j.Static}
	var id SnapshotID
	if n := len(j.Snapshots); n > 0 {
		id = j.Snapshots[n-1]
	}
	err := ReadSnapshot(fs, j.Dir, id, func(v record.View) error {
		j.History.take(v, true)
		return nil
	})
	if errors.Is(err, core.ErrNotExist) && id == (SnapshotID{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("snapshot %s: %w", id.Name(), err)
	}
	return nil
}

// openLog opens the log from the latest snapshot on. A log that the snapshot is not a prefix of is from before it was
// fetched, and goes (Kafka: KafkaMetadataLog.truncateToLatestSnapshot): a log whose last epoch is later than the
// snapshot's has all that was committed before, and one of the same epoch has it if it is as long.
func (j *OpenJob) openLog(fs core.FS) error {
	var id SnapshotID
	if n := len(j.Snapshots); n > 0 {
		id = j.Snapshots[n-1]
	}
	open := log.OpenJob{Log: j.Slot, Parent: j.Parent, Dir: j.Dir, Topic: core.MetadataTopicID(), Settings: j.Settings,
		Wall: j.Wall, LogStart: core.NoOffset, Clean: j.Clean, Unsure: j.Unsure, Full: true}
	drops, err := j.halfDropped(fs)
	if err != nil {
		return err
	}
	if drops {
		if err := j.dropLog(fs); err != nil {
			return err
		}
		open.LogStart, open.Clean = id.End, false
	} else if id.End > 0 {
		probe := open
		probe.Recovery = j.Recovery
		probe.Run(fs)
		if probe.Err != nil {
			return probe.Err
		}
		r := &probe.Result
		if j.Unsure && r.LogEnd < id.End {
			return fmt.Errorf("%w: the log ends at %d, and the snapshot at %d", ErrForgotten, r.LogEnd, id.End)
		}
		last := r.Epochs.Latest()
		open.Recovery = j.Recovery
		if r.LogEnd < id.End || last < id.Epoch && !(r.LogStart == id.End && r.LogEnd == id.End) {
			if err := j.dropLog(fs); err != nil {
				return err
			}
			drops = true
			open.Recovery = 0 // of the log that is gone
		}
		open.LogStart, open.Clean = id.End, false
	} else {
		open.Recovery = j.Recovery
	}
	j.Log = open
	j.Log.Run(fs)
	if drops && j.Log.Err == nil {
		if err := j.dropped(fs); err != nil {
			return err
		}
	}
	if j.Log.Err == nil && j.Log.Result.LogStart > id.End {
		return fmt.Errorf("the log begins at %d, and there is no snapshot of what was before: %w", j.Log.Result.LogStart,
			ErrForgotten)
	}
	return j.Log.Err
}

// droppingName is a file that is there from when the log before a snapshot is going to be removed until there is
// another one. What a crash leaves meanwhile would look like a log that is damaged: the checkpoint of recovery points
// vouches for all of it.
const droppingName = "dropping-log"

// halfDropped reports whether a crash has cut a removal of the log off. The snapshot that it makes room for was on disk
// before it began.
func (j *OpenJob) halfDropped(fs core.FS) (bool, error) {
	_, err := log.ReadFile(fs, j.Dir+"/"+droppingName)
	if errors.Is(err, core.ErrNotExist) {
		return false, nil
	}
	return err == nil && len(j.Snapshots) > 0, err
}

// dropped takes the note away that the log is being removed, for good: what is appended later must not be removed by
// the next start.
func (j *OpenJob) dropped(fs core.FS) error {
	if err := fs.Remove(j.Dir + "/" + droppingName); err != nil {
		return err
	}
	return fs.SyncDir(j.Dir)
}

// dropLog removes all segments, the last one first.
func (j *OpenJob) dropLog(fs core.FS) error {
	if err := log.WriteAtomically(fs, j.Dir, droppingName, nil); err != nil {
		return err
	}
	entries, err := fs.List(j.Dir)
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(entries) {
		_, suffix, ok := log.ParseFileName(e.Name)
		if e.Name != log.EpochCheckpointName && !(ok && !strings.HasPrefix(suffix, CheckpointSuffix)) {
			continue
		}
		if _, snapshot := ParseSnapshotName(e.Name); snapshot {
			continue
		}
		if err := fs.Remove(j.Dir + "/" + e.Name); err != nil {
			return err
		}
	}
	return fs.SyncDir(j.Dir)
}

// readState reads the election state. A log without one belongs to a node that may vote twice, and is refused.
func (j *OpenJob) readState(fs core.FS) error {
	j.State = ElectionState{Leader: core.NoBroker, Voted: core.NoBroker}
	b, err := log.ReadFile(fs, j.Dir+"/"+StateFile)
	switch {
	case errors.Is(err, core.ErrNotExist) && j.Log.Result.LogEnd == 0:
		return nil
	case errors.Is(err, core.ErrNotExist):
		return fmt.Errorf("%s is missing beside a log that is not empty: restore it, or this node may vote twice in an "+
			"epoch (%w)", StateFile, ErrForgotten)
	case err != nil:
		return err
	}
	if j.State, err = DecodeState(b); err != nil {
		return fmt.Errorf("%w: %w", ErrForgotten, err)
	}
	return nil
}

// replay reads the changes of voters in the log, and whether its leader epochs are those that it was written with: were
// they later, the node would get votes for what it does not have.
//
// An epoch that begins where the log ends is dropped: the checkpoint of leader epochs has outlived a crash, and the
// batch that began it has not. An empty log would look newer than those that have what was committed in an older epoch,
// and would take none of it.
func (j *OpenJob) replay(fs core.FS) error {
	r := &j.Log.Result
	r.Epochs.TruncateEnd(r.LogEnd)
	// Segments may begin below the log start offset, which is where the latest snapshot ends.
	var w witness
	begun := false
	err := log.ReadBatches(fs, j.Dir, r.Segments[0].Base, r.LogEnd, func(v record.View) error {
		right := true
		if v.BaseOffset() >= r.LogStart {
			j.History.take(v, false)
			if n := len(j.Snapshots); n > 0 && j.Snapshots[n-1].End == r.LogStart && !begun {
				last := witness{known: true, epoch: j.Snapshots[n-1].Epoch}
				right = !w.known || w == last
				w = last
			}
			begun = true
		}
		if !w.takes(v) || !right {
			return &log.Damage{Dir: j.Dir, At: v.BaseOffset(), Why: "the leader epoch of a batch is not that of the record " +
				"which began the epoch"}
		}
		return nil
	})
	if err == nil && r.Epochs.Latest() > j.State.Epoch && len(j.History.Voters()) > 1 {
		// The epoch is on disk before anything is taken in it. To a voter that is alone a later one does no harm.
		return &log.Damage{Dir: j.Dir, At: r.LogEnd, Why: "the log has a later leader epoch than " + StateFile}
	}
	return err
}

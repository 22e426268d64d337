package broker

import (
	"errors"
	"fmt"
	"slices"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
)

// forgottenFile in the first log directory says that this node's metadata were damaged or gone, and that it has not got
// them back yet: a voter that has forgotten what it promised must not vote. It is written before what is damaged is put
// aside, so that no crash makes a new node of this one.
const forgottenFile = "metadata-forgotten"

// openVoter opens the metadata log. One that is damaged is put aside, and the node begins anew with what its quorum
// gives it. That is refused to who would have nobody to ask what it has promised: the only voter, and a controller
// whose voters are in the log. A node that is no controller has promised nothing.
func (j *bootJob) openVoter(fs core.FS) error {
	_, err := readAll(fs, j.dirs[0].path+"/"+forgottenFile)
	if err != nil && !errors.Is(err, core.ErrNotExist) {
		return err
	}
	if j.forgetful = err == nil; j.forgetful {
		j.open.Recovery, j.open.Unsure = 0, false // of the log that was put aside
	}
	had := j.open.Recovery > 0
	first := *j.open
	j.open.Run(fs)
	switch damaged := errors.Is(j.open.Err, raft.ErrForgotten); {
	case j.open.Err != nil && !damaged:
		return j.open.Err
	case !damaged && !(j.blank() && (had || j.populated)):
		return nil
	case j.lonely():
		return j.refusal()
	case damaged:
		return j.forget(fs, first, j.open.Err)
	}
	return j.forget(fs, first, errors.New("it is gone"))
}

// lonely reports whether nobody can tell this node what it has promised.
func (j *bootJob) lonely() bool {
	if len(j.voters) == 0 {
		return j.controller || !j.bootstrap
	}
	return !slices.ContainsFunc(j.voters, func(v record.Voter) bool { return v.ID != j.node })
}

// refusal says what can be done where metadata are damaged that cannot be put aside.
func (j *bootJob) refusal() error {
	if j.open.Err == nil || len(j.voters) > 0 || !j.bootstrap {
		return j.open.Err
	}
	return fmt.Errorf("%w. Nothing was removed, and nothing is put aside: this node may be a voter of its quorum, whose "+
		"voters are in the metadata, so that it cannot know whom to ask what it has voted for. Remove it from the quorum "+
		"(ottla quorum remove-voter), start it with an empty folder, and make it a voter again (ottla quorum add-voter)",
		j.open.Err)
}

// blank reports whether the node knows nothing of any quorum.
func (j *bootJob) blank() bool { return j.open.Log.Result.LogEnd == 0 && j.open.State.Epoch == 0 }

// forget puts the metadata aside and begins anew.
func (j *bootJob) forget(fs core.FS, open raft.OpenJob, why error) error {
	root := j.dirs[0].path
	if err := log.WriteAtomically(fs, root, forgottenFile, []byte(why.Error()+"\n")); err != nil {
		return err
	}
	aside := root + "/" + log.StrayDirName(metadataPartition(), j.random.UUID())
	err := fs.Rename(open.Dir, aside)
	if err == nil {
		err = fs.SyncDir(root)
	}
	if err != nil {
		return fmt.Errorf("putting aside %s: %w", open.Dir, err)
	}
	j.forgetful = true
	j.notes = append(j.notes, fmt.Sprintf("The metadata in %s are damaged (%v). They are put aside as %s. This node gets "+
		"them back from its quorum, and does not vote before it has.", open.Dir, why, aside))
	open.Clean, open.Recovery, open.Unsure = false, 0, false
	*j.open = open
	j.open.Run(fs)
	return j.open.Err
}

// rememberedJob removes the marker of a node that has its metadata back.
type rememberedJob struct {
	dir string
	err error
}

// AppendText implements [core.Job].
func (j *rememberedJob) AppendText(dst []byte) []byte { return append(dst, "remembered"...) }

// Run implements [core.Job].
func (j *rememberedJob) Run(fs core.FS) {
	if j.err = fs.Remove(j.dir + "/" + forgottenFile); j.err == nil {
		j.err = fs.SyncDir(j.dir)
	}
}

// remembered has the marker removed when the quorum relies on this node again, and the offset checkpoint no longer
// vouches for the metadata log that was put aside.
func (c *Control) remembered() {
	if c.forgetful && !c.quorum.Recalling() && c.points.written {
		c.forgetful = false
		c.out.Run(&rememberedJob{dir: c.dirs[0].path})
	}
}

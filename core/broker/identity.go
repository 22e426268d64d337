package broker

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/raft"
)

// identify reads the directories' meta.properties and writes them for directories that have none. One that cannot be
// read has failed. Directories that contradict each other or the settings are an error: one that holds data is never
// taken for a new one, or for that of another cluster.
func (j *bootJob) identify(fs core.FS) error {
	fresh := make([]bool, len(j.dirs))
	cluster := ""
	for i := range j.dirs {
		d := &j.dirs[i]
		p, err := ReadMeta(fs, d.path)
		switch {
		case errors.Is(err, core.ErrNotExist):
			if err := unclaimed(fs, d.path); err != nil {
				return err
			}
			fresh[i] = true
		case err != nil:
			d.err = err
		default:
			if err := j.recognise(i, p, &cluster); err != nil {
				return err
			}
			d.err = j.keepMeta(fs, d.path)
		}
	}
	if cluster != "" {
		j.clusterID = cluster
	}
	if j.clusterID == "" {
		// Only folders that could be read are known to have nothing: what cannot be read may be a voter's.
		for i := range j.dirs {
			if err := j.dirs[i].err; err != nil {
				return fmt.Errorf("the log directory %s cannot be used: %w", j.dirs[i].path, err)
			}
		}
		j.homeless = true
		return nil
	}
	for i := range j.dirs {
		if fresh[i] {
			j.dirs[i].id = j.ids[i]
			j.dirs[i].err = j.format(fs, i)
		}
	}
	return nil
}

// format makes a directory this node's own.
func (j *bootJob) format(fs core.FS, i int) error {
	d := &j.dirs[i]
	if err := makeFolder(fs, d.path); err != nil {
		return fmt.Errorf("making the data folder %s: %w", d.path, err)
	}
	if err := beginCheckpoints(fs, d.path); err != nil {
		return err
	}
	if i == 0 && len(j.founder) > 0 {
		self := raft.Voters{{ID: j.node, Directory: d.id, Endpoints: j.founder, MaxKRaftVersion: 1}}
		if err := foundQuorum(fs, d.path, self, j.wall); err != nil {
			return fmt.Errorf("writing the first voters in %s: %w", d.path, err)
		}
	}
	return writeMeta(fs, d.path, metaProperties(j.clusterID, j.node, d.id))
}

// beginCheckpoints writes empty checkpoints into a new log directory: from then on one that is not there has been lost.
func beginCheckpoints(fs core.FS, dir string) error {
	for _, name := range []string{recoveryCheckpointFile, startCheckpointFile, highWatermarkFile} {
		_, err := readAll(fs, dir+"/"+name)
		if errors.Is(err, core.ErrNotExist) {
			err = log.WriteAtomically(fs, dir, name, log.AppendOffsetCheckpoint(nil, nil))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// recognise takes the properties of a directory.
func (j *bootJob) recognise(i int, p map[string]string, cluster *string) error {
	d := &j.dirs[i]
	node := p["node.id"]
	id, ok := core.ParseUUID(p["directory.id"])
	switch {
	case node != strconv.Itoa(int(j.node)):
		return fmt.Errorf("the data folder %s belongs to node %s, but node.id is %d: use the folder's own node.id, or "+
			"another folder in log.dirs", d.path, node, j.node)
	case p["cluster.id"] == "" || *cluster != "" && *cluster != p["cluster.id"]:
		return fmt.Errorf("the data folder %s belongs to cluster %q, another one to %q: log.dirs must name folders of one "+
			"cluster", d.path, p["cluster.id"], *cluster)
	case !ok:
		return fmt.Errorf("the data folder %s has no directory.id in %s", d.path, metaPropertiesFile)
	}
	for k := range i {
		if j.dirs[k].id == id {
			return fmt.Errorf("the data folders %s and %s have the same directory.id: one is a copy of the other; leave "+
				"it out of log.dirs", j.dirs[k].path, d.path)
		}
	}
	*cluster, d.id = p["cluster.id"], id
	return nil
}

// makeFolder makes a folder and its parents, and has each of them known to the disk: a folder whose own entry a crash
// takes away is lost with everything in it, however often that was synced.
func makeFolder(fs core.FS, dir string) error {
	if _, err := fs.List(dir); !errors.Is(err, core.ErrNotExist) {
		return err
	}
	parent := "."
	if i := strings.LastIndexByte(strings.TrimRight(dir, "/"), '/'); i == 0 {
		parent = "/"
	} else if i > 0 {
		parent = dir[:i]
	}
	if parent != "." && parent != "/" {
		if err := makeFolder(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.Mkdir(dir); err != nil {
		return err
	}
	err := fs.SyncDir(parent)
	if parent == "." && errors.Is(err, core.ErrNotExist) {
		return nil // a driver without a working folder
	}
	return err
}

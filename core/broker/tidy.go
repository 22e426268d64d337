package broker

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/metadata"
	"ottla.dev/core/probe"
)

// straySuffix ends the name of a folder that holds a partition which the metadata do not know (Kafka: LogManager).
const straySuffix = "-stray"

// tidyJob brings the log directories in line with the committed metadata, once the broker has those up to its
// registration. Metadata that are merely old must not judge: a partition that they do not know yet would be put aside.
type tidyJob struct {
	boot    *bootJob
	image   *metadata.Image
	deleted map[core.UUID]bool // topics whose removal was committed
	dirs    []logDir

	doomed  []doomed
	notes   []string // for the operator
	reached probe.Set
}

// doomed is a partition's folder that gets another name, under which it is removed, or kept for the operator.
type doomed struct {
	dir, name, to string
	why           string // it is kept; empty if it is removed
}

// AppendText implements [core.Job].
func (j *tidyJob) AppendText(dst []byte) []byte { return append(dst, "tidy"...) }

// Long tells drivers that the job may take its time.
func (j *tidyJob) Long() bool { return true }

// Run implements [core.Job]. The checkpoints forget folders before these go. In the other order a crash in between
// leaves entries without a folder, and when a topic of that name is made again, its new replica counts as lost.
func (j *tidyJob) Run(fs core.FS) {
	for _, step := range []func(core.FS, *logDir) error{j.tidy, j.settle, j.forgetOthers, j.clear} {
		for i := range j.dirs {
			if d := &j.dirs[i]; d.err == nil {
				d.err = step(fs, d)
			}
		}
	}
}

// tidy finishes the removals of folders that the end of the last run cut off: of those that had their new name, and it
// dooms those whose topic was removed by a record that this start has read in the metadata log. The folders of other
// partitions that the metadata do not know are to be put aside. They are kept, for data is never deleted for want of
// metadata, but not in the way of a new partition of the same name. What the checkpoints say of them is dropped: the
// new one would take it for its own. Kafka deletes all of them.
func (j *tidyJob) tidy(fs core.FS, d *logDir) error {
	dir := d.path
	entries, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("listing %s: %w", dir, err)
	}
	j.missFolders(dir)
	for _, e := range entries {
		tp, ok := log.ParseDirName(e.Name)
		switch {
		case !e.Dir:
		case log.IsDeleteDirName(e.Name):
			if err := remove(fs, dir, e.Name); err != nil {
				return err
			}
		case !ok || tp == metadataPartition():
		default:
			if err := j.look(fs, dir, e.Name, tp); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove removes a folder that has the name of a deleted one.
func remove(fs core.FS, dir, name string) error {
	job := log.DeleteJob{Parent: dir, Renamed: dir + "/" + name, Remove: true}
	job.Run(fs)
	return job.Err
}

// look decides what becomes of a partition's folder.
func (j *tidyJob) look(fs core.FS, dir, name string, tp core.TopicPartition) error {
	id, err := topicOf(fs, dir+"/"+name)
	if err != nil {
		return err
	}
	if !id.IsZero() && j.deleted[id] && j.image.TopicByID(id) == nil {
		j.doom(doomed{dir: dir, name: name, to: log.DeleteDirName(tp, j.boot.random.UUID())})
	} else if why := j.stray(tp, id); why != "" {
		j.putAside(dir, name, tp, why)
	}
	return nil
}

// topicOf is the topic id in a partition's folder, zero if there is none or it is damaged: then whoever opens the
// folder has to find out what to make of it.
func topicOf(fs core.FS, folder string) (core.UUID, error) {
	b, err := readAll(fs, folder+"/"+log.PartitionMetadataName)
	if errors.Is(err, core.ErrNotExist) {
		return core.UUID{}, nil
	}
	if err != nil {
		return core.UUID{}, fmt.Errorf("reading %s in %s: %w", log.PartitionMetadataName, folder, err)
	}
	id, err := log.ReadPartitionMetadata(b)
	if err != nil {
		return core.UUID{}, nil
	}
	return id, nil
}

// missFolders notes the partitions of which a checkpoint knows and the folder is gone.
func (j *tidyJob) missFolders(dir string) {
	m := &j.boot.memory
	for _, e := range j.boot.found[dir+"/"+recoveryCheckpointFile] {
		name := e.TopicPartition.String()
		topic := j.image.TopicByName(e.Topic)
		if len(m.holders[name]) > 0 || topic == nil {
			continue
		}
		if p := topic.Partition(e.Partition); p != nil && p.HasReplica(j.boot.node) {
			m.lost[name] = true
		}
	}
}

// stray says why a folder is of no use, empty if it is: the metadata know its partition, and that this broker has a
// replica. One that was taken away while the broker was down would stay for ever (Kafka: LogManager.isStrayReplica).
func (j *tidyJob) stray(tp core.TopicPartition, id core.UUID) (why string) {
	topic := j.image.TopicByName(tp.Topic)
	if topic != nil && (id.IsZero() || topic.ID == id) {
		p := topic.Partition(tp.Partition)
		switch {
		case p != nil && p.HasReplica(j.boot.node):
			return ""
		case p != nil:
			return "belongs to a partition whose replicas are on other brokers by now"
		}
	}
	return "belongs to no partition that the metadata know, perhaps because the topic was deleted long ago"
}

// settle has one copy of each replica: while a directory was away, another one may have got a new one.
func (j *tidyJob) settle(_ core.FS, d *logDir) error {
	for _, name := range slices.Sorted(maps.Keys(j.boot.memory.holders)) {
		tp, ok := log.ParseDirName(name)
		if !ok || tp == metadataPartition() || !slices.Contains(j.boot.memory.holders[name], d.path) {
			continue
		}
		if t := j.image.TopicByName(tp.Topic); t == nil || t.Partition(tp.Partition) == nil ||
			j.belongs(d, name, t.Partition(tp.Partition)) {
			continue
		}
		j.putAside(d.path, name, tp, "is an old copy of a replica that another data folder has")
	}
	return nil
}

// putAside dooms a partition's folder, and keeps what is in it.
func (j *tidyJob) putAside(dir, name string, tp core.TopicPartition, why string) {
	j.reached.Add(probe.StrayFolderSetAside)
	aside := strings.TrimSuffix(log.DeleteDirName(tp, j.boot.random.UUID()), log.DeleteDirSuffix) + straySuffix
	j.doom(doomed{dir: dir, name: name, to: aside, why: why})
}

// doom takes a partition's folder out of use. Its name stays until the checkpoints have forgotten it.
func (j *tidyJob) doom(x doomed) {
	holders := j.boot.memory.holders
	holders[x.name] = slices.DeleteFunc(holders[x.name], func(h string) bool { return h == x.dir })
	j.doomed = append(j.doomed, x)
}

// clear renames the doomed folders of a log directory, and removes those that nobody needs.
func (j *tidyJob) clear(fs core.FS, d *logDir) error {
	for _, x := range j.doomed {
		if x.dir != d.path {
			continue
		}
		if err := fs.Rename(x.dir+"/"+x.name, x.dir+"/"+x.to); err != nil {
			return fmt.Errorf("renaming %s/%s: %w", x.dir, x.name, err)
		}
		if err := fs.SyncDir(x.dir); err != nil {
			return err
		}
		if x.why != "" {
			j.notes = append(j.notes, fmt.Sprintf("%s/%s %s; it is put aside as %s and can be removed", x.dir, x.name, x.why,
				x.to))
		} else if err := remove(fs, x.dir, x.to); err != nil {
			return err
		}
	}
	return nil
}

func (j *tidyJob) forgetOthers(fs core.FS, d *logDir) error {
	return j.boot.forgetOthers(fs, d.path)
}

// belongs reports whether a replica is the one in this directory: there is no other, or the metadata say so, or they
// name none of those that have it and this is the first.
func (j *tidyJob) belongs(d *logDir, name string, p *metadata.Partition) bool {
	holders := j.boot.memory.holders[name]
	if len(holders) < 2 {
		return true
	}
	assigned, _ := p.Directory(j.boot.node)
	for i := range j.dirs {
		if x := &j.dirs[i]; x.id == assigned && slices.Contains(holders, x.path) {
			return x == d
		}
	}
	return holders[0] == d.path
}

// forgetOthers drops, on the disk too, what the checkpoints of a log directory say of partitions that are not in it.
func (j *bootJob) forgetOthers(fs core.FS, dir string) error {
	for _, c := range j.checkpointFiles() {
		var kept []log.OffsetEntry
		for _, e := range j.found[dir+"/"+c.file] {
			name := e.TopicPartition.String()
			if slices.Contains(j.memory.holders[name], dir) || j.memory.lost[name] {
				kept = append(kept, e)
			} else {
				delete(c.into, dir+"/"+name)
			}
		}
		if len(kept) == len(j.found[dir+"/"+c.file]) {
			continue
		}
		write := log.AppendOffsetCheckpoint
		if j.unvouched[dir+"/"+c.file] {
			write = log.AppendKafkaOffsets // it does not become one that leads
		}
		if err := log.WriteAtomically(fs, dir, c.file, write(nil, kept)); err != nil {
			return err
		}
	}
	return nil
}

// noteDeletions remembers, while a start is not tidied yet, which topics the committed records remove. Such a record is
// proof, for ids are never used again. That an image does not know a topic is none, nor is it that a snapshot of the
// leader's lacks what this node's own metadata had: the quorum may have been made anew. What is removed while the start
// is being tidied, by a job that has the map, the shards remove.
func (c *Control) noteDeletions(records []metadata.Record) {
	if c.booting == nil || c.tidying {
		return
	}
	for _, r := range records {
		if gone, ok := r.(*metadata.RemoveTopicRecord); ok {
			c.deleted[gone.Topic] = true
		}
	}
}

// checkpointFile is an offset checkpoint and where its offsets are remembered.
type checkpointFile struct {
	file string
	into map[string]core.Offset
}

func (j *bootJob) checkpointFiles() []checkpointFile {
	return []checkpointFile{{recoveryCheckpointFile, j.memory.recovery}, {startCheckpointFile, j.memory.logStart},
		{highWatermarkFile, j.memory.marks}}
}

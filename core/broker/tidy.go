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
)

// straySuffix ends the name of a folder that holds a partition which the metadata do not know (Kafka: LogManager).
const straySuffix = "-stray"

// tidyJob brings the log directories in line with the committed metadata, once the broker has those up to its
// registration. Metadata that are merely old must not judge: a partition that they do not know yet would be put aside.
type tidyJob struct {
	boot  *bootJob
	image *metadata.Image
	dirs  []logDir

	notes []string // for the operator
}

// AppendText implements [core.Job].
func (j *tidyJob) AppendText(dst []byte) []byte { return append(dst, "tidy"...) }

// Long tells drivers that the job may take its time.
func (j *tidyJob) Long() bool { return true }

// Run implements [core.Job].
func (j *tidyJob) Run(fs core.FS) {
	for _, step := range []func(core.FS, *logDir) error{j.tidy, j.settle} {
		for i := range j.dirs {
			if d := &j.dirs[i]; d.err == nil {
				d.err = step(fs, d)
			}
		}
	}
}

// tidy finishes the removals of folders that a crash cut off, and puts aside the folders of partitions that the
// metadata do not know: deleted ones whose folder was still there at the crash. They are kept, for data is never
// deleted for want of metadata, but not in the way of a new partition of the same name. What the checkpoints say of
// them is dropped: the new one would take it for its own.
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
			job := log.DeleteJob{Parent: dir, Renamed: dir + "/" + e.Name, Remove: true}
			if job.Run(fs); job.Err != nil {
				return job.Err
			}
		case !ok || tp == metadataPartition():
		default:
			why, err := j.stray(fs, dir, e.Name, tp)
			if err == nil && why != "" {
				err = j.putAside(fs, dir, e.Name, tp, why)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
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
func (j *tidyJob) stray(fs core.FS, dir, name string, tp core.TopicPartition) (why string, err error) {
	topic := j.image.TopicByName(tp.Topic)
	b, err := readAll(fs, dir+"/"+name+"/"+log.PartitionMetadataName)
	switch {
	case err == nil:
		// If it is damaged, whoever opens the folder has to find out what to make of it.
		if id, err := log.ReadPartitionMetadata(b); err == nil && topic != nil && topic.ID != id {
			topic = nil
		}
	case !errors.Is(err, core.ErrNotExist):
		return "", fmt.Errorf("reading %s in %s/%s: %w", log.PartitionMetadataName, dir, name, err)
	}
	if topic != nil {
		p := topic.Partition(tp.Partition)
		switch {
		case p != nil && p.HasReplica(j.boot.node):
			return "", nil
		case p != nil:
			return "belongs to a partition whose replicas are on other brokers by now", nil
		}
	}
	return "belongs to no partition that the metadata know, because the topic was deleted", nil
}

// settle has one copy of each replica: while a directory was away, another one may have got a new one.
func (j *tidyJob) settle(fs core.FS, d *logDir) error {
	for _, name := range slices.Sorted(maps.Keys(j.boot.memory.holders)) {
		tp, ok := log.ParseDirName(name)
		if !ok || tp == metadataPartition() || !slices.Contains(j.boot.memory.holders[name], d.path) {
			continue
		}
		if t := j.image.TopicByName(tp.Topic); t == nil || t.Partition(tp.Partition) == nil ||
			j.belongs(d, name, t.Partition(tp.Partition)) {
			continue
		}
		err := j.putAside(fs, d.path, name, tp, "is an old copy of a replica that another data folder has")
		if err != nil {
			return err
		}
	}
	return j.boot.forgetOthers(fs, d.path)
}

// putAside renames a partition's folder.
func (j *tidyJob) putAside(fs core.FS, dir, name string, tp core.TopicPartition, why string) error {
	aside := strings.TrimSuffix(log.DeleteDirName(tp, j.boot.random.UUID()), log.DeleteDirSuffix) + straySuffix
	if err := fs.Rename(dir+"/"+name, dir+"/"+aside); err != nil {
		return fmt.Errorf("renaming %s/%s: %w", dir, name, err)
	}
	holders := j.boot.memory.holders
	holders[name] = slices.DeleteFunc(holders[name], func(h string) bool { return h == dir })
	j.notes = append(j.notes, fmt.Sprintf("%s/%s %s; it is put aside as %s and can be removed", dir, name, why, aside))
	return fs.SyncDir(dir)
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
		if err := log.WriteAtomically(fs, dir, c.file, log.AppendOffsetCheckpoint(nil, kept)); err != nil {
			return err
		}
	}
	return nil
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

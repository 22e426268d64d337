package broker

import (
	"slices"
	"time"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
	"ottla.dev/core/probe"
)

// logDir is a log directory as control knows it. The first of control's list holds the metadata log.
type logDir struct {
	path string
	id   core.UUID // zero if it could not be read
	err  error     // why it is offline, nil while it is used
	// apart is a folder of the metadata log that is not one of log.dirs: no replicas are put there.
	apart bool
}

// logDirs lists the configured directories, that of the metadata first.
func logDirs(cfg Config) []logDir {
	metadata := cfg.MetadataDir
	if metadata == "" {
		metadata = cfg.LogDirs[0]
	}
	list := []logDir{{path: metadata, apart: !slices.Contains(cfg.LogDirs, metadata)}}
	for _, dir := range cfg.LogDirs {
		if dir != metadata {
			list = append(list, logDir{path: dir})
		}
	}
	return list
}

// offlineDirs is what control has to say of failed log directories.
//
// Invariant: untold is core.Never unless a directory failed that the controller has not acknowledged to know of.
type offlineDirs struct {
	ids    [][16]byte    // those that failed after the registration was asked for
	told   int           // how many of ids the controller knows of
	untold time.Duration // when the broker gives up to tell it (log.dir.failure.timeout.ms)
}

// takeDirs takes what a job found: directories that cannot be used.
func (c *Control) takeDirs(found []logDir) {
	for i := range found {
		if d := &c.dirs[i]; d.err == nil && found[i].err != nil {
			c.dirs[i].id = found[i].id
			if c.dirFailed(d.path, found[i].err); c.halted {
				return
			}
		}
		c.dirs[i].id = found[i].id
	}
}

// dirFailed takes a log directory out of use (KIP-112): its replicas go offline, the controller finds other leaders.
// Without the metadata, or without any directory for replicas, the broker ends (Kafka: LogManager.handleLogDirFailure).
func (c *Control) dirFailed(path string, err error) {
	i := slices.IndexFunc(c.dirs, func(d logDir) bool { return d.path == path })
	if i < 0 || c.dirs[i].err != nil {
		return
	}
	d := &c.dirs[i]
	d.err = err
	c.out.Offline = append(c.out.Offline, path)
	switch {
	case i == 0:
		c.halt("The log directory " + path + " failed (" + err.Error() + "). What was acknowledged is on disk up to " +
			"there; nothing later was. Check the disk, then start the broker again: it recovers by itself.")
		return
	case !slices.ContainsFunc(c.dirs, func(d logDir) bool { return d.err == nil && !d.apart }):
		c.halt("All log directories have failed, " + path + " last (" + err.Error() + "). Check the disks, then start the " +
			"broker again: it recovers by itself.")
		return
	}
	c.out.Sometimes(probe.DirectoryGivenUp)
	c.out.Note(core.Fail, "The log directory "+path+" failed ("+err.Error()+"). Its partitions are offline on this "+
		"broker, the others go on. Check the disk, then start the broker again.")
	c.offline.ids = append(c.offline.ids, d.id)
	if c.offline.untold == core.Never {
		c.offline.untold = c.now.Mono + time.Duration(c.settings.LogDirFailureTimeoutMs)*time.Millisecond
	}
	if c.published != nil {
		c.dirsMoved = true
		c.publish(c.published)
	}
	if c.epoch >= 0 && c.phase <= leaving {
		c.beatAnew()
	}
}

// dirsTold notes that the controller has taken a heartbeat with the first n failed directories.
func (c *Control) dirsTold(n int) {
	c.offline.told = max(c.offline.told, n)
	if c.offline.told == len(c.offline.ids) {
		c.offline.untold = core.Never
	}
}

// onlineIDs are the directories that the broker registers.
func (c *Control) onlineIDs() [][16]byte {
	var ids [][16]byte
	for _, d := range c.dirs {
		if d.err == nil && !d.apart {
			ids = append(ids, d.id)
		}
	}
	return ids
}

// viewDirs is what shards and sessions know of the log directories.
func (c *Control) viewDirs() []api.LogDir {
	var list []api.LogDir
	for _, d := range c.dirs {
		if !d.apart {
			list = append(list, api.LogDir{Path: d.path, ID: d.id, Offline: d.err})
		}
	}
	return list
}

// directoryID is the id of a log directory.
func (c *Control) directoryID(path string) core.UUID {
	for _, d := range c.dirs {
		if d.path == path {
			return d.id
		}
	}
	panic("broker: a replica is in none of the log directories")
}

// directory is the log directory of a partition that is opened: the one that has it already, the one that the metadata
// name, or the one with the fewest replicas (Kafka: LogManager.getOrCreateLog). fresh says that the broker has only now
// become a replica. If it has not, what it had may lie in a directory that is offline: then that is where the replica
// is, and to begin another one elsewhere would be to forget what was acknowledged.
func (s *Shard) directory(p *metadata.Partition, name string, fresh bool) api.LogDir {
	assigned, _ := p.Directory(s.cluster.Self)
	var there, holder, away *api.LogDir // the one that is named; one that has it; one that is offline
	for i := range s.cluster.LogDirs {
		d := &s.cluster.LogDirs[i]
		named := d.ID == assigned
		switch {
		case d.Offline != nil:
			if away == nil || named {
				away = d
			}
			continue
		case named:
			there = d
		}
		if slices.Contains(s.disk.holders[name], d.Path) && (holder == nil || named) {
			holder = d
		}
	}
	switch {
	case holder != nil && (there != nil || away == nil || metadata.ReservedDirectory(assigned)):
		return *holder
	case there != nil:
		return *there
	case away != nil && !fresh:
		return *away // and what an online directory has of it is an old copy
	}
	return s.emptiest()
}

// away reports whether the metadata name a directory that this broker does not have any more.
func (s *Shard) away(p *metadata.Partition) bool {
	id, ok := p.Directory(s.cluster.Self)
	return ok && !metadata.ReservedDirectory(id) &&
		!slices.ContainsFunc(s.cluster.LogDirs, func(d api.LogDir) bool { return d.ID == id })
}

// locate tells the controller where a replica is, if the metadata say something else (KIP-858). Of one that is doubted,
// here or in the metadata, it is told when that is over.
func (s *Shard) locate(p *metadata.Partition, id core.TopicIDPartition, dir api.LogDir, doubted bool) {
	assigned, _ := p.Directory(s.cluster.Self)
	if dir.Offline == nil && assigned != dir.ID && assigned != metadata.LostDirectory() && !doubted {
		s.set.Standings = append(s.set.Standings, partition.Standing{ID: id, Dir: dir.Path})
	}
}

// emptiest is the directory with the fewest of this shard's replicas. Shards begin to count at different ones, so that
// the replicas of all shards together are spread, too.
func (s *Shard) emptiest() api.LogDir {
	dirs := s.cluster.LogDirs
	if len(dirs) == 1 && dirs[0].Offline == nil {
		return dirs[0] // which need not be counted
	}
	best, fewest := -1, 0
	for i := range dirs {
		k := (i + int(s.index)) % len(dirs)
		if dirs[k].Offline != nil {
			continue
		}
		if n := s.set.CountIn(dirs[k].Path); best < 0 || n < fewest {
			best, fewest = k, n
		}
	}
	if best < 0 {
		panic("broker: a replica is to be placed, and no log directory is in use")
	}
	return dirs[best]
}

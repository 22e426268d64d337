package broker

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/log"
	"ottla.dev/core/metadata"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
)

// Files of a log directory (Kafka: MetaPropertiesEnsemble, CleanShutdownFileHandler, LogManager).
const (
	metaPropertiesFile     = "meta.properties"
	cleanShutdownFile      = ".kafka_cleanshutdown"
	recoveryCheckpointFile = "recovery-point-offset-checkpoint"
	startCheckpointFile    = "log-start-offset-checkpoint"
	highWatermarkFile      = "replication-offset-checkpoint"
)

// controlLog is the slot of the metadata log, control's only one.
const controlLog = 1

// bootJob reads, or on the first start makes, everything that must be known before the broker can do anything: who it
// is, what its log directories hold, and the metadata log. A directory that cannot be read is left out, unless it is
// that of the metadata.
type bootJob struct {
	node       core.BrokerID
	dirs       []logDir // the paths are given, the rest is found
	clusterID  string   // for a new cluster
	ids        []core.UUID
	random     core.PRNG // names folders that are put aside
	wall       core.Timestamp
	settings   log.Settings
	voters     raft.Voters
	controller bool              // it may be a voter
	bootstrap  bool              // it knows whom to ask who the voters are
	founder    []record.Endpoint // of a node that, if it has no data, makes a cluster and is its first voter

	memory      diskMemory
	brokerEpoch core.BrokerEpoch
	open        *raft.OpenJob
	found       map[string][]log.OffsetEntry // what each checkpoint file holds, by its path
	unvouched   map[string]bool              // paths of those that Kafka has written
	notes       []string                     // for the operator
	populated   bool                         // a log directory holds a partition beside the metadata
	image       *metadata.Image              // of the latest snapshot
	first       []metadata.Record            // that the folder was formatted with
	unfounded   error                        // why first cannot be read, if nothing is known of any metadata
	forgetful   bool                         // a voter that has lost its metadata
	homeless    bool                         // nobody knows which cluster the folders are to belong to
	err         error
}

// AppendText implements [core.Job].
func (j *bootJob) AppendText(dst []byte) []byte { return append(dst, "boot"...) }

// Long tells drivers that the job may take its time.
func (j *bootJob) Long() bool { return true }

// Run implements [core.Job].
func (j *bootJob) Run(fs core.FS) {
	j.memory = newDiskMemory()
	j.found, j.unvouched = map[string][]log.OffsetEntry{}, map[string]bool{}
	if j.err = j.identify(fs); j.err != nil || j.homeless {
		return
	}
	epochs := make([]core.BrokerEpoch, len(j.dirs))
	for i := range j.dirs {
		if d := &j.dirs[i]; d.err == nil {
			epochs[i], d.err = j.remember(fs, d.path)
		}
		if j.dirs[i].err != nil {
			j.leaveOut(j.dirs[i].path)
		}
	}
	// Only a clean end of all that there is shows that nothing can be missing (Kafka:
	// LogManager.readBrokerEpochFromCleanShutdownFiles).
	j.brokerEpoch = epochs[0]
	for i := range j.dirs {
		if j.dirs[i].err != nil || epochs[i] != epochs[0] {
			j.brokerEpoch = -1
		}
	}
	j.err = j.openMetadata(fs)
}

// leaveOut drops what was found in a directory that failed then.
func (j *bootJob) leaveOut(dir string) {
	//core:unordered each entry is handled alone
	for name, holders := range j.memory.holders {
		j.memory.holders[name] = slices.DeleteFunc(holders, func(h string) bool { return h == dir })
	}
}

// remember reads what a log directory says about its partitions, and the broker epoch of its clean shutdown, if it had
// one. The marker of that is taken away at once, so that a crash from here on is seen as one. Every directory has its
// checkpoints from its first day on: if one is damaged or gone, nothing is known of what it said.
func (j *bootJob) remember(fs core.FS, dir string) (core.BrokerEpoch, error) {
	entries, err := fs.List(dir)
	if err != nil {
		return -1, fmt.Errorf("listing %s: %w", dir, err)
	}
	for _, e := range entries {
		if tp, ok := log.ParseDirName(e.Name); e.Dir && ok {
			j.memory.holders[e.Name] = append(j.memory.holders[e.Name], dir)
			j.populated = j.populated || tp != metadataPartition()
		}
	}
	epoch := core.BrokerEpoch(-1)
	marker, err := readAll(fs, dir+"/"+cleanShutdownFile)
	if err == nil {
		j.memory.clean[dir], epoch = true, parseMarker(string(marker))
		if err = fs.Remove(dir + "/" + cleanShutdownFile); err == nil {
			err = fs.SyncDir(dir)
		}
		if err != nil {
			return -1, fmt.Errorf("removing %s in %s: %w", cleanShutdownFile, dir, err)
		}
	} else if !errors.Is(err, core.ErrNotExist) {
		return -1, fmt.Errorf("reading %s in %s: %w", cleanShutdownFile, dir, err)
	}
	for _, c := range j.checkpointFiles() {
		b, err := readAll(fs, dir+"/"+c.file)
		if err != nil && !errors.Is(err, core.ErrNotExist) {
			// A disk that cannot be read is no damage: replicas would be given up that are there.
			return -1, fmt.Errorf("reading %s in %s: %w", c.file, dir, err)
		}
		var offsets []log.OffsetEntry
		if err == nil {
			offsets, err = log.ReadOffsetCheckpoint(b)
		}
		if err != nil {
			if c.file != highWatermarkFile { // a high watermark that is not known is found again
				j.memory.unsure[dir] = true
				j.notes = append(j.notes, dir+"/"+c.file+" cannot be read ("+err.Error()+"): all logs in "+dir+" are checked")
			}
			continue
		}
		j.found[dir+"/"+c.file], j.unvouched[dir+"/"+c.file] = offsets, !log.OffsetsVouched(b)
		if c.file == startCheckpointFile {
			j.memory.ahead[dir] = log.OffsetsVouched(b)
		}
		for _, e := range offsets {
			c.into[dir+"/"+e.TopicPartition.String()] = e.Offset
		}
	}
	return epoch, nil
}

// parseMarker reads the broker epoch from {"version":0,"brokerEpoch":N}; -1 if it has none.
func parseMarker(text string) core.BrokerEpoch {
	_, after, ok := strings.Cut(text, `"brokerEpoch":`)
	if !ok {
		return -1
	}
	n, err := strconv.ParseInt(strings.TrimRight(strings.TrimSpace(after), "} \n"), 10, 64)
	if err != nil {
		return -1
	}
	return core.BrokerEpoch(n)
}

func marker(epoch core.BrokerEpoch) []byte {
	return []byte(`{"version":0,"brokerEpoch":` + strconv.FormatInt(int64(epoch), 10) + "}")
}

// openMetadata opens the metadata log, and reads the latest snapshot of it. Nothing goes without its directory.
func (j *bootJob) openMetadata(fs core.FS) error {
	if j.dirs[0].err != nil {
		return fmt.Errorf("the log directory of the metadata cannot be used: %w", j.dirs[0].err)
	}
	root, name := j.dirs[0].path, metadataPartition()
	var damaged error
	j.first, damaged = readBootstrap(fs, root)
	j.open = &raft.OpenJob{Slot: controlLog, Parent: root, Dir: root + "/" + name.String(), Wall: j.wall,
		Settings: j.settings, Clean: j.memory.clean[root], Recovery: j.memory.recovery[root+"/"+name.String()],
		Unsure: j.memory.unsure[root], Static: j.voters}
	if err := j.openVoter(fs); err != nil {
		return fmt.Errorf("opening the metadata log: %w", err)
	}
	if j.blank() && j.populated && !j.forgetful {
		return fmt.Errorf("%s has no metadata, but log.dirs hold partitions: restore it, or name the folder that has it "+
			"with metadata.log.dir", j.open.Dir)
	}
	switch {
	case damaged == nil:
	case j.blank() && !j.forgetful:
		// Others of the cluster may have begun long ago, and this node was stopped before it had heard anything of that.
		j.unfounded = damaged
		j.notes = append(j.notes, damaged.Error()+". It is needed only if this node begins the metadata of its cluster.")
	default: // it is of use at the very first start only
		j.notes = append(j.notes, damaged.Error()+". It is not needed any more, and can be removed.")
	}
	j.image = metadata.NewImage(j.clusterID)
	if n := len(j.open.Snapshots); n > 0 {
		load := imageJob{dir: j.open.Dir, id: j.open.Snapshots[n-1], clusterID: j.clusterID}
		if load.Run(fs); load.err != nil {
			return fmt.Errorf("reading the metadata snapshot %s: %w", load.id.Name(), load.err)
		}
		j.image = load.image
	}
	return nil
}

// metadataPartition names the metadata log.
func metadataPartition() core.TopicPartition { return core.TopicPartition{Topic: api.MetadataTopic} }

// maxSmallFile bounds the small files that are read whole, in bytes.
const maxSmallFile = 64 << 20

func readAll(fs core.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Refresh(); err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > maxSmallFile {
		return nil, fmt.Errorf("%s has %d bytes, more than such a file can have", path, size)
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	return b[:n], err
}

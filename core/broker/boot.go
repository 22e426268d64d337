package broker

import (
	"errors"
	"fmt"
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
// is, what its log directories hold, and the metadata log.
type bootJob struct {
	node      core.BrokerID
	dirs      []string
	clusterID string      // for a new cluster
	ids       []core.UUID // for new directories
	random    core.PRNG   // names folders that are put aside
	wall      core.Timestamp
	settings  log.Settings
	voters    raft.Voters
	founder   []record.Endpoint // of a node that, if it has no data, makes a cluster and is its first voter

	memory      diskMemory
	directories []core.UUID // of dirs
	brokerEpoch core.BrokerEpoch
	open        *raft.OpenJob
	found       map[string][]log.OffsetEntry // what each checkpoint file holds, by its path
	notes       []string                     // for the operator
	populated   bool                         // a log directory holds a partition beside the metadata
	image       *metadata.Image              // of the latest snapshot
	first       []metadata.Record            // that the folder was formatted with
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
	j.memory = diskMemory{directories: map[core.UUID]string{}, holders: map[string]string{}, clean: map[string]bool{},
		unsure: map[string]bool{}, lost: map[string]bool{},
		recovery: map[string]core.Offset{}, logStart: map[string]core.Offset{},
		marks: map[string]core.Offset{}}
	j.brokerEpoch, j.found = -1, map[string][]log.OffsetEntry{}
	if j.clusterID == "" {
		j.clusterID = knownCluster(fs, j.dirs)
	}
	if j.homeless = j.clusterID == ""; j.homeless {
		return
	}
	found := ""
	for i, dir := range j.dirs {
		if j.err = j.identify(fs, i, dir, &found); j.err != nil {
			return
		}
		if j.err = j.remember(fs, dir); j.err != nil {
			return
		}
	}
	if j.first, j.err = readBootstrap(fs, j.dirs[0]); j.err == nil {
		j.err = j.openMetadata(fs)
	}
}

// identify reads the directory's meta.properties, or writes one for a directory that has none. A directory that holds
// data is never taken for a new one of another cluster.
func (j *bootJob) identify(fs core.FS, i int, dir string, found *string) error {
	if err := makeFolder(fs, dir); err != nil {
		return fmt.Errorf("making the data folder %s: %w", dir, err)
	}
	b, err := readAll(fs, dir+"/"+metaPropertiesFile)
	if errors.Is(err, core.ErrNotExist) {
		if *found != "" {
			j.clusterID = *found
		}
		for _, c := range j.checkpointFiles() {
			if err := j.begin(fs, dir, c.file); err != nil {
				return err
			}
		}
		j.directories = append(j.directories, j.ids[i])
		*found = j.clusterID
		j.memory.directories[j.ids[i]] = dir
		if i == 0 && len(j.founder) > 0 {
			self := raft.Voters{{ID: j.node, Directory: j.ids[0], Endpoints: j.founder, MaxKRaftVersion: 1}}
			if err := foundQuorum(fs, dir, self, j.wall); err != nil {
				return fmt.Errorf("writing the first voters in %s: %w", dir, err)
			}
		}
		return log.WriteAtomically(fs, dir, metaPropertiesFile, metaProperties(j.clusterID, j.node, j.ids[i]))
	}
	if err != nil {
		return fmt.Errorf("reading %s in %s: %w", metaPropertiesFile, dir, err)
	}
	p := parseMeta(string(b))
	node := p["node.id"]
	if node == "" {
		node = p["broker.id"]
	}
	id, ok := core.ParseUUID(p["directory.id"])
	switch {
	case node != strconv.Itoa(int(j.node)):
		return fmt.Errorf("the data folder %s belongs to node %s, but node.id is %d: use the folder's own node.id, or "+
			"another folder in log.dirs", dir, node, j.node)
	case p["cluster.id"] == "" || *found != "" && *found != p["cluster.id"]:
		return fmt.Errorf("the data folder %s belongs to cluster %q, another one to %q: log.dirs must name folders of one "+
			"cluster", dir, p["cluster.id"], *found)
	case !ok:
		return fmt.Errorf("the data folder %s has no directory.id in %s", dir, metaPropertiesFile)
	}
	*found, j.clusterID = p["cluster.id"], p["cluster.id"]
	j.directories = append(j.directories, id)
	j.memory.directories[id] = dir
	return nil
}

// begin writes an empty checkpoint into a new log directory: from then on one that is not there has been lost.
func (j *bootJob) begin(fs core.FS, dir, name string) error {
	if _, err := readAll(fs, dir+"/"+name); !errors.Is(err, core.ErrNotExist) {
		return err
	}
	return log.WriteAtomically(fs, dir, name, log.AppendOffsetCheckpoint(nil, nil))
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

func parseMeta(text string) map[string]string {
	p := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			p[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return p
}

// remember reads what a log directory says about its partitions. The clean shutdown marker is taken away at once, so
// that a crash from here on is seen as one. Every directory has its checkpoints from its first day on: if one is
// damaged or gone, nothing is known of what it said.
func (j *bootJob) remember(fs core.FS, dir string) error {
	entries, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("listing %s: %w", dir, err)
	}
	for _, e := range entries {
		if tp, ok := log.ParseDirName(e.Name); e.Dir && ok {
			j.memory.holders[e.Name] = dir
			j.populated = j.populated || tp != metadataPartition()
		}
	}
	marker, err := readAll(fs, dir+"/"+cleanShutdownFile)
	if err == nil {
		j.memory.clean[dir] = true
		j.brokerEpoch = parseMarker(string(marker))
		if err = fs.Remove(dir + "/" + cleanShutdownFile); err == nil {
			err = fs.SyncDir(dir)
		}
		if err != nil {
			return fmt.Errorf("removing %s in %s: %w", cleanShutdownFile, dir, err)
		}
	} else if !errors.Is(err, core.ErrNotExist) {
		return fmt.Errorf("reading %s in %s: %w", cleanShutdownFile, dir, err)
	}
	for _, c := range j.checkpointFiles() {
		b, err := readAll(fs, dir+"/"+c.file)
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
		j.found[dir+"/"+c.file] = offsets
		for _, e := range offsets {
			c.into[e.TopicPartition.String()] = e.Offset
		}
	}
	return nil
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

// openMetadata opens the metadata log, and reads the latest snapshot of it.
func (j *bootJob) openMetadata(fs core.FS) error {
	root, name := j.dirs[0], metadataPartition()
	j.open = &raft.OpenJob{Slot: controlLog, Parent: root, Dir: root + "/" + name.String(), Wall: j.wall,
		Settings: j.settings, Clean: j.memory.clean[root], Recovery: j.memory.recovery[name.String()],
		Unsure: j.memory.unsure[root], Static: j.voters}
	if err := j.openVoter(fs); err != nil {
		return fmt.Errorf("opening the metadata log: %w", err)
	}
	if j.blank() && j.populated && !j.forgetful {
		return fmt.Errorf("%s has no metadata, but log.dirs hold partitions: restore it, or name the folder that has it "+
			"first in log.dirs", j.open.Dir)
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

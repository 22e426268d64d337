package broker

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/controller"
	"ottla.dev/core/metadata"
	"ottla.dev/core/raft"
	"ottla.dev/core/record"
)

// bootstrapFile holds the records that a new cluster's metadata begin with, in the metadata log's data folder (Kafka:
// BootstrapDirectory).
const bootstrapFile = "bootstrap.checkpoint"

// FormatJob makes data folders a node's own, before its first start: Kafka's explicit way to begin (KIP-853's
// kafka-storage format). A node whose folders nobody has formatted formats them itself.
//
// meta.properties comes last in each folder: what a crash leaves is not formatted, and is formatted again.
type FormatJob struct {
	Dirs      []string
	Metadata  string // the one of Dirs that holds the metadata log
	Node      core.BrokerID
	ClusterID string
	IDs       []core.UUID // of Dirs
	// Voters are the first voters of a quorum of kraft.version 1. Without them the node has those of its configuration,
	// or joins a quorum that there is.
	Voters raft.Voters
	// Features are levels for the new cluster that differ from what it would begin with.
	Features []metadata.Feature
	// Skip passes over folders that are formatted. Otherwise they are an error.
	Skip bool
	Wall core.Timestamp

	// Results: folders by what was found.
	Formatted, Found []string
	Err              error
}

// AppendText implements [core.Job].
func (j *FormatJob) AppendText(dst []byte) []byte { return append(dst, "format"...) }

// Run implements [core.Job]. It looks at all folders before it writes to any.
func (j *FormatJob) Run(fs core.FS) {
	for _, dir := range j.Dirs {
		known, err := ReadMeta(fs, dir)
		switch {
		case errors.Is(err, core.ErrNotExist):
			continue
		case err != nil:
			j.Err = err
			return
		case !j.Skip:
			j.Err = fmt.Errorf("the data folder %s is formatted already, for node %s of cluster %s; with --ignore-formatted "+
				"such folders are left as they are", dir, known["node.id"], known["cluster.id"])
			return
		case known["cluster.id"] != j.ClusterID || known["node.id"] != strconv.Itoa(int(j.Node)):
			j.Err = fmt.Errorf("the data folder %s belongs to node %s of cluster %s, not to node %d of cluster %s", dir,
				known["node.id"], known["cluster.id"], j.Node, j.ClusterID)
			return
		}
		j.Found = append(j.Found, dir)
	}
	for i, dir := range j.Dirs {
		if slices.Contains(j.Found, dir) {
			continue
		}
		if err := j.format(fs, dir, j.IDs[i]); err != nil {
			j.Err = fmt.Errorf("formatting %s: %w", dir, err)
			return
		}
		j.Formatted = append(j.Formatted, dir)
	}
}

func (j *FormatJob) format(fs core.FS, dir string, id core.UUID) error {
	if err := makeFolder(fs, dir); err != nil {
		return err
	}
	if err := beginCheckpoints(fs, dir); err != nil {
		return err
	}
	if dir == j.Metadata {
		if err := j.bootstrap(fs, dir); err != nil {
			return err
		}
		if j.Voters != nil {
			if err := foundQuorum(fs, dir, j.Voters, j.Wall); err != nil {
				return err
			}
		}
	}
	return writeMeta(fs, dir, metaProperties(j.ClusterID, j.Node, id))
}

// bootstrap writes the first records of the new cluster.
func (j *FormatJob) bootstrap(fs core.FS, dir string) error {
	job := raft.SnapshotJob{Dir: dir, File: bootstrapFile, LastContained: j.Wall,
		Records: func(yield func([]byte) bool) {
			for _, r := range bootstrapRecords(j.Features) {
				if !yield(metadata.AppendRecord(nil, r)) {
					return
				}
			}
		}}
	job.Run(fs)
	return job.Err
}

// bootstrapRecords are what a new cluster begins with, with other levels for the given features.
func bootstrapRecords(features []metadata.Feature) []metadata.Record {
	records := controller.Bootstrap(bootstrapFeatures()...)
	for _, f := range features {
		at := slices.IndexFunc(records, func(r metadata.Record) bool {
			return r.(*metadata.FeatureLevelRecord).Name == f.Name
		})
		if at < 0 {
			records = append(records, &metadata.FeatureLevelRecord{Name: f.Name, Level: f.Level})
		} else {
			records[at] = &metadata.FeatureLevelRecord{Name: f.Name, Level: f.Level}
		}
	}
	return records
}

// readBootstrap reads what the folder was formatted with; nil if there is no such file.
func readBootstrap(fs core.FS, dir string) ([]metadata.Record, error) {
	var all []metadata.Record
	codecs := record.NewCodecs(0)
	err := raft.ReadSnapshotFile(fs, dir+"/"+bootstrapFile, func(v record.View) error {
		records, err := metadataRecords(v, codecs)
		all = append(all, records...)
		return err
	})
	if errors.Is(err, core.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s in %s: %w", bootstrapFile, dir, err)
	}
	return all, nil
}

// foundQuorum writes the checkpoint from which a metadata log of kraft.version 1 starts: it holds the first voters
// (KIP-853; Kafka: Formatter.writeDynamicQuorumSnapshot).
func foundQuorum(fs core.FS, root string, voters raft.Voters, wall core.Timestamp) error {
	dir := root + "/" + metadataPartition().String()
	if err := makeFolder(fs, dir); err != nil {
		return err
	}
	job := raft.SnapshotJob{Dir: dir, LastContained: wall, Version: 1, Voters: voters,
		Records: func(func([]byte) bool) {}}
	job.Run(fs)
	return job.Err
}

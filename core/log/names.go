package log

import (
	"strconv"
	"strings"

	"ottla.dev/core"
)

// Suffixes of the files of a segment and of files on their way (Kafka: LogFileUtils).
const (
	LogSuffix       = ".log"
	IndexSuffix     = ".index"
	TimeIndexSuffix = ".timeindex"
	TxnIndexSuffix  = ".txnindex"
	SnapshotSuffix  = ".snapshot"

	DeletedSuffix = ".deleted" // scheduled for removal
	CleanedSuffix = ".cleaned" // a compaction that did not finish
	SwapSuffix    = ".swap"    // a compaction that finished and was not put in place
	tempSuffix    = ".tmp"     // a checkpoint being written

	// DeleteDirSuffix ends the name of the folder of a deleted partition.
	DeleteDirSuffix = "-delete"

	// StrayDirSuffix ends the name of a partition's folder that no topic claims any more.
	StrayDirSuffix = "-stray"
)

// Names of the other files in a partition's folder.
const (
	EpochCheckpointName   = "leader-epoch-checkpoint"
	PartitionMetadataName = "partition.metadata"
)

// offsetDigits is the width of the base offset in a file name.
const offsetDigits = 20

// maxDirName is the longest name of a folder that file systems take.
const maxDirName = 255

// FileName is the name of a segment's file: the base offset in 20 digits and the suffix.
func FileName(base core.Offset, suffix string) string {
	n := strconv.FormatInt(int64(base), 10)
	return strings.Repeat("0", max(0, offsetDigits-len(n))) + n + suffix
}

// ParseFileName splits the name of a segment's file. It reports false if the name does not begin with 20 digits.
func ParseFileName(name string) (base core.Offset, suffix string, ok bool) {
	if len(name) < offsetDigits {
		return 0, "", false
	}
	for i := range offsetDigits {
		if name[i] < '0' || name[i] > '9' {
			return 0, "", false
		}
	}
	n, err := strconv.ParseInt(name[:offsetDigits], 10, 64)
	if err != nil {
		return 0, "", false
	}
	return core.Offset(n), name[offsetDigits:], true
}

// DirName is the name of a partition's folder.
func DirName(tp core.TopicPartition) string { return tp.String() }

// ParseDirName reads the name of a partition's folder. It reports false for folders of deleted partitions and
// anything else that is not topic-partition.
func ParseDirName(name string) (core.TopicPartition, bool) {
	if strings.HasSuffix(name, DeleteDirSuffix) && strings.Contains(name, ".") {
		return core.TopicPartition{}, false
	}
	dash := strings.LastIndexByte(name, '-')
	if dash <= 0 {
		return core.TopicPartition{}, false
	}
	p, err := strconv.ParseInt(name[dash+1:], 10, 32)
	if err != nil || p < 0 || name[dash+1] == '+' {
		return core.TopicPartition{}, false
	}
	return core.TopicPartition{Topic: name[:dash], Partition: core.PartitionID(p)}, true
}

// DeleteDirName is the name that the folder of a deleted partition is given, topic-partition.unique-delete with the
// topic cut so that the name stays within what file systems take (Kafka: LocalLog.logDeleteDirName).
func DeleteDirName(tp core.TopicPartition, unique core.UUID) string {
	suffix := "-" + strconv.Itoa(int(tp.Partition)) + "." + unique.Hex() + DeleteDirSuffix
	return tp.Topic[:min(len(tp.Topic), maxDirName-len(suffix))] + suffix
}

// StrayDirName is the name that the folder of a partition is given whose name belongs to another topic now
// (Kafka: UnifiedLog.logStrayDirName, there with a random id).
func StrayDirName(tp core.TopicPartition, topic core.UUID) string {
	suffix := "-" + strconv.Itoa(int(tp.Partition)) + "." + topic.Hex() + StrayDirSuffix
	return tp.Topic[:min(len(tp.Topic), maxDirName-len(suffix))] + suffix
}

// IsDeleteDirName reports whether a folder is that of a deleted partition, to be removed.
func IsDeleteDirName(name string) bool {
	rest, ok := strings.CutSuffix(name, DeleteDirSuffix)
	if !ok {
		return false
	}
	dot := strings.LastIndexByte(rest, '.')
	return dot > 0 && len(rest)-dot-1 == 2*len(core.UUID{})
}

func join(dir, name string) string { return dir + "/" + name }

package log

import (
	"bytes"
	"errors"
	"hash/crc32"
	"strconv"
	"strings"

	"ottla.dev/core"
)

// checkpointVersion is the first line of every text checkpoint.
const checkpointVersion = "0"

// ErrCheckpoint is the error of bytes that are not the checkpoint they should be.
var ErrCheckpoint = errors.New("checkpoint file is corrupt")

// AppendEpochCheckpoint appends a leader-epoch-checkpoint file (Kafka: LeaderEpochCheckpointFile), with a checksum that
// Kafka reads over.
func AppendEpochCheckpoint(dst []byte, entries []EpochStart) []byte {
	from := len(dst)
	dst = appendCheckpointHead(dst, len(entries))
	for i, e := range entries {
		dst = strconv.AppendInt(dst, int64(e.Epoch), 10)
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, int64(e.Start), 10)
		if i == len(entries)-1 {
			return append(dst[:from], appendEpochMark(dst[from:])...)
		}
		dst = append(dst, '\n')
	}
	return dst
}

// ReadEpochCheckpoint reads a leader-epoch-checkpoint file. Entries out of order are an error, and so is a checksum
// that is wrong. A file without one, as Kafka writes it, is believed.
func ReadEpochCheckpoint(b []byte) ([]EpochStart, error) {
	marked := EpochsVouched(b)
	lines, err := readCheckpointLines(bytes.TrimRight(b, " \t\n"))
	if err != nil {
		return nil, err
	}
	entries := make([]EpochStart, 0, len(lines))
	for _, line := range lines {
		first, second, ok := strings.Cut(line, " ")
		epoch, err1 := strconv.ParseInt(first, 10, 32)
		start, err2 := strconv.ParseInt(second, 10, 64)
		if !ok || err1 != nil || err2 != nil || epoch < 0 || start < 0 {
			return nil, ErrCheckpoint
		}
		e := EpochStart{core.LeaderEpoch(epoch), core.Offset(start)}
		if n := len(entries); n > 0 && (entries[n-1].Epoch >= e.Epoch || entries[n-1].Start >= e.Start) {
			return nil, ErrCheckpoint
		}
		entries = append(entries, e)
	}
	if marked && string(AppendEpochCheckpoint(nil, entries)) != string(b) {
		return nil, ErrCheckpoint
	}
	return entries, nil
}

// OffsetEntry is a line of the four offset checkpoints of a log directory.
type OffsetEntry struct {
	core.TopicPartition
	Offset core.Offset
}

// checksumName is the topic of an entry that no partition has. It is the last one of an offset checkpoint, and its
// offset is the CRC-32C of the lines of the others: a wrong digit of a log start offset would delete records. Kafka,
// which has no checksum there, takes it for a partition that is not there any more.
const checksumName = "__ottla_crc32c"

// AppendOffsetCheckpoint appends an offset checkpoint file (Kafka: OffsetCheckpointFile), with a checksum.
func AppendOffsetCheckpoint(dst []byte, entries []OffsetEntry) []byte {
	dst = appendCheckpointHead(dst, len(entries)+1)
	from := len(dst)
	for _, e := range entries {
		dst = appendOffsetEntry(dst, e)
	}
	return appendOffsetEntry(dst, checksumEntry(dst[from:]))
}

func appendOffsetEntry(dst []byte, e OffsetEntry) []byte {
	dst = append(dst, e.Topic...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(e.Partition), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(e.Offset), 10)
	return append(dst, '\n')
}

func checksumEntry(lines []byte) OffsetEntry {
	return OffsetEntry{core.TopicPartition{Topic: checksumName},
		core.Offset(crc32.Checksum(lines, crc32.MakeTable(crc32.Castagnoli)))}
}

// AppendKafkaOffsets appends an offset checkpoint file as Kafka writes it, without a checksum.
func AppendKafkaOffsets(dst []byte, entries []OffsetEntry) []byte {
	dst = appendCheckpointHead(dst, len(entries))
	for _, e := range entries {
		dst = appendOffsetEntry(dst, e)
	}
	return dst
}

// OffsetsVouched reports whether an offset checkpoint has a checksum, without saying that it is right, which
// [ReadOffsetCheckpoint] does. One with a checksum has an entry for each partition that had a log then, and its log
// start offsets are never behind what was deleted. Kafka leaves out partitions that begin where their first segment
// does, and deletes first.
func OffsetsVouched(b []byte) bool {
	lines, err := readCheckpointLines(b)
	return err == nil && len(lines) > 0 && strings.HasPrefix(lines[len(lines)-1], checksumName+" ")
}

// ReadOffsetCheckpoint reads an offset checkpoint file. One without a checksum, as Kafka writes them, is believed.
func ReadOffsetCheckpoint(b []byte) ([]OffsetEntry, error) {
	lines, err := readCheckpointLines(b)
	if err != nil {
		return nil, err
	}
	entries := make([]OffsetEntry, 0, len(lines))
	for _, line := range lines {
		f := strings.Fields(line)
		if len(f) != 3 {
			return nil, ErrCheckpoint
		}
		p, err1 := strconv.ParseInt(f[1], 10, 32)
		o, err2 := strconv.ParseInt(f[2], 10, 64)
		if err1 != nil || err2 != nil || p < 0 || o < 0 {
			return nil, ErrCheckpoint
		}
		tp := core.TopicPartition{Topic: f[0], Partition: core.PartitionID(p)}
		entries = append(entries, OffsetEntry{tp, core.Offset(o)})
	}
	if n := len(entries) - 1; n >= 0 && resembles(entries[n].Topic, checksumName) {
		if string(AppendOffsetCheckpoint(nil, entries[:n])) != string(b) {
			return nil, ErrCheckpoint
		}
		return entries[:n], nil
	}
	return entries, nil
}

// mostDamaged is how many characters of a name may be wrong for it to be known still.
const mostDamaged = 4

// resembles reports whether a name is another one with a few wrong characters. Were a checksum that is damaged in its
// name not known for one, nobody would compare it with what else is damaged.
func resembles(name, other string) bool {
	if len(name) != len(other) {
		return false
	}
	wrong := 0
	for i := range len(name) {
		if name[i] != other[i] {
			wrong++
		}
	}
	return wrong <= mostDamaged
}

func appendCheckpointHead(dst []byte, n int) []byte {
	dst = append(dst, checkpointVersion+"\n"...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, '\n')
}

func readCheckpointLines(b []byte) ([]string, error) {
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(lines) < 2 || lines[0] != checkpointVersion {
		return nil, ErrCheckpoint
	}
	n, err := strconv.Atoi(lines[1])
	if err != nil || n != len(lines)-2 {
		return nil, ErrCheckpoint
	}
	return lines[2:], nil
}

// metadataChecksum begins the last line of partition.metadata. Kafka reads the two lines before it only.
const metadataChecksum = "\ncrc32c: "

// AppendPartitionMetadata appends a partition.metadata file (Kafka: PartitionMetadata), with a checksum: a wrong bit of
// the id would make the records those of another topic, which was deleted.
func AppendPartitionMetadata(dst []byte, topic core.UUID) []byte {
	text := "version: 0\ntopic_id: " + topic.String()
	dst = append(append(dst, text...), metadataChecksum...)
	return strconv.AppendUint(dst, uint64(crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli))), 10)
}

// ReadPartitionMetadata reads the topic id from a partition.metadata file. One without a checksum, as Kafka writes it,
// is believed.
func ReadPartitionMetadata(b []byte) (core.UUID, error) {
	u, err := readPartitionMetadata(string(b))
	if err == nil && strings.Count(strings.TrimSpace(string(b)), "\n") > 1 &&
		string(AppendPartitionMetadata(nil, u)) != string(b) {
		return core.UUID{}, ErrCheckpoint
	}
	return u, err
}

func readPartitionMetadata(text string) (core.UUID, error) {
	first, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	second, _, _ := strings.Cut(rest, "\n")
	id, named := strings.CutPrefix(strings.TrimSpace(second), "topic_id: ")
	u, ok := core.ParseUUID(id)
	if strings.TrimSpace(first) != "version: 0" || !named || !ok || u.IsZero() {
		return core.UUID{}, ErrCheckpoint
	}
	return u, nil
}

// WriteAtomically replaces the file at dir/name by data, or leaves it as it was: temporary file, sync, rename, sync of
// the folder.
func WriteAtomically(fs core.FS, dir, name string, data []byte) error {
	path := join(dir, name)
	if err := writeSynced(fs, path+tempSuffix, data); err != nil {
		return err
	}
	if err := fs.Rename(path+tempSuffix, path); err != nil {
		return fail("renaming "+path+tempSuffix, err)
	}
	return fail("syncing folder "+dir, fs.SyncDir(dir))
}

func writeSynced(fs core.FS, path string, data []byte) error {
	f, err := fs.Create(path)
	if err != nil {
		return fail("creating "+path, err)
	}
	err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return fail("writing "+path, err)
}

// readFile reads a whole file, as the disk has it: recovery does not write again what it finds as it should be. It
// returns [core.ErrNotExist] as it is.
func readFile(fs core.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		if errors.Is(err, core.ErrNotExist) {
			return nil, core.ErrNotExist
		}
		return nil, fail("opening "+path, err)
	}
	defer f.Close()
	if err := f.Refresh(); err != nil {
		return nil, fail("refreshing "+path, err)
	}
	size, err := f.Size()
	if err != nil {
		return nil, fail("reading "+path, err)
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err != nil {
		return nil, fail("reading "+path, err)
	}
	return b[:n], nil
}

// CheckpointJob writes one small file atomically. Whoever runs two for the same file waits for the first one.
type CheckpointJob struct {
	Log  uint32 // the owner's number, for routing
	Dir  string
	Name string
	Data []byte
	Err  error // result
}

// Run writes the file.
func (j *CheckpointJob) Run(fs core.FS) { j.Err = WriteAtomically(fs, j.Dir, j.Name, j.Data) }

// AppendText appends the job's form for traces.
func (j *CheckpointJob) AppendText(dst []byte) []byte {
	dst = append(dst, "checkpoint "+j.Dir+"/"+j.Name+" bytes="...)
	return strconv.AppendInt(dst, int64(len(j.Data)), 10)
}

// SnapshotJob writes a producer snapshot and removes older ones. It writes atomically, which Kafka does not: a snapshot
// that is whole in the page cache after the process ended must not count while a crash of the machine can still take
// it.
type SnapshotJob struct {
	Log    uint32
	Dir    string
	Offset core.Offset
	Data   []byte
	Remove []core.Offset
	Err    error // result
}

// Run writes the snapshot.
func (j *SnapshotJob) Run(fs core.FS) {
	if j.Data != nil {
		if j.Err = WriteAtomically(fs, j.Dir, FileName(j.Offset, SnapshotSuffix), j.Data); j.Err != nil {
			return
		}
	}
	for _, o := range j.Remove {
		path := join(j.Dir, FileName(o, SnapshotSuffix))
		if err := fs.Remove(path); err != nil && !errors.Is(err, core.ErrNotExist) {
			j.Err = fail("removing "+path, err)
			return
		}
	}
	if len(j.Remove) > 0 {
		j.Err = fail("syncing folder "+j.Dir, fs.SyncDir(j.Dir))
	}
}

// AppendText appends the job's form for traces.
func (j *SnapshotJob) AppendText(dst []byte) []byte {
	dst = append(dst, "snapshot "+j.Dir+" offset="...)
	dst = strconv.AppendInt(dst, int64(j.Offset), 10)
	dst = append(dst, " bytes="...)
	return strconv.AppendInt(dst, int64(len(j.Data)), 10)
}

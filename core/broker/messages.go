package broker

import (
	"strconv"

	"ottla.dev/core"
	"ottla.dev/core/api"
	"ottla.dev/core/metadata"
	"ottla.dev/core/partition"
)

// hello asks control to tell a new session the metadata, now and whenever it changes.
type hello struct{ from core.Address }

// AppendText implements [core.Message].
func (m *hello) AppendText(dst []byte) []byte { return append(dst, "Hello"...) }

// bye ends that.
type bye struct{ from core.Address }

// AppendText implements [core.Message].
func (m *bye) AppendText(dst []byte) []byte { return append(dst, "Bye"...) }

// news is new committed metadata. One struct goes to everybody, and nobody changes it.
type news struct {
	cluster *api.Cluster
	delta   metadata.Delta // from the last news; not of use to those who have not heard it
}

// AppendText implements [core.Message].
func (m *news) AppendText(dst []byte) []byte {
	dst = append(dst, "News offset="...)
	return strconv.AppendInt(dst, int64(m.cluster.Image.Offset()), 10)
}

// begin is the first that a shard hears of the metadata, with what the disk remembers of its partitions. The shard
// sends it back when all their logs are open.
type begin struct {
	cluster    *api.Cluster
	disk       *diskMemory
	epoch      core.BrokerEpoch
	replicated bool // there is a cluster: leaders are appointed
}

// AppendText implements [core.Message].
func (m *begin) AppendText(dst []byte) []byte { return append(dst, "Begin"...) }

// placing has a shard go on with the partitions of its start: it sends that to itself, so that others get their turn.
type placing struct{}

// AppendText implements [core.Message].
func (m *placing) AppendText(dst []byte) []byte { return append(dst, "Placing"...) }

// retaining has a shard go on with retention, in the same way.
type retaining struct{}

// AppendText implements [core.Message].
func (m *retaining) AppendText(dst []byte) []byte { return append(dst, "Retaining"...) }

// incarnation tells a shard that the broker has registered again.
type incarnation struct{ epoch core.BrokerEpoch }

// AppendText implements [core.Message].
func (m *incarnation) AppendText(dst []byte) []byte {
	return strconv.AppendInt(append(dst, "Incarnation epoch="...), int64(m.epoch), 10)
}

// diskMemory is what the log directories say about partitions, read once at the start. Nobody changes it.
type diskMemory struct {
	holders  map[string][]string    // partition folder name -> log directories that have one
	clean    map[string]bool        // log directories that were shut down cleanly
	unsure   map[string]bool        // log directories whose checkpoints are damaged or gone
	lost     map[string]bool        // partition folder name -> a checkpoint knows it, and it is nowhere
	recovery map[string]core.Offset // path of a partition folder -> recovery point
	logStart map[string]core.Offset // path of a partition folder -> log start offset
	ahead    map[string]bool        // log directories where log start offsets are never behind what was deleted
	marks    map[string]core.Offset // path of a partition folder -> high watermark
}

func newDiskMemory() diskMemory {
	return diskMemory{holders: map[string][]string{}, clean: map[string]bool{}, unsure: map[string]bool{},
		lost: map[string]bool{}, recovery: map[string]core.Offset{}, logStart: map[string]core.Offset{},
		ahead: map[string]bool{}, marks: map[string]core.Offset{}}
}

// startOf is where the checkpoint of a log directory has the log of a folder begin, or NoOffset. A log that was made
// after the last checkpoint began at 0, and begins there still: nothing is deleted before it is in one.
func (m *diskMemory) startOf(dir, path string) core.Offset {
	at, ok := m.logStart[path]
	switch {
	case ok:
		return at
	case m.ahead[dir]:
		return 0
	}
	return core.NoOffset
}

// checkpoint asks a shard for the offsets that the checkpoint files of the log directories hold; then, with Written,
// tells it that they are on disk.
type checkpoint struct {
	shard   uint32
	entries []checkpointEntry
	written bool
	dirs    []logDir             // with written: some may have failed
	waiting partition.Checkpoint // the shard's, kept here meanwhile
}

type checkpointEntry struct {
	dir           string
	name          core.TopicPartition
	recovery      core.Offset
	logStart      core.Offset
	highWatermark core.Offset
}

// AppendText implements [core.Message].
func (m *checkpoint) AppendText(dst []byte) []byte {
	dst = append(dst, "Checkpoint shard="...)
	return strconv.AppendUint(dst, uint64(m.shard), 10)
}

// wantCheckpoint asks control for a checkpoint soon: an answer of DeleteRecords or the folder of a deleted partition
// waits for it.
type wantCheckpoint struct{}

// AppendText implements [core.Message].
func (m *wantCheckpoint) AppendText(dst []byte) []byte { return append(dst, "WantCheckpoint"...) }

// storageFailed tells control that a log directory cannot be trusted any more.
type storageFailed struct {
	dir string
	err error
}

// AppendText implements [core.Message].
func (m *storageFailed) AppendText(dst []byte) []byte {
	return append(append(dst, "StorageFailed "...), m.dir...)
}

// shutdown asks a shard to close its logs. The shard sends it back when they are.
type shutdown struct{ shard uint32 }

// AppendText implements [core.Message].
func (m *shutdown) AppendText(dst []byte) []byte { return append(dst, "Shutdown"...) }

// join appends what there is: mostly nothing is, and to write a slice back costs more than to see that.
func join[T any](to *[]T, from []T) {
	if len(from) > 0 {
		*to = append(*to, from...)
	}
}

// drain moves what one outbox holds to another.
func drain(from, to *core.Outbox) {
	if len(to.Parts) > 0 {
		base := len(to.Parts)
		for i := range from.Answers {
			from.Answers[i].From += base
			from.Answers[i].To += base
		}
	}
	join(&to.Files, from.Files)
	join(&to.Jobs, from.Jobs)
	join(&to.Sends, from.Sends)
	join(&to.Links, from.Links)
	join(&to.Answers, from.Answers)
	join(&to.Parts, from.Parts)
	join(&to.Releases, from.Releases)
	join(&to.Notes, from.Notes)
	join(&to.Offline, from.Offline)
	to.Resume = to.Resume || from.Resume
	to.Close = to.Close || from.Close
	to.Listen = to.Listen || from.Listen
	to.ListenQuorum = to.ListenQuorum || from.ListenQuorum
	to.Stopped = to.Stopped || from.Stopped
	if to.Halt == "" {
		to.Halt = from.Halt
	}
	to.Reached.Join(&from.Reached)
	from.Reset()
}

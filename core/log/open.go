package log

import (
	"errors"
	"strconv"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/probe"
)

// ErrTopicID is the error of a folder that belongs to another topic and cannot be set aside.
var ErrTopicID = errors.New("partition.metadata names another topic id")

// OpenJob makes a partition's folder, or recovers what is in it. It may be cut off between any two file operations
// and run again: nothing is removed before what replaces it is durable, and what was cut from the end of the log is cut
// again in the same place.
//
// When it is done, everything in Result is durable, but for the active segment's indexes, which are rebuilt anyway.
type OpenJob struct {
	Log      uint32 // the owner's number, for routing
	Parent   string // the log directory
	Dir      string // the partition's folder in it
	Topic    core.UUID
	Settings Settings
	Wall     core.Timestamp // now
	LogStart core.Offset    // from log-start-offset-checkpoint, or NoOffset
	// StartKnown says that LogStart leads: nothing above it was ever deleted, and a log that begins later has lost files.
	StartKnown bool
	Clean      bool        // the last shutdown was clean
	Recovery   core.Offset // from recovery-point-offset-checkpoint, or 0: what is below is not checked
	Unsure     bool        // that checkpoint is lost: all is checked
	Full       bool        // all batches are checked, whatever the checkpoint vouches for
	// Resync opens what is damaged up to where the damage begins, and cuts off the rest: the replica has a leader that has
	// all of it. All batches are checked.
	Resync bool
	// Sole says of a log that is opened with Resync that nobody has what is cut off: it is to be as little as possible.
	Sole bool

	Result Opened
	Report Report
	Err    error
}

// Opened is a log as it was found.
type Opened struct {
	Segments  []SegmentInfo
	LogStart  core.Offset
	LogEnd    core.Offset
	Epochs    Epochs
	Producers *Producers
	Snapshots []core.Offset
}

// SegmentInfo is a segment as it was found.
type SegmentInfo struct {
	Base           core.Offset
	Next           core.Offset
	Size           int64
	FirstTimestamp core.Timestamp
	Txns           bool
	Checked        bool // all of its batches, with their checksums

	indexer
}

// Report says what a recovery had to do. Sentences for the operator are in Notes.
type Report struct {
	Created        bool
	Oldest         core.Offset // of the log files that were there, or NoOffset
	Scanned        int         // segments whose batches were all checked
	CutBytes       int64       // removed from the end of the log
	CutAt          core.Offset
	CutReason      string
	RebuiltIndexes int
	BadSnapshots   int
	Notes          []string
	Reached        probe.Set
}

// AppendText appends the job's form for traces.
func (j *OpenJob) AppendText(dst []byte) []byte {
	dst = append(dst, "open "+j.Dir+" clean="...)
	dst = strconv.AppendBool(dst, j.Clean)
	dst = append(dst, " recovery="...)
	return strconv.AppendInt(dst, int64(j.Recovery), 10)
}

// Run opens the log.
func (j *OpenJob) Run(fs core.FS) {
	o := &opening{OpenJob: j, fs: fs}
	for _, step := range [...]func() error{
		o.folder, o.metadata, o.leftovers, o.readVouched, o.load, o.remains, o.cut, o.complete, o.rebuildIndexes,
		o.beginIfEmpty, o.loadEpochs, o.loadProducers, o.settle,
	} {
		if j.Err = step(); j.Err != nil {
			return
		}
	}
}

func (j *OpenJob) note(text string) { j.Report.Notes = append(j.Report.Notes, j.Dir+": "+text) }

// opening is the state of a run.
type opening struct {
	*OpenJob
	fs       core.FS
	names    map[string]int64 // files in the folder and their sizes
	segments []*found
	dirty    bool // the folder has changed
	vouched  vouched
}

func (o *opening) path(name string) string { return join(o.Dir, name) }

// folder makes the folder if there is none and lists it. A folder that is there may be unknown to the disk after a
// crash, so its own entry is synced too.
func (o *opening) folder() error {
	entries, err := o.fs.List(o.Dir)
	if errors.Is(err, core.ErrNotExist) {
		// Offsets that a checkpoint may have for the name are those of a topic that was deleted.
		o.Report.Created, o.LogStart, o.Recovery = true, 0, 0
		err = o.fs.Mkdir(o.Dir)
	}
	if err == nil && (o.Report.Created || !o.Clean) {
		err = o.fs.SyncDir(o.Parent)
		o.dirty = true
	}
	if err != nil {
		return fail("opening folder "+o.Dir, err)
	}
	o.names = make(map[string]int64, len(entries))
	o.Report.Oldest = core.NoOffset
	for _, e := range entries {
		if e.Dir {
			continue
		}
		o.names[e.Name] = e.Size
		base, suffix, ok := ParseFileName(e.Name)
		if ok && suffix == LogSuffix && (o.Report.Oldest == core.NoOffset || base < o.Report.Oldest) {
			o.Report.Oldest = base
		}
	}
	return nil
}

// metadata checks that the folder is that of the topic, or writes down that it is.
func (o *opening) metadata() error {
	if o.Topic.IsZero() {
		return nil
	}
	b, err := readFile(o.fs, o.path(PartitionMetadataName))
	if errors.Is(err, core.ErrNotExist) {
		return o.putMetadata()
	}
	if err != nil {
		return err
	}
	switch id, err := ReadPartitionMetadata(b); {
	case err != nil:
		return o.unidentified()
	case id != o.Topic:
		return o.setAside(id)
	}
	return nil
}

func (o *opening) putMetadata() error {
	return o.put(PartitionMetadataName, AppendPartitionMetadata(nil, o.Topic))
}

// put writes a small file whole or not at all; settle makes its name durable with all others.
func (o *opening) put(name string, b []byte) error {
	temp := o.path(name + tempSuffix)
	if err := writeSynced(o.fs, temp, b); err != nil {
		return err
	}
	o.dirty = true
	return fail("renaming "+temp, o.fs.Rename(temp, o.path(name)))
}

// setAside moves the folder of another topic of the same name out of the way and begins a new one. That topic was
// deleted, or the name could not have been given again, but the process ended before its folder was.
func (o *opening) setAside(id core.UUID) error {
	o.Report.Reached.Add(probe.OtherTopicSetAside)
	return o.aside(id, "it held another topic of the same name, which was deleted")
}

func (o *opening) remove(name string) error {
	if _, ok := o.names[name]; !ok {
		return nil
	}
	delete(o.names, name)
	o.dirty = true
	if err := o.fs.Remove(o.path(name)); err != nil && !errors.Is(err, core.ErrNotExist) {
		return fail("removing "+o.path(name), err)
	}
	return nil
}

func (o *opening) rename(from, to string) error {
	o.names[to] = o.names[from]
	delete(o.names, from)
	o.dirty = true
	return fail("renaming "+o.path(from), o.fs.Rename(o.path(from), o.path(to)))
}

// leftovers removes what deletions, compactions and checkpoints that did not finish left behind, puts finished
// compactions in place, and removes indexes without their log (Kafka: LogLoader).
func (o *opening) leftovers() error {
	for _, name := range sortedNames(o.names) {
		if strings.HasSuffix(name, DeletedSuffix) || strings.HasSuffix(name, CleanedSuffix) ||
			strings.HasSuffix(name, tempSuffix) {
			o.Report.Reached.Add(probe.LeftoversRemoved)
			if err := o.remove(name); err != nil {
				return err
			}
		}
	}
	if err := o.swaps(); err != nil {
		return err
	}
	for _, name := range sortedNames(o.names) {
		base, suffix, ok := ParseFileName(name)
		if !ok || suffix != IndexSuffix && suffix != TimeIndexSuffix && suffix != TxnIndexSuffix {
			continue
		}
		if _, ok := o.names[FileName(base, LogSuffix)]; !ok {
			if err := o.remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// swaps puts finished compactions in place: the segments whose batches a .log.swap holds go, then it takes its name.
// Its indexes are rebuilt; stale ones go first, so that a crash in between leaves none beside the new log.
func (o *opening) swaps() error {
	for _, name := range sortedNames(o.names) {
		base, suffix, ok := ParseFileName(name)
		if !ok || suffix != LogSuffix+SwapSuffix {
			continue
		}
		end, err := o.endOf(name, base)
		if err != nil {
			return err
		}
		for _, old := range sortedNames(o.names) {
			b, s, ok := ParseFileName(old)
			if !ok || b < base || b >= max(end, base+1) || s == LogSuffix+SwapSuffix || s == SnapshotSuffix ||
				s == TxnIndexSuffix+SwapSuffix || b == base && s == LogSuffix {
				continue
			}
			if err := o.remove(old); err != nil {
				return err
			}
		}
		if err := o.rename(name, FileName(base, LogSuffix)); err != nil {
			return err
		}
	}
	for _, name := range sortedNames(o.names) {
		target, ok := strings.CutSuffix(name, SwapSuffix)
		if !ok {
			continue
		}
		var err error
		if strings.HasSuffix(target, TxnIndexSuffix) {
			err = o.rename(name, target)
		} else {
			err = o.remove(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// endOf returns the offset after the last batch of a file.
func (o *opening) endOf(name string, base core.Offset) (core.Offset, error) {
	f, err := o.fs.Open(o.path(name))
	if err != nil {
		return 0, fail("opening "+o.path(name), err)
	}
	defer f.Close()
	s := newScanner(f, 0, o.names[name], headerChunk)
	for {
		v, size, err := s.header()
		if err != nil && !damage(err) {
			return 0, err
		}
		if err != nil || v == nil {
			return base, nil
		}
		base = v.LastOffset() + 1
		s.pos += size
	}
}

// beginIfEmpty makes the first segment of a log that has none. A log whose end is below its start offset lost only
// what was to be deleted.
func (o *opening) beginIfEmpty() error {
	start := max(o.LogStart, 0)
	if n := len(o.segments); n > 0 && o.segments[n-1].Next < start {
		o.note("the log ends at " + offsetText(o.segments[n-1].Next) + ", before its start offset " + offsetText(start) +
			"; it begins anew there")
		o.Report.Reached.Add(probe.LogBegunAnew)
		if err := o.drop(0); err != nil {
			return err
		}
	}
	if len(o.segments) > 0 {
		return nil
	}
	for _, suffix := range [...]string{LogSuffix, IndexSuffix, TimeIndexSuffix} {
		if err := o.create(FileName(start, suffix)); err != nil {
			return err
		}
	}
	o.dirty = true
	o.segments = []*found{newFound(start)}
	return nil
}

// create makes an empty file. There is nothing in it to sync, and settle makes its name durable.
func (o *opening) create(name string) error {
	f, err := o.fs.Create(o.path(name))
	if err == nil {
		err = f.Close()
	}
	return fail("creating "+o.path(name), err)
}

// settle syncs the folder and fills in the result.
func (o *opening) settle() error {
	if o.dirty {
		if err := o.fs.SyncDir(o.Dir); err != nil {
			return fail("syncing folder "+o.Dir, err)
		}
	}
	r := &o.Result
	for _, s := range o.segments {
		r.Segments = append(r.Segments, s.SegmentInfo)
	}
	r.LogEnd = o.end()
	r.LogStart = max(o.LogStart, o.segments[0].Base)
	return nil
}

// end is the offset after the last batch.
func (o *opening) end() core.Offset { return o.segments[len(o.segments)-1].Next }

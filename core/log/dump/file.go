package dump

import (
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/record"
)

// Options say how much to read.
type Options struct {
	Records bool // the records of batches too
}

// checkpointSuffix ends the names of snapshots of the metadata, and of the text checkpoints with another beginning.
const checkpointSuffix = ".checkpoint"

// File reads one file and hands its entries to emit, in order. What kind of file it is follows from its name; a file of
// no known kind is one entry of text.
func File(fs core.FS, path string, options Options, emit func(Entry)) error {
	name := path[strings.LastIndexByte(path, '/')+1:]
	base, suffix, _ := log.ParseFileName(name)
	suffix = strings.TrimSuffix(suffix, log.DeletedSuffix)
	if suffix == log.LogSuffix || strings.HasSuffix(name, checkpointSuffix) {
		return batches(fs, path, options, emit)
	}
	b, err := log.ReadFile(fs, path)
	if err != nil {
		return err
	}
	e := emitter{path, emit}
	switch {
	case suffix == log.IndexSuffix:
		e.index(b, base)
	case suffix == log.TimeIndexSuffix:
		e.timeIndex(b, base)
	case suffix == log.TxnIndexSuffix:
		e.txnIndex(b)
	case suffix == log.SnapshotSuffix:
		e.snapshot(b)
	case name == log.EpochCheckpointName:
		e.epochs(b)
	case strings.HasSuffix(name, "-offset-checkpoint"):
		e.offsets(b)
	case name == log.PartitionMetadataName:
		e.properties(b, ":")
	case name == "meta.properties":
		e.properties(b, "=")
	default:
		e.emit(Entry{File: path, Text: string(b)})
	}
	return nil
}

// Dir reads all files of a folder, in the order of their names, and of the folders in it.
func Dir(fs core.FS, dir string, options Options, emit func(Entry)) error {
	entries, err := fs.List(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		read := File
		if e.Dir {
			read = Dir
		}
		if err := read(fs, dir+"/"+e.Name, options, emit); err != nil {
			return err
		}
	}
	return nil
}

func batches(fs core.FS, path string, options Options, emit func(Entry)) error {
	codecs := record.NewCodecs(0)
	end, err := log.Batches(fs, path, func(v record.View, pos int64) bool {
		e := Entry{File: path, Batch: batchOf(v, pos)}
		if !e.Batch.Valid {
			e.Problem = v.Check().Error()
		} else if options.Records {
			records, err := recordsOf(v, codecs)
			if e.Batch.Records = records; err != nil {
				e.Problem = err.Error()
			}
		}
		emit(e)
		return true
	})
	if fault, ok := err.(record.FrameError); ok {
		emit(Entry{File: path, Problem: "at position " + number(end) + ": " + fault.Error()})
		return nil
	}
	return err
}

// emitter hands over what is in a file.
type emitter struct {
	path string
	emit func(Entry)
}

func (e emitter) problem(text string) { e.emit(Entry{File: e.path, Problem: text}) }

// index stops at the zeros that a mapped file ends with.
func (e emitter) index(b []byte, base core.Offset) {
	if len(b)%log.IndexEntrySize != 0 {
		e.problem("size is no multiple of the entry size")
	}
	for i := range len(b) / log.IndexEntrySize {
		x := log.IndexEntryAt(b, base, i)
		if x.Pos == 0 && x.Offset == base {
			return
		}
		e.emit(Entry{File: e.path, Index: &Index{x.Offset, x.Pos}})
	}
}

func (e emitter) timeIndex(b []byte, base core.Offset) {
	if len(b)%log.TimeIndexEntrySize != 0 {
		e.problem("size is no multiple of the entry size")
	}
	for i := range len(b) / log.TimeIndexEntrySize {
		x := log.TimeIndexEntryAt(b, base, i)
		if x.Timestamp == 0 && x.Offset == base {
			return
		}
		e.emit(Entry{File: e.path, Time: &TimeIndex{x.Timestamp, x.Offset}})
	}
}

func (e emitter) txnIndex(b []byte) {
	list, err := log.ReadTxnIndex(b)
	for _, t := range list {
		e.emit(Entry{File: e.path, Aborted: &Aborted{t.Producer, t.First, t.Last, t.LastStableOffset}})
	}
	if err != nil {
		e.problem(err.Error())
	}
}

func (e emitter) snapshot(b []byte) {
	list, err := log.ReadSnapshot(b)
	for _, p := range list {
		last := log.ProducerBatch{LastSequence: p.LastSequence, OffsetDelta: p.OffsetDelta}
		e.emit(Entry{File: e.path, Producer: &Producer{ID: p.ID, Epoch: p.Epoch, CoordinatorEpoch: p.CoordinatorEpoch,
			TxnStart: p.TxnStart, LastTimestamp: p.Timestamp, FirstSequence: last.FirstSequence(),
			LastSequence: p.LastSequence, LastOffset: p.LastOffset, OffsetDelta: p.OffsetDelta}})
	}
	if err != nil {
		e.problem(err.Error())
	}
}

func (e emitter) epochs(b []byte) {
	list, err := log.ReadEpochCheckpoint(b)
	for _, x := range list {
		e.emit(Entry{File: e.path, Epoch: &Epoch{x.Epoch, x.Start}})
	}
	if err != nil {
		e.problem(err.Error())
	}
}

func (e emitter) offsets(b []byte) {
	list, err := log.ReadOffsetCheckpoint(b)
	for _, x := range list {
		e.emit(Entry{File: e.path, Offset: &OffsetOf{x.Topic, x.Partition, x.Offset}})
	}
	if err != nil {
		e.problem(err.Error())
	}
}

func (e emitter) properties(b []byte, separator string) {
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, separator)
		if !ok {
			e.problem("no property: " + line)
			continue
		}
		e.emit(Entry{File: e.path, Property: &Property{strings.TrimSpace(key), strings.TrimSpace(value)}})
	}
}

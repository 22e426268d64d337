package dump

import (
	"errors"
	"strconv"
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/log"
	"ottla.dev/core/record"
)

// Problem is something wrong with a file.
type Problem struct {
	File     string `json:"file"`
	Position int64  `json:"position"` // in bytes, or WholeFile
	Text     string `json:"text"`
}

// WholeFile is the position of a problem that is not at one place of its file.
const WholeFile = -1

// Summary is what a verification found.
type Summary struct {
	Partitions int       `json:"partitions"`
	Segments   int       `json:"segments"`
	Batches    int64     `json:"batches"`
	Records    int64     `json:"records"`
	Bytes      int64     `json:"bytes"`
	Problems   []Problem `json:"problems"`
	// Notes are what a broker that runs or was not stopped cleanly may leave, and the next start puts in order.
	Notes []Problem `json:"notes"`
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// Verify checks a partition's folder, or all partitions' folders of a log directory: batches whole and valid, offsets
// and epochs in order, compressed records readable, and indexes, snapshots and checkpoints in agreement with the
// batches. The rules for indexes are those of Kafka's DumpLogSegments.
//
// A log directory without the marker of a clean shutdown belongs to a broker that runs or was killed. Files may then
// come and go, and what follows the last whole batch of a log is a note, unless whole batches come after it.
func Verify(fs core.FS, dir string) (*Summary, error) {
	v := &verifier{fs: fs, codecs: record.NewCodecs(0)}
	err := v.folder(dir)
	return &v.Summary, err
}

type verifier struct {
	Summary
	fs     core.FS
	codecs *record.Codecs
}

func (v *verifier) problem(file string, pos int64, text string) {
	v.Problems = append(v.Problems, Problem{file, pos, text})
}

func (v *verifier) note(file string, pos int64, text string) {
	v.Notes = append(v.Notes, Problem{file, pos, text})
}

// gone is true for the error of a file that a running broker removed after it was listed.
func gone(err error) bool { return errors.Is(err, core.ErrNotExist) }

// folder verifies the partition in a folder, if one is, and the folders within.
func (v *verifier) folder(dir string) error {
	entries, err := v.fs.List(dir)
	if err != nil {
		return err
	}
	p := &partition{verifier: v, dir: dir, epoch: core.NoLeaderEpoch, names: map[string]bool{}}
	for _, e := range entries {
		if e.Dir {
			if err := v.folder(dir + "/" + e.Name); err != nil && !gone(err) {
				return err
			}
			continue
		}
		p.names[e.Name] = true
		if base, suffix, ok := log.ParseFileName(e.Name); ok && suffix == log.LogSuffix {
			p.bases = append(p.bases, base)
		}
	}
	if err := p.shutdown(); err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Dir {
			if err := p.small(e.Name); err != nil && !gone(err) {
				return err
			}
		}
	}
	if len(p.bases) == 0 {
		return nil
	}
	v.Partitions++
	for i := range p.bases {
		if err := p.segment(i); err != nil {
			return err
		}
	}
	return p.epochs()
}

// partition is what the checks of one partition's files remember.
type partition struct {
	*verifier
	dir    string
	names  map[string]bool
	bases  []core.Offset
	next   core.Offset
	epoch  core.LeaderEpoch
	starts []log.EpochStart
	txns   transactions

	clean    bool        // the broker was stopped cleanly and does not run
	recovery core.Offset // below it, everything had become durable
}

// Names of the files beside the partitions' folders that tell how the broker was stopped.
const (
	cleanShutdownFile = ".kafka_cleanshutdown"
	recoveryFile      = "recovery-point-offset-checkpoint"
)

// shutdown finds out how the log directory was left.
func (p *partition) shutdown() error {
	slash := strings.LastIndexByte(p.dir, '/')
	if slash < 0 || len(p.bases) == 0 {
		return nil
	}
	parent, name := p.dir[:slash], p.dir[slash+1:]
	if log.IsDeleteDirName(name) || strings.HasSuffix(name, log.StrayDirSuffix) {
		return nil // put aside as a crash may have left it, and opened by no start since
	}
	switch _, err := log.ReadFile(p.fs, parent+"/"+cleanShutdownFile); {
	case err == nil:
		p.clean = true
	case !gone(err):
		return err
	}
	b, err := log.ReadFile(p.fs, parent+"/"+recoveryFile)
	if err != nil && !gone(err) {
		return err
	}
	list, _ := log.ReadOffsetCheckpoint(b)
	for _, e := range list {
		if log.DirName(e.TopicPartition) == name {
			p.recovery = e.Offset
		}
	}
	return nil
}

// settled is true for a segment whose files all had become durable: another segment follows, below or at the recovery
// point, or the broker was stopped cleanly.
func (p *partition) settled(i int) bool {
	return p.clean || i+1 < len(p.bases) && p.bases[i+1] <= p.recovery
}

func (p *partition) last(i int) bool { return i == len(p.bases)-1 }

// small checks the files that are sound or not by themselves.
func (p *partition) small(name string) error {
	path := p.dir + "/" + name
	base, suffix, ok := log.ParseFileName(name)
	switch {
	case ok && suffix == log.LogSuffix:
		return nil
	case ok && (suffix == log.IndexSuffix || suffix == log.TimeIndexSuffix || suffix == log.TxnIndexSuffix):
		if !p.names[log.FileName(base, log.LogSuffix)] {
			p.problem(path, WholeFile, "there is no log file for this index")
		}
	}
	if strings.HasSuffix(name, log.DeletedSuffix) || strings.HasSuffix(name, log.IndexSuffix) ||
		strings.HasSuffix(name, log.TimeIndexSuffix) {
		return nil
	}
	if name == log.PartitionMetadataName {
		b, err := log.ReadFile(p.fs, path)
		if err != nil {
			return err
		}
		if _, err := log.ReadPartitionMetadata(b); err != nil {
			p.problem(path, WholeFile, "this is no partition.metadata: "+err.Error())
		}
		return nil
	}
	return File(p.fs, path, Options{}, func(e Entry) {
		if e.Problem != "" {
			p.problem(path, WholeFile, e.Problem)
		}
	})
}

// place is a batch that an index entry may speak of.
type place struct {
	pos  int64
	last core.Offset
	ts   core.Timestamp
}

func (p *partition) segment(i int) error {
	base := p.bases[i]
	path := p.dir + "/" + log.FileName(base, log.LogSuffix)
	p.Segments++
	if i > 0 && base < p.next {
		p.problem(path, WholeFile, "begins before offset "+number(int64(p.next))+", where the segment before it ends")
	}
	p.next = max(p.next, base)
	p.txns.aborted = p.txns.aborted[:0]
	var places []place
	torn := int64(-1) // where the first of the bytes is that may be a torn end
	end, err := log.Batches(p.fs, path, func(v record.View, pos int64) bool {
		if p.mayBeTorn(i) && v.Check() != nil && !p.followed(path, pos) {
			torn = pos
			return false
		}
		places = append(places, place{pos, v.LastOffset(), v.MaxTimestamp()})
		p.batch(path, v, pos)
		return true
	})
	p.Bytes += end
	if fault, ok := err.(record.FrameError); ok {
		if err = nil; p.mayBeTorn(i) && !p.followed(path, end) {
			torn = end
		} else {
			p.problem(path, end, fault.Error())
		}
	}
	if err != nil {
		if gone(err) && !p.clean {
			return nil
		}
		return err
	}
	if torn >= 0 {
		p.note(path, torn, "a torn end: no whole batch follows. The broker is writing, or was not stopped cleanly; then "+
			"its next start cuts this off")
	}
	return p.indexes(i, places)
}

// mayBeTorn is true where a write that was cut off is no damage.
func (p *partition) mayBeTorn(i int) bool { return !p.clean && p.last(i) && p.next >= p.recovery }

func (p *partition) batch(path string, v record.View, pos int64) {
	p.Batches++
	p.Records += int64(v.Count())
	if err := v.Check(); err != nil {
		p.problem(path, pos, err.Error())
		return
	}
	if v.BaseOffset() < p.next {
		p.problem(path, pos, "offset "+number(int64(v.BaseOffset()))+" comes after "+number(int64(p.next)-1))
	}
	if e := v.LeaderEpoch(); e > p.epoch {
		p.epoch = e
		p.starts = append(p.starts, log.EpochStart{Epoch: e, Start: v.BaseOffset()})
	} else if e < p.epoch {
		p.problem(path, pos, "leader epoch goes back from "+number(int64(p.epoch))+" to "+number(int64(e)))
	}
	last := v.BaseOffset() - 1
	it := record.Records(v, p.codecs)
	for it.Next() {
		if it.Record.Offset <= last || it.Record.Offset > v.LastOffset() {
			p.problem(path, pos, "record offsets are out of order")
			break
		}
		last = it.Record.Offset
		if v.IsControl() && v.IsTransactional() {
			p.txns.marker(v, it.Record.Key)
		}
	}
	if err := it.Err(); err != nil {
		p.problem(path, pos, err.Error())
	}
	p.txns.batch(v)
	p.next = v.LastOffset() + 1
}

// read reads a file that must be there, or may be missing.
func (p *partition) read(name string, optional bool) (string, []byte, error) {
	path := p.dir + "/" + name
	b, err := log.ReadFile(p.fs, path)
	if gone(err) {
		if !optional {
			p.problem(path, WholeFile, "is missing")
		}
		return path, nil, nil
	}
	return path, b, err
}

// epochs checks that the leader-epoch checkpoint covers the batches: it may begin later, where the log start offset cut
// it, and may have epochs without batches.
func (p *partition) epochs() error {
	path, b, err := p.read(log.EpochCheckpointName, !p.clean)
	if err != nil || b == nil {
		return err
	}
	list, err := log.ReadEpochCheckpoint(b)
	if err != nil {
		return nil // small has told
	}
	for _, s := range p.starts {
		found := len(list) > 0 && list[0].Start > s.Start && s.Epoch <= list[0].Epoch
		for _, x := range list {
			found = found || x.Epoch == s.Epoch && x.Start <= s.Start
		}
		if !found && (p.clean || s.Start < p.recovery) {
			p.problem(path, WholeFile, "epoch "+number(int64(s.Epoch))+" from offset "+number(int64(s.Start))+" is missing")
		}
	}
	return nil
}

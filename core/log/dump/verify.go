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
	File string `json:"file"`
	Text string `json:"text"`
}

// Summary is what a verification found.
type Summary struct {
	Partitions int       `json:"partitions"`
	Segments   int       `json:"segments"`
	Batches    int64     `json:"batches"`
	Records    int64     `json:"records"`
	Bytes      int64     `json:"bytes"`
	Problems   []Problem `json:"problems"`
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// Verify checks a partition's folder, or all partitions' folders of a log directory: batches whole and valid, offsets
// and epochs in order, compressed records readable, and indexes, snapshots and checkpoints in agreement with the
// batches. The rules for indexes are those of Kafka's DumpLogSegments.
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

func (v *verifier) problem(file, text string) {
	v.Problems = append(v.Problems, Problem{file, text})
}

// folder verifies the partition in a folder, if one is, and the folders within.
func (v *verifier) folder(dir string) error {
	entries, err := v.fs.List(dir)
	if err != nil {
		return err
	}
	p := &partition{verifier: v, dir: dir, epoch: core.NoLeaderEpoch, names: map[string]bool{}}
	for _, e := range entries {
		if e.Dir {
			if err := v.folder(dir + "/" + e.Name); err != nil {
				return err
			}
			continue
		}
		p.names[e.Name] = true
		if base, suffix, ok := log.ParseFileName(e.Name); ok && suffix == log.LogSuffix {
			p.bases = append(p.bases, base)
		}
	}
	for _, e := range entries {
		if !e.Dir {
			if err := p.small(e.Name); err != nil {
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
}

// small checks the files that are sound or not by themselves.
func (p *partition) small(name string) error {
	path := p.dir + "/" + name
	base, suffix, ok := log.ParseFileName(name)
	switch {
	case ok && suffix == log.LogSuffix:
		return nil
	case ok && (suffix == log.IndexSuffix || suffix == log.TimeIndexSuffix || suffix == log.TxnIndexSuffix):
		if !p.names[log.FileName(base, log.LogSuffix)] {
			p.problem(path, "there is no log file for this index")
		}
	}
	if strings.HasSuffix(name, log.DeletedSuffix) || strings.HasSuffix(name, log.IndexSuffix) ||
		strings.HasSuffix(name, log.TimeIndexSuffix) {
		return nil
	}
	return File(p.fs, path, Options{}, func(e Entry) {
		if e.Problem != "" {
			p.problem(path, e.Problem)
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
		p.problem(path, "begins before offset "+number(int64(p.next))+", where the segment before it ends")
	}
	p.next = max(p.next, base)
	var places []place
	end, err := log.Batches(p.fs, path, func(v record.View, pos int64) bool {
		if v.MaxTimestamp() >= 0 || pos >= 0 {
			places = append(places, place{pos, v.LastOffset(), v.MaxTimestamp()})
		}
		p.batch(path, v, pos)
		return true
	})
	p.Bytes += end
	if fault, ok := err.(record.FrameError); ok {
		p.problem(path, "at position "+number(end)+": "+fault.Error())
		err = nil
	}
	if err != nil {
		return err
	}
	if err := p.index(base, places); err != nil {
		return err
	}
	return p.timeIndex(base, places)
}

func (p *partition) batch(path string, v record.View, pos int64) {
	at := "batch at position " + number(pos) + ": "
	p.Batches++
	p.Records += int64(v.Count())
	if err := v.Check(); err != nil {
		p.problem(path, at+err.Error())
		return
	}
	if v.BaseOffset() < p.next {
		p.problem(path, at+"offset "+number(int64(v.BaseOffset()))+" comes after "+number(int64(p.next)-1))
	}
	if e := v.LeaderEpoch(); e > p.epoch {
		p.epoch = e
		p.starts = append(p.starts, log.EpochStart{Epoch: e, Start: v.BaseOffset()})
	} else if e < p.epoch && e != core.NoLeaderEpoch {
		p.problem(path, at+"leader epoch goes back")
	}
	last := v.BaseOffset() - 1
	it := record.Records(v, p.codecs)
	for it.Next() {
		if it.Record.Offset <= last || it.Record.Offset > v.LastOffset() {
			p.problem(path, at+"record offsets are out of order")
			break
		}
		last = it.Record.Offset
	}
	if err := it.Err(); err != nil {
		p.problem(path, at+err.Error())
	}
	p.next = v.LastOffset() + 1
}

func (p *partition) read(name string) (string, []byte, error) {
	path := p.dir + "/" + name
	b, err := log.ReadFile(p.fs, path)
	if errors.Is(err, core.ErrNotExist) {
		p.problem(path, "is missing")
		return path, nil, nil
	}
	return path, b, err
}

// index checks that entries increase and name the last offset of the batch at their position.
func (p *partition) index(base core.Offset, places []place) error {
	path, b, err := p.read(log.FileName(base, log.IndexSuffix))
	if err != nil {
		return err
	}
	k, last := 0, base-1
	emitter{path, func(e Entry) {
		if e.Index == nil {
			p.problem(path, e.Problem)
			return
		}
		for k < len(places) && places[k].pos < e.Index.Position {
			k++
		}
		if e.Index.Offset <= last {
			p.problem(path, "entries do not increase at offset "+number(int64(e.Index.Offset)))
		} else if k == len(places) || places[k].pos != e.Index.Position || places[k].last != e.Index.Offset {
			p.problem(path, "no batch at position "+number(e.Index.Position)+" ends with offset "+
				number(int64(e.Index.Offset)))
		}
		last = e.Index.Offset
	}}.index(b, base)
	return nil
}

// timeIndex checks that entries increase and name a batch that has their timestamp, the largest up to there.
func (p *partition) timeIndex(base core.Offset, places []place) error {
	path, b, err := p.read(log.FileName(base, log.TimeIndexSuffix))
	if err != nil {
		return err
	}
	k, last, largest := 0, core.NoTimestamp, core.NoTimestamp
	emitter{path, func(e Entry) {
		if e.Time == nil {
			p.problem(path, e.Problem)
			return
		}
		for k < len(places) && places[k].last < e.Time.Offset {
			largest = max(largest, places[k].ts)
			k++
		}
		text := "entry of offset " + number(int64(e.Time.Offset)) + ": "
		switch {
		case e.Time.Timestamp <= last:
			p.problem(path, text+"timestamps do not increase")
		case k == len(places) || places[k].last != e.Time.Offset:
			p.problem(path, text+"no batch ends there")
		case places[k].ts != e.Time.Timestamp:
			p.problem(path, text+"the batch's largest timestamp is "+number(int64(places[k].ts)))
		case largest >= e.Time.Timestamp:
			p.problem(path, text+"an earlier batch has as large a timestamp")
		}
		last = e.Time.Timestamp
	}}.timeIndex(b, base)
	return nil
}

// epochs checks that the leader-epoch checkpoint covers the batches: it may begin later, where the log start offset cut
// it, and may have epochs without batches.
func (p *partition) epochs() error {
	path, b, err := p.read(log.EpochCheckpointName)
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
		if !found {
			p.problem(path, "epoch "+number(int64(s.Epoch))+" from offset "+number(int64(s.Start))+" is missing")
		}
	}
	return nil
}

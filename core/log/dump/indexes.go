package dump

import (
	"ottla.dev/core"
	"ottla.dev/core/log"
)

// indexes checks the indexes of segment i against the batches in it.
func (p *partition) indexes(i int, places []place) error {
	base := p.bases[i]
	for _, check := range [...]func(int, []place) error{p.index, p.timeIndex} {
		if err := check(i, places); err != nil {
			return err
		}
	}
	name := log.FileName(base, log.TxnIndexSuffix)
	if !p.names[name] && len(p.txns.aborted) == 0 {
		return nil
	}
	path, b, err := p.read(name, !p.settled(i))
	if err != nil || b == nil {
		return err
	}
	list, err := log.ReadTxnIndex(b)
	if err == nil {
		if fault := p.txns.compare(list); fault != "" {
			p.problem(path, WholeFile, fault)
		}
	}
	return nil
}

// index checks that entries increase and name the last offset of the batch at their position. Behind the batches that
// were read, a broker that runs or was killed may have more.
func (p *partition) index(i int, places []place) error {
	base, n := p.bases[i], 0
	path, b, err := p.read(log.FileName(base, log.IndexSuffix), !p.settled(i))
	if err != nil {
		return err
	}
	k, last := 0, base-1
	emitter{path, func(e Entry) {
		if e.Index == nil {
			if p.settled(i) { // or it may have been cut to its entries while it was read
				p.problem(path, int64(len(b)/log.IndexEntrySize*log.IndexEntrySize), e.Problem)
			}
			return
		}
		at := int64(n * log.IndexEntrySize)
		n++
		for k < len(places) && places[k].pos < e.Index.Position {
			k++
		}
		if k == len(places) && !p.settled(i) {
			return
		}
		if e.Index.Offset <= last {
			p.problem(path, at, "entries do not increase at offset "+number(int64(e.Index.Offset)))
		} else if k == len(places) || places[k].pos != e.Index.Position || places[k].last != e.Index.Offset {
			p.problem(path, at, "no batch at position "+number(e.Index.Position)+" ends with offset "+
				number(int64(e.Index.Offset)))
		}
		last = e.Index.Offset
	}}.index(b, base)
	p.zeros(path, i, n*log.IndexEntrySize, len(b)/log.IndexEntrySize*log.IndexEntrySize)
	return nil
}

// zeros checks that the index of a segment that gets no more batches was cut to its entries.
func (p *partition) zeros(path string, i, used, size int) {
	if used < size && !p.last(i) && p.settled(i) {
		p.problem(path, int64(used), "an entry of zeros")
	}
}

// timeIndex checks that entries increase and name a batch that has their timestamp, the largest up to there.
func (p *partition) timeIndex(i int, places []place) error {
	base, n := p.bases[i], 0
	path, b, err := p.read(log.FileName(base, log.TimeIndexSuffix), !p.settled(i))
	if err != nil {
		return err
	}
	k, last, largest := 0, core.NoTimestamp, core.NoTimestamp
	emitter{path, func(e Entry) {
		if e.Time == nil {
			if p.settled(i) { // or it may have been cut to its entries while it was read
				p.problem(path, int64(len(b)/log.TimeIndexEntrySize*log.TimeIndexEntrySize), e.Problem)
			}
			return
		}
		at := int64(n * log.TimeIndexEntrySize)
		n++
		for k < len(places) && places[k].last < e.Time.Offset {
			largest = max(largest, places[k].ts)
			k++
		}
		text := "entry of offset " + number(int64(e.Time.Offset)) + ": "
		switch {
		case k == len(places) && !p.settled(i):
		case e.Time.Timestamp <= last:
			p.problem(path, at, text+"timestamps do not increase")
		case k == len(places) || places[k].last != e.Time.Offset:
			p.problem(path, at, text+"no batch ends there")
		case places[k].ts != e.Time.Timestamp:
			p.problem(path, at, text+"the batch's largest timestamp is "+number(int64(places[k].ts)))
		case largest >= e.Time.Timestamp:
			p.problem(path, at, text+"an earlier batch has as large a timestamp")
		}
		last = e.Time.Timestamp
	}}.timeIndex(b, base)
	p.zeros(path, i, n*log.TimeIndexEntrySize, len(b)/log.TimeIndexEntrySize*log.TimeIndexEntrySize)
	return nil
}

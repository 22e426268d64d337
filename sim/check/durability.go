package check

import (
	"ottla.dev/core"
	"ottla.dev/sim/fault"
)

// Stopped notes that the process has ended.
func (l *Ledger) Stopped(fault.StopKind) {
	l.starts++
	for _, s := range l.sortedCommits() {
		s.stopped()
	}
}

// Recovered compares what the broker has found on its disk, before any client can ask, with what was acknowledged and
// read (C1, S5). After a crash, records that were acknowledged by the page cache alone may be gone, and then all that
// followed them; everything else must be there. Before are the logs as the last process left them, nil if there was
// none.
func (l *Ledger) Recovered(before, logs *Logs) {
	for _, p := range l.All() {
		log := logs.Get(p.Name.String())
		if log == nil {
			if len(p.records) > 0 {
				l.wrong("lost-write", p, "the partition is gone after a restart")
			}
			continue
		}
		p.logStart = 0
		if log.Start > p.deleted && p.topic.Retained {
			l.wrong("log-start", p, "the log starts at "+offsetText(log.Start)+
				" after a restart, and records were deleted up to "+offsetText(p.deleted)+" only")
		}
		l.tail(p, log.End, before.lost(p.Name.String()))
	}
}

// tail judges that a log ends at end.
func (l *Ledger) tail(p *Partition, end core.Offset, crashed bool) {
	if end >= core.Offset(len(p.records)) {
		return
	}
	for o := end; o < core.Offset(len(p.records)); o++ {
		e := p.records[o]
		if e.known && (e.durable || !crashed) && !p.mayBeGone(o) {
			l.wrong("lost-write", p, "record "+e.writer.text()+" at offset "+offsetText(o)+
				" was acknowledged or read, and the log ends at "+offsetText(end)+" after a restart")
			return
		}
	}
	for _, e := range p.records[end:] {
		if e.known && p.places[e.writer] >= end {
			delete(p.places, e.writer)
		}
	}
	clear(p.records[end:])
	p.records = p.records[:end]
	p.lastAck = min(p.lastAck, end-1)
	p.cuts++
}

// mayBeGone reports whether retention or a request may have removed an offset.
func (p *Partition) mayBeGone(o core.Offset) bool {
	return o < p.deleted || !p.topic.Retained && o < p.logStart
}

// ReadBack judges a complete read of a partition from its log start offset to its end (C13, C15): every record that was
// acknowledged or read is there, and an idempotent producer's records are in the order in which it sent them.
func (l *Ledger) ReadBack(p *Partition, start, end core.Offset, found func(core.Offset) bool) {
	if p.forgiven {
		return
	}
	if p.topic.Retained && start > p.deleted {
		l.wrong("log-start", p, "the log starts at "+offsetText(start)+" at the end, and records were deleted up to "+
			offsetText(p.deleted)+" only")
	}
	for o := start; o < core.Offset(len(p.records)); o++ {
		if e := p.records[o]; e.known && !found(o) {
			l.wrong("unseen", p, "record "+e.writer.text()+" at offset "+offsetText(o)+" is not there at the end")
			return
		}
	}
	last := map[int]uint64{}
	for o := start; o < core.Offset(len(p.records)); o++ {
		e := p.records[o]
		if !e.known || !l.idempotent(e.writer.client) {
			continue
		}
		if n, ok := last[e.writer.client]; ok && n >= e.writer.number {
			l.wrong("order", p, "record "+e.writer.text()+" at offset "+offsetText(o)+" comes after record "+
				writer{e.writer.client, n}.text())
			return
		}
		last[e.writer.client] = e.writer.number
	}
}
